//! Reads `YuNet`'s twelve outputs: boxes, scores and landmarks.

use crate::align::Landmarks;
use crate::detection::{Detection, NO_NUMBER, ODD_SIZE, float};

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
        return Err(ODD_SIZE);
    }
    let stride = float(grid.stride);
    let values = grid.cls.iter().zip(grid.obj).zip(bbox.iter().zip(kps));
    let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row)));
    for ((column, row), ((cls, obj), (bbox, kps))) in places.zip(values) {
        let score = (cls.clamp(0.0, 1.0) * obj.clamp(0.0, 1.0)).sqrt();
        if score < least {
            continue;
        }
        let (column, row) = (float(column), float(row));
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
            return Err(NO_NUMBER);
        }
        found.push(detection);
    }
    Ok(())
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
}
