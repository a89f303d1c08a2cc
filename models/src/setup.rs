//! From an operator's settings to a working [`OnnxVision`], and the three commands about models.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::catalog::{Catalog, Entry, Role};
use crate::device::Device;
use crate::embedders::{Find, Weights};
use crate::onnx::{OnnxVision, VisionConfig};
use crate::runtime::{self, Places, one_line};
use crate::store::{FetchError, Store};

/// What an operator may set about models.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where weights and the runtime are kept.
    pub models_dir: PathBuf,
    /// A folder or an http(s) address that holds the catalog's files, asked before the official
    /// ones.
    pub mirror: Option<String>,
    /// A catalog whose entries come before the built-in ones.
    pub catalog: Option<PathBuf>,
    /// The detector by its name in the catalog; absent: the first that is here, else the first that
    /// can be had.
    pub detector: Option<String>,
    /// The embedder by its name in the catalog; absent: the first that is here, else the first that
    /// can be had.
    pub embedder: Option<String>,
    /// The ONNX Runtime library to load; absent: it is looked for, then fetched.
    pub ort_dylib: Option<PathBuf>,
    /// Photos analysed at a time; 0 counts as 1.
    pub slots: usize,
    /// Threads for each of them; 0 counts as 1.
    pub threads: usize,
    /// What the models run on.
    pub device: Device,
}

/// How a download shows itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Not at all.
    Silent,
    /// By a bar on stderr, where that is a terminal.
    Bar,
}

/// How a file in the models folder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There, with the right size or, where it was computed, checksum.
    Ready,
    /// Not there.
    Missing,
    /// There, and not what it should be.
    Damaged,
}

/// A line of `muster models list`, `fetch` and `check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Name in the catalog, or `onnxruntime`.
    pub name: String,
    /// `detector`, `embedder`, `liveness` or `runtime`.
    pub role: String,
    /// Licence of the file.
    pub licence: String,
    /// Size of the file in bytes, where it is known.
    pub bytes: Option<u64>,
    /// Whether the settings lead to this one.
    pub selected: bool,
    /// How it stands.
    pub state: State,
    /// Where it is, or would be.
    pub path: PathBuf,
}

/// What stands in the way of recognition; one line that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SetupError(String);

impl SetupError {
    fn new(error: &impl std::fmt::Display) -> Self {
        Self(one_line(&error.to_string()))
    }
}

impl From<FetchError> for SetupError {
    fn from(error: FetchError) -> Self {
        Self::new(&error)
    }
}

impl From<runtime::RuntimeError> for SetupError {
    fn from(error: runtime::RuntimeError) -> Self {
        Self::new(&error)
    }
}

/// Fetches runtime and weights where they are missing, checks them, loads and warms them. Without the models of
/// liveness it does without liveness. Blocking.
pub fn prepare(settings: &Settings) -> Result<OnnxVision, SetupError> {
    settings.device.check_built().map_err(|error| SetupError::new(&error))?;
    let setup = Setup::new(settings)?;
    let detector = setup.ensure(Role::Detector, Progress::Bar)?;
    let embedder = setup.ensure(Role::Embedder, Progress::Bar)?;
    let liveness = setup.ensure_liveness(Progress::Bar).unwrap_or_else(|error| {
        tracing::warn!("a picture of a person can't be told from the person: {error}");
        Vec::new()
    });
    setup.places().init()?;
    OnnxVision::load(&VisionConfig {
        detector,
        embedder,
        find_embedder: finder(settings.clone()),
        liveness,
        slots: settings.slots,
        threads_per_slot: settings.threads,
        device: settings.device,
        max_pixels: picture::MAX_PIXELS,
    })
    .map_err(|error| SetupError::new(&format!("{error}; run `muster models check`, or choose another model")))
}

/// Fetches embedders by their names in the catalog, where they are missing.
fn finder(settings: Settings) -> Find {
    Arc::new(move |name| {
        let find = || -> Result<Weights, SetupError> {
            let setup = Setup::new(&settings)?;
            let store = setup.store();
            let found = store.candidates(&setup.catalog, Role::Embedder, Some(name))?;
            let entry = found
                .first()
                .ok_or_else(|| SetupError(format!("there is no embedder named {name:?}")))?;
            Ok(Weights {
                path: store.ensure(entry, Progress::Silent)?,
                entry: (*entry).clone(),
            })
        };
        find().map_err(|error| error.to_string())
    })
}

/// Every model of the catalog, and the runtime, and how each stands by size alone. Fetches nothing.
pub fn list(settings: &Settings) -> Result<Vec<Row>, SetupError> {
    let setup = Setup::new(settings)?;
    let state = if setup.places().find().is_some() {
        State::Ready
    } else {
        State::Missing
    };
    setup.rows(|entry| setup.store().glance(entry), state)
}

/// Every model of the catalog, and the runtime: each checksum computed anew, the runtime loaded.
/// Fetches nothing.
pub fn check(settings: &Settings) -> Result<Vec<Row>, SetupError> {
    let setup = Setup::new(settings)?;
    let state = match setup.places().find().map(|path| runtime::init(&path)) {
        Some(Ok(())) => State::Ready,
        Some(Err(_)) => State::Damaged,
        None => State::Missing,
    };
    setup.rows(|entry| setup.store().verify(entry), state)
}

