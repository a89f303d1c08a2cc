//! [`Vision`] by ONNX Runtime: decode, detect, align, embed, judge, tell the living.

use std::ops::ControlFlow;
use std::time::Instant;

use image::RgbImage;

use crate::align::SIDE;
use crate::detector::{self, Detector};
use crate::device::Device;
use crate::embedders::{Embedders, Find, Weights};
use crate::liveness::Liveness;
use crate::memory::{self, GiveBack};
use crate::pool::Pool;
use crate::prelu;
use crate::session::Means;
use crate::vision::{Analysis, Ask, Bounds, EmbedderInfo, Observer, Stage, Timings, Vision, VisionError};

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

/// What one photo in work needs for itself, beside the lanes of its embedder.
#[derive(Debug)]
struct Slot {
    detector: Detector,
    liveness: Option<Liveness>,
    memory: picture::Blank,
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
                memory: picture::Blank::default(),
            })
        };
        let slots = (0..config.slots.max(1))
            .map(|_| slot())
            .collect::<Result<_, VisionError>>()?;
        Ok(Self {
            embedders: Embedders::load(&config.embedder, config.find_embedder.clone(), config.slots, means)?,
            slots: Pool::new("photos", slots),
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
        let begin = |stage: Stage<'_>| match observe(stage) {
            ControlFlow::Continue(()) => Ok(Instant::now()),
            ControlFlow::Break(()) => Err(VisionError::Abandoned),
        };
        // First, so that it is dropped last.
        let _memory = GiveBack;
        let mut slot = self.slots.borrow();
        // There are as many as slots, so this one waits for nobody.
        let mut lanes = embedder.lanes.borrow();
        let mut timings = Timings::default();

        let started = begin(Stage::Decoding)?;
        let picture = picture::decode_into(std::mem::take(&mut slot.memory), photo, self.max_pixels)?;
        timings.decode_ms = milliseconds(started);

        let started = begin(Stage::Detecting)?;
        let found = slot.detector.detect(&picture)?;
        timings.detect_ms = milliseconds(started);

        let started = Instant::now();
        let mut faces = lanes.faces(&picture, &found, |faces| begin(Stage::Embedding(faces)).map(drop))?;
        if let Some(liveness) = slot.liveness.as_mut().filter(|_| ask.liveness) {
            for face in &mut faces {
                face.liveness = Some(liveness.of(&picture, face.bounds)?);
            }
        }
        timings.embed_ms = milliseconds(started);

        let (width, height) = picture.dimensions();
        slot.memory = memory::kept(picture);
        Ok(Analysis {
            width,
            height,
            faces,
            timings,
        })
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
