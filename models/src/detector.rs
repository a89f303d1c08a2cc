//! Finds faces: fits the photo into the detector's input, runs it, brings what it found back to the
//! photo.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;
use ort::session::{Session, SessionOutputs};

use crate::catalog::{Detection as Thresholds, Entry, Input};
use crate::session::{self, Means};
use crate::vision::VisionError;
use crate::yunet::{self, Detection, Grid, MULTIPLE, STRIDES};

/// The longer side, in pixels, of what the detector sees at most. Larger photos are scaled down to
/// it; smaller ones are never enlarged, which gains nothing and doubles false detections.
pub(crate) const LONGEST: u32 = 1920;

/// How a photo lies in the detector's input: scaled to `width` x `height` in the upper left corner
/// of a black frame of `frame_width` x `frame_height`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fit {
    width: u32,
    height: u32,
    frame_width: u32,
    frame_height: u32,
}

impl Fit {
    fn new(width: u32, height: u32) -> Self {
        let longer = width.max(height);
        let scaled = |side: u32| {
            if longer <= LONGEST {
                return side;
            }
            let side = (u64::from(side) * u64::from(LONGEST) + u64::from(longer) / 2) / u64::from(longer);
            u32::try_from(side).unwrap_or(LONGEST).clamp(1, LONGEST)
        };
        let (width, height) = (scaled(width), scaled(height));
        Self {
            width,
            height,
            frame_width: width.next_multiple_of(MULTIPLE),
            frame_height: height.next_multiple_of(MULTIPLE),
        }
    }
}

/// One session of the detector.
#[derive(Debug)]
pub(crate) struct Detector {
    session: Session,
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
        let session = session::open(model, means)?;
        session::input_shape(&session)?;
        Ok(Self {
            session,
            input: entry.input,
            thresholds,
            resizer: Resizer::new(),
        })
    }

    /// Every face in pixels of `picture`, best first. Boxes may reach over its edges.
    pub fn detect(&mut self, picture: &RgbImage) -> Result<Vec<Detection>, VisionError> {
        let (width, height) = picture.dimensions();
        let fit = Fit::new(width, height);
        let samples = self.samples(picture, &fit)?;
        let shape = [1, 3, fit.frame_height as usize, fit.frame_width as usize];
        let outputs = session::run(&mut self.session, shape, &samples)?;
        drop(samples);
        let mut found = Vec::new();
        for stride in STRIDES {
            let grid = Grid {
                stride,
                cls: output(&outputs, "cls", stride)?,
                obj: output(&outputs, "obj", stride)?,
                bbox: output(&outputs, "bbox", stride)?,
                kps: output(&outputs, "kps", stride)?,
            };
            yunet::decode(
                &grid,
                fit.frame_width,
                fit.frame_height,
                self.thresholds.score,
                &mut found,
            )
            .map_err(|error| VisionError::Model(error.into()))?;
        }
        let (fx, fy) = (ratio(width, fit.width), ratio(height, fit.height));
        let best = yunet::suppress(found, self.thresholds.overlap);
        Ok(best.iter().map(|face| face.scaled(fx, fy)).collect())
    }

    fn samples(&mut self, picture: &RgbImage, fit: &Fit) -> Result<Vec<f32>, VisionError> {
        let frame = (fit.frame_width as usize, fit.frame_height as usize);
        let mut samples = Vec::with_capacity(3 * frame.0 * frame.1);
        if picture.dimensions() == (fit.width, fit.height) {
            session::put_planes(picture.as_raw(), fit.width as usize, frame, &self.input, &mut samples);
            return Ok(samples);
        }
        let small = resize(&mut self.resizer, picture, fit.width, fit.height)?;
        session::put_planes(small.buffer(), fit.width as usize, frame, &self.input, &mut samples);
        Ok(samples)
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
    let source = ImageRef::new(picture.width(), picture.height(), picture.as_raw(), PixelType::U8x3)
        .map_err(|error| session::failed(&error))?;
    let mut small = Image::new(width, height, PixelType::U8x3);
    let how = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    resizer
        .resize(&source, &mut small, &how)
        .map_err(|error| session::failed(&error))?;
    Ok(small)
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

#[expect(clippy::cast_precision_loss, reason = "sides of pictures")]
fn ratio(of: u32, to: u32) -> f32 {
    of as f32 / to.max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(width: u32, height: u32) -> [u32; 4] {
        let fit = Fit::new(width, height);
        [fit.width, fit.height, fit.frame_width, fit.frame_height]
    }

    #[test]
    fn photos_are_scaled_down_but_never_up() {
        assert_eq!(fit(4000, 3000), [1920, 1440, 1920, 1440]);
        assert_eq!(fit(3000, 4000), [1440, 1920, 1440, 1920]);
        assert_eq!(fit(1920, 1080), [1920, 1080, 1920, 1088]);
        assert_eq!(fit(640, 480), [640, 480, 640, 480]);
        assert_eq!(fit(100, 33), [100, 33, 128, 64]);
        assert_eq!(fit(1, 1), [1, 1, 32, 32]);
        assert_eq!(fit(50_000, 1), [1920, 1, 1920, 32]);
    }

    /// The fixed file and the freed one must say the same, to the last bit.
    #[test]
    fn freeing_the_sizes_changes_no_result() {
        let Some((entry, model)) = crate::testing::model(crate::catalog::Role::Detector) else {
            return;
        };
        let freed = prepare(&model).unwrap();
        let mut samples = Vec::new();
        let noise: Vec<u8> = (0..640 * 640 * 3_u32)
            .map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()[3])
            .collect();
        session::put_planes(&noise, 640, (640, 640), &entry.input, &mut samples);
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
