//! A vision that reads people from pixels: each pixel of a tiny picture is a face, its colour the
//! person. Some colours make trouble, for tests of what happens then. In a drawing, which begins with
//! a pixel that says so, a face is where a person's colour is above such a pixel.

use std::io::Cursor;
use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;
use image::{ImageFormat, Rgb, RgbImage};
use models::{Analysis, Ask, Bounds, EmbedderInfo, Face, Observer, Quality, Stage, Timings, Vision, VisionError};

pub type Colour = [u8; 3];

/// No face there.
pub const NOBODY: Colour = [0, 0, 0];
/// Ends the process that looks at it.
pub const DEADLY: Colour = [255, 0, 0];
/// Makes the models panic.
pub const PANIC: Colour = [255, 0, 1];
/// Takes three seconds to look at.
pub const SLOW: Colour = [255, 0, 2];
/// A face too small to be told.
pub const TINY: Colour = [255, 0, 3];
/// Makes the models fail as one that answers NaN does.
pub const NAN: Colour = [255, 0, 4];

const DIMENSION: usize = 64;

/// The embedders there are; what two of them make of one colour has nothing in common.
pub const EMBEDDERS: [&str; 2] = ["fake", "fake-2"];

/// The colour of the n-th person.
pub fn person(n: usize) -> Colour {
    let n = u32::try_from(n).unwrap() + 1;
    let [_, a, b, c] = n.wrapping_mul(2_654_435).to_be_bytes();
    [a.min(254), b, c.max(1)]
}

/// A photo of these people.
pub fn photo(people: &[Colour]) -> Bytes {
    let mut picture = RgbImage::new(u32::try_from(people.len().max(1)).unwrap(), 1);
    for (x, colour) in (0..).zip(people) {
        picture.put_pixel(x, 0, Rgb(*colour));
    }
    png(&picture)
}

/// How a face is shown; several may be added up.
pub mod shown {
    pub const BLURRED: u8 = 1;
    pub const DARK: u8 = 2;
    pub const BRIGHT: u8 = 4;
    /// Nearly from the side.
    pub const ASIDE: u8 = 8;
    /// On a print: no living person.
    pub const PRINTED: u8 = 16;
    /// Twice as wide as others.
    pub const NEAR: u8 = 32;
}

/// The first two of a pixel below a face that says how it is shown.
const SAYS: [u8; 2] = [1, 254];

/// A photo of these people, each shown so.
pub fn photo_showing(people: &[(Colour, u8)]) -> Bytes {
    let mut picture = RgbImage::new(u32::try_from(people.len()).unwrap(), 2);
    for (x, (colour, how)) in (0..).zip(people) {
        picture.put_pixel(x, 0, Rgb(*colour));
        picture.put_pixel(x, 1, Rgb([SAYS[0], SAYS[1], *how]));
    }
    png(&picture)
}

/// Width and height of a face in a drawing.
pub const DRAWN: u32 = 120;

/// Makes a picture a drawing: without it each of its pixels would be a face.
pub fn begin_drawing(picture: &mut RgbImage) {
    picture.put_pixel(0, 0, Rgb([SAYS[0], SAYS[1], 0]));
}

/// Makes the surroundings of a pixel of a drawing a person's face.
pub fn sign(picture: &mut RgbImage, x: u32, y: u32, person: Colour) {
    picture.put_pixel(x, y, Rgb(person));
    picture.put_pixel(x, y + 1, Rgb([SAYS[0], SAYS[1], 0]));
}

/// The faces of a drawing, row by row; none where the picture is no drawing.
fn drawn(picture: &RgbImage) -> Option<Vec<(Colour, Bounds, Vec<u8>)>> {
    let says = |pixel: &Rgb<u8>| pixel.0[..2] == SAYS;
    if !says(picture.get_pixel(0, 0)) {
        return None;
    }
    let signs = picture.enumerate_pixels().filter(|(_, y, pixel)| *y > 0 && says(pixel));
    let faces = signs.map(|(x, y, _)| {
        let (left, top) = (x.saturating_sub(DRAWN / 2), (y - 1).saturating_sub(DRAWN / 2));
        let mut crop = image::imageops::crop_imm(picture, left, top, DRAWN, DRAWN).to_image();
        begin_drawing(&mut crop);
        let bounds = Bounds {
            x: i32::try_from(left).unwrap(),
            y: i32::try_from(top).unwrap(),
            width: i32::try_from(DRAWN).unwrap(),
            height: i32::try_from(DRAWN).unwrap(),
        };
        (picture.get_pixel(x, y - 1).0, bounds, png(&crop).to_vec())
    });
    Some(faces.collect())
}

