//! Runs whose samples and results lie where a card fetches and puts them by itself (ONNX Runtime's `IoBinding`), in
//! page-locked memory: from any other the driver would first copy them into such memory of its own.

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, Session, SessionOutputs};
use ort::value::Tensor;

use crate::device::Device;
use crate::session::failed;
use crate::vision::VisionError;

/// The memory of one session's runs, one after another.
#[derive(Debug)]
pub(crate) struct Bound {
    binding: IoBinding,
    input: String,
    outputs: Vec<String>,
    /// Of the last run, to be written over by the next one of its shape.
    samples: Option<([usize; 4], Tensor<f32>)>,
    memory: Allocator,
}

impl Bound {
    /// For a session with one input that runs on that device.
    pub fn new(session: &Session, device: Device) -> Result<Self, VisionError> {
        let [input] = session.inputs() else {
            return Err(VisionError::Model(format!(
                "it has {} inputs, not 1",
                session.inputs().len()
            )));
        };
        Ok(Self {
            binding: session.create_binding().map_err(|error| failed(&error))?,
            input: input.name().to_owned(),
            outputs: session
                .outputs()
                .iter()
                .map(|output| output.name().to_owned())
                .collect(),
            samples: None,
            memory: memory(session, device),
        })
    }

    /// Where the next run's samples are to be written, all of them: what is there is the last run's, or nothing's.
    pub fn samples(&mut self, shape: [usize; 4]) -> Result<&mut [f32], VisionError> {
        if self.samples.as_ref().is_none_or(|(before, _)| *before != shape) {
            self.binding.clear_inputs();
            // First, so that its memory may be had again.
            self.samples = None;
            let made = Tensor::new(&self.memory, shape).map_err(|error| failed(&error))?;
            self.samples = Some((shape, made));
        }
        let (_, samples) = self.samples.as_mut().ok_or_else(nothing)?;
        let (_, samples) = samples.try_extract_tensor_mut().map_err(|error| failed(&error))?;
        Ok(samples)
    }

    /// Runs on the samples that were written last.
    pub fn run<'r>(&'r mut self, session: &'r mut Session) -> Result<SessionOutputs<'r>, VisionError> {
        let (_, samples) = self.samples.as_ref().ok_or_else(nothing)?;
        let binding = &mut self.binding;
        let mut bind = || -> ort::Result<()> {
            // Anew for each run: else the last one's are written over, in its sizes.
            for output in &self.outputs {
                binding.bind_output_to_device(output, self.memory.memory_info())?;
            }
            binding.bind_input(&self.input, samples)?;
            binding.synchronize_inputs()
        };
        bind().map_err(|error| failed(&error))?;
        let outputs = session.run_binding(&self.binding).map_err(|error| failed(&error))?;
        self.binding.synchronize_outputs().map_err(|error| failed(&error))?;
        Ok(outputs)
    }
}

fn nothing() -> VisionError {
    VisionError::Model("it was run before it had samples".into())
}

/// Memory that both the processor and the device reach: results are the same from any, only later.
fn memory(session: &Session, device: Device) -> Allocator {
    match device {
        Device::Cpu => Allocator::default(),
        Device::Cuda(card) => page_locked(session, card.into())
            // Some versions of the runtime give it the first card's number whichever card is used.
            .or_else(|_| page_locked(session, 0))
            .unwrap_or_else(|error| {
                tracing::warn!(%device, error = %failed(&error), "there is no page-locked memory; copies take longer");
                Allocator::default()
            }),
    }
}

fn page_locked(session: &Session, card: i32) -> ort::Result<Allocator> {
    let place = MemoryInfo::new(
        AllocationDevice::CUDA_PINNED,
        card,
        AllocatorType::Device,
        MemoryType::CPUInput,
    )?;
    Allocator::new(session, place)
}
