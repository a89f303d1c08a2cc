//! The one door through which the rest of the house sees faces: what an analysis says, and the
//! trait that tests replace with a fake.

use std::ops::ControlFlow;
use std::sync::Arc;

/// A step of an analysis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stage<'a> {
    /// The photo is turned into pixels.
    Decoding,
    /// Faces are looked for.
    Detecting,
    /// These faces are turned into embeddings, the first of which may be done. They are those of the analysis, in its
    /// order, and lack nothing else but liveness: what needs no embedding can be done meanwhile.
    Embedding(&'a [Face]),
}

/// Told of each stage as it begins; `Break` abandons the work (lost lease, cancelled, shutdown).
pub type Observer<'a> = &'a (dyn Fn(Stage<'_>) -> ControlFlow<()> + Send + Sync);

/// The embedder in use. Embeddings of two embedders can't be compared, whatever their dimension.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbedderInfo {
    /// Its name in the catalog, stored beside each embedding.
    pub name: String,
    /// Numbers in an embedding.
    pub dimension: usize,
    /// Cosine similarity from which two faces count as one person.
    pub match_threshold: f32,
    /// Cosine similarity from which a person should look.
    pub review_threshold: f32,
}

/// A face's box in pixels of the upright picture, clipped to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Left edge.
    pub x: i32,
    /// Upper edge.
    pub y: i32,
    /// Width, at least 1.
    pub width: i32,
    /// Height, at least 1.
    pub height: i32,
}

/// How well a face shows. Every number is finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// All of the below in one number, 0 (useless) to 1 (ideal).
    pub overall: f32,
    /// 0 (blurred) to 1 (sharp).
    pub sharpness: f32,
    /// 0 (black) to 1 (white); about a half is good.
    pub brightness: f32,
    /// Degrees turned sideways, positive towards the picture's right.
    pub yaw: f32,
    /// Degrees tilted up (positive) or down.
    pub pitch: f32,
    /// Degrees leaned, positive clockwise.
    pub roll: f32,
    /// Pixels between the eyes in the upright picture.
    pub interocular: f32,
}

/// One face of a photo.
#[derive(Debug, Clone, PartialEq)]
pub struct Face {
    /// Where it is.
    pub bounds: Bounds,
    /// The detector's confidence, 0 to 1.
    pub score: f32,
    /// How well it shows.
    pub quality: Quality,
    /// Too few pixels (or landmarks too odd) to tell people apart: there is no embedding.
    pub too_small: bool,
    /// Unit vector of [`EmbedderInfo::dimension`] numbers.
    pub embedding: Option<Vec<f32>>,
    /// Probability, 0 to 1, that a living person is before the camera and no picture of one; `None`
    /// where it was not asked for.
    pub liveness: Option<f32>,
    /// JPEG of the face with a margin.
    pub crop: Arc<[u8]>,
}

/// What an analysis is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ask {
    /// The embedder by its name in the catalog; `None`: [`Vision::embedder`].
    pub embedder: Option<String>,
    /// Whether [`Face::liveness`] is wanted.
    pub liveness: bool,
}

/// Where the time went, in milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timings {
    /// Bytes to upright pixels.
    pub decode_ms: f64,
    /// Resizing, the detector, its decoding.
    pub detect_ms: f64,
    /// Alignment, quality, the embedder, crops.
    pub embed_ms: f64,
}

/// What a photo shows.
#[derive(Debug, Clone)]
pub struct Analysis {
    /// Width of the upright picture in pixels.
    pub width: u32,
    /// Height of the upright picture in pixels.
    pub height: u32,
    /// By descending score.
    pub faces: Vec<Face>,
    /// Where the time went.
    pub timings: Timings,
}

/// Why there is no analysis. No text repeats anything of the photo.
#[derive(Debug, thiserror::Error)]
pub enum VisionError {
    /// Not a picture, or a damaged one: the photo's fault, and trying again won't help.
    #[error("{0}")]
    Unreadable(String),
    /// More pixels than are allowed.
    #[error("the picture has {width} x {height} pixels, and at most {max} pixels are allowed")]
    TooLarge {
        /// Stored width in pixels.
        width: u32,
        /// Stored height in pixels.
        height: u32,
        /// The limit, in pixels.
        max: u64,
    },
    /// The observer said so.
    #[error("the analysis was abandoned")]
    Abandoned,
    /// A model, or the runtime, failed or returned nonsense: the installation's fault.
    #[error("the face model failed: {0}")]
    Model(String),
}

impl From<picture::PictureError> for VisionError {
    fn from(error: picture::PictureError) -> Self {
        match error {
            picture::PictureError::TooManyPixels { width, height, max } => Self::TooLarge { width, height, max },
            other => Self::Unreadable(other.to_string()),
        }
    }
}

/// Finds faces and turns them into embeddings. Blocking; call on a blocking thread.
pub trait Vision: Send + Sync + 'static {
    /// The embedder that the operator chose: new galleries are made with it.
    fn embedder(&self) -> &EmbedderInfo;

    /// The embedder of that name in the catalog, fetched and loaded where it was not yet: a gallery
    /// that was made with it is compared with no other.
    fn embedder_named(&self, name: &str) -> Result<EmbedderInfo, VisionError>;

    /// Whether [`Ask::liveness`] can be answered here.
    fn tells_liveness(&self) -> bool;

    /// Everything there is to know about the faces of a photo, given as a file's bytes.
    fn analyse(&self, photo: &[u8], ask: &Ask, observe: Observer<'_>) -> Result<Analysis, VisionError>;
}