/// Fetches what the settings lead to: the runtime, the detector, the embedder, the models of liveness. Answers those
/// rows; of liveness, which nothing else needs, also what can't be had.
pub fn fetch(settings: &Settings, progress: Progress) -> Result<Vec<Row>, SetupError> {
    let setup = Setup::new(settings)?;
    let library = setup.places().ensure()?;
    let mut rows = vec![runtime_row(State::Ready, library)];
    for role in [Role::Detector, Role::Embedder] {
        let Weights { entry, path } = setup.ensure(role, progress)?;
        rows.push(row(&entry, true, State::Ready, path));
    }
    let fetched = setup.ensure_liveness(progress);
    if let Err(error) = &fetched {
        tracing::warn!("a picture of a person can't be told from the person: {error}");
    }
    for entry in setup.catalog.of(Role::Liveness) {
        let (store, selected) = (setup.store(), fetched.is_ok());
        rows.push(row(entry, selected, store.glance(entry), store.path(entry)));
    }
    Ok(rows)
}

struct Setup<'s> {
    settings: &'s Settings,
    catalog: Catalog,
}

impl<'s> Setup<'s> {
    fn new(settings: &'s Settings) -> Result<Self, SetupError> {
        let catalog = Catalog::load(settings.catalog.as_deref()).map_err(|error| SetupError::new(&error))?;
        Ok(Self { settings, catalog })
    }

    fn store(&self) -> Store<'s> {
        // An empty variable is one that was unset.
        let mirror = self
            .settings
            .mirror
            .as_deref()
            .filter(|mirror| !mirror.trim().is_empty());
        Store {
            models_dir: &self.settings.models_dir,
            mirror,
        }
    }

    fn places(&self) -> Places<'s> {
        let explicit = self.settings.ort_dylib.as_deref().filter(|path| *path != Path::new(""));
        Places {
            explicit,
            models_dir: &self.settings.models_dir,
            mirror: self.store().mirror_folder(),
        }
    }

    fn candidates(&self, role: Role) -> Result<Vec<&Entry>, SetupError> {
        let named = match role {
            Role::Detector => self.settings.detector.as_deref(),
            Role::Embedder => self.settings.embedder.as_deref(),
            Role::Liveness => None,
        };
        Ok(self.store().candidates(&self.catalog, role, named)?)
    }

    /// The first candidate that can be had.
    fn ensure(&self, role: Role, progress: Progress) -> Result<Weights, SetupError> {
        let mut first = None;
        for entry in self.candidates(role)? {
            match self.store().ensure(entry, progress) {
                Ok(path) => {
                    return Ok(Weights {
                        entry: entry.clone(),
                        path,
                    });
                }
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.map_or_else(|| SetupError(format!("the catalog has no {role}")), Into::into))
    }

    /// All models of liveness: what they say is averaged, so that one alone would say something else.
    fn ensure_liveness(&self, progress: Progress) -> Result<Vec<Weights>, SetupError> {
        let store = self.store();
        let one = |entry: &Entry| {
            Ok(Weights {
                path: store.ensure(entry, progress)?,
                entry: entry.clone(),
            })
        };
        self.catalog.of(Role::Liveness).map(one).collect()
    }

    fn rows(&self, state: impl Fn(&Entry) -> State, runtime: State) -> Result<Vec<Row>, SetupError> {
        let mut selected = Vec::new();
        for role in [Role::Detector, Role::Embedder] {
            selected.extend(self.candidates(role)?.first().map(|entry| entry.name.as_str()));
        }
        let liveness: Vec<&Entry> = self.catalog.of(Role::Liveness).collect();
        if liveness.iter().all(|entry| self.store().glance(entry) == State::Ready) {
            selected.extend(liveness.iter().map(|entry| entry.name.as_str()));
        }
        let library = self.places().find().unwrap_or_else(|| self.settings.models_dir.clone());
        let models = self.catalog.entries().iter().map(|entry| {
            row(
                entry,
                selected.contains(&entry.name.as_str()),
                state(entry),
                self.store().path(entry),
            )
        });
        Ok(std::iter::once(runtime_row(runtime, library)).chain(models).collect())
    }
}

fn row(entry: &Entry, selected: bool, state: State, path: PathBuf) -> Row {
    Row {
        name: entry.name.clone(),
        role: entry.role.to_string(),
        licence: entry.licence.clone(),
        bytes: Some(entry.bytes),
        selected,
        state,
        path,
    }
}

fn runtime_row(state: State, path: PathBuf) -> Row {
    Row {
        name: "onnxruntime".into(),
        role: "runtime".into(),
        licence: "MIT".into(),
        bytes: std::fs::metadata(&path)
            .ok()
            .filter(std::fs::Metadata::is_file)
            .map(|data| data.len()),
        selected: true,
        state,
        path,
    }
}
