//! Reads the nine outputs of an SCRFD detector, as `InsightFace` exports it (its
//! `python-package/insightface/model_zoo/scrfd.py`): at each of three strides scores, boxes as distances
//! from the cell's corner to the four edges, and five landmarks as offsets from that corner, all in
//! strides; one or two anchors a cell. Landmarks come in `YuNet`'s order.
//!
//! The outputs' names are numbers that differ from file to file, and some files put a batch of one
//! in front, so outputs are told apart by their shapes.

use crate::align::Landmarks;
use crate::detection::{Detection, NO_NUMBER, ODD_SIZE, STRIDES, float};

/// Numbers a row: of scores, boxes, landmarks.
const WIDTHS: [i64; 3] = [1, 4, 10];

/// Anchors a cell at most.
const MOST_ANCHORS: usize = 2;

/// One output: its dimensions and, row by row, its numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output<'a> {
    pub shape: &'a [i64],
    pub numbers: &'a [f32],
}

/// The outputs at one stride.
#[derive(Debug, Clone, Copy)]
struct Grid<'a> {
    stride: u32,
    scores: &'a [f32],
    boxes: &'a [[f32; 4]],
    landmarks: &'a [[f32; 10]],
}

/// Adds the faces whose score reaches `least`; `width` and `height` are the input's. Outputs that are not
/// those of an input of this size, or of a file without landmarks, and numbers that aren't, are an error.
pub(crate) fn decode(
    outputs: &[Output<'_>],
    width: u32,
    height: u32,
    least: f32,
    found: &mut Vec<Detection>,
) -> Result<(), &'static str> {
    let [scores, boxes, landmarks] = WIDTHS.map(|width| by_size(outputs, width));
    if outputs.len() != WIDTHS.len() * STRIDES.len() {
        return Err("the detector has not the nine outputs of an SCRFD file with landmarks");
    }
    for (index, stride) in STRIDES.into_iter().enumerate() {
        let at = |group: &[&'_ [f32]]| group.get(index).copied().map(<[f32]>::len);
        let (Some(_), Some(_), Some(_)) = (at(&scores), at(&boxes), at(&landmarks)) else {
            return Err(ODD_SIZE);
        };
        let grid = Grid {
            stride,
            scores: scores[index],
            boxes: boxes[index].as_chunks().0,
            landmarks: landmarks[index].as_chunks().0,
        };
        grid.decode(width, height, least, found)?;
    }
    Ok(())
}

/// The outputs with so many numbers a row, the finest grid first.
fn by_size<'a>(outputs: &[Output<'a>], width: i64) -> Vec<&'a [f32]> {
    let mut group: Vec<&[f32]> = outputs
        .iter()
        .filter(|output| output.shape.last() == Some(&width))
        .map(|output| output.numbers)
        .collect();
    group.sort_by_key(|numbers| std::cmp::Reverse(numbers.len()));
    group
}

impl Grid<'_> {
    fn decode(&self, width: u32, height: u32, least: f32, found: &mut Vec<Detection>) -> Result<(), &'static str> {
        let (columns, rows) = (width / self.stride, height / self.stride);
        let cells = columns as usize * rows as usize;
        let anchors = self.scores.len().checked_div(cells).unwrap_or(0);
        let lengths = [self.scores.len(), self.boxes.len(), self.landmarks.len()];
        if !(1..=MOST_ANCHORS).contains(&anchors) || lengths != [cells * anchors; 3] {
            return Err(ODD_SIZE);
        }
        let stride = float(self.stride);
        let corners = (0..rows)
            .flat_map(|row| (0..columns).map(move |column| (column, row)))
            .flat_map(|corner| std::iter::repeat_n(corner, anchors));
        let values = self.scores.iter().zip(self.boxes.iter().zip(self.landmarks));
        for ((column, row), (score, (edges, points))) in corners.zip(values) {
            if *score < least {
                continue;
            }
            let (x, y) = (float(column) * stride, float(row) * stride);
            let [left, up, right, down] = edges.map(|distance| distance * stride);
            let mut landmarks = Landmarks::default();
            for (point, [dx, dy]) in landmarks.iter_mut().zip(points.as_chunks::<2>().0) {
                *point = [x + dx * stride, y + dy * stride];
            }
            let detection = Detection {
                // The file has put it through a sigmoid.
                score: score.min(1.0),
                x: x - left,
                y: y - up,
                width: left + right,
                height: up + down,
                landmarks,
            };
            // NaN is below nothing and `min` drops it, so the score is looked at before.
            if score.is_nan() || !detection.is_finite() {
                return Err(NO_NUMBER);
            }
            found.push(detection);
        }
        Ok(())
    }
}

