//! ONNX Runtime sessions: made the same way for every model, and asked in one way.

use std::path::Path;

use ort::session::{Session, SessionOutputs, builder::GraphOptimizationLevel};
use ort::value::{TensorRef, ValueType};

use crate::bound::Bound;
use crate::catalog::Role;
use crate::device::Device;
use crate::measure;
use crate::vision::VisionError;

/// Any failure of the runtime, in one line.
pub(crate) fn failed(error: &impl std::fmt::Display) -> VisionError {
    let text = error.to_string();
    VisionError::Model(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Reads a model's file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, VisionError> {
    std::fs::read(path).map_err(|error| VisionError::Model(format!("{} can't be read: {error}", path.display())))
}

/// What a session may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Means {
    /// Threads of the processor; 0 counts as 1.
    pub threads: usize,
    /// What it runs on.
    pub device: Device,
}

/// So many threads of the processor and nothing else.
impl From<usize> for Means {
    fn from(threads: usize) -> Self {
        Self {
            threads,
            device: Device::Cpu,
        }
    }
}

/// A session of a model, given as its file's bytes.
///
/// Without memory patterns: they lay a photo's tensors side by side in one block, a third more than the arena takes
/// for them one after another, and gain nothing. Its threads wait for each other by turning round and round while it
/// runs, as its steps are shorter than a thread takes to wake; between runs they sleep, since they would take the
/// processor from the other slots, the database and a laptop's battery.
pub(crate) fn open(model: &[u8], means: impl Into<Means>) -> Result<Session, VisionError> {
    let means = means.into();
    let environment = crate::runtime::environment().map_err(|error| failed(&error))?;
    let build = || -> ort::Result<Session> {
        Session::builder(environment)?
            .with_execution_providers(means.device.providers())?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_memory_pattern(false)?
            .with_intra_threads(means.threads.max(1))?
            .with_inter_threads(1)?
            .with_intra_op_spinning(true)?
            .with_config_entry("session.force_spinning_stop", "1")?
            .commit_from_memory(model)
    };
    build().map_err(|error| failed(&error))
}

/// The dimensions that the only input declares, -1 where any will do.
pub(crate) fn input_shape(session: &Session) -> Result<Vec<i64>, VisionError> {
    match session.inputs() {
        [input] => match input.dtype() {
            ValueType::Tensor { shape, .. } => Ok(shape.to_vec()),
            _ => Err(VisionError::Model("its input isn't a tensor".into())),
        },
        inputs => Err(VisionError::Model(format!("it has {} inputs, not 1", inputs.len()))),
    }
}

/// Runs the session on planar samples, `[batch, 3, height, width]`.
pub(crate) fn run<'s>(
    session: &'s mut Session,
    shape: [usize; 4],
    samples: &[f32],
) -> Result<SessionOutputs<'s>, VisionError> {
    #[cfg(feature = "bench")]
    crate::bench::note(shape);
    let input = TensorRef::from_array_view((shape, samples)).map_err(|error| failed(&error))?;
    session.run(ort::inputs![input]).map_err(|error| failed(&error))
}

/// A session and the memory of its samples, which is kept from run to run: of a detector tens of MB, whose pages are
/// not fetched anew.
#[derive(Debug)]
pub(crate) struct Runner {
    /// Goes before the session, whose allocator it may come from.
    memory: Memory,
    session: Session,
    role: Role,
}

enum Memory {
    /// The processor reads it where it is.
    Own(Vec<f32>),
    /// A card fetches it.
    Bound(Box<Bound>),
}

/// Shows nothing of the photo.
impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Own(_) => "Own",
            Self::Bound(_) => "Bound",
        })
    }
}

impl Runner {
    /// A session of a model that has one input, given as its file's bytes.
    pub fn open(model: &[u8], role: Role, means: Means) -> Result<Self, VisionError> {
        let session = open(model, means)?;
        input_shape(&session)?;
        let memory = match means.device {
            Device::Cpu => Memory::Own(Vec::new()),
            Device::Cuda(_) => Memory::Bound(Box::new(Bound::new(&session, means.device)?)),
        };
        Ok(Self { memory, session, role })
    }

    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Has `fill` write the samples, every one of them, `[batch, 3, height, width]`, and runs the model on them.
    pub fn run(
        &mut self,
        shape: [usize; 4],
        fill: impl FnOnce(&mut [f32]) -> Result<(), VisionError>,
    ) -> Result<SessionOutputs<'_>, VisionError> {
        match &mut self.memory {
            Memory::Own(samples) => {
                samples.resize(shape.iter().product(), 0.0);
                fill(samples)?;
                measure::timed(self.role, || run(&mut self.session, shape, samples))
            }
            Memory::Bound(bound) => {
                #[cfg(feature = "bench")]
                crate::bench::note(shape);
                fill(bound.samples(shape)?)?;
                measure::timed(self.role, || bound.run(&mut self.session))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a card's runs go through says the same, to the last bit, whatever sizes follow each other: with the
    /// processor's memory, and where a card's memory was wanted but there is no card.
    #[test]
    fn bound_runs_say_the_same() {
        for role in [Role::Detector, Role::Embedder] {
            let Some((_, model)) = crate::testing::model(role) else {
                return;
            };
            let shapes = match role {
                Role::Detector => [[1, 3, 64, 96], [1, 3, 64, 96], [1, 3, 128, 32], [1, 3, 64, 96]],
                _ => [[2, 3, 112, 112], [2, 3, 112, 112], [5, 3, 112, 112], [1, 3, 112, 112]],
            };
            let model = match role {
                Role::Detector => crate::detector::prepare(&model).unwrap(),
                _ => model,
            };
            let mut own = Runner::open(&model, role, 1.into()).unwrap();
            let mut bound = [Device::Cpu, Device::Cuda(1)].map(|device| {
                let mut runner = Runner::open(&model, role, 1.into()).unwrap();
                runner.memory = Memory::Bound(Box::new(Bound::new(&runner.session, device).unwrap()));
                runner
            });
            for (shape, factor) in shapes.into_iter().zip([7_u8, 11, 13, 17]) {
                let noise = |samples: &mut [f32]| {
                    assert_eq!(samples.len(), shape.iter().product::<usize>());
                    let mut value = 0_u8;
                    samples.fill_with(|| {
                        value = value.wrapping_mul(factor).wrapping_add(101);
                        value.into()
                    });
                    Ok(())
                };
                let said = |runner: &mut Runner| -> Vec<(String, Vec<i64>, Vec<f32>)> {
                    let outputs = runner.run(shape, noise).unwrap();
                    let read = outputs.iter().map(|(name, value)| {
                        let (shape, numbers) = value.try_extract_tensor::<f32>().unwrap();
                        (name.to_owned(), shape.to_vec(), numbers.to_vec())
                    });
                    read.collect()
                };
                let own = said(&mut own);
                assert!(
                    own.iter()
                        .any(|(_, _, numbers)| numbers.iter().any(|number| *number != 0.0))
                );
                for bound in &mut bound {
                    assert_eq!(said(bound), own);
                }
            }
        }
    }

    /// What was not filled is not run on.
    #[test]
    fn what_fails_to_fill_does_not_run() {
        let Some((_, model)) = crate::testing::model(Role::Embedder) else {
            return;
        };
        let mut runner = Runner::open(&model, Role::Embedder, 1.into()).unwrap();
        let failed = runner.run([1, 3, 112, 112], |_| Err(VisionError::Abandoned));
        assert!(matches!(failed, Err(VisionError::Abandoned)));
    }
}
