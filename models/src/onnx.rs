//! [`Vision`] by ONNX Runtime: decode, detect, align, embed, judge, tell the living.

use std::ops::ControlFlow;
use std::time::Instant;

use fast_image_resize::Resizer;
use image::RgbImage;

use crate::align::{SIDE, align};
use crate::detection::Detection;
use crate::detector::{self, Detector};
use crate::device::Device;
use crate::embedder::{BATCH, Embedder};
use crate::embedders::{Embedders, Find, Weights};
use crate::liveness::Liveness;
use crate::memory::{self, GiveBack};
use crate::pool::Pool;
use crate::prelu;
use crate::quality;
use crate::session::Means;
use crate::vision::{Analysis, Ask, Bounds, EmbedderInfo, Face, Observer, Stage, Timings, Vision, VisionError};

/// A face narrower than this, in pixels of the photo as it was taken, gets no embedding: of faces
/// 20 pixels wide half are named, of those 16 wide one in nine.
pub const LEAST_WIDTH: f32 = 20.0;

/// Share of a face's longer side that its crop shows around it.
const CROP_MARGIN: f32 = 0.3;

/// The longer side of a crop in pixels at most.
const CROP_SIDE: u32 = 512;

/// JPEG quality of a crop.
const CROP_QUALITY: u8 = 88;

/// What [`OnnxVision::load`] needs.
#[derive(Clone)]
pub struct VisionConfig {
    /// The detector.
    pub detector: Weights,
    /// The embedder that the operator chose.
    pub embedder: Weights,
    /// How other embedders are had.
    pub find_embedder: Find,
    /// The models that tell liveness together; none where it can't be told.
    pub liveness: Vec<Weights>,
    /// Photos analysed at a time; 0 counts as 1.
    pub slots: usize,
    /// Threads for each of them; 0 counts as 1.
    pub threads_per_slot: usize,
    /// What the models run on.
    pub device: Device,
    /// Photos with more pixels are refused.
    pub max_pixels: u64,
}

impl std::fmt::Debug for VisionConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VisionConfig")
            .field("detector", &self.detector)
            .field("embedder", &self.embedder)
            .field("liveness", &self.liveness)
            .field("slots", &self.slots)
            .field("threads_per_slot", &self.threads_per_slot)
            .field("device", &self.device)
            .field("max_pixels", &self.max_pixels)
            .finish_non_exhaustive()
    }
}

/// What one photo in work needs for itself, beside a session of its embedder.
#[derive(Debug)]
struct Slot {
    detector: Detector,
    liveness: Option<Liveness>,
    resizer: Resizer,
}

/// All models, ready to run.
#[derive(Debug)]
pub struct OnnxVision {
    embedders: Embedders,
    slots: Pool<Slot>,
    tells_liveness: bool,
    max_pixels: u64,
}

impl OnnxVision {
    /// Loads the models for every slot and runs each, so that the first photo isn't the slow one. The
    /// runtime must have been initialised ([`crate::runtime::init`]).
    pub fn load(config: &VisionConfig) -> Result<Self, VisionError> {
        config
            .device
            .check_library()
            .map_err(|error| VisionError::Model(format!("{}: {error}", config.device)))?;
        memory::prepare();
        let about = |weights: &Weights, error| match error {
            VisionError::Model(text) => VisionError::Model(format!("{}: {text}", weights.entry.name)),
            other => other,
        };
        let read =
            |weights: &Weights| prelu::read(&weights.path, &weights.entry).map_err(|error| about(weights, error));
        let detector = detector::prepare(&read(&config.detector)?).map_err(|error| about(&config.detector, error))?;
        let liveness = config
            .liveness
            .iter()
            .map(|weights| Ok((weights.entry.clone(), read(weights)?)))
            .collect::<Result<Vec<_>, VisionError>>()?;
        let means = Means {
            threads: config.threads_per_slot,
            device: config.device,
        };
        let grey = RgbImage::from_pixel(SIDE, SIDE, image::Rgb([127; 3]));
        let slot = || {
            let mut detector = Detector::open(&detector, &config.detector.entry, means)
                .map_err(|error| about(&config.detector, error))?;
            detector.detect(&grey).map_err(|error| about(&config.detector, error))?;
            let mut models = (!liveness.is_empty())
                .then(|| Liveness::open(&liveness, means))
                .transpose()?;
            if let Some(models) = &mut models {
                let whole = Bounds {
                    x: 0,
                    y: 0,
                    width: SIDE.cast_signed(),
                    height: SIDE.cast_signed(),
                };
                models.of(&grey, whole)?;
            }
            Ok(Slot {
                detector,
                liveness: models,
                resizer: Resizer::new(),
            })
        };
        let slots = (0..config.slots.max(1))
            .map(|_| slot())
            .collect::<Result<_, VisionError>>()?;
        Ok(Self {
            embedders: Embedders::load(&config.embedder, config.find_embedder.clone(), config.slots, means)?,
            slots: Pool::new(slots),
            tells_liveness: !liveness.is_empty(),
            max_pixels: config.max_pixels,
        })
    }
}

