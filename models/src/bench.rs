//! For benchmarks alone (feature `bench`): the catalog's models run bare, as ONNX Runtime would be
//! asked without anything of ours around it, and a record of what an analysis asked of it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::catalog::{Catalog, Entry, Role};
use crate::runtime::Places;
use crate::setup::{Progress, Settings};
use crate::store::Store;
use crate::vision::VisionError;
use crate::{detector, lane, prelu, session};

/// Which bytes a session is opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The file as its makers published it.
    Published,
    /// What [`crate::OnnxVision`] makes of it.
    Loaded,
}

/// The model of that role to which the settings lead and its file, fetched where it is missing, and
/// the runtime initialised.
pub fn file(settings: &Settings, role: Role) -> Result<(Entry, PathBuf), VisionError> {
    let mirror = settings.mirror.as_deref();
    Places {
        explicit: settings.ort_dylib.as_deref(),
        models_dir: &settings.models_dir,
        mirror: mirror.map(Path::new).filter(|path| path.is_dir()),
    }
    .init()
    .map_err(|error| session::failed(&error))?;
    let named = match role {
        Role::Detector => settings.detector.as_deref(),
        Role::Embedder => settings.embedder.as_deref(),
        Role::Liveness => None,
    };
    let catalog = Catalog::built_in().map_err(|error| session::failed(&error))?;
    let store = Store {
        models_dir: &settings.models_dir,
        mirror,
    };
    let candidates = store
        .candidates(&catalog, role, named)
        .map_err(|error| session::failed(&error))?;
    let mut why = VisionError::Model(format!("the catalog has no {role}"));
    for entry in candidates {
        match store.ensure(entry, Progress::Silent) {
            Ok(path) => return Ok((entry.clone(), path)),
            Err(error) => why = session::failed(&error),
        }
    }
    Err(why)
}

/// The bytes of that model's file in that form.
pub fn bytes(settings: &Settings, role: Role, form: Form) -> Result<Vec<u8>, VisionError> {
    let (entry, path) = file(settings, role)?;
    match (form, role) {
        (Form::Published, _) => session::read(&path),
        (Form::Loaded, Role::Detector) => detector::prepare(&prelu::read(&path, &entry)?),
        (Form::Loaded, Role::Embedder | Role::Liveness) => prelu::read(&path, &entry),
    }
}

/// How many sessions of the embedder share out the faces of one photo, and the threads of each.
pub fn lanes(threads: usize, embedder: &[u8]) -> (usize, usize) {
    let (count, each) = lane::share(threads.into(), embedder.len());
    (count, each.threads)
}

/// A model alone, in a session as an analysis uses it.
#[derive(Debug)]
pub struct Bare(ort::session::Session);

impl Bare {
    /// A session of that many threads for the bytes of a model.
    pub fn open(model: &[u8], threads: usize) -> Result<Self, VisionError> {
        session::open(model, threads).map(Self)
    }

    /// Runs on `[batch, 3, height, width]` planar samples and copies out the first output.
    pub fn run(&mut self, shape: [usize; 4], samples: &[f32]) -> Result<Vec<f32>, VisionError> {
        let outputs = session::run(&mut self.0, shape, samples)?;
        let (_, numbers) = outputs[0]
            .try_extract_tensor::<f32>()
            .map_err(|error| session::failed(&error))?;
        Ok(numbers.to_vec())
    }
}

static RUNS: Mutex<Option<Vec<[usize; 4]>>> = Mutex::new(None);

/// Notes a run while somebody records.
pub(crate) fn note(shape: [usize; 4]) {
    if let Some(runs) = &mut *RUNS.lock().unwrap_or_else(PoisonError::into_inner) {
        runs.push(shape);
    }
}

/// Does the work and answers beside its result the shapes that models were run on meanwhile, on
/// whichever thread.
pub fn recorded<T>(work: impl FnOnce() -> T) -> (T, Vec<[usize; 4]>) {
    let lock = || RUNS.lock().unwrap_or_else(PoisonError::into_inner);
    *lock() = Some(Vec::new());
    let result = work();
    let runs = lock().take().unwrap_or_default();
    (result, runs)
}
