//! A face as a detector tells it, whatever its family; and of faces that overlap the best.

use crate::align::Landmarks;

/// Pixels that a cell of each of the three grids covers, in every family.
pub(crate) const STRIDES: [u32; 3] = [8, 16, 32];

/// Sides of the input must be multiples of this, the largest stride.
pub(crate) const MULTIPLE: u32 = 32;

/// Outputs of another size than the input implies.
pub(crate) const ODD_SIZE: &str = "the detector's outputs have an unexpected size";

/// Outputs that hold NaN or an infinity.
pub(crate) const NO_NUMBER: &str = "the detector returned what isn't a number";

/// Candidates beyond this many, least scores first, are dropped before overlaps are looked for, as
/// `OpenCV`'s `FaceDetectorYN` does: a picture made to confuse mustn't cost minutes.
const MOST: usize = 5000;

/// One face in pixels of the detector's input, or of the picture once it was moved and scaled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Detection {
    pub score: f32,
    pub x: f32,
    pub y: f32,
    pub width: f32,
    pub height: f32,
    pub landmarks: Landmarks,
}

impl Detection {
    /// The same face where the picture is `fx` times as wide and `fy` times as high.
    pub fn scaled(&self, fx: f32, fy: f32) -> Self {
        Self {
            score: self.score,
            x: self.x * fx,
            y: self.y * fy,
            width: self.width * fx,
            height: self.height * fy,
            landmarks: self.landmarks.map(|[x, y]| [x * fx, y * fy]),
        }
    }

    /// The same face where what is at the origin lies at `x`, `y`.
    pub fn moved(&self, x: f32, y: f32) -> Self {
        Self {
            x: self.x + x,
            y: self.y + y,
            landmarks: self.landmarks.map(|[left, top]| [left + x, top + y]),
            ..*self
        }
    }

    /// Whether every number is one.
    pub fn is_finite(&self) -> bool {
        let edges = [self.score, self.x, self.y, self.width, self.height];
        edges
            .iter()
            .chain(self.landmarks.as_flattened())
            .all(|value| value.is_finite())
    }

    /// Intersection over union.
    fn overlap(&self, other: &Self) -> f32 {
        let side = |a: f32, aw: f32, b: f32, bw: f32| ((a + aw).min(b + bw) - a.max(b)).max(0.0);
        let shared = side(self.x, self.width, other.x, other.width) * side(self.y, self.height, other.y, other.height);
        let all = self.width * self.height + other.width * other.height - shared;
        if all > 0.0 { shared / all } else { 0.0 }
    }
}

/// A small whole number, such as a place in a grid of a few hundred cells or a side of a picture.
#[expect(clippy::cast_precision_loss, reason = "far below what f32 counts exactly")]
pub(crate) fn float(value: u32) -> f32 {
    value as f32
}

/// Keeps, best first, each face that overlaps no better one by more than `overlap`.
pub(crate) fn suppress(mut found: Vec<Detection>, overlap: f32) -> Vec<Detection> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found.truncate(MOST);
    let mut kept: Vec<Detection> = Vec::new();
    for face in found {
        if kept.iter().all(|better| better.overlap(&face) <= overlap) {
            kept.push(face);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f32, score: f32) -> Detection {
        Detection {
            score,
            x,
            y: 0.0,
            width: 10.0,
            height: 10.0,
            landmarks: Landmarks::default(),
        }
    }

    #[test]
    fn moving_takes_the_landmarks_along() {
        let moved = at(3.0, 0.7).moved(10.0, -2.0);
        assert_eq!((moved.x, moved.y, moved.width), (13.0, -2.0, 10.0));
        assert_eq!(moved.landmarks, [[10.0, -2.0]; 5]);
    }

    #[test]
    fn of_faces_that_overlap_the_best_stays() {
        // Shifted by 3 of 10: 70 / 130. By 6: 40 / 160.
        let found = vec![at(3.0, 0.7), at(0.0, 0.9), at(6.0, 0.8), at(40.0, 0.6)];
        let scores: Vec<f32> = suppress(found, 0.3).iter().map(|face| face.score).collect();
        assert_eq!(scores, [0.9, 0.8, 0.6]);
        assert!(suppress(vec![], 0.3).is_empty());
        let points = Detection {
            width: 0.0,
            height: 0.0,
            ..at(0.0, 0.7)
        };
        assert_eq!(suppress(vec![points, points], 0.3).len(), 2);
    }
}
