//! How well a face shows, from its pixels and landmarks alone. Estimates that serve to rank a
//! person's photos and to refuse poor templates; no model runs for them.

use image::RgbImage;

use crate::align::{ARCFACE, Landmarks, Point};
use crate::vision::Quality;

/// How far the tip of the nose stands before the plane of the eyes, in distances between the eyes;
/// of the generic head used with `OpenCV`'s `solvePnP` (135 of 315).
const NOSE_DEPTH: f32 = 0.43;

/// Variance of the Laplacian at which a face counts as half sharp. 100 is the customary border
/// between blurred and sharp for grey values of 0..=255 (Pech-Pacheco et al. 2000 give the
/// measure).
const HALF_SHARP: f32 = 100.0;

/// Width of a face in pixels at which nothing more is lost by smallness, and at which all is.
const WIDE: f32 = 56.0;
const NARROW: f32 = 16.0;

/// `aligned` is the face as the embedder sees it, `landmarks` and `width` (of its box) are in
/// pixels of the upright picture.
pub(crate) fn assess(aligned: &RgbImage, landmarks: &Landmarks, width: f32) -> Quality {
    let grey = luma(aligned);
    let sharpness = sharpness(&grey, aligned.width() as usize);
    let brightness = brightness(&grey);
    let pose = pose(landmarks);
    let size = ((width - NARROW) / (WIDE - NARROW)).clamp(0.0, 1.0);
    let light = 1.0 - (2.0 * brightness - 1.0).powi(4);
    let turned = pose.yaw.to_radians().cos() * pose.pitch.to_radians().cos();
    // A geometric mean: one thing that is hopeless makes the whole hopeless.
    let overall = (size * light * turned.max(0.0) * sharpness).max(0.0).powf(0.25);
    Quality {
        overall,
        sharpness,
        brightness,
        yaw: pose.yaw,
        pitch: pose.pitch,
        roll: pose.roll,
        interocular: distance(landmarks[0], landmarks[1]),
    }
}

fn luma(picture: &RgbImage) -> Vec<f32> {
    // ITU-R BT.601.
    let grey = |pixel: &[u8; 3]| {
        let [r, g, b] = pixel.map(f32::from);
        0.299 * r + 0.587 * g + 0.114 * b
    };
    picture.as_raw().as_chunks::<3>().0.iter().map(grey).collect()
}

/// Of what becomes of each of the values.
#[expect(clippy::cast_precision_loss, reason = "some ten thousand pixels")]
fn mean(values: &[f32], each: impl Fn(f32) -> f32) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    // Sums beside each other, which fit in vectors.
    let mut sums = [0.0; 16];
    let (rows, rest) = values.as_chunks::<16>();
    for row in rows {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += each(*value);
        }
    }
    let rest: f32 = rest.iter().map(|value| each(*value)).sum();
    (sums.iter().sum::<f32>() + rest) / values.len() as f32
}

fn brightness(grey: &[f32]) -> f32 {
    (mean(grey, |value| value) / 255.0).clamp(0.0, 1.0)
}

/// Variance of the Laplacian, brought to 0..1.
fn sharpness(grey: &[f32], width: usize) -> f32 {
    if width < 3 || grey.len() < 3 * width {
        return 0.0;
    }
    let mut laplacian = Vec::with_capacity(grey.len());
    let lines: Vec<&[f32]> = grey.chunks_exact(width).collect();
    for around in lines.array_windows() {
        let [above, line, below] = around;
        let beside = line.windows(3).zip(&above[1..]).zip(&below[1..]);
        laplacian.extend(beside.map(|((line, above), below)| above + below + line[0] + line[2] - 4.0 * line[1]));
    }
    let centre = mean(&laplacian, |value| value);
    let variance = mean(&laplacian, |value| (value - centre).powi(2));
    variance / (variance + HALF_SHARP)
}

fn distance(p: Point, q: Point) -> f32 {
    (p[0] - q[0]).hypot(p[1] - q[1])
}

fn middle(p: Point, q: Point) -> Point {
    [p[0].midpoint(q[0]), p[1].midpoint(q[1])]
}

/// Degrees.
#[derive(Debug, Clone, Copy)]
struct Pose {
    yaw: f32,
    pitch: f32,
    roll: f32,
}

