//! One face of a photo, before it is embedded: cut out, turned upright, judged.

use fast_image_resize::Resizer;
use image::RgbImage;

use crate::align::{SIDE, align};
use crate::detection::Detection;
use crate::detector;
use crate::quality;
use crate::vision::{Bounds, Face, VisionError};

/// A face narrower than this, in pixels of the photo as it was taken, gets no embedding: of faces
/// 20 pixels wide half are named, of those 16 wide one in nine.
pub const LEAST_WIDTH: f32 = 20.0;

/// Share of a face's longer side that its crop shows around it.
const CROP_MARGIN: f32 = 0.3;

/// The longer side of a crop in pixels at most.
const CROP_SIDE: u32 = 512;

/// JPEG quality of a crop.
const CROP_QUALITY: u8 = 88;

/// A face before it is embedded.
pub(crate) struct Looked {
    /// Without its embedding.
    pub face: Face,
    /// As the embedder is to see it; nothing where it is too small to be told from others.
    pub upright: Option<RgbImage>,
}

/// Whether it is to be embedded, if it can be turned upright.
pub(crate) fn is_wide_enough(detection: &Detection) -> bool {
    detection.width >= LEAST_WIDTH
}

/// The face that was found there; nothing where it lies outside of the picture.
pub(crate) fn look(
    picture: &RgbImage,
    detection: &Detection,
    resizer: &mut Resizer,
) -> Result<Option<Looked>, VisionError> {
    let Some(bounds) = clip(detection, picture) else {
        return Ok(None);
    };
    // First: reading it line by line has the face's pixels fetched for what follows.
    let crop = crop(picture, bounds, resizer)?.into();
    // Landmarks in one point make no face that could be turned upright.
    let upright = align(picture, &detection.landmarks, resizer)?;
    let black;
    let seen = if let Some(upright) = &upright {
        upright
    } else {
        black = RgbImage::new(SIDE, SIDE);
        &black
    };
    let face = Face {
        bounds,
        score: detection.score,
        quality: quality::assess(seen, &detection.landmarks, detection.width),
        too_small: !is_wide_enough(detection) || upright.is_none(),
        embedding: None,
        liveness: None,
        crop,
    };
    let upright = upright.filter(|_| !face.too_small);
    Ok(Some(Looked { face, upright }))
}

fn crop(picture: &RgbImage, bounds: Bounds, resizer: &mut Resizer) -> Result<Vec<u8>, VisionError> {
    let Bounds { x, y, width, height } = bounds;
    let mut crop = picture::crop(picture, picture::Rect { x, y, width, height }, CROP_MARGIN);
    let longer = crop.width().max(crop.height());
    if longer > CROP_SIDE {
        let scaled = |side: u32| (side * CROP_SIDE / longer).max(1);
        let (width, height) = (scaled(crop.width()), scaled(crop.height()));
        let small = detector::resize(resizer, &crop, width, height)?;
        crop = RgbImage::from_raw(width, height, small.into_vec())
            .ok_or_else(|| VisionError::Model("a crop came out in another size".into()))?;
    }
    picture::encode_jpeg(&crop, CROP_QUALITY).map_err(|error| VisionError::Model(error.to_string()))
}

/// The box within the picture; `None` where nothing of it is.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a side that was decoded fits, and `as` saturates for the rest"
)]
fn clip(face: &Detection, picture: &RgbImage) -> Option<Bounds> {
    let span = |start: f32, length: f32, limit: u32| {
        let limit = i32::try_from(limit).ok()?;
        let from = (start.round() as i32).clamp(0, limit);
        let to = ((start + length).round() as i32).clamp(0, limit);
        (to > from).then_some((from, to - from))
    };
    let (x, width) = span(face.x, face.width, picture.width())?;
    let (y, height) = span(face.y, face.height, picture.height())?;
    Some(Bounds { x, y, width, height })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_clipped_to_the_picture() {
        let picture = RgbImage::new(100, 50);
        let at = |x, y, width, height| {
            let face = Detection {
                score: 1.0,
                x,
                y,
                width,
                height,
                landmarks: [[0.0; 2]; 5],
            };
            clip(&face, &picture)
        };
        let bounds = |x, y, width, height| Some(Bounds { x, y, width, height });
        assert_eq!(at(10.4, 5.0, 20.2, 10.0), bounds(10, 5, 21, 10));
        assert_eq!(at(-5.0, -5.0, 20.0, 100.0), bounds(0, 0, 15, 50));
        assert_eq!(at(120.0, 0.0, 20.0, 10.0), None);
        assert_eq!(at(0.0, 0.0, 0.3, 10.0), None);
        assert_eq!(at(-1e30, -1e30, 2e30, 2e30), bounds(0, 0, 100, 50));
    }
}
