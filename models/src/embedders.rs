//! The embedders in memory: the one that the operator chose, always, and the few others that were asked for last, for
//! galleries that were made with them.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::catalog::Entry;
use crate::lane::{self, Lanes};
use crate::pool::Pool;
use crate::prelu;
use crate::session::Means;
use crate::vision::{EmbedderInfo, VisionError};

/// Most embedders kept beside the chosen one: a gallery that is being replaced, and the one that replaces it.
const OTHERS: usize = 2;

/// A model of the catalog whose file is here.
#[derive(Debug, Clone)]
pub struct Weights {
    /// What the catalog says of it.
    pub entry: Entry,
    /// Its file, whole by its checksum.
    pub path: PathBuf,
}

/// Gets the embedder of that name here; the error is one line that says what to do.
pub type Find = Arc<dyn Fn(&str) -> Result<Weights, String> + Send + Sync>;

/// An embedder, ready to run.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub info: EmbedderInfo,
    /// As many as photos are analysed at a time.
    pub lanes: Pool<Lanes>,
}

pub(crate) struct Embedders {
    chosen: Arc<Loaded>,
    /// The one that was asked for last comes first.
    others: Mutex<VecDeque<Arc<Loaded>>>,
    /// Held while one is fetched and loaded, so that this happens once and those that are here needn't wait.
    loading: Mutex<()>,
    find: Find,
    slots: usize,
    means: Means,
}

impl std::fmt::Debug for Embedders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedders")
            .field("chosen", &self.chosen.info)
            .finish_non_exhaustive()
    }
}

impl Embedders {
    /// Loads the chosen one, for `slots` photos at a time with `means` each.
    pub fn load(chosen: &Weights, find: Find, slots: usize, means: impl Into<Means>) -> Result<Self, VisionError> {
        let means = means.into();
        Ok(Self {
            chosen: Arc::new(load(chosen, slots, means)?),
            others: Mutex::default(),
            loading: Mutex::default(),
            find,
            slots,
            means,
        })
    }

    pub fn chosen(&self) -> &EmbedderInfo {
        &self.chosen.info
    }

    /// The embedder of that name, or the chosen one; fetched and loaded where it isn't here yet.
    pub fn get(&self, name: Option<&str>) -> Result<Arc<Loaded>, VisionError> {
        let Some(name) = name.filter(|name| *name != self.chosen.info.name) else {
            return Ok(self.chosen.clone());
        };
        if let Some(here) = self.here(name) {
            return Ok(here);
        }
        let _alone = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have loaded it while this one waited.
        if let Some(here) = self.here(name) {
            return Ok(here);
        }
        let weights = (self.find)(name).map_err(VisionError::Model)?;
        let loaded = Arc::new(load(&weights, self.slots, self.means)?);
        tracing::info!(embedder = name, "loaded beside the chosen one");
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.push_front(loaded.clone());
        others.truncate(OTHERS);
        Ok(loaded)
    }

    /// One of the others, which is thereby the last that was asked for.
    fn here(&self, name: &str) -> Option<Arc<Loaded>> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let at = others.iter().position(|other| other.info.name == name)?;
        let found = others.remove(at)?;
        others.push_front(found.clone());
        Some(found)
    }
}

