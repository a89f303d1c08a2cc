//! Tells a living person before the camera from a printed or shown picture of one, by the `MiniFASNet` models of
//! Silent-Face-Anti-Spoofing (minivision-ai). Each looks at the face with another share of what is around it; what
//! they say is averaged.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

use crate::catalog::{Entry, Input, Role};
use crate::planes;
use crate::session::{self, Means, Runner};
use crate::vision::{Bounds, VisionError};

/// The classes of a `MiniFASNet`, and which of them is the living person.
const CLASSES: usize = 3;
const LIVE: usize = 1;

/// One session of each model.
#[derive(Debug)]
pub(crate) struct Liveness {
    models: Vec<Model>,
    resizer: Resizer,
}

#[derive(Debug)]
struct Model {
    name: String,
    runner: Runner,
    input: Input,
    width: u32,
    height: u32,
    /// How many times the face's box the model sees.
    scale: f32,
}

impl Liveness {
    /// Of each model its entry and its file's bytes.
    pub fn open(models: &[(Entry, Vec<u8>)], means: impl Into<Means>) -> Result<Self, VisionError> {
        let means = means.into();
        let models = models.iter().map(|(entry, bytes)| Model::open(bytes, entry, means));
        Ok(Self {
            models: models.collect::<Result<_, _>>()?,
            resizer: Resizer::new(),
        })
    }

    /// Probability, 0 to 1, that the face in that box is no picture of one.
    pub fn of(&mut self, picture: &RgbImage, bounds: Bounds) -> Result<f32, VisionError> {
        let mut sum = 0.0;
        let mut count = 0.0;
        for model in &mut self.models {
            sum += model.of(picture, bounds, &mut self.resizer)?;
            count += 1.0;
        }
        let mean: f32 = sum / count;
        if mean.is_finite() {
            Ok(mean.clamp(0.0, 1.0))
        } else {
            Err(VisionError::Model("the liveness models answered no number".into()))
        }
    }
}

impl Model {
    fn open(bytes: &[u8], entry: &Entry, means: impl Into<Means>) -> Result<Self, VisionError> {
        let wrong = || VisionError::Model(format!("{} is not a liveness model", entry.name));
        Ok(Self {
            name: entry.name.clone(),
            runner: Runner::open(bytes, Role::Liveness, means.into())?,
            input: entry.input,
            width: entry.input.width.ok_or_else(wrong)?,
            height: entry.input.height.ok_or_else(wrong)?,
            scale: entry.liveness.ok_or_else(wrong)?.crop,
        })
    }

    fn of(&mut self, picture: &RgbImage, bounds: Bounds, resizer: &mut Resizer) -> Result<f32, VisionError> {
        let area = Area::around(bounds, self.scale, picture.dimensions());
        let source = ImageRef::new(picture.width(), picture.height(), picture.as_raw(), PixelType::U8x3)
            .map_err(|error| session::failed(&error))?;
        let mut seen = Image::new(self.width, self.height, PixelType::U8x3);
        // Four neighbours whatever the step, as in the pictures that the models learned from.
        let how = ResizeOptions::new()
            .resize_alg(ResizeAlg::Interpolation(FilterType::Bilinear))
            .crop(area.left.into(), area.top.into(), area.width.into(), area.height.into());
        resizer
            .resize(&source, &mut seen, &how)
            .map_err(|error| session::failed(&error))?;
        let (width, height) = (self.width as usize, self.height as usize);
        let input = self.input;
        let outputs = self.runner.run([1, 3, height, width], |samples| {
            planes::put(seen.buffer(), width, (width, height), &input, samples);
            Ok(())
        })?;
        let (_, scores) = outputs[0]
            .try_extract_tensor::<f32>()
            .map_err(|error| session::failed(&error))?;
        let scores: [f32; CLASSES] = scores
            .try_into()
            .map_err(|_| VisionError::Model(format!("{} has {} classes, not {CLASSES}", self.name, scores.len())))?;
        Ok(softmax(scores)[LIVE])
    }
}

fn softmax(scores: [f32; CLASSES]) -> [f32; CLASSES] {
    let largest = scores.into_iter().fold(f32::MIN, f32::max);
    let powers = scores.map(|score| (score - largest).exp());
    let sum: f32 = powers.iter().sum();
    powers.map(|power| power / sum)
}

/// A part of a picture in whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Area {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

impl Area {
    /// The box enlarged about its middle, by less where the picture is too small for that, and then moved into the
    /// picture (`CropImage` of Silent-Face-Anti-Spoofing). `bounds` lies in the picture.
    fn around(bounds: Bounds, scale: f32, (width, height): (u32, u32)) -> Self {
        let fits = |side: u32, length: i32| (float(side) - 1.0) / f64::from(length.max(1));
        let scale = f64::from(scale)
            .min(fits(width, bounds.width))
            .min(fits(height, bounds.height));
        let span = |start: i32, length: i32, side: u32| {
            let (start, length) = (f64::from(start), f64::from(length));
            let last = float(side) - 1.0;
            let reach = length * scale;
            let from = (start + (length - reach) / 2.0).min(last - reach).max(0.0);
            let (first, last) = (whole(from), whole((from + reach).min(last)));
            (first, last - first + 1)
        };
        let (left, width) = span(bounds.x, bounds.width, width);
        let (top, height) = span(bounds.y, bounds.height, height);
        Self {
            left,
            top,
            width,
            height,
        }
    }
}

