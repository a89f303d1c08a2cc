//! Worse copies of a photo, as cameras, light and messengers make them. The same at every run.

use bytes::Bytes;
use image::imageops::{self, FilterType};
use picture::RgbImage;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::photos::{decoded, jpeg};

/// Makes a worse copy of a photo.
pub type Copying = fn(&Bytes) -> Bytes;

/// Each kind by its name, the photo itself first.
pub const KINDS: [(&str, Copying); 7] = [
    ("as they are", Bytes::clone),
    ("blurred (Gaussian, σ 2 pixels)", blurred),
    ("noisy (Gaussian, σ 20 of 255)", noisy),
    ("dark (a quarter of the light)", dark),
    ("JPEG quality 20", squeezed),
    ("half size", halved),
    ("turned by 90° and upright by EXIF", lying),
];

fn blurred(photo: &Bytes) -> Bytes {
    jpeg(&imageops::blur(&decoded(photo), 2.0))
}

fn noisy(photo: &Bytes) -> Bytes {
    let mut random = StdRng::seed_from_u64(1);
    // The sum of twelve uniform numbers has variance 1 and nearly the bell's shape.
    let mut bell = || (0..12).map(|_| random.random_range(-0.5..0.5_f32)).sum::<f32>();
    let mut picture = decoded(photo);
    for value in picture.iter_mut() {
        *value = byte(f32::from(*value) + 20.0 * bell());
    }
    jpeg(&picture)
}

fn dark(photo: &Bytes) -> Bytes {
    let mut picture = decoded(photo);
    for value in picture.iter_mut() {
        *value /= 4;
    }
    jpeg(&picture)
}

fn squeezed(photo: &Bytes) -> Bytes {
    picture::encode_jpeg(&decoded(photo), 20).unwrap().into()
}

fn halved(photo: &Bytes) -> Bytes {
    let picture = decoded(photo);
    let (width, height) = (picture.width() / 2, picture.height() / 2);
    jpeg(&imageops::resize(&picture, width, height, FilterType::Triangle))
}

fn lying(photo: &Bytes) -> Bytes {
    let turned: RgbImage = imageops::rotate270(&decoded(photo));
    let jpeg = jpeg(&turned);
    // EXIF 2.32, 4.5: an APP1 segment with one little-endian directory of one entry, orientation 6:
    // to be turned clockwise by a quarter.
    let tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let length = u16::try_from(2 + 6 + tiff.len()).unwrap();
    let (start, rest) = jpeg.split_at(2);
    [start, b"\xff\xe1", &length.to_be_bytes(), b"Exif\0\0", tiff, rest]
        .concat()
        .into()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates at black and white"
)]
fn byte(value: f32) -> u8 {
    value.round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_lies_is_shown_upright() {
        let photo = jpeg(&RgbImage::from_fn(64, 32, |x, _| {
            [if x < 32 { 20 } else { 220 }; 3].into()
        }));
        let copy = lying(&photo);
        assert_eq!(image::load_from_memory(&copy).unwrap().width(), 32);
        let upright = decoded(&copy);
        assert_eq!(upright.dimensions(), (64, 32));
        assert!(upright.get_pixel(5, 16).0[0] < 60 && upright.get_pixel(60, 16).0[0] > 180);
    }

    #[test]
    fn every_kind_is_a_photo_and_the_same_each_time() {
        let photo = jpeg(&RgbImage::from_pixel(40, 20, [90; 3].into()));
        for (kind, copy) in KINDS {
            assert_eq!(copy(&photo), copy(&photo), "{kind}");
            assert!(decoded(&copy(&photo)).width() >= 20, "{kind}");
        }
    }
}