#[cfg(test)]
mod loads;

#[cfg(test)]
mod tests {
    use super::*;

    /// A 64 x 32 input: grids of 8 x 4, 4 x 2 and 2 x 1 cells.
    const SIZE: (u32, u32) = (64, 32);

    /// Nine outputs of zeros in `InsightFace`'s order, with that many anchors a cell.
    fn empty(anchors: usize) -> Vec<Vec<f32>> {
        let of = |width: usize| STRIDES.map(|s| vec![0.0; (64 / s * 32 / s) as usize * anchors * width]);
        [of(1), of(4), of(10)].concat()
    }

    fn run(tensors: &[Vec<f32>], batch: bool) -> Result<Vec<Detection>, &'static str> {
        let shapes: Vec<Vec<i64>> = tensors
            .iter()
            .enumerate()
            .map(|(index, numbers)| {
                let width = WIDTHS[index / 3];
                let rows = i64::try_from(numbers.len()).unwrap() / width;
                if batch { vec![1, rows, width] } else { vec![rows, width] }
            })
            .collect();
        let outputs: Vec<Output<'_>> = tensors
            .iter()
            .zip(&shapes)
            .map(|(numbers, shape)| Output { shape, numbers })
            .collect();
        let mut found = Vec::new();
        decode(&outputs, SIZE.0, SIZE.1, 0.5, &mut found).map(|()| found)
    }

    /// The second anchor of the cell in column 3, row 1 at stride 16.
    fn with_a_face() -> Vec<Vec<f32>> {
        let mut tensors = empty(2);
        let row = (4 + 3) * 2 + 1;
        tensors[1][row] = 0.75;
        tensors[4][4 * row..4 * row + 4].copy_from_slice(&[0.5, 1.0, 1.5, 0.25]);
        tensors[7][10 * row..10 * row + 4].copy_from_slice(&[-0.25, -0.5, 1.0, 0.125]);
        tensors
    }

    #[test]
    fn an_anchor_becomes_a_face() {
        for batch in [false, true] {
            let found = run(&with_a_face(), batch).unwrap();
            let [face] = found[..] else { panic!("{found:?}") };
            assert_eq!((face.score, face.x, face.y), (0.75, 40.0, 0.0));
            assert_eq!((face.width, face.height), (32.0, 20.0));
            for (place, wanted) in [(0, (44.0, 8.0)), (1, (64.0, 18.0)), (4, (48.0, 16.0))] {
                assert_eq!(<(f32, f32)>::from(face.landmarks[place]), wanted);
            }
        }
    }

    #[test]
    fn one_anchor_a_cell_will_do() {
        let mut tensors = empty(1);
        tensors[0][8 + 2] = 0.5;
        let found = run(&tensors, false).unwrap();
        let [face] = found[..] else { panic!("{found:?}") };
        assert_eq!((face.x, face.y, face.width), (16.0, 8.0, 0.0));
    }

    #[test]
    fn the_order_within_a_kind_does_not_matter() {
        let mut tensors = with_a_face();
        tensors.swap(0, 1);
        tensors.swap(6, 8);
        assert_eq!(run(&tensors, false), run(&with_a_face(), false));
    }

    #[test]
    fn nothing_is_found_in_nothing() {
        assert_eq!(run(&empty(2), false), Ok(vec![]));
    }

    #[test]
    fn what_is_no_number_is_an_error() {
        for (output, at) in [(1, 15), (4, 60), (7, 150)] {
            for bad in [f32::NAN, f32::INFINITY] {
                let mut tensors = with_a_face();
                tensors[output][at] = bad;
                let whole = output == 1 && bad > 0.0;
                assert_eq!(run(&tensors, false).is_err(), !whole, "{output} {bad}");
            }
        }
    }

    #[test]
    fn another_layout_is_an_error() {
        let changes: [fn(&mut Vec<Vec<f32>>); 5] = [
            |t| t[0].truncate(60),
            |t| t[4].extend([0.0; 4]),
            |t| t[8].clear(),
            |t| *t = empty(3),
            // A file without landmarks.
            |t| t.truncate(6),
        ];
        for change in changes {
            let mut tensors = with_a_face();
            change(&mut tensors);
            assert!(run(&tensors, false).is_err());
        }
    }
}
