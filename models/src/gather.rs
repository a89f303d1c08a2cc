//! Faces of several photos in one run of the embedder. A card takes hardly longer for thirty faces than for one, so
//! there is one session for all photos in work, and whoever finds it free runs it with whatever waits, its own faces
//! and others'. Nobody waits for company: a face that comes alone is run alone, and batches grow with the load, since
//! faces gather while the last batch runs (adaptive batching without a delay, as in Clipper; Crankshaw et al., 2017).

use std::collections::VecDeque;
use std::sync::mpsc::{self, Sender, TryRecvError};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use image::RgbImage;

use crate::vision::VisionError;

/// A face's embedding, or why it has none: one that comes to nothing must not spoil another photo's.
pub(crate) type Vector = Result<Vec<f32>, VisionError>;

/// Runs the model once: as many vectors as faces, in their order.
pub(crate) type Run = Box<dyn FnMut(&[RgbImage]) -> Result<Vec<Vector>, VisionError> + Send>;

/// A model that photos share.
pub(crate) struct Gathering {
    state: Mutex<State>,
    /// A batch has been answered.
    answered: Condvar,
    batch: usize,
}

struct State {
    /// First come, first run.
    waiting: VecDeque<Waiting>,
    /// Away while it runs.
    run: Option<Run>,
}

struct Waiting {
    face: RgbImage,
    /// Its place among the faces of its photo.
    place: usize,
    answer: Sender<(usize, Vector)>,
}

impl std::fmt::Debug for Gathering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gathering")
            .field("batch", &self.batch)
            .finish_non_exhaustive()
    }
}

