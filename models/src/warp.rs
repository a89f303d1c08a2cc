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
    let bytes = source.as_raw();
    let mut result = RgbImage::new(SIDE, SIDE);
    for (row, line) in (0..).zip(result.as_mut().chunks_exact_mut(3 * SIDE as usize)) {
        let row = f64::from(row);
        let start = [way.x, way.y].map(|way| way[2] + way[1] * row);
        let at = |column: usize| {
            let column = f64::from(u32::try_from(column).unwrap_or(SIDE));
            [start[0] + way.x[0] * column, start[1] + way.y[0] * column]
        };
        let pixels = line.as_chunks_mut::<3>().0;
        let inside = inside(start, way, source);
        for (column, pixel) in pixels.iter_mut().enumerate() {
            if !inside.contains(&column) {
                let [x, y] = at(column);
                *pixel = at_the_edge(source, x, y);
            }
        }
        let mut place = at(inside.start).map(fixed);
        let step = [way.x[0], way.y[0]].map(fixed);
        for pixel in &mut pixels[inside] {
            let [x, y] = place;
            if let Some(first) = offset(x, y, stride)
                && let (Some(above), Some(below)) = (bytes.get(first..), bytes.get(first + stride..))
                && let (Some(above), Some(below)) = (above.first_chunk(), below.first_chunk())
            {
                *pixel = mix(*above, *below, share_of(x), share_of(y));
            }
            // Behind the last one it may lie anywhere.
            place = [x.wrapping_add(step[0]), y.wrapping_add(step[1])];
        }
    }
    result
}

/// Bits behind the point in places that are counted as whole numbers.
const FINE: u32 = 32;

/// The columns of a line whose four neighbours all lie in the source, a pixel from its edges for what rounding does.
/// A line runs straight, so they follow one another.
fn inside(start: [f64; 2], way: &Way, source: &RgbImage) -> std::ops::Range<usize> {
    let mut range = (0.0_f64, f64::from(SIDE));
    for (start, step, side) in [
        (start[0], way.x[0], source.width()),
        (start[1], way.y[0], source.height()),
    ] {
        let (low, high) = (1.0 - start, f64::from(side) - 3.0 - start);
        let (first, last) = if step == 0.0 && low <= 0.0 && high >= 0.0 {
            (f64::NEG_INFINITY, f64::INFINITY)
        } else if step < 0.0 {
            (high / step, low / step)
        } else {
            (low / step, high / step)
        };
        range = (range.0.max(first), range.1.min(last));
    }
    let (from, to) = (range.0.ceil(), range.1.floor());
    // Also where any of them is no number.
    if from < to && start.iter().all(|start| start.is_finite()) {
        whole(from) as usize..whole(to) as usize
    } else {
        0..0
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a place in a picture; `as` saturates")]
fn fixed(at: f64) -> i64 {
    (at * f64::from(1_u32 << 31) * 2.0) as i64
}

/// Where the pixel at that place begins.
fn offset(x: i64, y: i64, stride: usize) -> Option<usize> {
    let (column, line) = (usize::try_from(x >> FINE).ok()?, usize::try_from(y >> FINE).ok()?);
    Some(line * stride + 3 * column)
}

/// The part behind the point, in 256th.
fn share_of(place: i64) -> i32 {
    i32::from(place.to_be_bytes()[4])
}

/// Between two pixels above and two below; `right` and `lower` are the shares of the second ones, in 256th.
fn between(above: [u8; 6], below: [u8; 6], right: i32, lower: i32) -> [u8; 3] {
    std::array::from_fn(|channel| {
        let row = |row: &[u8; 6]| i32::from(row[channel]) * (256 - right) + i32::from(row[channel + 3]) * right;
        let sum = row(&above) * (256 - lower) + row(&below) * lower;
        ((sum + (1 << 15)) >> 16).to_be_bytes()[3]
    })
}

/// As [`between`], of the first six of eight bytes each: all channels at once, and one level lower where half a bit
/// decides.
#[cfg(target_arch = "x86_64")]
#[inline]
fn mix(above: [u8; 8], below: [u8; 8], right: i32, lower: i32) -> [u8; 3] {
    #[target_feature(enable = "sse2")]
    #[inline]
    fn at_once(above: [u8; 8], below: [u8; 8], right: i32, lower: i32) -> [u8; 3] {
        use std::arch::x86_64::{
            _mm_add_epi16, _mm_add_epi32, _mm_cvtsi64_si128, _mm_cvtsi128_si32, _mm_madd_epi16, _mm_mullo_epi16,
            _mm_packs_epi32, _mm_packus_epi16, _mm_set1_epi32, _mm_setzero_si128, _mm_srli_epi16, _mm_srli_epi32,
            _mm_srli_si128, _mm_unpacklo_epi8, _mm_unpacklo_epi16,
        };
        let wide = |bytes| _mm_unpacklo_epi8(_mm_cvtsi64_si128(i64::from_le_bytes(bytes)), _mm_setzero_si128());
        let shares = |first, second| _mm_set1_epi32((second << 16) | first);
        // 255 times 256 at most, halved to leave room for a sign.
        let column = _mm_srli_epi16::<1>(_mm_add_epi16(
            _mm_mullo_epi16(wide(above), shares(256 - lower, 256 - lower)),
            _mm_mullo_epi16(wide(below), shares(lower, lower)),
        ));
        let pairs = _mm_unpacklo_epi16(column, _mm_srli_si128::<6>(column));
        let sums = _mm_madd_epi16(pairs, shares(256 - right, right));
        let nearest = _mm_srli_epi32::<15>(_mm_add_epi32(sums, _mm_set1_epi32(1 << 14)));
        let bytes = _mm_packus_epi16(_mm_packs_epi32(nearest, nearest), nearest);
        let [red, green, blue, _] = _mm_cvtsi128_si32(bytes).to_le_bytes();
        [red, green, blue]
    }

    #[expect(
        unsafe_code,
        reason = "calling what needs a feature, which every processor of this kind has"
    )]
    // SAFETY: SSE2 belongs to x86-64.
    unsafe {
        at_once(above, below, right, lower)
    }
}

