//! Finds faces: brings the photo, or a part of it, into the detector's input, runs it, brings what it
//! found back to the photo. What differs between families is how outputs are read, and nothing else.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;
use ort::session::SessionOutputs;

use crate::catalog::{Detection as Thresholds, Entry, Family, Input, Role};
use crate::detection::{Detection, MULTIPLE, STRIDES, float, suppress};
use crate::planes;
use crate::scrfd;
use crate::session::{self, Means, Runner};
use crate::tiles::Plan;
use crate::vision::VisionError;
use crate::yunet;

/// A rectangle of the photo, in its pixels, and the sides to which one run sees it scaled.
#[derive(Debug, Clone, Copy, PartialEq)]
struct View {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    seen: (u32, u32),
}

/// One session of the detector.
#[derive(Debug)]
pub(crate) struct Detector {
    runner: Runner,
    threads: usize,
    family: Family,
    input: Input,
    thresholds: Thresholds,
    resizer: Resizer,
}

impl Detector {
    /// `model` are the file's bytes after [`prepare`].
    pub fn open(model: &[u8], entry: &Entry, means: impl Into<Means>) -> Result<Self, VisionError> {
        let thresholds = entry
            .detection
            .ok_or_else(|| VisionError::Model(format!("{} is not a detector", entry.name)))?;
        let means = means.into();
        Ok(Self {
            runner: Runner::open(model, Role::Detector, means)?,
            threads: means.threads,
            family: entry.family,
            input: entry.input,
            thresholds,
            resizer: Resizer::new(),
        })
    }

    /// Every face in pixels of `picture`, best first. Boxes may reach over its edges.
    pub fn detect(&mut self, picture: &RgbImage) -> Result<Vec<Detection>, VisionError> {
        let (width, height) = picture.dimensions();
        let plan = Plan::new(width, height);
        let mut found = Vec::new();
        if let Some(seen) = plan.overview {
            let faces = self.run(picture, &View::whole(picture, seen))?;
            let (fx, fy) = (ratio(width, seen.0), ratio(height, seen.1));
            found.extend(faces.iter().map(|face| face.scaled(fx, fy)));
        }
        let (fx, fy) = (ratio(width, plan.scaled.0), ratio(height, plan.scaled.1));
        for tile in &plan.tiles {
            let view = View::of(
                picture,
                &plan,
                (tile.x.start, tile.y.start),
                (tile.x.length, tile.y.length),
            );
            let faces = self.run(picture, &view)?;
            let placed = faces
                .iter()
                .map(|face| face.moved(float(tile.x.start), float(tile.y.start)));
            found.extend(placed.filter(|face| tile.counts(face)).map(|face| face.scaled(fx, fy)));
        }
        Ok(suppress(found, self.thresholds.overlap))
    }

    /// The faces of one view, overlapping ones too, in pixels as seen.
    fn run(&mut self, picture: &RgbImage, view: &View) -> Result<Vec<Detection>, VisionError> {
        let (width, height) = view.seen;
        let frame = [height, width].map(|side| side.next_multiple_of(MULTIPLE));
        let shape = [1, 3, frame[0] as usize, frame[1] as usize];
        let Self {
            runner,
            threads,
            input,
            resizer,
            ..
        } = self;
        let outputs = runner.run(shape, |samples| {
            let small;
            let seen = if picture.dimensions() == view.seen {
                picture.as_raw()
            } else {
                small = resize_part(resizer, picture, view)?;
                small.buffer()
            };
            planes::put_by(
                *threads,
                seen,
                view.seen.0 as usize,
                (shape[3], shape[2]),
                input,
                samples,
            );
            Ok(())
        })?;
        let mut found = Vec::new();
        match self.family {
            Family::Scrfd => read_scrfd(&outputs, frame, self.thresholds.score, &mut found)?,
            _ => read_yunet(&outputs, frame, self.thresholds.score, &mut found)?,
        }
        Ok(found)
    }
}

impl View {
    fn whole(picture: &RgbImage, seen: (u32, u32)) -> Self {
        Self {
            left: 0.0,
            top: 0.0,
            width: picture.width().into(),
            height: picture.height().into(),
            seen,
        }
    }

    /// `seen` pixels from `start` on of the scaled photo.
    fn of(picture: &RgbImage, plan: &Plan, start: (u32, u32), seen: (u32, u32)) -> Self {
        let fx = f64::from(picture.width()) / f64::from(plan.scaled.0.max(1));
        let fy = f64::from(picture.height()) / f64::from(plan.scaled.1.max(1));
        Self {
            left: f64::from(start.0) * fx,
            top: f64::from(start.1) * fy,
            width: f64::from(seen.0) * fx,
            height: f64::from(seen.1) * fy,
            seen,
        }
    }
}

