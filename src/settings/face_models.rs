//! Where the face models and their runtime are had, and what they run on.

use std::path::{Path, PathBuf};

use super::bad;
use crate::Failure;

pub(super) fn mirror(value: Option<String>) -> Result<Option<String>, Failure> {
    let Some(place) = value else { return Ok(None) };
    let address = place.starts_with("https://") || place.starts_with("http://");
    if address || Path::new(&place).is_dir() {
        Ok(Some(place))
    } else {
        bad(
            "MUSTER_MODELS_MIRROR",
            format!("{place:?} is neither a folder that is there nor an http(s) address"),
        )
    }
}

pub(super) fn library(value: Option<String>) -> Result<Option<PathBuf>, Failure> {
    let Some(path) = value.map(PathBuf::from) else {
        return Ok(None);
    };
    if path.is_file() {
        Ok(Some(path))
    } else {
        bad(
            "ORT_DYLIB_PATH",
            format!(
                "there is no file {}; unset it to have ONNX Runtime found or fetched",
                path.display()
            ),
        )
    }
}

pub(super) fn device(value: Option<String>) -> Result<models::Device, Failure> {
    let named = value.map_or(Ok(models::Device::Cpu), |text| text.parse());
    named
        .and_then(|device| device.check_built().map(|()| device))
        .or_else(|error| bad("MUSTER_DEVICE", error))
}