/// As [`between`], of the first six of eight bytes each.
#[cfg(not(target_arch = "x86_64"))]
fn mix(above: [u8; 8], below: [u8; 8], right: i32, lower: i32) -> [u8; 3] {
    let six = |[a, b, c, d, e, f, ..]: [u8; 8]| [a, b, c, d, e, f];
    between(six(above), six(below), right, lower)
}

/// As [`between`], where some of the four are outside.
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
    let [right, lower] = [x - left, y - top].map(|part| share_of(fixed(part)));
    between(around[0], around[1], right, lower)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a picture; `as` saturates at its edges"
)]
fn whole(at: f64) -> u32 {
    at as u32
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
    fn all_channels_at_once_are_as_each_alone() {
        let levels = [0_u8, 1, 127, 128, 254, 255];
        let shares = [0, 1, 127, 128, 200, 255];
        let mut state = 1_u32;
        for (right, lower) in shares.into_iter().flat_map(|right| shares.map(|lower| (right, lower))) {
            for _ in 0..500 {
                let mut bytes = || {
                    std::array::from_fn(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        levels[(state >> 16) as usize % levels.len()]
                    })
                };
                let (above, below): ([u8; 8], [u8; 8]) = (bytes(), bytes());
                let six = |eight: [u8; 8]| *eight.first_chunk().unwrap();
                let alone = between(six(above), six(below), right, lower);
                let at_once = mix(above, below, right, lower);
                let near = alone
                    .iter()
                    .zip(at_once)
                    .all(|(a, b)| (0..=1).contains(&(i32::from(*a) - i32::from(b))));
                assert!(near, "{above:?} {below:?} {right} {lower}: {alone:?} {at_once:?}");
            }
        }
    }

    /// In every direction, over every edge, into nothing and along the lines themselves.
    #[test]
    fn no_way_leads_astray() {
        let noise = RgbImage::from_fn(40, 30, |x, y| {
            image::Rgb([3, 5, 7].map(|by| ((x * 71 + y * 37) * by).to_le_bytes()[0]))
        });
        let steps = [-3.0, -0.31, 0.0, 0.31, 1.0, 1e9];
        for x in steps {
            for y in steps {
                for [left, top] in [[20.0, 15.0], [0.0, 0.0], [39.0, 29.0], [-50.0, 10.0], [1e12, -1e12]] {
                    let way = Way {
                        x: [x, y, left],
                        y: [-y, x, top],
                    };
                    for (column, row, pixel) in warp(&noise, &way).enumerate_pixels() {
                        let (column, row) = (f64::from(column), f64::from(row));
                        let at = |way: [f64; 3]| way[2] + way[1] * row + way[0] * column;
                        let careful = at_the_edge(&noise, at(way.x), at(way.y));
                        for (a, b) in pixel.0.iter().zip(careful) {
                            assert!(a.abs_diff(b) <= 2, "{way:?} {column} {row}: {a} {b}");
                        }
                    }
                }
            }
        }
        assert_eq!(
            warp(
                &RgbImage::new(1, 1),
                &Way {
                    x: [0.0; 3],
                    y: [0.0; 3]
                }
            )
            .dimensions(),
            (SIDE, SIDE)
        );
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
