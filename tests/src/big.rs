//! Photos as large as a phone's, made of the real group photos: the same scene again and again
//! until twelve megapixels are full.

use bytes::Bytes;
use image::imageops::{self, FilterType};
use image::{ImageBuffer, RgbImage};

pub const WIDTH: u32 = 4000;
pub const HEIGHT: u32 = 3000;

/// EXIF that says: turn a quarter clockwise to see it upright.
const ON_ITS_SIDE: &[u8] = b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";

/// A JPEG of 4000×3000 with the photo so many times side by side, and as often one above the other as
/// fit.
pub fn tiled(photo: &[u8], columns: u32) -> Bytes {
    encode(&tile(photo, columns))
}

/// The same as a phone stores what it takes upright: lying, with a note in the EXIF to turn it.
pub fn lying(photo: &[u8], columns: u32) -> Bytes {
    let jpeg = encode(&imageops::rotate270(&tile(photo, columns)));
    let (start, rest) = jpeg.split_at(2);
    [start, ON_ITS_SIDE, rest].concat().into()
}

fn tile(photo: &[u8], columns: u32) -> RgbImage {
    let photo = picture::decode(photo, picture::MAX_PIXELS).unwrap();
    let width = WIDTH / columns;
    let height = photo.height() * width / photo.width();
    let one = imageops::resize(&photo, width, height, FilterType::Triangle);
    let line = |y: u32| {
        let start = (y % height * width * 3) as usize;
        &one.as_raw()[start..start + (width * 3) as usize]
    };
    let bytes = (0..HEIGHT)
        .flat_map(|y| {
            let mut row = line(y).repeat(columns as usize);
            row.resize((WIDTH * 3) as usize, 0);
            row
        })
        .collect();
    ImageBuffer::from_raw(WIDTH, HEIGHT, bytes).unwrap()
}

fn encode(picture: &RgbImage) -> Bytes {
    picture::encode_jpeg(picture, 90).unwrap().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lying_photo_is_seen_upright() {
        let small = picture::encode_jpeg(&RgbImage::from_pixel(40, 30, image::Rgb([200, 10, 10])), 90).unwrap();
        for photo in [tiled(&small, 3), lying(&small, 3)] {
            let upright = picture::decode(&photo, picture::MAX_PIXELS).unwrap();
            assert_eq!(upright.dimensions(), (WIDTH, HEIGHT));
        }
    }
}