/// A photo of these people that says which it is: it and its crops are known by their number wherever they
/// go, and each face resembles its person as much as that photo has it, from 0.88 to 1.
pub fn numbered(people: &[Colour], number: u16) -> Bytes {
    let mut picture = RgbImage::new(u32::try_from(people.len()).unwrap(), 4);
    let [high, low] = number.to_be_bytes();
    for (x, colour) in (0..).zip(people) {
        picture.put_pixel(x, 0, Rgb(*colour));
        for (y, says) in [(1, 0), (2, high), (3, low)] {
            picture.put_pixel(x, y, Rgb([SAYS[0], SAYS[1], says]));
        }
    }
    png(&picture)
}

/// The number of a photo, or of a crop of one.
pub fn number(photo: &[u8]) -> Option<u16> {
    number_of(&picture::decode(photo, picture::MAX_PIXELS).ok()?)
}

fn number_of(picture: &RgbImage) -> Option<u16> {
    let says = |y| {
        let Rgb([a, b, says]) = *picture.get_pixel_checked(0, y)?;
        ([a, b] == SAYS).then_some(says)
    };
    Some(u16::from_be_bytes([says(2)?, says(3)?]))
}

pub(crate) fn png(picture: &RgbImage) -> Bytes {
    let mut bytes = Vec::new();
    picture
        .write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)
        .unwrap();
    bytes.into()
}

/// How the face is shown, by the pixel below it.
fn how(picture: &RgbImage, x: u32, y: u32) -> u8 {
    match picture.get_pixel_checked(x, y + 1) {
        Some(Rgb([a, b, how])) if [*a, *b] == SAYS => *how,
        _ => 0,
    }
}

fn quality(how: u8) -> Quality {
    let is = |flag: u8| how & flag != 0;
    Quality {
        overall: 0.9,
        sharpness: if is(shown::BLURRED) { 0.01 } else { 0.9 },
        brightness: match (is(shown::DARK), is(shown::BRIGHT)) {
            (true, _) => 0.01,
            (_, true) => 0.99,
            _ => 0.5,
        },
        yaw: if is(shown::ASIDE) { 80.0 } else { 0.0 },
        pitch: 0.0,
        roll: 0.0,
        interocular: 20.0,
    }
}

/// A unit vector that is the colour's own; those of two colours, or by two embedders, are nearly at
/// right angles.
fn embedding(colour: Colour, embedder: &str) -> Vec<f32> {
    let nth = EMBEDDERS.iter().position(|name| *name == embedder).unwrap_or_default();
    let nth = u8::try_from(nth).unwrap() + 1;
    direction(u64::from_be_bytes([
        0x9e, 0x37, 0x79, 0xb9, nth, colour[0], colour[1], colour[2],
    ]))
}

/// What a numbered photo has of a person: their embedding, turned away a little.
fn embedding_in(number: u16, colour: Colour, embedder: &str) -> Vec<f32> {
    let mut vector = embedding(colour, embedder);
    let [high, low] = number.to_be_bytes();
    let seed = u64::from_be_bytes([high, low, 0x79, 0xb9, 0, colour[0], colour[1], colour[2]]);
    let away = f32::from(u8::try_from(seed % 47).unwrap()) / 100.0;
    for (one, other) in vector.iter_mut().zip(direction(seed)) {
        *one += away * other;
    }
    to_length_one(&mut vector);
    vector
}

fn direction(mut state: u64) -> Vec<f32> {
    let mut vector: Vec<f32> = (0..DIMENSION)
        .map(|_| {
            // SplitMix64, Steele et al. 2014.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            if (z ^ (z >> 31)) & 1 == 0 { 1.0 } else { -1.0 }
        })
        .collect();
    to_length_one(&mut vector);
    vector
}

fn to_length_one(vector: &mut [f32]) {
    let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    for number in vector {
        *number /= length;
    }
}

/// How much the faces of two colours resemble each other.
pub fn similarity(a: Colour, b: Colour) -> f32 {
    let of = |colour| embedding(colour, EMBEDDERS[0]);
    of(a).iter().zip(of(b)).map(|(x, y)| x * y).sum()
}

#[derive(Debug)]
pub struct FakeVision(EmbedderInfo);

impl FakeVision {
    /// One whose operator chose this of [`EMBEDDERS`].
    pub fn with_embedder(name: &str) -> Self {
        Self(EmbedderInfo {
            name: name.into(),
            dimension: DIMENSION,
            match_threshold: 0.9,
            review_threshold: 0.8,
        })
    }
}

