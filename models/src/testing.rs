//! Real weights and the runtime for unit tests, where they are to be had.

pub(crate) mod graph;

use std::path::{Path, PathBuf};

use crate::catalog::{Catalog, Entry, Role};
use crate::runtime::Places;
use crate::setup::Progress;
use crate::store::Store;

/// The first model of that role and its file's bytes, the runtime initialised; or nothing where the
/// test must be skipped, which with `MUSTER_REQUIRE_MODELS=1` is a failure.
pub(crate) fn model(role: Role) -> Option<(Entry, Vec<u8>)> {
    required(load(role))
}

/// Every model of that role and its file's bytes, as by [`model`].
pub(crate) fn models(role: Role) -> Option<Models> {
    required(load_all(role))
}

/// Initialises the runtime; false where the test must be skipped, as for [`model`].
pub(crate) fn runtime() -> bool {
    required(places().map(|_| ())).is_some()
}

fn required<T>(had: Result<T, Box<dyn std::error::Error>>) -> Option<T> {
    match had {
        Ok(had) => Some(had),
        Err(why) => {
            assert!(
                std::env::var_os("MUSTER_REQUIRE_MODELS").is_none_or(|set| set != "1"),
                "{why}"
            );
            eprintln!("skipped: {why}");
            None
        }
    }
}

/// The models folder and its mirror, the runtime initialised.
fn places() -> Result<(PathBuf, PathBuf), Box<dyn std::error::Error>> {
    let set = std::env::var_os("MUSTER_MODELS_MIRROR").map(PathBuf::from);
    let mirror = set.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/models"));
    if !mirror.is_dir() {
        return Err("no weights: MUSTER_MODELS_MIRROR is unset and none lie beside the checkout".into());
    }
    // Beside the build's other outputs, where the integration tests keep theirs: the runtime is
    // large.
    let built = std::env::current_exe()?;
    let models_dir = built.ancestors().nth(3).ok_or("no target folder")?.join("tmp/models");
    let explicit = std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    Places {
        explicit: explicit.as_deref(),
        models_dir: &models_dir,
        mirror: Some(&mirror),
    }
    .init()?;
    Ok((models_dir, mirror))
}

/// Each entry and its file's bytes.
type Models = Vec<(Entry, Vec<u8>)>;

fn load_all(role: Role) -> Result<Models, Box<dyn std::error::Error>> {
    let (models_dir, mirror) = places()?;
    let text = mirror.display().to_string();
    let store = Store {
        models_dir: &models_dir,
        mirror: Some(&text),
    };
    let catalog = Catalog::built_in()?;
    let one = |entry: &Entry| {
        let path = store.ensure(entry, Progress::Silent)?;
        Ok((entry.clone(), std::fs::read(path)?))
    };
    catalog.of(role).map(one).collect()
}

fn load(role: Role) -> Result<(Entry, Vec<u8>), Box<dyn std::error::Error>> {
    let (models_dir, mirror) = places()?;
    let catalog = Catalog::built_in()?;
    let text = mirror.display().to_string();
    let store = Store {
        models_dir: &models_dir,
        mirror: Some(&text),
    };
    let entry = store
        .candidates(&catalog, role, None)?
        .first()
        .copied()
        .ok_or("no model")?
        .clone();
    let path = store.ensure(&entry, Progress::Silent)?;
    Ok((entry, std::fs::read(path)?))
}