/// The nose stands before the plane of eyes and mouth, so turning the head moves it against them:
/// by `NOSE_DEPTH · tan(angle)` distances between the eyes.
fn pose([right, left, nose, mouth_right, mouth_left]: &Landmarks) -> Pose {
    let across = [left[0] - right[0], left[1] - right[1]];
    let roll = across[1].atan2(across[0]).to_degrees();
    let between = across[0].hypot(across[1]);
    let (ux, uy) = (across[0] / between, across[1] / between);
    // Coordinates with the eyes level, in distances between them, from the point midway.
    let origin = middle(*right, *left);
    let level = |p: Point| {
        let (x, y) = (p[0] - origin[0], p[1] - origin[1]);
        [(x * ux + y * uy) / between, (y * ux - x * uy) / between]
    };
    let (nose, mouth) = (level(*nose), level(middle(*mouth_right, *mouth_left)));
    let down = nose[1] / mouth[1];
    let aside = nose[0] - mouth[0] * down;
    let (straight_down, long) = straight();
    let yaw = (aside / NOSE_DEPTH).atan().to_degrees();
    let pitch = ((straight_down - down) * long / NOSE_DEPTH).atan().to_degrees();
    // Landmarks in a heap have no pose; a quarter turn makes the whole worthless.
    let known = |angle: f32| if angle.is_finite() { angle } else { 90.0 };
    Pose {
        yaw: known(yaw),
        pitch: known(pitch),
        roll: if roll.is_finite() { roll } else { 0.0 },
    }
}

/// Of a face that looks straight ahead: how far down from eyes to mouth the nose is, and how many
/// distances between the eyes that way is long.
fn straight() -> (f32, f32) {
    let [right, left, nose, mouth_right, mouth_left] = ARCFACE;
    let (eyes, mouth) = (middle(right, left), middle(mouth_right, mouth_left));
    let long = mouth[1] - eyes[1];
    ((nose[1] - eyes[1]) / long, long / distance(right, left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    fn near(a: f32, b: f32) -> bool {
        (a - b).abs() < 3.0
    }

    #[test]
    fn a_face_that_looks_ahead_has_no_angles() {
        let Pose { yaw, pitch, roll } = pose(&ARCFACE);
        assert!(
            near(yaw, 0.0) && near(pitch, 0.0) && near(roll, 0.0),
            "{yaw} {pitch} {roll}"
        );
    }

    /// The generic head, turned and projected.
    fn head(yaw: f32, pitch: f32) -> Landmarks {
        let (straight_down, long) = straight();
        let points = [
            [-0.5, 0.0, 0.0],
            [0.5, 0.0, 0.0],
            [0.0, straight_down * long, NOSE_DEPTH],
            [-0.4, long, 0.0],
            [0.4, long, 0.0],
        ];
        let ((ys, yc), (ps, pc)) = (yaw.to_radians().sin_cos(), pitch.to_radians().sin_cos());
        points.map(|[x, y, z]| {
            let (x, z) = (x * yc + z * ys, z * yc - x * ys);
            [100.0 * x, 100.0 * (y * pc - z * ps)]
        })
    }

    #[test]
    fn turning_and_tilting_are_told_apart() {
        for (yaw, pitch) in [(30.0, 0.0), (-45.0, 0.0), (0.0, 20.0), (0.0, -25.0)] {
            let found = pose(&head(yaw, pitch));
            assert!(near(found.yaw, yaw) && near(found.pitch, pitch), "{found:?}");
        }
    }

    #[test]
    fn leaning_is_positive_clockwise_and_changes_nothing_else() {
        let (sin, cos) = 25.0_f32.to_radians().sin_cos();
        let leaned = ARCFACE.map(|[x, y]| [x * cos - y * sin, x * sin + y * cos]);
        let found = pose(&leaned);
        assert!(near(found.roll, 25.0) && near(found.yaw, 0.0) && near(found.pitch, 0.0));
    }

    #[test]
    fn every_number_is_finite_whatever_the_landmarks() {
        let picture = RgbImage::new(112, 112);
        for odd in [[[0.0; 2]; 5], [[f32::MAX; 2]; 5], [[1.0, 0.0]; 5]] {
            let q = assess(&picture, &odd, 0.0);
            for value in [
                q.overall,
                q.sharpness,
                q.brightness,
                q.yaw,
                q.pitch,
                q.roll,
                q.interocular,
            ] {
                assert!(value.is_finite(), "{q:?}");
            }
        }
    }

    #[test]
    fn sharp_is_better_than_blurred_and_light_than_dark() {
        let checks = RgbImage::from_fn(112, 112, |x, y| {
            Rgb([if (x / 4 + y / 4) % 2 == 0 { 60 } else { 190 }; 3])
        });
        let blurred = image::imageops::blur(&checks, 4.0);
        let dark = RgbImage::from_fn(112, 112, |x, y| Rgb(checks.get_pixel(x, y).0.map(|v| v / 12)));
        let of = |picture: &RgbImage| assess(picture, &ARCFACE, 100.0);
        assert!(of(&checks).sharpness > 0.9 && of(&blurred).sharpness < 0.5);
        assert!(of(&checks).overall > of(&blurred).overall);
        assert!(of(&checks).overall > of(&dark).overall);
        assert!(assess(&checks, &ARCFACE, 20.0).overall < of(&checks).overall);
        assert!((of(&checks).brightness - 0.49).abs() < 0.02);
    }
}