/// The file's bytes made to take any size.
pub(crate) fn prepare(model: &[u8]) -> Result<Vec<u8>, VisionError> {
    crate::wire::free_sizes(model).map_err(|error| VisionError::Model(error.to_string()))
}

/// Scales down with every pixel counted, by a triangle as wide as the step.
pub(crate) fn resize(
    resizer: &mut Resizer,
    picture: &RgbImage,
    width: u32,
    height: u32,
) -> Result<Image<'static>, VisionError> {
    resize_part(resizer, picture, &View::whole(picture, (width, height)))
}

fn resize_part(resizer: &mut Resizer, picture: &RgbImage, view: &View) -> Result<Image<'static>, VisionError> {
    let source = ImageRef::new(picture.width(), picture.height(), picture.as_raw(), PixelType::U8x3)
        .map_err(|error| session::failed(&error))?;
    let mut small = Image::new(view.seen.0, view.seen.1, PixelType::U8x3);
    // The last tile's end may lie beyond the photo's by a rounding of the product.
    let width = view.width.min(f64::from(picture.width()) - view.left);
    let height = view.height.min(f64::from(picture.height()) - view.top);
    let how = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .crop(view.left, view.top, width, height);
    resizer
        .resize(&source, &mut small, &how)
        .map_err(|error| session::failed(&error))?;
    Ok(small)
}

/// `frame` is the input's height and width, here and below.
fn read_yunet(
    outputs: &SessionOutputs<'_>,
    [height, width]: [u32; 2],
    least: f32,
    found: &mut Vec<Detection>,
) -> Result<(), VisionError> {
    for stride in STRIDES {
        let grid = yunet::Grid {
            stride,
            cls: output(outputs, "cls", stride)?,
            obj: output(outputs, "obj", stride)?,
            bbox: output(outputs, "bbox", stride)?,
            kps: output(outputs, "kps", stride)?,
        };
        yunet::decode(&grid, width, height, least, found).map_err(|error| VisionError::Model(error.into()))?;
    }
    Ok(())
}

fn read_scrfd(
    outputs: &SessionOutputs<'_>,
    [height, width]: [u32; 2],
    least: f32,
    found: &mut Vec<Detection>,
) -> Result<(), VisionError> {
    let mut read = Vec::with_capacity(outputs.len());
    for index in 0..outputs.len() {
        let (shape, numbers) = outputs[index]
            .try_extract_tensor::<f32>()
            .map_err(|error| session::failed(&error))?;
        read.push(scrfd::Output { shape, numbers });
    }
    scrfd::decode(&read, width, height, least, found).map_err(|error| VisionError::Model(error.into()))
}

fn output<'o>(outputs: &'o SessionOutputs<'_>, name: &str, stride: u32) -> Result<&'o [f32], VisionError> {
    let name = format!("{name}_{stride}");
    let value = outputs
        .get(&name)
        .ok_or_else(|| VisionError::Model(format!("the detector has no output {name}")))?;
    let (_, numbers) = value
        .try_extract_tensor::<f32>()
        .map_err(|error| session::failed(&error))?;
    Ok(numbers)
}

fn ratio(of: u32, to: u32) -> f32 {
    float(of) / float(to.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fixed file and the freed one must say the same, to the last bit.
    #[test]
    fn freeing_the_sizes_changes_no_result() {
        let Some((entry, model)) = crate::testing::model(Role::Detector) else {
            return;
        };
        let freed = prepare(&model).unwrap();
        let mut samples = vec![0.0; 3 * 640 * 640];
        let noise: Vec<u8> = (0..640 * 640 * 3_u32)
            .map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()[3])
            .collect();
        planes::put(&noise, 640, (640, 640), &entry.input, &mut samples);
        let run = |model: &[u8]| {
            let mut session = session::open(model, 1).unwrap();
            let outputs = session::run(&mut session, [1, 3, 640, 640], &samples).unwrap();
            let read = |name: &str, stride| output(&outputs, name, stride).unwrap().to_vec();
            STRIDES.map(|stride| ["cls", "obj", "bbox", "kps"].map(|name| read(name, stride)))
        };
        assert_eq!(run(&model), run(&freed));
        let mut session = session::open(&freed, 1).unwrap();
        for (width, height) in [(32, 32), (96, 1920), (736, 1280)] {
            let frame = vec![0.0; 3 * width * height];
            let outputs = session::run(&mut session, [1, 3, height, width], &frame).unwrap();
            assert_eq!(output(&outputs, "kps", 32).unwrap().len(), 10 * width * height / 1024);
        }
    }
}
