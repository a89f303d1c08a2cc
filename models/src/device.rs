//! Where the models run: on the processor, or on one of NVIDIA's cards.

use std::str::FromStr;

use ort::ep::{CPU, ExecutionProviderDispatch};

/// What the models run on. Nothing else is fallen back to: a card that can't be had is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// The card of that number, by CUDA.
    Cuda(u16),
}

/// A device that isn't one, or that this program or this library can't use; one line that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The text names none.
    #[error("{0:?} is no device; it is cpu, cuda or cuda:N, where N is the card's number from 0")]
    Unknown(String),
    /// Built without it.
    #[error("this program was built without CUDA; build it with `--features cuda`, or choose cpu")]
    NotBuilt,
    /// The ONNX Runtime that was loaded is one for processors.
    #[error(
        "the ONNX Runtime that was loaded can't use CUDA; name the library of the onnxruntime-gpu package by \
         ORT_DYLIB_PATH, or choose cpu"
    )]
    NotInLibrary,
}

impl FromStr for Device {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::Unknown(text.into());
        match text.split_once(':') {
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda(0)),
            // `parse` alone would take a sign.
            Some(("cuda", number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                number.parse().map(Self::Cuda).map_err(|_| unknown())
            }
            _ => Err(unknown()),
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl Device {
    /// Whether this program can use it at all; whether this machine can, shows when a model is loaded.
    pub fn check_built(self) -> Result<(), DeviceError> {
        match self {
            Self::Cuda(_) if !cfg!(feature = "cuda") => Err(DeviceError::NotBuilt),
            Self::Cuda(_) | Self::Cpu => Ok(()),
        }
    }

    /// Whether the runtime, once it has been initialised, can use it.
    pub(crate) fn check_library(self) -> Result<(), DeviceError> {
        self.check_built()?;
        match self {
            Self::Cuda(_) if !cuda::is_in_library() => Err(DeviceError::NotInLibrary),
            Self::Cuda(_) | Self::Cpu => Ok(()),
        }
    }

    /// What sessions are to run on, best first.
    pub(crate) fn providers(self) -> Vec<ExecutionProviderDispatch> {
        // The arena keeps what the largest photo so far needed: some 150 MB a session of the detector. Without
        // it each tensor of each run is mapped anew, and most of a run's time goes to its pages.
        let cpu = CPU::default().with_arena_allocator(true).build();
        match self {
            Self::Cpu => vec![cpu],
            Self::Cuda(number) => cuda::provider(number).into_iter().chain([cpu]).collect(),
        }
    }
}

#[cfg(feature = "cuda")]
mod cuda {
    use ort::ep::cuda::ConvAlgorithmSearch;
    use ort::ep::{CUDA, ExecutionProvider, ExecutionProviderDispatch};

    pub(super) fn is_in_library() -> bool {
        CUDA::is_available().unwrap_or(false)
    }

    #[expect(clippy::unnecessary_wraps, reason = "as where there is none")]
    pub(super) fn provider(card: u16) -> Option<ExecutionProviderDispatch> {
        // Photos have all sizes, and an exhaustive search would be made anew for each. Without the short
        // floats a card's embeddings stay comparable with a processor's.
        let provider = CUDA::default()
            .with_device_id(card.into())
            .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic)
            .with_tf32(false)
            .build();
        // Else the processor would do the work in silence.
        Some(provider.error_on_failure())
    }
}

/// [`Device::check_built`] has refused before either is asked.
#[cfg(not(feature = "cuda"))]
mod cuda {
    pub(super) fn is_in_library() -> bool {
        false
    }

    pub(super) fn provider(_: u16) -> Option<ort::ep::ExecutionProviderDispatch> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named() {
        for (text, device) in [
            ("cpu", Device::Cpu),
            ("cuda", Device::Cuda(0)),
            ("cuda:0", Device::Cuda(0)),
            ("cuda:3", Device::Cuda(3)),
        ] {
            assert_eq!(text.parse(), Ok(device));
            assert_eq!(device.to_string().parse(), Ok(device));
        }
        for text in [
            "",
            "gpu",
            "cuda:",
            "cuda:-1",
            "cuda:+1",
            "cuda:x",
            "cuda:70000",
            "cpu:0",
            "CUDA",
        ] {
            let error = text.parse::<Device>().unwrap_err();
            assert!(error.to_string().contains("cuda:N"), "{error}");
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn what_was_not_built_says_so() {
        assert_eq!(Device::Cpu.check_library(), Ok(()));
        let error = Device::Cuda(0).check_library().unwrap_err();
        assert!(error.to_string().contains("--features cuda"), "{error}");
    }

    /// With a library for processors alone, as tests have it, CUDA must be an error and never the processor in silence.
    #[cfg(feature = "cuda")]
    #[test]
    fn a_library_without_cuda_says_so() {
        if !crate::testing::runtime() {
            return;
        }
        let error = Device::Cuda(0).check_library().unwrap_err();
        assert!(error.to_string().contains("ORT_DYLIB_PATH"), "{error}");
        let dims = [1, 1, 1, 1];
        let nodes = vec![crate::testing::graph::node("Relu", &["x"], "y")];
        let model = crate::testing::graph::model(nodes, Vec::new(), ("x", &dims), ("y", &dims), 11);
        let means = crate::session::Means {
            threads: 1,
            device: Device::Cuda(0),
        };
        assert!(crate::session::open(&model, means).is_err());
    }
}
