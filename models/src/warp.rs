//! Takes pixels from where they are to where they should be: a warp with one bilinear sample a pixel, and the shrinking
//! that makes one sample enough.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

use crate::align::SIDE;
use crate::session;
use crate::vision::VisionError;

/// Pixels of the result around what is shrunk, so that the neighbours of its outermost pixels are there too.
const MARGIN: f64 = 2.0;

/// From a pixel of the result to its place in the source: for each coordinate the shares of column
/// and row, and what is added.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub x: [f64; 3],
    pub y: [f64; 3],
}

/// A part of a picture in pixels; not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

impl Part {
    /// What the result shows of the picture, where one of its pixels is `step` of the picture's.
    pub fn seen(way: &Way, step: f64, picture: &RgbImage) -> Option<Self> {
        let (last, margin) = (f64::from(SIDE - 1), MARGIN * step);
        let span = |[across, down, at]: [f64; 3], limit: u32| {
            let ends = [at, at + across * last, at + down * last, at + (across + down) * last];
            let low = ends.into_iter().fold(f64::INFINITY, f64::min) - margin;
            let high = ends.into_iter().fold(f64::NEG_INFINITY, f64::max) + margin;
            let (from, to) = (whole(low).min(limit), whole(high.ceil()).min(limit));
            (to > from).then_some((from, to - from))
        };
        let (left, width) = span(way.x, picture.width())?;
        let (top, height) = span(way.y, picture.height())?;
        Some(Self {
            left,
            top,
            width,
            height,
        })
    }
}

/// The part with one pixel for `step` of its own, and the way into that.
pub(crate) fn shrink(
    picture: &RgbImage,
    part: &Part,
    step: f64,
    way: &Way,
    resizer: &mut Resizer,
) -> Result<(RgbImage, Way), VisionError> {
    let side = |side: u32| whole((f64::from(side) / step).ceil()).max(1);
    let (width, height) = (side(part.width), side(part.height));
    let source = ImageRef::new(picture.width(), picture.height(), picture.as_raw(), PixelType::U8x3)
        .map_err(|error| session::failed(&error))?;
    let mut small = Image::new(width, height, PixelType::U8x3);
    let how = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .crop(part.left.into(), part.top.into(), part.width.into(), part.height.into());
    resizer
        .resize(&source, &mut small, &how)
        .map_err(|error| session::failed(&error))?;
    let small = RgbImage::from_raw(width, height, small.into_vec())
        .ok_or_else(|| VisionError::Model("a face was shrunk to another size".into()))?;
    // Pixels have their places at their middles.
    let into = |[across, down, at]: [f64; 3], start: u32, factor: f64| {
        let at = (at - f64::from(start) + 0.5) * factor - 0.5;
        [across * factor, down * factor, at]
    };
    let way = Way {
        x: into(way.x, part.left, f64::from(width) / f64::from(part.width)),
        y: into(way.y, part.top, f64::from(height) / f64::from(part.height)),
    };
    Ok((small, way))
}

/// The result, a bilinear sample a pixel; what lies outside of the source counts as black.
pub(crate) fn warp(source: &RgbImage, way: &Way) -> RgbImage {
    let stride = 3 * source.width() as usize;
    let last = |side: u32| f64::from(side) - 1.0;
    let (last_x, last_y) = (last(source.width()), last(source.height()));
    let bytes = source.as_raw();
    let mut result = RgbImage::new(SIDE, SIDE);
    let mut start = [way.x[2], way.y[2]];
    for line in result.as_mut().chunks_exact_mut(3 * SIDE as usize) {
        let mut at = start;
        for pixel in line.as_chunks_mut::<3>().0 {
            let [sx, sy] = at;
            *pixel = if sx >= 0.0 && sy >= 0.0 && sx < last_x && sy < last_y {
                let (left, top) = (whole(sx), whole(sy));
                let (right, lower) = (share(sx - f64::from(left)), share(sy - f64::from(top)));
                let first = top as usize * stride + 3 * left as usize;
                bilinear(
                    &bytes[first..first + 6],
                    &bytes[first + stride..first + stride + 6],
                    right,
                    lower,
                )
            } else {
                at_the_edge(source, sx, sy)
            };
            at = [sx + way.x[0], sy + way.y[0]];
        }
        start = [start[0] + way.x[1], start[1] + way.y[1]];
    }
    result
}

/// Between two pixels above and two below; `right` and `lower` are the shares of the second ones.
fn bilinear(above: &[u8], below: &[u8], right: f32, lower: f32) -> [u8; 3] {
    let mix = |a: f32, b: f32, share: f32| a + (b - a) * share;
    std::array::from_fn(|channel| {
        let row = |row: &[u8]| mix(f32::from(row[channel]), f32::from(row[channel + 3]), right);
        to_byte(mix(row(above), row(below), lower))
    })
}

/// As [`bilinear`], where some of the four are outside.
fn at_the_edge(source: &RgbImage, x: f64, y: f64) -> [u8; 3] {
    let (left, top) = (x.floor(), y.floor());
    let mut around = [[0; 6]; 2];
    for (row, dy) in around.iter_mut().zip([0.0, 1.0]) {
        for (pixel, dx) in row.as_chunks_mut::<3>().0.iter_mut().zip([0.0, 1.0]) {
            let (column, line) = (left + dx, top + dy);
            if column >= 0.0 && line >= 0.0 {
                // `as` saturates, and no picture is that large.
                if let Some(inside) = source.get_pixel_checked(whole(column), whole(line)) {
                    *pixel = inside.0;
                }
            }
        }
    }
    bilinear(&around[0], &around[1], share(x - left), share(y - top))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a picture; `as` saturates at its edges"
)]
fn whole(at: f64) -> u32 {
    at as u32
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "between 0 and 1, where rounding does no harm"
)]
fn share(of: f64) -> f32 {
    of as f32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a weighted mean of bytes; `as` saturates"
)]
fn to_byte(value: f32) -> u8 {
    (value + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pixel by the careful way must equal what the quick one makes of it.
    #[test]
    fn the_quick_way_and_the_careful_one_agree() {
        let noise = RgbImage::from_fn(90, 70, |x, y| {
            image::Rgb([3, 5, 7].map(|by| ((x * 71 + y * 37) * by).to_le_bytes()[0]))
        });
        let way = Way {
            x: [0.7, -0.4, 20.3],
            y: [0.4, 0.7, -9.6],
        };
        let quick = warp(&noise, &way);
        for (column, row, pixel) in quick.enumerate_pixels() {
            let (column, row) = (f64::from(column), f64::from(row));
            let x = way.x[0] * column + way.x[1] * row + way.x[2];
            let y = way.y[0] * column + way.y[1] * row + way.y[2];
            let careful = at_the_edge(&noise, x, y);
            for (a, b) in pixel.0.iter().zip(careful) {
                assert!(a.abs_diff(b) <= 1, "{column} {row}: {a} {b}");
            }
        }
    }

    #[test]
    fn a_place_that_is_no_number_is_black() {
        let white = RgbImage::from_pixel(9, 9, image::Rgb([255; 3]));
        let nowhere = Way {
            x: [f64::NAN; 3],
            y: [f64::INFINITY, 0.0, 0.0],
        };
        assert_eq!(warp(&white, &nowhere), RgbImage::new(SIDE, SIDE));
    }
}
