//! The face models: the catalog of them, fetching them, and running them by ONNX Runtime. Photos
//! in, faces with embeddings out. Knows nothing of schools: no class, student or mark is named
//! here.
//!
//! Everything blocks; call it on a blocking thread.

mod align;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod bound;
pub mod catalog;
mod detection;
mod detector;
mod device;
mod download;
mod embedder;
mod embedders;
mod face;
mod gather;
mod lane;
mod liveness;
mod measure;
mod memory;
mod onnx;
mod planes;
mod pool;
mod prelu;
mod quality;
pub mod runtime;
mod scrfd;
mod session;
mod setup;
mod store;
#[cfg(test)]
mod testing;
mod tiles;
mod vision;
mod warp;
mod wheel;
mod wire;
mod yunet;

pub use device::{Device, DeviceError};
pub use embedders::{Find, Weights};
pub use face::LEAST_WIDTH;
pub use measure::register;
pub use onnx::{OnnxVision, VisionConfig};
pub use setup::{Progress, Row, Settings, SetupError, State, check, fetch, list, prepare};
pub use vision::{Analysis, Ask, Bounds, EmbedderInfo, Face, Observer, Quality, Stage, Timings, Vision, VisionError};
