//! ONNX Runtime alone on the shapes that an analysis asks for: the least that it can cost.

use std::sync::atomic::{AtomicUsize, Ordering};

use models::bench::{Bare, Form, bytes, lanes};
use models::catalog::Role;

use crate::pairs::timed;
use crate::rig::settings;

/// Side of the faces that embedders take, in pixels.
pub const SIDE: usize = 112;

/// Both models in sessions of their own, as an analysis opens them.
#[derive(Debug)]
pub struct BareModels {
    detector: Bare,
    embedders: Vec<Bare>,
}

impl BareModels {
    pub fn open(threads: usize) -> Self {
        let file = |role| bytes(&settings(threads), role, Form::Loaded).unwrap();
        let embedder = file(Role::Embedder);
        let (lanes, each) = lanes(threads, &embedder);
        Self {
            detector: Bare::open(&file(Role::Detector), threads).unwrap(),
            embedders: (0..lanes).map(|_| Bare::open(&embedder, each).unwrap()).collect(),
        }
    }

    /// Milliseconds for runs of these shapes: the detector's one after another, then the embedder's,
    /// shared out as an analysis does. What an embedder is run on is told from a detector's input by its
    /// size.
    pub fn run(&mut self, shapes: &[[usize; 4]]) -> f64 {
        let inputs = shapes.iter().map(|shape| (*shape, samples(*shape)));
        let (faces, views): (Vec<_>, Vec<_>) = inputs.partition(|(shape, _)| shape[2..] == [SIDE; 2]);
        let next = AtomicUsize::new(0);
        let (took, ()) = timed(|| {
            for (shape, input) in &views {
                self.detector.run(*shape, input).unwrap();
            }
            let work = |model: &mut Bare| {
                while let Some((shape, input)) = faces.get(next.fetch_add(1, Ordering::Relaxed)) {
                    model.run(*shape, input).unwrap();
                }
            };
            let (first, others) = self.embedders.split_first_mut().unwrap();
            std::thread::scope(|scope| {
                for other in others {
                    scope.spawn(|| work(other));
                }
                work(first);
            });
        });
        took
    }
}

/// Samples from 0 to 255 without a pattern; how long a run takes doesn't depend on them.
pub fn samples(shape: [usize; 4]) -> Vec<f32> {
    let mut state = 1_u32;
    let mut next = || {
        // Numerical Recipes' generator of 32 bits.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from(state.to_be_bytes()[0])
    };
    (0..shape.iter().product()).map(|_| next()).collect()
}
