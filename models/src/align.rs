//! Brings a face to the place and size that embedders were trained on: a similarity transform of
//! its five landmarks onto the five `ArcFace` points, and a warp through it.

use fast_image_resize::Resizer;
use image::RgbImage;

use crate::vision::VisionError;
use crate::warp::{Part, Way, shrink, warp};

/// Side of an aligned face in pixels.
pub(crate) const SIDE: u32 = 112;

/// A point in pixels.
pub(crate) type Point = [f32; 2];

/// Right eye, left eye, nose, right and left corner of the mouth; right is the person's own, so the
/// picture's left.
pub(crate) type Landmarks = [Point; 5];

/// Where the landmarks of an aligned face lie (`InsightFace`'s `arcface_dst`).
pub(crate) const ARCFACE: Landmarks = [
    [38.2946, 51.6963],
    [73.5318, 51.5014],
    [56.0252, 71.7366],
    [41.5493, 92.3655],
    [70.7299, 92.2041],
];

/// Within this many source pixels a pixel of the result, four neighbours are enough; beyond, the
/// warp would skip pixels and turn fine detail into noise.
const WELL_SAMPLED: f64 = 2.0;

/// `(x, y) -> (a·x - b·y + tx, b·x + a·y + ty)`: rotation, one scale, translation, no reflection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Similarity {
    a: f64,
    b: f64,
    tx: f64,
    ty: f64,
}

impl Similarity {
    /// The least-squares transform of `from` onto `to` (Umeyama 1991, eq. 40 to 42; in the plane
    /// its singular value decomposition comes down to two sums). `None` where the points coincide.
    pub(crate) fn between(from: &Landmarks, to: &Landmarks) -> Option<Self> {
        let ([fx, fy], [gx, gy]) = (mean(from), mean(to));
        let (mut along, mut across, mut spread) = (0.0, 0.0, 0.0);
        for (p, q) in from.iter().zip(to) {
            let (px, py) = (f64::from(p[0]) - fx, f64::from(p[1]) - fy);
            let (qx, qy) = (f64::from(q[0]) - gx, f64::from(q[1]) - gy);
            along += px * qx + py * qy;
            across += px * qy - py * qx;
            spread += px * px + py * py;
        }
        let (a, b) = (along / spread, across / spread);
        let transform = Self {
            a,
            b,
            tx: gx - (a * fx - b * fy),
            ty: gy - (b * fx + a * fy),
        };
        let usable = spread > f64::EPSILON && transform.scale() > f64::EPSILON;
        (usable && transform.tx.is_finite() && transform.ty.is_finite()).then_some(transform)
    }

    /// Length of a unit vector after the transform.
    pub(crate) fn scale(&self) -> f64 {
        self.a.hypot(self.b)
    }

    #[cfg(test)]
    fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [self.a * x - self.b * y + self.tx, self.b * x + self.a * y + self.ty]
    }

    /// The transform back. A similarity has one unless its scale is 0, which [`Self::between`]
    /// rules out.
    fn inverse(&self) -> Self {
        let square = self.a * self.a + self.b * self.b;
        let (a, b) = (self.a / square, -self.b / square);
        Self {
            a,
            b,
            tx: -(a * self.tx - b * self.ty),
            ty: -(b * self.tx + a * self.ty),
        }
    }
}

fn mean(points: &Landmarks) -> [f64; 2] {
    let sum = points.iter().fold([0.0, 0.0], |sum, point| {
        [sum[0] + f64::from(point[0]), sum[1] + f64::from(point[1])]
    });
    sum.map(|coordinate| coordinate / 5.0)
}

