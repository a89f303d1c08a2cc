//! Reads `YuNet`'s twelve outputs: boxes, scores and landmarks, and of boxes that overlap the best.

use crate::align::Landmarks;

/// Pixels a cell of each of the three grids covers.
pub(crate) const STRIDES: [u32; 3] = [8, 16, 32];

/// Sides of the input must be multiples of this, the largest stride.
pub(crate) const MULTIPLE: u32 = 32;

/// Candidates beyond this many, least scores first, are dropped before overlaps are looked for, as
/// `OpenCV`'s `FaceDetectorYN` does: a picture made to confuse mustn't cost minutes.
const MOST: usize = 5000;

/// One face in pixels of the detector's input, or of the picture once [`Detection::scaled`].
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

    fn is_finite(&self) -> bool {
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

/// The outputs at one stride; rows go through the grid line by line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid<'a> {
    pub stride: u32,
    /// 1 a row.
    pub cls: &'a [f32],
    /// 1 a row.
    pub obj: &'a [f32],
    /// 4 a row.
    pub bbox: &'a [f32],
    /// 10 a row.
    pub kps: &'a [f32],
}

/// Adds a grid's faces whose score reaches `least`; `width` and `height` are the input's. The
/// formulas are those of `OpenCV`'s `face_detect.cpp`. An output of another size than the input
/// implies, or one that isn't a number, is an error.
pub(crate) fn decode(
    grid: &Grid<'_>,
    width: u32,
    height: u32,
    least: f32,
    found: &mut Vec<Detection>,
) -> Result<(), &'static str> {
    let (columns, rows) = (width / grid.stride, height / grid.stride);
    let cells = columns as usize * rows as usize;
    let (bbox, bbox_rest) = grid.bbox.as_chunks::<4>();
    let (kps, kps_rest) = grid.kps.as_chunks::<10>();
    let whole = bbox_rest.is_empty() && kps_rest.is_empty();
    if !whole || [grid.cls.len(), grid.obj.len(), bbox.len(), kps.len()] != [cells; 4] {
        return Err("the detector's outputs have an unexpected size");
    }
    let stride = small(grid.stride);
    let values = grid.cls.iter().zip(grid.obj).zip(bbox.iter().zip(kps));
    let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row)));
    for ((column, row), ((cls, obj), (bbox, kps))) in places.zip(values) {
        let score = (cls.clamp(0.0, 1.0) * obj.clamp(0.0, 1.0)).sqrt();
        if score < least {
            continue;
        }
        let (column, row) = (small(column), small(row));
        let (box_width, box_height) = (bbox[2].exp() * stride, bbox[3].exp() * stride);
        let mut landmarks = Landmarks::default();
        for (point, [x, y]) in landmarks.iter_mut().zip(kps.as_chunks::<2>().0) {
            *point = [(column + x) * stride, (row + y) * stride];
        }
        let detection = Detection {
            score,
            x: (column + bbox[0]) * stride - box_width / 2.0,
            y: (row + bbox[1]) * stride - box_height / 2.0,
            width: box_width,
            height: box_height,
            landmarks,
        };
        // A score that isn't a number is below nothing, so it arrives here.
        if !detection.is_finite() {
            return Err("the detector returned what isn't a number");
        }
        found.push(detection);
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a place in a grid of a few hundred cells")]
fn small(value: u32) -> f32 {
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

    struct Tensors {
        cls: Vec<f32>,
        obj: Vec<f32>,
        bbox: Vec<f32>,
        kps: Vec<f32>,
    }

    /// All zeros for a 64 x 32 input at stride 8: 8 columns, 4 rows.
    fn empty() -> Tensors {
        Tensors {
            cls: vec![0.0; 32],
            obj: vec![0.0; 32],
            bbox: vec![0.0; 128],
            kps: vec![0.0; 320],
        }
    }

    fn run(tensors: &Tensors) -> Result<Vec<Detection>, &'static str> {
        let grid = Grid {
            stride: 8,
            cls: &tensors.cls,
            obj: &tensors.obj,
            bbox: &tensors.bbox,
            kps: &tensors.kps,
        };
        let mut found = Vec::new();
        decode(&grid, 64, 32, 0.6, &mut found).map(|()| found)
    }

    #[test]
    fn a_cell_becomes_a_face() {
        let mut tensors = empty();
        let cell = 2 * 8 + 3;
        tensors.cls[cell] = 0.81;
        tensors.obj[cell] = 1.7;
        tensors.bbox[4 * cell..4 * cell + 4].copy_from_slice(&[0.5, 0.25, 2.0_f32.ln(), 3.0_f32.ln()]);
        tensors.kps[10 * cell..10 * cell + 4].copy_from_slice(&[0.0, 0.0, 1.0, -1.0]);
        let found = run(&tensors).unwrap();
        let [face] = found[..] else { panic!("{found:?}") };
        let near = |a: f32, b: f32| (a - b).abs() < 1e-4;
        assert!(near(face.score, 0.9));
        assert!(near(face.width, 16.0) && near(face.height, 24.0));
        assert!(near(face.x, 28.0 - 8.0) && near(face.y, 18.0 - 12.0));
        assert!(near(face.landmarks[0][0], 24.0) && near(face.landmarks[0][1], 16.0));
        assert!(near(face.landmarks[1][0], 32.0) && near(face.landmarks[1][1], 8.0));
        let half = face.scaled(0.5, 2.0);
        assert!(near(half.width, 8.0) && near(half.y, 12.0) && near(half.landmarks[1][1], 16.0));
    }

    #[test]
    fn nothing_is_found_in_nothing() {
        assert_eq!(run(&empty()), Ok(vec![]));
    }

    #[test]
    fn nonsense_is_an_error() {
        for (cls, bbox) in [(f32::NAN, 0.0), (1.0, f32::NAN), (1.0, 1000.0)] {
            let mut tensors = empty();
            tensors.cls[5] = cls;
            tensors.obj[5] = 1.0;
            tensors.bbox[22] = bbox;
            assert!(run(&tensors).is_err());
        }
        for shorten in [
            |t: &mut Tensors| t.cls.truncate(31),
            |t: &mut Tensors| t.bbox.truncate(127),
            |t: &mut Tensors| t.kps.truncate(300),
            |t: &mut Tensors| t.obj.push(0.0),
        ] {
            let mut tensors = empty();
            shorten(&mut tensors);
            assert!(run(&tensors).is_err());
        }
    }

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
