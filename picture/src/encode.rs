//! Cutting a piece out of a picture, and writing JPEG.
//!
//! JPEG is written by libjpeg-turbo-rs, which takes less than half of `jpeg-encoder`'s time for a crop; a photo's
//! thirty were a tenth of what its job costs. Files that were sent are read by others: it is given pixels, of sides
//! that were checked.

use image::RgbImage;
use libjpeg_turbo_rs::{PixelFormat, Subsampling, compress};

/// A rectangle in pixels; it may lie partly or wholly outside of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// Left edge.
    pub x: i32,
    /// Upper edge.
    pub y: i32,
    /// Width; zero or less counts as one.
    pub width: i32,
    /// Height; zero or less counts as one.
    pub height: i32,
}

/// A picture that JPEG can't hold: no pixels, or a side over 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a picture of {width} x {height} pixels can't be written as JPEG")]
pub struct EncodeError {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// The picture as a baseline JPEG with no metadata, its colours at half its size, as in the photos that cameras
/// make; `quality` from 1 to 100.
pub fn encode_jpeg(picture: &RgbImage, quality: u8) -> Result<Vec<u8>, EncodeError> {
    let (width, height) = picture.dimensions();
    let failed = EncodeError { width, height };
    let sides = 1..=u32::from(u16::MAX);
    if !sides.contains(&width) || !sides.contains(&height) {
        return Err(failed);
    }
    let (wide, high) = (width as usize, height as usize);
    let quality = quality.clamp(1, 100);
    compress(
        picture.as_raw(),
        wide,
        high,
        PixelFormat::Rgb,
        quality,
        Subsampling::S420,
    )
    .map_err(|_| failed)
}

/// Copies out `rect` with `margin` (a share of its longer side: 0.25 is a quarter) added on every
/// side, clipped to the picture. At least one pixel comes back of any picture that has one, the
/// nearest.
pub fn crop(picture: &RgbImage, rect: Rect, margin: f32) -> RgbImage {
    let (width, height) = picture.dimensions();
    if width == 0 || height == 0 {
        return RgbImage::new(0, 0);
    }
    let longer = f64::from(rect.width.max(rect.height).max(1));
    let margin = if margin.is_finite() {
        f64::from(margin.max(0.0))
    } else {
        0.0
    };
    let extra = (longer * margin).round();
    let (left, right) = span(rect.x, rect.width, extra, width);
    let (top, bottom) = span(rect.y, rect.height, extra, height);
    let part = |from: u32, to: u32| 3 * from as usize..3 * to as usize;
    let lines = picture.as_raw().chunks_exact(3 * width as usize);
    let mut pixels = Vec::with_capacity(part(left, right).len() * (bottom - top) as usize);
    for line in lines.take(bottom as usize).skip(top as usize) {
        pixels.extend_from_slice(&line[part(left, right)]);
    }
    RgbImage::from_raw(right - left, bottom - top, pixels).unwrap_or_default()
}

/// Where a side begins and ends within `0..limit`; never empty.
fn span(start: i32, length: i32, extra: f64, limit: u32) -> (u32, u32) {
    let from = f64::from(start) - extra;
    let to = f64::from(start) + f64::from(length.max(1)) + extra;
    let begin = pixel(from, limit - 1);
    (begin, pixel(to, limit).max(begin + 1))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0..=limit just before"
)]
fn pixel(value: f64, limit: u32) -> u32 {
    value.clamp(0.0, f64::from(limit)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    fn gradient() -> RgbImage {
        RgbImage::from_fn(20, 10, |x, y| {
            Rgb([u8::try_from(x).unwrap(), u8::try_from(y).unwrap(), 0])
        })
    }

    fn rect(x: i32, y: i32, width: i32, height: i32) -> Rect {
        Rect { x, y, width, height }
    }

    #[test]
    fn a_crop_is_the_part_with_its_margin() {
        let part = crop(&gradient(), rect(5, 3, 4, 2), 0.25);
        assert_eq!(part.dimensions(), (6, 4));
        assert_eq!(part.get_pixel(0, 0).0, [4, 2, 0]);
    }

    #[test]
    fn a_crop_stays_within_the_picture() {
        assert_eq!(crop(&gradient(), rect(-5, -5, 10, 10), 0.0).dimensions(), (5, 5));
        assert_eq!(crop(&gradient(), rect(15, 5, 100, 100), 1.0).dimensions(), (20, 10));
        for outside in [
            rect(500, 500, 3, 3),
            rect(-500, -500, 3, 3),
            rect(i32::MAX, i32::MIN, i32::MIN, i32::MAX),
        ] {
            let (width, height) = crop(&gradient(), outside, f32::NAN).dimensions();
            assert!(width >= 1 && height >= 1 && width <= 20 && height <= 10);
        }
        assert_eq!(crop(&RgbImage::new(0, 0), rect(0, 0, 1, 1), 0.0).dimensions(), (0, 0));
    }

    #[test]
    fn a_jpeg_comes_back_nearly_the_same() {
        let jpeg = encode_jpeg(&gradient(), 95).unwrap();
        let back = crate::decode(&jpeg, 1000).unwrap();
        assert_eq!(back.dimensions(), (20, 10));
        let off = back
            .as_raw()
            .iter()
            .zip(gradient().as_raw())
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        assert!(off.unwrap() < 16, "{off:?}");
    }

    /// Whatever part of a block the sides leave over.
    #[test]
    fn every_side_comes_back() {
        for width in (1..20).chain([31, 33, 47, 64, 65]) {
            for height in [1, 2, 7, 8, 9, 15, 16, 17, 33, 65] {
                let picture = RgbImage::from_fn(width, height, |x, y| {
                    let level = |at: u32| u8::try_from(3 * at).unwrap();
                    Rgb([level(x), level(y), 128])
                });
                let back = crate::decode(&encode_jpeg(&picture, 95).unwrap(), 10_000).unwrap();
                assert_eq!(back.dimensions(), (width, height));
                let off = back.as_raw().iter().zip(picture.as_raw()).map(|(a, b)| a.abs_diff(*b));
                assert!(off.max().unwrap() < 24, "{width} x {height}");
            }
        }
    }

    #[test]
    fn what_jpeg_cannot_hold_is_an_error() {
        assert!(encode_jpeg(&RgbImage::new(0, 0), 80).is_err());
        assert!(encode_jpeg(&RgbImage::new(65_536, 1), 80).is_err());
    }
}