fn load(weights: &Weights, slots: usize, means: Means) -> Result<Loaded, VisionError> {
    let entry = &weights.entry;
    let about = |error| match error {
        VisionError::Model(text) => VisionError::Model(format!("{}: {text}", entry.name)),
        other => other,
    };
    let embedding = entry
        .embedding
        .ok_or_else(|| VisionError::Model(format!("{} is not an embedder", entry.name)))?;
    let model = prelu::read(&weights.path, entry).map_err(about)?;
    let lanes = lane::open(slots, &model, entry, means).map_err(about)?;
    Ok(Loaded {
        info: EmbedderInfo {
            name: entry.name.clone(),
            dimension: embedding.dimension,
            match_threshold: embedding.match_threshold,
            review_threshold: embedding.review_threshold,
        },
        lanes: Pool::new("embedders", lanes),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use image::RgbImage;
    use tempfile::TempDir;

    use super::*;
    use crate::align::SIDE;
    use crate::catalog::{Catalog, Role};
    use crate::testing::graph::{self, model, node};

    /// An embedder of three numbers: the means of the three colours, each times `factor`.
    fn weights(folder: &TempDir, name: &str, factor: f32) -> Weights {
        let mut entry = Catalog::built_in().unwrap().of(Role::Embedder).next().unwrap().clone();
        entry.name = name.into();
        entry.file = format!("{name}.onnx");
        entry.embedding.as_mut().unwrap().dimension = 3;
        let nodes = vec![
            node("GlobalAveragePool", &["x"], "mean"),
            node("Flatten", &["mean"], "flat"),
            node("Mul", &["flat", "factor"], "y"),
        ];
        let factor = vec![graph::tensor("factor", &[1], &[factor])];
        let bytes = model(nodes, factor, ("x", &[-1, 3, 112, 112]), ("y", &[-1, 3]), 11);
        let path = folder.path().join(&entry.file);
        std::fs::write(&path, bytes).unwrap();
        Weights { entry, path }
    }

    /// Three others, and how often one was looked for.
    fn embedders(folder: &TempDir) -> (Embedders, Arc<AtomicUsize>) {
        let searches = Arc::new(AtomicUsize::new(0));
        let (counted, all) = (
            searches.clone(),
            ["a", "b", "c"].map(|name| weights(folder, name, -1.0)),
        );
        let find: Find = Arc::new(move |name| {
            counted.fetch_add(1, Ordering::Relaxed);
            let found = all.iter().find(|weights| weights.entry.name == name).cloned();
            found.ok_or_else(|| format!("there is no embedder {name}"))
        });
        let chosen = weights(folder, "chosen", 1.0);
        (Embedders::load(&chosen, find, 2, 1).unwrap(), searches)
    }

    #[test]
    fn each_is_asked_by_its_name_and_the_oldest_is_dropped() {
        if !crate::testing::runtime() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let (embedders, searches) = embedders(&folder);
        let mut counts = Vec::new();
        for name in ["chosen", "a", "b", "a", "c", "a", "b", "chosen"] {
            assert_eq!(embedders.get(Some(name)).unwrap().info.name, name);
            counts.push(searches.load(Ordering::Relaxed));
        }
        assert_eq!(counts, [0, 1, 2, 2, 3, 3, 4, 4]);
        assert_eq!(embedders.get(None).unwrap().info.name, "chosen");

        let white = RgbImage::from_pixel(SIDE, SIDE, image::Rgb([255; 3]));
        let first = |name| {
            let loaded = embedders.get(Some(name)).unwrap();
            let mut lanes = loaded.lanes.borrow();
            lanes.vectors(std::slice::from_ref(&white)).unwrap()[0][0]
        };
        assert!(first("chosen") > 0.5 && first("a") < -0.5);

        let unknown = embedders.get(Some("d")).unwrap_err();
        assert!(matches!(unknown, VisionError::Model(text) if text.contains("no embedder d")));
    }

    #[test]
    fn those_who_ask_at_once_load_it_once() {
        if !crate::testing::runtime() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let (embedders, searches) = embedders(&folder);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| embedders.get(Some("a")).unwrap());
            }
        });
        assert_eq!(searches.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn one_that_answers_no_number_is_never_put_to_use() {
        if !crate::testing::runtime() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let broken = weights(&folder, "broken", f32::NAN);
        let find: Find = Arc::new(|name| Err(name.into()));
        let error = Embedders::load(&broken, find, 1, 1).unwrap_err();
        assert!(matches!(error, VisionError::Model(text) if text.starts_with("broken: ")));
    }
}