impl Vision for OnnxVision {
    fn embedder(&self) -> &EmbedderInfo {
        self.embedders.chosen()
    }

    fn embedder_named(&self, name: &str) -> Result<EmbedderInfo, VisionError> {
        Ok(self.embedders.get(Some(name))?.info.clone())
    }

    fn tells_liveness(&self) -> bool {
        self.tells_liveness
    }

    fn analyse(&self, photo: &[u8], ask: &Ask, observe: Observer<'_>) -> Result<Analysis, VisionError> {
        let embedder = self.embedders.get(ask.embedder.as_deref())?;
        if ask.liveness && !self.tells_liveness {
            return Err(VisionError::Model(
                "liveness can't be told without its models; get them with `muster models fetch`".into(),
            ));
        }
        let begin = |stage| match observe(stage) {
            ControlFlow::Continue(()) => Ok(Instant::now()),
            ControlFlow::Break(()) => Err(VisionError::Abandoned),
        };
        // First, so that it is dropped last.
        let _memory = GiveBack;
        let mut slot = self.slots.borrow();
        // There are as many as slots, so this one waits for nobody.
        let mut embedder = embedder.sessions.borrow();
        let mut timings = Timings::default();

        let started = begin(Stage::Decoding)?;
        let picture = picture::decode(photo, self.max_pixels)?;
        timings.decode_ms = milliseconds(started);

        let started = begin(Stage::Detecting)?;
        let found = slot.detector.detect(&picture)?;
        timings.detect_ms = milliseconds(started);

        let started = begin(Stage::Embedding)?;
        let mut faces = Vec::with_capacity(found.len());
        for batch in found.chunks(BATCH) {
            slot.describe(&picture, batch, &mut embedder, &mut faces)?;
        }
        if let Some(liveness) = slot.liveness.as_mut().filter(|_| ask.liveness) {
            for face in &mut faces {
                face.liveness = Some(liveness.of(&picture, face.bounds)?);
            }
        }
        timings.embed_ms = milliseconds(started);

        let (width, height) = picture.dimensions();
        Ok(Analysis {
            width,
            height,
            faces,
            timings,
        })
    }
}

impl Slot {
    /// Appends a face for each detection that lies in the picture.
    fn describe(
        &mut self,
        picture: &RgbImage,
        found: &[Detection],
        embedder: &mut Embedder,
        faces: &mut Vec<Face>,
    ) -> Result<(), VisionError> {
        let first = faces.len();
        let mut aligned = Vec::with_capacity(found.len());
        for detection in found {
            let Some(bounds) = clip(detection, picture) else {
                continue;
            };
            // Landmarks in one point make no face that could be turned upright.
            let upright = align(picture, &detection.landmarks, &mut self.resizer)?;
            let black;
            let seen = if let Some(upright) = &upright {
                upright
            } else {
                black = RgbImage::new(SIDE, SIDE);
                &black
            };
            faces.push(Face {
                bounds,
                score: detection.score,
                quality: quality::assess(seen, &detection.landmarks, detection.width),
                too_small: detection.width < LEAST_WIDTH || upright.is_none(),
                embedding: None,
                liveness: None,
                crop: self.crop(picture, bounds)?,
            });
            aligned.push(upright);
        }
        let wanted = |face: &Face| !face.too_small;
        let inputs: Vec<&RgbImage> = faces[first..]
            .iter()
            .zip(&aligned)
            .filter(|(face, _)| wanted(face))
            .filter_map(|(_, upright)| upright.as_ref())
            .collect();
        let vectors = embedder.embed(&inputs)?;
        for (face, vector) in faces[first..].iter_mut().filter(|face| wanted(face)).zip(vectors) {
            face.embedding = Some(vector);
        }
        Ok(())
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

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
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
