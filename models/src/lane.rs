//! The faces of a photo are shared out among lanes, a thread each, which look at them and embed them: a run over a few
//! faces stays in one core's cache, and no thread waits for another within it, which cost ONNX Runtime's own threads a
//! third while they slept between its steps.
//!
//! A lane goes on from looking to embedding without a pause. One that slept while the last face was looked at might be
//! woken on another's core, when the others are just then busy with the writing of crops, and stay there for several runs.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use fast_image_resize::Resizer;
use image::RgbImage;

use crate::align::SIDE;
use crate::catalog::Entry;
use crate::detection::Detection;
use crate::device::Device;
use crate::embedder::Embedder;
use crate::face::{Looked, is_wide_enough, look};
use crate::gather::Gathering;
use crate::session::Means;
use crate::vision::{Face, VisionError};

/// Bytes that the embedder's file may come to in all lanes of a slot: each lane has its weights for itself. Beyond,
/// lanes have several threads each instead.
const WEIGHTS: usize = 128 << 20;

/// What the faces of one photo in work are shared out among.
#[derive(Debug)]
pub(crate) struct Lanes {
    lanes: Vec<Lane>,
    /// One for all photos in work, on a card. Then no lane has its own.
    shared: Option<Arc<Gathering>>,
}

#[derive(Debug, Default)]
struct Lane {
    resizer: Resizer,
    embedder: Option<Embedder>,
}

/// Lanes for `slots` photos at a time, by the embedder whose file has these bytes; each session has run once with as many
/// faces as it takes.
pub(crate) fn open(slots: usize, model: &[u8], entry: &Entry, means: Means) -> Result<Vec<Lanes>, VisionError> {
    let (count, each) = share(means, model.len());
    let shared = match means.device {
        Device::Cpu => None,
        Device::Cuda(_) => Some(Arc::new(gathering(warm(model, entry, each)?))),
    };
    let lane = |_| {
        let embedder = shared.is_none().then(|| warm(model, entry, each)).transpose()?;
        Ok(Lane {
            resizer: Resizer::new(),
            embedder,
        })
    };
    let lanes = |_| {
        Ok(Lanes {
            lanes: (0..count).map(lane).collect::<Result<_, VisionError>>()?,
            shared: shared.clone(),
        })
    };
    (0..slots.max(1)).map(lanes).collect()
}

fn warm(model: &[u8], entry: &Entry, means: Means) -> Result<Embedder, VisionError> {
    let mut embedder = Embedder::open(model, entry, means)?;
    let grey = RgbImage::from_pixel(SIDE, SIDE, image::Rgb([127; 3]));
    let most = embedder.batch();
    embedder.embed(std::slice::from_ref(&grey))?;
    if most > 1 {
        embedder.embed(&vec![grey; most])?;
    }
    Ok(embedder)
}

fn gathering(mut embedder: Embedder) -> Gathering {
    Gathering::new(embedder.batch(), Box::new(move |faces| embedder.run(faces)))
}

/// How many lanes, and what each may use.
pub(crate) fn share(means: Means, bytes: usize) -> (usize, Means) {
    let threads = means.threads.max(1);
    let lanes = match means.device {
        Device::Cpu => threads.min(WEIGHTS / bytes.max(1)).max(1),
        // They hold no weights.
        Device::Cuda(_) => threads,
    };
    let threads = threads / lanes;
    (lanes, Means { threads, ..means })
}

