//! What is done for each face that was found: upright, judged, cut out, embedded. The faces of a photo are shared out
//! among lanes, a thread each: a run over a few faces stays in one core's cache, and no thread waits for another
//! within it, which cost ONNX Runtime's own threads a third while they slept between its steps.

use std::sync::atomic::{AtomicUsize, Ordering};

use fast_image_resize::Resizer;
use image::RgbImage;

use crate::align::{SIDE, align};
use crate::catalog::Entry;
use crate::detection::Detection;
use crate::detector;
use crate::embedder::Embedder;
use crate::quality;
use crate::session::Means;
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

/// Bytes that the embedder's file may come to in all lanes of a slot: each lane has its weights for itself. Beyond,
/// lanes have several threads each instead.
const WEIGHTS: usize = 128 << 20;

/// A session of the embedder, and what else a face needs.
#[derive(Debug)]
pub(crate) struct Lane {
    embedder: Embedder,
    resizer: Resizer,
}

/// The lanes of one slot for the embedder whose file has these bytes, each run once with as many faces as it takes.
pub(crate) fn open(model: &[u8], entry: &Entry, means: Means) -> Result<Vec<Lane>, VisionError> {
    let (count, each) = share(means, model.len());
    (0..count)
        .map(|_| {
            let mut embedder = Embedder::open(model, entry, each)?;
            let grey = RgbImage::from_pixel(SIDE, SIDE, image::Rgb([127; 3]));
            embedder.embed(&[&grey])?;
            if embedder.batch() > 1 {
                embedder.embed(&vec![&grey; embedder.batch()])?;
            }
            Ok(Lane {
                embedder,
                resizer: Resizer::new(),
            })
        })
        .collect()
}

/// How many lanes, and what each may use.
pub(crate) fn share(means: Means, bytes: usize) -> (usize, Means) {
    let threads = means.threads.max(1);
    let lanes = match means.device {
        crate::device::Device::Cpu => threads.min(WEIGHTS / bytes.max(1)).max(1),
        // A card runs one batch after another.
        crate::device::Device::Cuda(_) => 1,
    };
    let threads = threads / lanes;
    (lanes, Means { threads, ..means })
}

/// A face for each detection that lies in the picture, in their order, without its embedding, and each as the embedder
/// will see it. `lanes` are one at least.
pub(crate) fn look(
    picture: &RgbImage,
    found: &[Detection],
    lanes: &mut [Lane],
) -> Result<(Vec<Face>, Vec<Option<RgbImage>>), VisionError> {
    let looked = share_out(lanes, found, |lane, detection| lane.look(picture, detection))?;
    Ok(looked.into_iter().flatten().unzip())
}

/// Gives each of the faces that isn't too small its embedding.
pub(crate) fn embed(faces: &mut [Face], upright: &[Option<RgbImage>], lanes: &mut [Lane]) -> Result<(), VisionError> {
    let batch = lanes.first().map_or(1, |lane| lane.embedder.batch());
    let wanted = faces.iter().zip(upright).filter(|(face, _)| !face.too_small);
    let inputs: Vec<&RgbImage> = wanted.filter_map(|(_, upright)| upright.as_ref()).collect();
    let batches: Vec<&[&RgbImage]> = even(&inputs, batch, lanes.len());
    let vectors = share_out(lanes, &batches, |lane, batch| lane.embedder.embed(batch))?;
    let embedded = faces.iter_mut().filter(|face| !face.too_small);
    for (face, vector) in embedded.zip(vectors.into_iter().flatten()) {
        face.embedding = Some(vector);
    }
    Ok(())
}

/// Parts of at most `most`, so many that each lane gets as many of them, and as long as each other.
fn even<T>(things: &[T], most: usize, lanes: usize) -> Vec<&[T]> {
    let count = things.len().div_ceil(most.max(1)).next_multiple_of(lanes.max(1));
    let place = |nth: usize| nth * things.len() / count.max(1);
    let parts = (0..count).map(|nth| &things[place(nth)..place(nth + 1)]);
    parts.filter(|part| !part.is_empty()).collect()
}