/// The face as [`SIDE`] x [`SIDE`] pixels with its landmarks on [`ARCFACE`]; black where it reaches
/// past the picture. `None` where the landmarks coincide.
pub(crate) fn align(
    picture: &RgbImage,
    landmarks: &Landmarks,
    resizer: &mut Resizer,
) -> Result<Option<RgbImage>, VisionError> {
    let Some(there) = Similarity::between(landmarks, &ARCFACE) else {
        return Ok(None);
    };
    let back = there.inverse();
    let way = Way {
        x: [back.a, -back.b, back.tx],
        y: [back.b, back.a, back.ty],
    };
    if back.scale() <= WELL_SAMPLED {
        return Ok(Some(warp(picture, &way)));
    }
    // A large face is shrunk to its size in the result first, with every pixel counted.
    let Some(part) = Part::seen(&way, back.scale(), picture) else {
        return Ok(Some(RgbImage::new(SIDE, SIDE)));
    };
    let (small, way) = shrink(picture, &part, back.scale(), &way, resizer)?;
    Ok(Some(warp(&small, &way)))
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn align(picture: &RgbImage, landmarks: &Landmarks) -> Option<RgbImage> {
        super::align(picture, landmarks, &mut Resizer::new()).unwrap()
    }

    #[expect(clippy::cast_possible_truncation, reason = "test data")]
    fn moved(degrees: f64, scale: f64, by: [f64; 2]) -> Landmarks {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let how = Similarity {
            a: scale * cos,
            b: scale * sin,
            tx: by[0],
            ty: by[1],
        };
        ARCFACE.map(|p| how.apply(p.map(f64::from)).map(|c| c as f32))
    }

    #[test]
    fn a_known_motion_is_found_again() {
        for (degrees, scale, by) in [
            (0.0, 1.0, [0.0, 0.0]),
            (30.0, 2.5, [100.0, -40.0]),
            (-170.0, 0.2, [3000.0, 1000.0]),
        ] {
            let from = moved(degrees, scale, by);
            let found = Similarity::between(&from, &ARCFACE).unwrap();
            assert!((found.scale() - 1.0 / scale).abs() < 1e-4);
            for (p, q) in from.iter().zip(&ARCFACE) {
                let [x, y] = found.apply(p.map(f64::from));
                assert!((x - f64::from(q[0])).abs() < 1e-2, "{x} {q:?}");
                assert!((y - f64::from(q[1])).abs() < 1e-2, "{y} {q:?}");
                let back = found.inverse().apply([x, y]);
                assert!((back[0] - f64::from(p[0])).abs() < 1e-2);
            }
        }
    }

    #[test]
    fn the_best_fit_of_points_that_do_not_fit_is_the_least_squares_one() {
        let mut from = ARCFACE;
        from[2] = [60.0, 60.0];
        let best = Similarity::between(&from, &ARCFACE).unwrap();
        let cost = |t: &Similarity| -> f64 {
            from.iter()
                .zip(&ARCFACE)
                .map(|(p, q)| {
                    let [x, y] = t.apply(p.map(f64::from));
                    (x - f64::from(q[0])).powi(2) + (y - f64::from(q[1])).powi(2)
                })
                .sum()
        };
        for by in [-1e-3, 1e-3] {
            assert!(cost(&best) < cost(&Similarity { a: best.a + by, ..best }));
            assert!(cost(&best) < cost(&Similarity { b: best.b + by, ..best }));
            assert!(
                cost(&best)
                    < cost(&Similarity {
                        tx: best.tx + by,
                        ..best
                    })
            );
            assert!(
                cost(&best)
                    < cost(&Similarity {
                        ty: best.ty + by,
                        ..best
                    })
            );
        }
    }

    #[test]
    fn points_that_coincide_or_are_not_numbers_have_no_transform() {
        for bad in [[[5.0, 5.0]; 5], [[f32::NAN; 2]; 5], [[f32::INFINITY; 2]; 5]] {
            assert_eq!(Similarity::between(&bad, &ARCFACE), None);
            assert_eq!(align(&RgbImage::new(9, 9), &bad), None);
        }
    }

    #[test]
    fn a_picture_that_lies_right_comes_back_unchanged() {
        let picture = RgbImage::from_fn(SIDE, SIDE, |x, y| {
            Rgb([u8::try_from(x).unwrap(), u8::try_from(y).unwrap(), 77])
        });
        assert_eq!(align(&picture, &ARCFACE).unwrap(), picture);
    }

    #[test]
    fn outside_of_the_picture_is_black() {
        let white = RgbImage::from_pixel(40, 40, Rgb([255; 3]));
        let aligned = align(&white, &ARCFACE).unwrap();
        assert_eq!(aligned.get_pixel(10, 10).0, [255; 3]);
        assert_eq!(aligned.get_pixel(60, 60).0, [0; 3]);
        assert!(align(&RgbImage::new(0, 0), &ARCFACE).is_some());
        assert!(align(&white, &moved(0.0, 1e9, [1e12, -1e12])).is_some());
    }

    #[test]
    fn fine_detail_of_a_large_face_is_averaged_not_skipped() {
        let stripes = RgbImage::from_fn(2000, 2000, |x, _| Rgb([if x % 2 == 0 { 0 } else { 255 }; 3]));
        let aligned = align(&stripes, &moved(0.0, 16.0, [0.0, 0.0])).unwrap();
        let middle = aligned.get_pixel(56, 56).0[0];
        assert!((100..=155).contains(&middle), "{middle}");
    }

    /// Smooth, so that a misplaced sample shows as a wrong value.
    fn slopes(side: u32) -> RgbImage {
        let step = 4080 / side;
        RgbImage::from_fn(side, side, |x, y| {
            Rgb([x, y, x.midpoint(y)].map(|at| u8::try_from(at * step / 16).unwrap()))
        })
    }

    #[test]
    fn a_turned_face_is_sampled_where_it_is() {
        let picture = slopes(816);
        for scale in [0.5, 1.9, 2.1, 4.0, 6.0] {
            let landmarks = moved(25.0, scale, [320.0, 60.0]);
            let aligned = align(&picture, &landmarks).unwrap();
            let back = Similarity::between(&landmarks, &ARCFACE).unwrap().inverse();
            let mut inside = 0;
            for (x, y, pixel) in aligned.enumerate_pixels() {
                let [sx, sy] = back.apply([x, y].map(f64::from));
                if (8.0..808.0).contains(&sx) && (8.0..808.0).contains(&sy) {
                    inside += 1;
                    let expected = [sx, sy, f64::midpoint(sx, sy)].map(|at| at * 5.0 / 16.0);
                    for (value, expected) in pixel.0.iter().zip(expected) {
                        assert!(
                            (f64::from(*value) - expected).abs() < 2.0,
                            "{scale}: {x} {y} {value} {expected}"
                        );
                    }
                }
            }
            assert!(inside > 4000, "{scale}: {inside}");
        }
    }

    #[test]
    fn a_large_face_that_reaches_past_the_picture_is_black_there() {
        let white = RgbImage::from_pixel(600, 600, Rgb([255; 3]));
        let aligned = align(&white, &moved(0.0, 8.0, [-400.0, 0.0])).unwrap();
        assert_eq!(aligned.get_pixel(20, 20).0, [0; 3]);
        assert_eq!(aligned.get_pixel(80, 20).0, [255; 3]);
        assert_eq!(aligned.get_pixel(80, 100).0, [0; 3]);
        let elsewhere = align(&white, &moved(0.0, 8.0, [5000.0, 0.0])).unwrap();
        assert_eq!(elsewhere, RgbImage::new(SIDE, SIDE));
    }
}
