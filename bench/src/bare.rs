//! ONNX Runtime alone on the shapes that an analysis asks for: the least that it can cost.

use models::bench::{Bare, Form, bytes};
use models::catalog::Role;

use crate::pairs::timed;
use crate::rig::settings;

/// Side of the faces that embedders take, in pixels.
pub const SIDE: usize = 112;

/// Both models in sessions of their own, as an analysis opens them.
#[derive(Debug)]
pub struct BareModels {
    detector: Bare,
    embedder: Bare,
}

impl BareModels {
    pub fn open(threads: usize) -> Self {
        let open = |role| Bare::open(&bytes(&settings(threads), role, Form::Loaded).unwrap(), threads).unwrap();
        Self {
            detector: open(Role::Detector),
            embedder: open(Role::Embedder),
        }
    }

    /// Milliseconds for runs of these shapes, one after another. What an embedder is run on is told
    /// from a detector's input by its size.
    pub fn run(&mut self, shapes: &[[usize; 4]]) -> f64 {
        let inputs: Vec<Vec<f32>> = shapes.iter().map(|shape| samples(*shape)).collect();
        let mut sum = 0.0;
        for (shape, input) in shapes.iter().zip(&inputs) {
            let model = if shape[2..] == [SIDE; 2] {
                &mut self.embedder
            } else {
                &mut self.detector
            };
            let (took, result) = timed(|| model.run(*shape, input));
            result.unwrap();
            sum += took;
        }
        sum
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
