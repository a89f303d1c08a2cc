//! Turns aligned faces into unit vectors.

use std::borrow::Borrow;

use image::RgbImage;

use crate::align::SIDE;
use crate::catalog::{Entry, Input, Role};
use crate::device::Device;
use crate::gather::Vector;
use crate::planes;
use crate::session::{self, Means, Runner};
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
    runner: Runner,
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
        let runner = Runner::open(model, Role::Embedder, means)?;
        let session = runner.session();
        // Some files fix the batch at one face.
        let batch = match session::input_shape(session)?.first() {
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
            runner,
            input: entry.input,
            dimension,
            batch,
            output,
        })
    }

    /// The same with another number of faces in a run.
    #[cfg(test)]
    pub fn with_batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }

    /// Faces that one run takes at most.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// A unit vector for each of the faces, [`SIDE`] x [`SIDE`] pixels each.
    pub fn embed<F: Borrow<RgbImage>>(&mut self, faces: &[F]) -> Result<Vec<Vec<f32>>, VisionError> {
        let mut vectors = Vec::with_capacity(faces.len());
        for batch in faces.chunks(self.batch) {
            for vector in self.run(batch)? {
                vectors.push(vector?);
            }
        }
        Ok(vectors)
    }

    /// The same in one run, of at most [`Self::batch`] faces, each with a failure of its own.
    pub fn run<F: Borrow<RgbImage>>(&mut self, faces: &[F]) -> Result<Vec<Vector>, VisionError> {
        const SAMPLES: usize = 3 * SIDE as usize * SIDE as usize;
        let side = SIDE as usize;
        let input = self.input;
        let outputs = self.runner.run([faces.len(), 3, side, side], |samples| {
            for (face, samples) in faces.iter().zip(samples.chunks_exact_mut(SAMPLES)) {
                planes::put(face.borrow().as_raw(), side, (side, side), &input, samples);
            }
            Ok(())
        })?;
        let (_, numbers) = outputs
            .get(&self.output)
            .ok_or_else(|| VisionError::Model(format!("it has no output {}", self.output)))?
            .try_extract_tensor::<f32>()
            .map_err(|error| session::failed(&error))?;
        if numbers.len() != faces.len() * self.dimension {
            return Err(VisionError::Model(
                "the embedder's output has an unexpected size".into(),
            ));
        }
        Ok(numbers.chunks_exact(self.dimension).map(unit).collect())
    }
}

/// The vector with length 1.
fn unit(vector: &[f32]) -> Vector {
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