impl Lanes {
    /// A face for each detection that lies in the picture, in their order, and its embedding unless it is too small.
    /// `looked` is told of them all on this thread, between two of its runs, once they lack nothing else; its failure ends
    /// the work.
    pub fn faces(
        &mut self,
        picture: &RgbImage,
        found: &[Detection],
        looked: impl FnOnce(&[Face]) -> Result<(), VisionError>,
    ) -> Result<Vec<Face>, VisionError> {
        let batch = self
            .lanes
            .first()
            .and_then(|lane| lane.embedder.as_ref())
            .map(Embedder::batch);
        let round = Round::new(picture, found, |wide| {
            batch.map_or_else(Vec::new, |batch| even(wide, batch, self.lanes.len()))
        });
        let busy = found.len().clamp(1, self.lanes.len().max(1));
        let (own, others) = self
            .lanes
            .split_first_mut()
            .ok_or_else(|| VisionError::Model("there is no lane".into()))?;
        let embedded: Result<Vec<_>, VisionError> = thread::scope(|scope| {
            let others = others.iter_mut().take(busy - 1);
            let others: Vec<_> = others.map(|lane| scope.spawn(|| round.work(lane, || Ok(())))).collect();
            let mut looked = Some(looked);
            let tell = || match looked.take_if(|_| round.is_looked_at()) {
                Some(looked) => looked(&round.faces()),
                None => Ok(()),
            };
            // This thread would only wait for them.
            let own = std::iter::once(round.work(own, tell));
            let joined = others.into_iter().map(|lane| {
                let joined = lane.join();
                joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            let done = own.chain(joined).collect();
            // All were done with before this thread had looked.
            match (&done, looked) {
                (Ok(_), Some(looked)) => looked(&round.faces()).and(done),
                _ => done,
            }
        });
        let mut embedded: Vec<(usize, Vec<f32>)> = embedded?.into_iter().flatten().collect();
        let looked = round.looked.into_iter().map(|one| one.into_inner().flatten());
        let mut looked: Vec<Option<Looked>> = looked.collect();
        if let Some(shared) = &self.shared {
            let wanted = looked.iter_mut().enumerate();
            let wanted = wanted.filter_map(|(place, looked)| Some((place, looked.as_mut()?.upright.take()?)));
            let (places, upright): (Vec<usize>, Vec<RgbImage>) = wanted.unzip();
            embedded = places.into_iter().zip(shared.embed(upright)?).collect();
        }
        let mut faces: Vec<Option<Face>> = looked.into_iter().map(|one| one.map(|one| one.face)).collect();
        for (place, vector) in embedded {
            if let Some(face) = &mut faces[place] {
                face.embedding = Some(vector);
            }
        }
        Ok(faces.into_iter().flatten().collect())
    }

    /// By the first lane alone.
    #[cfg(test)]
    pub fn vectors(&mut self, faces: &[RgbImage]) -> Result<Vec<Vec<f32>>, VisionError> {
        self.lanes[0].embedder.as_mut().unwrap().embed(faces)
    }
}

/// The faces of one photo while lanes are at them.
struct Round<'r> {
    picture: &'r RgbImage,
    found: &'r [Detection],
    /// What each of `found` came to, once it was looked at; nothing where it lies outside of the picture.
    looked: Vec<OnceLock<Option<Looked>>>,
    /// The places of those that are wide enough to be embedded.
    wide: Vec<usize>,
    /// Which of `wide` are embedded in one run.
    parts: Vec<Range<usize>>,
    /// The place of what is to be done next: first `found`, then `parts`.
    next: AtomicUsize,
    /// Something failed: what is not done yet will not be.
    over: AtomicBool,
}

/// Ends the round unless the lane came to its end: others may wait for what it had.
struct Ending<'r>(Option<&'r AtomicBool>);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if let Some(over) = self.0 {
            over.store(true, Ordering::Relaxed);
        }
    }
}

impl<'r> Round<'r> {
    /// `parts` says which of so many are embedded in one run.
    fn new(picture: &'r RgbImage, found: &'r [Detection], parts: impl FnOnce(usize) -> Vec<Range<usize>>) -> Self {
        let wide = found.iter().enumerate().filter(|(_, face)| is_wide_enough(face));
        let wide: Vec<usize> = wide.map(|(place, _)| place).collect();
        Self {
            picture,
            found,
            looked: found.iter().map(|_| OnceLock::new()).collect(),
            parts: parts(wide.len()),
            wide,
            next: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        }
    }

    /// One thing after another until nothing is left, `between` them whatever else there is to do. Answers the vectors
    /// that this lane has made, each with its face's place.
    fn work(
        &self,
        lane: &mut Lane,
        mut between: impl FnMut() -> Result<(), VisionError>,
    ) -> Result<Vec<(usize, Vec<f32>)>, VisionError> {
        let mut ending = Ending(Some(&self.over));
        let mut vectors = Vec::new();
        while !self.over.load(Ordering::Relaxed) {
            between()?;
            let place = self.next.fetch_add(1, Ordering::Relaxed);
            if let Some(detection) = self.found.get(place) {
                let looked = look(self.picture, detection, &mut lane.resizer)?;
                // Nobody else has this place.
                let _ = self.looked[place].set(looked);
            } else if let (Some(part), Some(embedder)) = (self.parts.get(place - self.found.len()), &mut lane.embedder)
            {
                self.embed(part.clone(), embedder, &mut vectors)?;
            } else {
                break;
            }
        }
        ending.0 = None;
        Ok(vectors)
    }

    fn embed(
        &self,
        part: Range<usize>,
        embedder: &mut Embedder,
        vectors: &mut Vec<(usize, Vec<f32>)>,
    ) -> Result<(), VisionError> {
        let upright = |place: &usize| Some((*place, self.wait_for(*place)?.upright.as_ref()?));
        let (places, faces): (Vec<usize>, Vec<&RgbImage>) = self.wide[part].iter().filter_map(upright).unzip();
        vectors.extend(places.into_iter().zip(embedder.embed(&faces)?));
        Ok(())
    }

    /// The face at that place, which another lane may still be looking at.
    fn wait_for(&self, place: usize) -> Option<&Looked> {
        loop {
            if let Some(looked) = self.looked[place].get() {
                return looked.as_ref();
            }
            if self.over.load(Ordering::Relaxed) {
                return None;
            }
            thread::yield_now();
        }
    }

    fn is_looked_at(&self) -> bool {
        self.looked.iter().all(|one| one.get().is_some())
    }

    /// Those that have been looked at.
    fn faces(&self) -> Vec<Face> {
        let looked = self.looked.iter().filter_map(|one| one.get()?.as_ref());
        looked.map(|one| one.face.clone()).collect()
    }
}

/// Parts of `count` things of at most `most`, so many that each lane gets as many of them, and as long as each other.
fn even(count: usize, most: usize, lanes: usize) -> Vec<Range<usize>> {
    let parts = count.div_ceil(most.max(1)).next_multiple_of(lanes.max(1));
    let place = |nth: usize| nth * count / parts.max(1);
    let parts = (0..parts).map(|nth| place(nth)..place(nth + 1));
    parts.filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests;