/// What a worker has in hand when the models have looked, asked with an embedder or with the usual one.
pub fn look(photo: &[u8], embedder: Option<&str>) -> service::recognition::Seen {
    let ask = Ask {
        embedder: embedder.map(str::to_owned),
        liveness: false,
    };
    let analysis = FakeVision::default().analyse(photo, &ask, &|_| ControlFlow::Continue(()));
    worker::seen(analysis.unwrap())
}

impl Default for FakeVision {
    fn default() -> Self {
        Self::with_embedder(EMBEDDERS[0])
    }
}

impl Vision for FakeVision {
    fn embedder(&self) -> &EmbedderInfo {
        &self.0
    }

    fn embedder_named(&self, name: &str) -> Result<EmbedderInfo, VisionError> {
        if EMBEDDERS.contains(&name) {
            Ok(Self::with_embedder(name).0)
        } else {
            Err(VisionError::Model(format!("there is no embedder {name}")))
        }
    }

    fn tells_liveness(&self) -> bool {
        true
    }

    fn analyse(&self, photo: &[u8], ask: &Ask, observe: Observer<'_>) -> Result<Analysis, VisionError> {
        let embedder = self
            .embedder_named(ask.embedder.as_deref().unwrap_or(&self.0.name))?
            .name;
        let stage = |stage: Stage<'_>| match observe(stage) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(VisionError::Abandoned),
        };
        stage(Stage::Decoding)?;
        let picture =
            picture::decode(photo, picture::MAX_PIXELS).map_err(|e| VisionError::Unreadable(e.to_string()))?;
        stage(Stage::Detecting)?;
        let number = number_of(&picture);
        let mut faces = Vec::new();
        let drawn = drawn(&picture);
        let pixels = if drawn.is_some() { 0 } else { 1000 };
        for (colour, bounds, crop) in drawn.into_iter().flatten() {
            faces.push(Face {
                bounds,
                score: 0.9,
                quality: quality(0),
                too_small: false,
                embedding: Some(embedding(colour, &embedder)),
                liveness: ask.liveness.then_some(0.95),
                crop: crop.into(),
            });
        }
        for (x, y, Rgb(colour)) in picture.enumerate_pixels().take(pixels) {
            if colour[..2] == SAYS[..] {
                continue;
            }
            let how = how(&picture, x, y);
            let side = if how & shown::NEAR == 0 { 50 } else { 100 };
            match *colour {
                NOBODY => continue,
                DEADLY => std::process::abort(),
                PANIC => panic!("the models met a deadly picture"),
                NAN => return Err(VisionError::Model("the embedder answered NaN".into())),
                SLOW => {
                    for _ in 0..30 {
                        std::thread::sleep(Duration::from_millis(100));
                        stage(Stage::Detecting)?;
                    }
                    continue;
                }
                _ => {}
            }
            let too_small = *colour == TINY;
            faces.push(Face {
                bounds: Bounds {
                    x: i32::try_from(x).unwrap() * 50,
                    y: i32::try_from(y).unwrap() * 50,
                    width: side,
                    height: side,
                },
                score: 0.9,
                quality: quality(how),
                too_small,
                embedding: (!too_small).then(|| match number {
                    Some(number) => embedding_in(number, *colour, &embedder),
                    None => embedding(*colour, &embedder),
                }),
                liveness: ask
                    .liveness
                    .then_some(if how & shown::PRINTED == 0 { 0.95 } else { 0.05 }),
                // A photo of that person again, in their very colour.
                crop: match number {
                    Some(number) => numbered(&[*colour], number),
                    None => self::photo(&[*colour]),
                }
                .to_vec()
                .into(),
            });
        }
        stage(Stage::Embedding(&faces))?;
        Ok(Analysis {
            width: picture.width(),
            height: picture.height(),
            faces,
            timings: Timings {
                decode_ms: 1.0,
                detect_ms: 1.0,
                embed_ms: 1.0,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_do_not_resemble_each_other() {
        let all: Vec<Vec<f32>> = (0..250).map(|n| embedding(person(n), EMBEDDERS[0])).collect();
        for (i, a) in all.iter().enumerate() {
            for (j, b) in all.iter().enumerate() {
                let similarity: f32 = a.iter().zip(b).map(|(x, y)| x * y).sum();
                assert!(
                    if i == j { similarity > 0.99 } else { similarity < 0.75 },
                    "{i} {j} {similarity}"
                );
            }
        }
    }
}
