//! Turns aligned faces into unit vectors.

use image::RgbImage;
use ort::session::Session;

use crate::align::SIDE;
use crate::catalog::{Entry, Input, Role};
use crate::device::Device;
use crate::measure;
use crate::session::{self, Means};
use crate::vision::VisionError;

/// Faces embedded in one run on the processor by a network whose weights don't stay in its caches: they would be read
/// from memory for each face.
const BATCH: usize = 2;

/// Bytes of weights that stay there, with those of a few lanes beside them. What lies between the layers of such a network
/// is what fills a core's cache, and is as much for each face: a face of a `MobileFaceNet` (4 MB) takes 7 % longer
/// with 2 in a run than alone, and 15 % with 4.
const CACHED: usize = 8 << 20;

/// Faces embedded in one run on a card, which has thousands of places to fill.
const BATCH_ON_CARD: usize = 32;

/// A vector shorter than this has no direction to speak of.
const LEAST_LENGTH: f32 = 1e-6;

/// One session of the embedder.
#[derive(Debug)]
pub(crate) struct Embedder {
    session: Session,
    input: Input,
    dimension: usize,
    batch: usize,
    output: String,
}

impl Embedder {
    /// `model` are the file's bytes.
    pub fn open(model: &[u8], entry: &Entry, means: impl Into<Means>) -> Result<Self, VisionError> {
        let dimension = entry
            .embedding
            .ok_or_else(|| VisionError::Model(format!("{} is not an embedder", entry.name)))?
            .dimension;
        let means = means.into();
        let session = session::open(model, means)?;
        // Some files fix the batch at one face.
        let batch = match session::input_shape(&session)?.first() {
            Some(1) => 1,
            Some(-1) => match means.device {
                Device::Cpu if model.len() <= CACHED => 1,
                Device::Cpu => BATCH,
                Device::Cuda(_) => BATCH_ON_CARD,
            },
            _ => {
                return Err(VisionError::Model(
                    "its input takes neither one face nor any number".into(),
                ));
            }
        };
        let output = match session.outputs() {
            [output] => output.name().to_owned(),
            outputs => return Err(VisionError::Model(format!("it has {} outputs, not 1", outputs.len()))),
        };
        Ok(Self {
            session,
            input: entry.input,
            dimension,
            batch,
            output,
        })
    }

    /// Faces that one run takes at most.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// A unit vector for each of the faces, [`SIDE`] x [`SIDE`] pixels each.
    pub fn embed(&mut self, faces: &[&RgbImage]) -> Result<Vec<Vec<f32>>, VisionError> {
        let side = SIDE as usize;
        let mut vectors = Vec::with_capacity(faces.len());
        for batch in faces.chunks(self.batch) {
            let mut samples = vec![0.0; batch.len() * 3 * side * side];
            for (face, samples) in batch.iter().zip(samples.chunks_exact_mut(3 * side * side)) {
                session::put_planes(face.as_raw(), side, (side, side), &self.input, samples);
            }
            let outputs = measure::timed(Role::Embedder, || {
                session::run(&mut self.session, [batch.len(), 3, side, side], &samples)
            })?;
            let (_, numbers) = outputs
                .get(&self.output)
                .ok_or_else(|| VisionError::Model(format!("it has no output {}", self.output)))?
                .try_extract_tensor::<f32>()
                .map_err(|error| session::failed(&error))?;
            if numbers.len() != batch.len() * self.dimension {
                return Err(VisionError::Model(
                    "the embedder's output has an unexpected size".into(),
                ));
            }
            for vector in numbers.chunks_exact(self.dimension) {
                vectors.push(unit(vector)?);
            }
        }
        Ok(vectors)
    }
}

/// The vector with length 1.
fn unit(vector: &[f32]) -> Result<Vec<f32>, VisionError> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if !length.is_finite() || length < LEAST_LENGTH {
        return Err(VisionError::Model(
            "the embedder returned a vector without direction".into(),
        ));
    }
    Ok(vector.iter().map(|value| value / length).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_come_out_with_length_one() {
        assert_eq!(unit(&[3.0, -4.0]).unwrap(), [0.6, -0.8]);
    }

    #[test]
    fn what_has_no_direction_is_an_error() {
        for bad in [[0.0, 0.0], [f32::NAN, 1.0], [f32::INFINITY, 1.0], [f32::MAX, f32::MAX]] {
            assert!(matches!(unit(&bad), Err(VisionError::Model(_))));
        }
    }
}