impl Gathering {
    /// Of a model that takes at most `batch` faces in a run; 0 counts as 1.
    pub fn new(batch: usize, run: Run) -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                run: Some(run),
            }),
            answered: Condvar::new(),
            batch: batch.max(1),
        }
    }

    /// A vector for each of the faces, once they have all been run, with whomever.
    pub fn embed(&self, faces: Vec<RgbImage>) -> Result<Vec<Vec<f32>>, VisionError> {
        let mut vectors: Vec<Option<Vector>> = faces.iter().map(|_| None).collect();
        let mut left = faces.len();
        let (answer, answers) = mpsc::channel();
        let mut state = self.lock();
        state
            .waiting
            .extend(faces.into_iter().enumerate().map(|(place, face)| Waiting {
                face,
                place,
                answer: answer.clone(),
            }));
        // From now on the faces alone hold it: when the last of them is gone, so is every answer.
        drop(answer);
        while left > 0 {
            match answers.try_recv() {
                Ok((place, vector)) => {
                    vectors[place] = Some(vector);
                    left -= 1;
                }
                Err(TryRecvError::Disconnected) => {
                    return Err(VisionError::Model(
                        "the run that had this photo's faces broke off".into(),
                    ));
                }
                Err(TryRecvError::Empty) => {
                    state = match state.run.take() {
                        Some(run) => self.run_some(run, state),
                        None => self.answered.wait(state).unwrap_or_else(PoisonError::into_inner),
                    };
                }
            }
        }
        vectors.into_iter().flatten().collect()
    }

    /// Runs the faces that have waited longest, and answers them.
    fn run_some<'g>(&'g self, run: Run, mut state: MutexGuard<'g, State>) -> MutexGuard<'g, State> {
        let batch = self.batch.min(state.waiting.len());
        // In a panic too it is given back, after the faces have gone.
        let mut lent = Lent {
            gathering: self,
            run: Some(run),
        };
        let (faces, answers): (Vec<_>, Vec<_>) = state
            .waiting
            .drain(..batch)
            .map(|waiting| (waiting.face, (waiting.place, waiting.answer)))
            .unzip();
        drop(state);
        let vectors = match &mut lent.run {
            Some(run) if !faces.is_empty() => run(&faces),
            _ => Ok(Vec::new()),
        };
        // Whoever doesn't wait any more needs no answer.
        match vectors {
            Ok(vectors) => {
                for ((place, answer), vector) in answers.into_iter().zip(vectors) {
                    let _ = answer.send((place, vector));
                }
            }
            Err(error) => {
                let text = match error {
                    VisionError::Model(text) => text,
                    other => other.to_string(),
                };
                for (place, answer) in answers {
                    let _ = answer.send((place, Err(VisionError::Model(text.clone()))));
                }
            }
        }
        drop(lent);
        self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The model while it runs.
struct Lent<'g> {
    gathering: &'g Gathering,
    run: Option<Run>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.gathering.lock().run = self.run.take();
        self.gathering.answered.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, sync_channel};
    use std::time::{Duration, Instant};

    use image::Rgb;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn face(value: u8) -> RgbImage {
        RgbImage::from_pixel(1, 1, Rgb([value; 3]))
    }

    /// Each face's vector is its colour; 255 has none, 254 fails its run, and 253 panics.
    fn vectors(faces: &[RgbImage]) -> Result<Vec<Vector>, VisionError> {
        let values: Vec<u8> = faces.iter().map(|face| face.as_raw()[0]).collect();
        assert!(!values.contains(&253), "on purpose");
        if values.contains(&254) {
            return Err(VisionError::Model("lost".into()));
        }
        let one = |value: u8| match value {
            255 => Err(VisionError::Model("no direction".into())),
            _ => Ok(vec![value.into()]),
        };
        Ok(values.into_iter().map(one).collect())
    }

    /// A gathering whose runs each begin by telling how many faces they have and end when they are let.
    struct Rig {
        gathering: Arc<Gathering>,
        begun: Receiver<usize>,
        end: mpsc::SyncSender<()>,
    }

    fn rig(batch: usize) -> Rig {
        let (tell, begun) = sync_channel(100);
        let (end, ended) = sync_channel(100);
        let run = move |faces: &[RgbImage]| {
            tell.send(faces.len()).unwrap();
            ended.recv().unwrap();
            vectors(faces)
        };
        Rig {
            gathering: Arc::new(Gathering::new(batch, Box::new(run))),
            begun,
            end,
        }
    }

    impl Rig {
        /// The answer to a photo with these faces, in a thread of its own; returns when they wait or run.
        fn photo(&self, values: &[u8]) -> std::thread::JoinHandle<Result<Vec<f32>, String>> {
            let (gathering, faces) = (
                self.gathering.clone(),
                values.iter().map(|value| face(*value)).collect(),
            );
            let before = self.waiting();
            let count = values.len();
            let photo = std::thread::spawn(move || {
                let vectors = gathering.embed(faces).map_err(|error| error.to_string())?;
                Ok(vectors.concat())
            });
            let begun = Instant::now();
            while self.gathering.lock().run.is_some()
                || (before.is_some() && self.waiting() < before.map(|n| n + count))
            {
                assert!(begun.elapsed() < LONG, "it neither waits nor runs");
                std::thread::sleep(Duration::from_millis(1));
            }
            photo
        }

        /// How many wait while a batch is run.
        fn waiting(&self) -> Option<usize> {
            let state = self.gathering.lock();
            state.run.is_none().then(|| state.waiting.len())
        }

        fn next(&self) -> usize {
            self.begun.recv_timeout(LONG).unwrap()
        }
    }

    #[test]
    fn faces_of_several_photos_are_run_together_and_each_gets_its_own() {
        let rig = rig(4);
        let alone = rig.photo(&[1]);
        assert_eq!(rig.next(), 1);
        let (one, two, none) = (rig.photo(&[10, 11, 12]), rig.photo(&[20, 21, 22]), rig.photo(&[]));
        assert_eq!(none.join().unwrap().unwrap(), []);
        rig.end.send(()).unwrap();
        assert_eq!(alone.join().unwrap().unwrap(), [1.0]);
        // Whoever has all its answers goes, though another's faces still wait.
        assert_eq!(rig.next(), 4);
        rig.end.send(()).unwrap();
        assert_eq!(one.join().unwrap().unwrap(), [10.0, 11.0, 12.0]);
        assert_eq!(rig.next(), 2);
        rig.end.send(()).unwrap();
        assert_eq!(two.join().unwrap().unwrap(), [20.0, 21.0, 22.0]);
        assert!(rig.begun.try_recv().is_err());
    }

    #[test]
    fn a_face_that_comes_to_nothing_spoils_its_own_photo_alone() {
        let rig = rig(8);
        let first = rig.photo(&[1]);
        rig.next();
        let (bad, good) = (rig.photo(&[2, 255, 3]), rig.photo(&[4]));
        rig.end.send(()).unwrap();
        first.join().unwrap().unwrap();
        assert_eq!(rig.next(), 4);
        rig.end.send(()).unwrap();
        assert!(bad.join().unwrap().unwrap_err().contains("no direction"));
        assert_eq!(good.join().unwrap().unwrap(), [4.0]);
    }

    #[test]
    fn a_run_that_fails_or_panics_fails_those_that_it_had_and_no_later_ones() {
        for (breaking, said) in [(254, "lost"), (253, "broke off")] {
            let rig = rig(8);
            let first = rig.photo(&[1]);
            rig.next();
            let (one, two) = (rig.photo(&[breaking]), rig.photo(&[5]));
            rig.end.send(()).unwrap();
            first.join().unwrap().unwrap();
            assert_eq!(rig.next(), 2);
            rig.end.send(()).unwrap();
            let ends = [one.join(), two.join()];
            let panicked = ends.iter().filter(|end| end.is_err()).count();
            // On the thread that ran the batch; the job on it ends as one that panicked.
            assert_eq!(panicked, usize::from(breaking == 253));
            for end in ends.into_iter().flatten() {
                let error = end.unwrap_err();
                assert!(error.contains(said), "{error}");
            }
            let later = rig.photo(&[6]);
            rig.next();
            rig.end.send(()).unwrap();
            assert_eq!(later.join().unwrap().unwrap(), [6.0]);
        }
    }

    #[test]
    fn many_at_once_all_get_what_is_theirs() {
        let gathering = Gathering::new(3, Box::new(vectors));
        std::thread::scope(|scope| {
            for thread in 0..8_u8 {
                let gathering = &gathering;
                scope.spawn(move || {
                    for round in 0..100_u8 {
                        let values: Vec<u8> = (0..round % 7).map(|nth| thread * 30 + nth).collect();
                        let faces = values.iter().map(|value| face(*value)).collect();
                        let wanted: Vec<Vec<f32>> = values.iter().map(|value| vec![f32::from(*value)]).collect();
                        assert_eq!(gathering.embed(faces).unwrap(), wanted);
                    }
                });
            }
        });
    }
}