/// What `work` makes of each of the things, in their order; each lane takes the next when it is done with one.
fn share_out<T: Sync, R: Send>(
    lanes: &mut [Lane],
    things: &[T],
    work: impl Fn(&mut Lane, &T) -> Result<R, VisionError> + Sync,
) -> Result<Vec<R>, VisionError> {
    if lanes.is_empty() {
        return Err(VisionError::Model("there is no session of the embedder".into()));
    }
    let next = AtomicUsize::new(0);
    let one_lane = |lane: &mut Lane| {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(thing) = things.get(place) else {
                return Ok(done);
            };
            done.push((place, work(lane, thing)?));
        }
    };
    let busy = things.len().clamp(1, lanes.len());
    let done: Result<Vec<_>, VisionError> = std::thread::scope(|scope| {
        let (own, others) = lanes[..busy].split_at_mut(1);
        let others: Vec<_> = others.iter_mut().map(|lane| scope.spawn(|| one_lane(lane))).collect();
        // This thread would only wait for them.
        let own = own.iter_mut().map(one_lane);
        let joined = others.into_iter().map(|lane| {
            let joined = lane.join();
            joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        own.chain(joined).collect()
    });
    let mut done: Vec<(usize, R)> = done?.into_iter().flatten().collect();
    done.sort_unstable_by_key(|(place, _)| *place);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

impl Lane {
    #[cfg(test)]
    pub fn embed(&mut self, faces: &[&RgbImage]) -> Result<Vec<Vec<f32>>, VisionError> {
        self.embedder.embed(faces)
    }

    /// The face without its embedding, and as the embedder will see it; nothing where it lies outside of the picture.
    fn look(
        &mut self,
        picture: &RgbImage,
        detection: &Detection,
    ) -> Result<Option<(Face, Option<RgbImage>)>, VisionError> {
        let Some(bounds) = clip(detection, picture) else {
            return Ok(None);
        };
        // First: reading it line by line has the face's pixels fetched for what follows.
        let crop = self.crop(picture, bounds)?.into();
        // Landmarks in one point make no face that could be turned upright.
        let upright = align(picture, &detection.landmarks, &mut self.resizer)?;
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
            too_small: detection.width < LEAST_WIDTH || upright.is_none(),
            embedding: None,
            liveness: None,
            crop,
        };
        Ok(Some((face, upright)))
    }

    fn crop(&mut self, picture: &RgbImage, bounds: Bounds) -> Result<Vec<u8>, VisionError> {
        let Bounds { x, y, width, height } = bounds;
        let mut crop = picture::crop(picture, picture::Rect { x, y, width, height }, CROP_MARGIN);
        let longer = crop.width().max(crop.height());
        if longer > CROP_SIDE {
            let scaled = |side: u32| (side * CROP_SIDE / longer).max(1);
            let (width, height) = (scaled(crop.width()), scaled(crop.height()));
            let small = detector::resize(&mut self.resizer, &crop, width, height)?;
            crop = RgbImage::from_raw(width, height, small.into_vec())
                .ok_or_else(|| VisionError::Model("a crop came out in another size".into()))?;
        }
        picture::encode_jpeg(&crop, CROP_QUALITY).map_err(|error| VisionError::Model(error.to_string()))
    }
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
    fn parts_are_even_and_each_lane_has_as_many() {
        let things: Vec<u8> = (0..30).collect();
        let lengths = |count: usize, most, lanes| -> Vec<usize> {
            let parts = even(&things[..count], most, lanes);
            assert_eq!(parts.concat(), things[..count]);
            parts.iter().map(|part| part.len()).collect()
        };
        assert_eq!(lengths(30, 2, 1), [2; 15]);
        assert_eq!(lengths(30, 2, 2).iter().filter(|length| **length == 2).count(), 14);
        assert_eq!(lengths(30, 2, 2).len(), 16);
        assert_eq!(lengths(3, 2, 8), [1, 1, 1]);
        assert_eq!(lengths(1, 32, 1), [1]);
        assert!(lengths(0, 2, 2).is_empty());
    }

    /// Weights that are too large to be held by each lane leave their threads to the runtime.
    #[test]
    fn threads_become_lanes_as_far_as_the_weights_allow() {
        let shared = |threads, bytes| {
            let (lanes, each) = share(Means::from(threads), bytes);
            (lanes, each.threads)
        };
        assert_eq!(shared(4, 4 << 20), (4, 1));
        assert_eq!(shared(4, 60 << 20), (2, 2));
        assert_eq!(shared(4, 200 << 20), (1, 4));
        assert_eq!(shared(0, 0), (1, 1));
        let card = Means {
            threads: 8,
            device: crate::device::Device::Cuda(0),
        };
        assert_eq!(share(card, 1), (1, card));
    }

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
