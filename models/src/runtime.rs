//! ONNX Runtime, a shared library that isn't linked but found, or fetched, and loaded once.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

use crate::wheel;

/// The oldest version that is accepted, as in the `api-NN` feature of `ort`.
pub const OLDEST: &str = if cfg!(feature = "cuda") { "1.23" } else { "1.20" };

/// The runtime is missing or can't be loaded; one line that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RuntimeError(pub(crate) String);

/// A process may have one environment, ever: a second can't be made even after the first is gone.
static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();

/// Held while the one environment is made, so that tests may all begin with it.
static INITIALISING: Mutex<()> = Mutex::new(());

/// Loads the library at `path` for the whole process. Once it has worked, further calls do nothing,
/// whatever their path.
pub fn init(path: &Path) -> Result<(), RuntimeError> {
    let _alone = INITIALISING.lock().unwrap_or_else(PoisonError::into_inner);
    if ENVIRONMENT.get().is_some() {
        return Ok(());
    }
    let wrong = |error: &dyn std::fmt::Display| {
        RuntimeError(one_line(&format!(
            "{} can't be loaded as ONNX Runtime {OLDEST} or later ({error}); set ORT_DYLIB_PATH to one that can",
            path.display()
        )))
    };
    let environment = ort::init_from(path)
        .map_err(|error| wrong(&error))?
        .with_name("muster")
        .with_telemetry(false)
        .build()
        .map_err(|error| wrong(&error))?;
    // What matters comes back as an error; its warnings are about the graphs of files that nobody
    // here can change.
    environment.set_log_level(LogLevel::Error);
    let _ = ENVIRONMENT.set(environment);
    Ok(())
}

/// The environment, once [`init`] has worked.
pub(crate) fn environment() -> Result<&'static Environment, RuntimeError> {
    ENVIRONMENT
        .get()
        .ok_or_else(|| RuntimeError("ONNX Runtime has not been initialised".into()))
}

/// Where the library may come from, in the order in which it is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places<'a> {
    /// Named by the operator: this one or none.
    pub explicit: Option<&'a Path>,
    /// Where earlier fetches put it and the next one will.
    pub models_dir: &'a Path,
    /// A folder laid out like `models_dir`.
    pub mirror: Option<&'a Path>,
}

impl Places<'_> {
    /// Initialises the first library that can be loaded, and fetches one where there is none.
    pub fn init(&self) -> Result<(), RuntimeError> {
        if let Some(path) = self.explicit {
            return init(path);
        }
        for path in self.present() {
            match init(&path) {
                Ok(()) => return Ok(()),
                Err(error) => tracing::warn!(%error, "passed over an ONNX Runtime"),
            }
        }
        init(&wheel::fetch(self.models_dir)?)
    }

    /// The first library that is there, whether or not it loads.
    pub fn find(&self) -> Option<PathBuf> {
        match self.explicit {
            Some(path) => path.is_file().then(|| path.to_path_buf()),
            None => self.present().into_iter().next(),
        }
    }

    /// Fetches the library unless one is there.
    pub fn ensure(&self) -> Result<PathBuf, RuntimeError> {
        match (self.find(), self.explicit) {
            (Some(path), _) => Ok(path),
            (None, Some(path)) => Err(RuntimeError(format!(
                "there is no file {}; correct ORT_DYLIB_PATH, or unset it to have ONNX Runtime fetched",
                path.display()
            ))),
            (None, None) => wheel::fetch(self.models_dir),
        }
    }

    /// Every library in the usual places, the system's first.
    fn present(&self) -> Vec<PathBuf> {
        let triple = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
        let system = ["/usr/local/lib", "/usr/lib", &triple, "/usr/lib64", "/opt/homebrew/lib"];
        let mut found: Vec<PathBuf> = system.iter().flat_map(|folder| in_folder(Path::new(folder))).collect();
        for folder in [Some(self.models_dir), self.mirror].into_iter().flatten() {
            found.extend(in_folder(folder));
            let mut fetched: Vec<PathBuf> = entries(folder)
                .into_iter()
                .filter(|path| name(path).starts_with(wheel::FOLDER))
                .collect();
            newest_first(&mut fetched);
            found.extend(fetched.iter().flat_map(|folder| in_folder(folder)));
        }
        found
    }
}

/// The runtime's libraries in a folder, newest first.
fn in_folder(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = entries(folder)
        .into_iter()
        .filter(|path| wheel::is_library(name(path)) && path.is_file())
        .collect();
    newest_first(&mut found);
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
        .unwrap_or_default()
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(std::ffi::OsStr::to_str).unwrap_or_default()
}

/// By the numbers in the names: 1.31.1 is newer than 1.4.
fn newest_first(paths: &mut [PathBuf]) {
    paths.sort_by_cached_key(|path| {
        let numbers: Vec<u32> = name(path)
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|digits| digits.parse().ok())
            .collect();
        std::cmp::Reverse(numbers)
    });
}

pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_a_folder_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "libonnxruntime.so.1.4.0",
            "libonnxruntime.so.1.31.1",
            "libonnxruntime_providers_shared.so",
            "yunet.onnx",
        ] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        let older = folder.path().join("onnxruntime-1.5.0");
        std::fs::create_dir(&older).unwrap();
        std::fs::write(older.join("libonnxruntime.so.1.5.0"), b"").unwrap();
        let places = Places {
            explicit: None,
            models_dir: folder.path(),
            mirror: None,
        };
        let here: Vec<String> = places
            .present()
            .iter()
            .filter_map(|path| path.strip_prefix(folder.path()).ok())
            .map(|path| path.display().to_string())
            .collect();
        assert_eq!(
            here,
            [
                "libonnxruntime.so.1.31.1",
                "libonnxruntime.so.1.4.0",
                "onnxruntime-1.5.0/libonnxruntime.so.1.5.0"
            ]
        );
    }

    #[test]
    fn a_path_that_is_no_library_is_told_in_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libonnxruntime.so");
        let places = Places {
            explicit: Some(&path),
            models_dir: folder.path(),
            mirror: None,
        };
        let missing = places.ensure().unwrap_err().to_string();
        assert!(
            missing.contains("ORT_DYLIB_PATH") && !missing.contains('\n'),
            "{missing}"
        );
        std::fs::write(&path, b"<html>").unwrap();
        assert_eq!(places.ensure(), Ok(path.clone()));
    }
}
