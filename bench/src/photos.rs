//! The photos that are measured with, made of the faces beside the checkout when they are needed:
//! pictures of people are never committed.

use std::path::PathBuf;

use bytes::Bytes;
use image::imageops::{self, FilterType};
use picture::RgbImage;

/// Faces on the [`wall`].
pub const FACES: usize = 30;

/// Side of a portrait on the wall in pixels; its face is about two thirds of that wide.
const PORTRAIT: u32 = 180;

const COLUMNS: u32 = 6;

/// Portraits that each student is enrolled with; the wall shows these and others.
pub const ENROLLED: usize = 3;

/// JPEG quality of what a phone's camera makes, roughly.
const QUALITY: u8 = 90;

/// A folder below the target folder, made where it is missing.
pub fn folder(name: &str) -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let folder = exe.ancestors().nth(3).unwrap().join("tmp/bench").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

pub fn decoded(bytes: &[u8]) -> RgbImage {
    picture::decode(bytes, picture::MAX_PIXELS).unwrap()
}

pub fn jpeg(picture: &RgbImage) -> Bytes {
    picture::encode_jpeg(picture, QUALITY).unwrap().into()
}

/// The students with the portraits that they are enrolled with.
pub fn enrolment() -> Vec<(String, Vec<Bytes>)> {
    let mut students = ::tests::faces::students();
    for (_, portraits) in &mut students {
        portraits.truncate(ENROLLED);
    }
    students
}

/// 1920 x 1080 pixels with [`FACES`] portraits of the students, those first that nobody was
/// enrolled with.
pub fn wall() -> Bytes {
    let students = ::tests::faces::students();
    let most = students
        .iter()
        .map(|(_, portraits)| portraits.len())
        .max()
        .unwrap_or_default();
    let portraits = (0..most)
        .rev()
        .flat_map(|nth| students.iter().filter_map(move |(_, portraits)| portraits.get(nth)));
    let mut wall = RgbImage::from_pixel(1920, 1080, [127; 3].into());
    let (cell_width, cell_height) = (1920 / COLUMNS, 1080 / 5);
    for (place, portrait) in (0..).zip(portraits.take(FACES)) {
        let portrait = imageops::resize(&decoded(portrait), PORTRAIT, PORTRAIT, FilterType::CatmullRom);
        let x = place % COLUMNS * cell_width + (cell_width - PORTRAIT) / 2;
        let y = place / COLUMNS * cell_height + (cell_height - PORTRAIT) / 2;
        imageops::replace(&mut wall, &portrait, x.into(), y.into());
    }
    jpeg(&wall)
}

/// Twelve megapixels, 4000 x 3000: a group photo as a better camera would have taken it, in the
/// middle of a soft pattern that costs a decoder what a room does and shows nobody else.
pub fn twelve_megapixels(people: bool) -> Bytes {
    let mut room = RgbImage::from_fn(4000, 3000, |x, y| {
        let [fine, ..] = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(2_246_822_519)).to_be_bytes();
        let (across, down) = (shade(x, 4000), shade(y, 3000));
        [across / 2 + fine % 16, down / 2 + fine % 16, (across ^ down) / 4 + 64].into()
    });
    if people {
        let (photo, _) = &::tests::faces::group_photos()[0];
        let photo = imageops::resize(&decoded(photo), 2732, 1536, FilterType::CatmullRom);
        imageops::replace(&mut room, &photo, 634, 732);
    }
    jpeg(&room)
}

/// From 0 to 255 and back over a side.
fn shade(at: u32, side: u32) -> u8 {
    let there = at * 510 / side;
    u8::try_from(there.min(510 - there)).unwrap_or(u8::MAX)
}

/// Students' portraits as files below [`folder`], a folder a student, for programs that read
/// folders.
pub fn portraits_folder(name: &str, students: &[(String, Vec<Bytes>)]) -> PathBuf {
    for (student, portraits) in students {
        let student = folder(&format!("{name}/{student}"));
        for (nth, portrait) in portraits.iter().enumerate() {
            std::fs::write(student.join(format!("{nth}.png")), portrait).unwrap();
        }
    }
    folder(name)
}