fn float(side: u32) -> f64 {
    f64::from(side)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and a picture's side; `as` saturates"
)]
fn whole(at: f64) -> u32 {
    at as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Catalog, Role};
    use crate::testing::graph::{self, model, node};

    fn area(bounds: [i32; 4], scale: f32, size: (u32, u32)) -> [u32; 4] {
        let [x, y, width, height] = bounds;
        let area = Area::around(Bounds { x, y, width, height }, scale, size);
        [area.left, area.top, area.width, area.height]
    }

    #[test]
    fn the_crop_is_centred_moved_inside_and_limited() {
        assert_eq!(area([100, 100, 20, 40], 2.0, (400, 400)), [90, 80, 41, 81]);
        assert_eq!(area([0, 0, 20, 40], 2.0, (400, 400)), [0, 0, 41, 81]);
        assert_eq!(area([380, 360, 20, 40], 2.0, (400, 400)), [359, 319, 41, 81]);
        // The picture is 2.5 times as high as the box: no more of it can be seen.
        assert_eq!(area([100, 30, 20, 40], 4.0, (400, 101)), [85, 0, 51, 101]);
        assert_eq!(area([0, 0, 1, 1], 4.0, (1, 1)), [0, 0, 1, 1]);
        assert_eq!(area([0, 0, 300, 1], 4.0, (300, 1)), [150, 0, 1, 1]);
    }

    #[test]
    fn every_crop_lies_in_its_picture() {
        for (width, height) in [(1, 1), (2, 3), (64, 48), (500, 31)] {
            for x in 0..width {
                for y in 0..height {
                    for (w, h) in [(1, 1), (width - x, height - y)] {
                        let bounds = [x, y, w, h].map(u32::cast_signed);
                        for scale in [1.0, 2.7, 4.0] {
                            let [left, top, across, down] = area(bounds, scale, (width, height));
                            assert!(across > 0 && left + across <= width, "{bounds:?} {scale}");
                            assert!(down > 0 && top + down <= height, "{bounds:?} {scale}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn scores_become_shares_of_one() {
        let even = softmax([7.0; 3]);
        assert!(even.iter().all(|share| (share - 1.0 / 3.0).abs() < 1e-6));
        let sure = softmax([-1e30, 1e30, 0.0]);
        assert!(sure[LIVE] > 0.999 && sure[0] < 1e-6, "{sure:?}");
        assert!(softmax([f32::NAN, 0.0, 0.0])[LIVE].is_nan());
    }

    /// Answers these scores, whatever it sees.
    fn constant(scores: [f32; 3]) -> (Entry, Vec<u8>) {
        let catalog = Catalog::built_in().unwrap();
        let entry = catalog.of(Role::Liveness).next().unwrap().clone();
        let nodes = vec![
            node("GlobalAveragePool", &["x"], "mean"),
            node("Flatten", &["mean"], "flat"),
            node("Mul", &["flat", "nothing"], "zero"),
            node("Add", &["zero", "scores"], "y"),
        ];
        let weights = vec![
            graph::tensor("nothing", &[1], &[0.0]),
            graph::tensor("scores", &[1, 3], &scores),
        ];
        (entry, model(nodes, weights, ("x", &[1, 3, 80, 80]), ("y", &[1, 3]), 11))
    }

    const FACE: Bounds = Bounds {
        x: 10,
        y: 10,
        width: 30,
        height: 40,
    };

    #[test]
    fn the_models_are_averaged() {
        if !crate::testing::runtime() {
            return;
        }
        let picture = RgbImage::new(100, 100);
        let (sure, even) = ([-50.0, 50.0, -50.0], [1.0, 1.0, 1.0]);
        let mut both = Liveness::open(&[constant(sure), constant(even)], 1).unwrap();
        let live = both.of(&picture, FACE).unwrap();
        assert!((live - 2.0 / 3.0).abs() < 1e-5, "{live}");
    }

    #[test]
    fn what_is_no_number_is_an_error() {
        if !crate::testing::runtime() {
            return;
        }
        let picture = RgbImage::new(100, 100);
        let mut broken = Liveness::open(&[constant([0.0; 3]), constant([f32::NAN; 3])], 1).unwrap();
        assert!(matches!(broken.of(&picture, FACE), Err(VisionError::Model(_))));
    }

    #[test]
    fn both_real_models_answer() {
        let Some(models) = crate::testing::models(Role::Liveness) else {
            return;
        };
        assert_eq!(models.len(), 2);
        let picture = RgbImage::from_fn(300, 200, |x, y| {
            image::Rgb([x, y, x * y].map(|value| value.to_le_bytes()[0]))
        });
        let of = |models: &[_]| Liveness::open(models, 1).unwrap().of(&picture, FACE).unwrap();
        let (first, second, both) = (of(&models[..1]), of(&models[1..]), of(&models));
        assert!((0.0..=1.0).contains(&both));
        assert!((first.midpoint(second) - both).abs() < 1e-6, "{first} {second} {both}");
        assert!((first - second).abs() > 1e-6, "they see different crops");
    }
}
