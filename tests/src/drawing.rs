//! Drawn people, for pictures that may be shown to anybody: a class photo and portraits in which the fake
//! vision finds those who are drawn.

use bytes::Bytes;
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

use crate::fake::{self, Colour, DRAWN};

/// Drawn larger and made smaller: edges become smooth.
const FINE: u32 = 2;
/// Between two people of a row, and between two rows.
const APART: u32 = 200;
const ROW: u32 = 230;

const SKIN: [Colour; 5] = [
    [255, 224, 196],
    [234, 190, 150],
    [198, 140, 98],
    [141, 92, 60],
    [247, 210, 174],
];
const HAIR: [Colour; 6] = [
    [52, 36, 28],
    [120, 72, 36],
    [214, 164, 84],
    [28, 28, 34],
    [164, 66, 40],
    [150, 150, 156],
];
const SHIRT: [Colour; 7] = [
    [58, 110, 180],
    [196, 74, 74],
    [84, 150, 96],
    [228, 178, 74],
    [122, 92, 170],
    [70, 150, 160],
    [220, 120, 150],
];
const WALL: Colour = [226, 231, 233];
const BOARD: Colour = [58, 92, 84];
const FRAME: Colour = [170, 132, 92];
const DESK: Colour = [190, 150, 108];
const INK: Colour = [40, 34, 34];

struct Canvas(RgbImage);

impl Canvas {
    fn new(width: u32, height: u32, ground: Colour) -> Self {
        Self(RgbImage::from_pixel(width * FINE, height * FINE, Rgb(ground)))
    }

    /// In pixels of the finished picture; what lies outside is left out.
    fn fill(
        &mut self,
        left: i64,
        top: i64,
        width: i64,
        height: i64,
        colour: Colour,
        within: impl Fn(f64, f64) -> bool,
    ) {
        let fine = i64::from(FINE);
        for y in (top * fine).max(0)..((top + height) * fine).min(self.0.height().into()) {
            for x in (left * fine).max(0)..((left + width) * fine).min(self.0.width().into()) {
                #[expect(clippy::cast_precision_loss, reason = "places in a picture")]
                let of =
                    |at: i64, from: i64, length: i64| (at - from * fine) as f64 / (length * fine) as f64 * 2.0 - 1.0;
                if within(of(x, left, width), of(y, top, height)) {
                    self.0
                        .put_pixel(u32::try_from(x).unwrap(), u32::try_from(y).unwrap(), Rgb(colour));
                }
            }
        }
    }

    fn rectangle(&mut self, left: i64, top: i64, width: i64, height: i64, colour: Colour) {
        self.fill(left, top, width, height, colour, |_, _| true);
    }

    fn ellipse(&mut self, x: i64, y: i64, across: i64, down: i64, colour: Colour) {
        self.fill(x - across, y - down, 2 * across, 2 * down, colour, |x, y| {
            x * x + y * y <= 1.0
        });
    }

    /// The n-th person, whose nose is here.
    fn person(&mut self, n: usize, x: i64, y: i64) {
        let (skin, hair, shirt) = (SKIN[n % SKIN.len()], HAIR[n * 5 % HAIR.len()], SHIRT[n % SHIRT.len()]);
        // Long hair falls behind the shoulders.
        if n % 3 == 1 {
            self.fill(x - 50, y - 58, 100, 128, hair, |x, y| x * x + y.min(0.0).powi(2) <= 1.0);
        }
        self.fill(x - 72, y + 52, 144, 92, shirt, |x, y| {
            x * x + (y - 1.0).min(0.0).powi(2) * 0.3 <= 1.0
        });
        self.rectangle(x - 14, y + 36, 28, 26, skin);
        self.ellipse(x, y + 60, 14, 9, skin);
        self.ellipse(x, y, 42, 50, skin);
        // The hair's edge on the forehead.
        let edge = if n.is_multiple_of(2) { -0.30 } else { -0.42 };
        self.fill(x - 46, y - 60, 92, 112, hair, move |x, y| {
            x * x + y * y <= 1.0 && y < edge + 0.25 * x * x - 0.12 * x
        });
        if n % 4 == 3 {
            self.ellipse(x, y - 62, 18, 15, hair);
        }
        for side in [-1, 1] {
            self.ellipse(x + side * 16, y - 4, 4, 5, INK);
            self.rectangle(x + side * 16 - 7, y - 17, 14, 3, hair);
            if n % 5 == 2 {
                let ring = |x: f64, y: f64| (0.66..=1.0).contains(&(x * x + y * y));
                self.fill(x + side * 16 - 13, y - 16, 26, 26, INK, ring);
            }
        }
        if n % 5 == 2 {
            self.rectangle(x - 4, y - 5, 8, 2, INK);
        }
        self.fill(x - 14, y + 12, 28, 20, [176, 74, 74], |x, y| {
            y > 0.0 && (0.55..=1.0).contains(&(x * x + y * y))
        });
    }

    /// In its size, each of these people at their place.
    fn finish(self, people: &[(usize, i64, i64)]) -> Bytes {
        let (width, height) = (self.0.width() / FINE, self.0.height() / FINE);
        let mut picture = imageops::resize(&self.0, width, height, FilterType::Triangle);
        fake::begin_drawing(&mut picture);
        for &(n, x, y) in people {
            let (x, y) = (u32::try_from(x).unwrap(), u32::try_from(y).unwrap());
            fake::sign(&mut picture, x, y, fake::person(n));
        }
        fake::png(&picture)
    }
}

/// The n-th person alone.
pub fn portrait(n: usize) -> Bytes {
    let middle = i64::from(DRAWN);
    let mut canvas = Canvas::new(DRAWN * 2, DRAWN * 2, WALL);
    canvas.person(n, middle, middle);
    canvas.finish(&[(n, middle, middle)])
}

/// These people in a classroom, so many in a row; who is named twice is there twice.
pub fn class_photo(people: &[usize], in_a_row: usize) -> Bytes {
    let columns = u32::try_from(in_a_row).unwrap();
    let rows = u32::try_from(people.len().div_ceil(in_a_row)).unwrap();
    let (width, height) = (APART * columns + 120, ROW * rows + 190);
    let (wide, high) = (i64::from(width), i64::from(height));
    let mut canvas = Canvas::new(width, height, WALL);
    canvas.rectangle(wide / 5 - 8, 22, wide * 3 / 5 + 16, 136, FRAME);
    canvas.rectangle(wide / 5, 30, wide * 3 / 5, 120, BOARD);
    canvas.rectangle(0, high - 60, wide, 60, [206, 196, 184]);
    let mut places = Vec::new();
    for (i, n) in people.iter().enumerate() {
        let (row, column) = (
            i64::try_from(i / in_a_row).unwrap(),
            i64::try_from(i % in_a_row).unwrap(),
        );
        let shift = if row % 2 == 0 { 40 } else { 80 };
        let x = shift + i64::from(APART) * column + i64::from(APART) / 2;
        let y = 150 + i64::from(ROW) * row + (column * 37) % 24;
        canvas.person(*n, x, y);
        if i % in_a_row == in_a_row - 1 || i == people.len() - 1 {
            let top = 150 + i64::from(ROW) * row + 118;
            canvas.rectangle(20, top, wide - 40, 16, DESK);
            canvas.rectangle(20, top + 16, wide - 40, 34, [172, 134, 94]);
        }
        places.push((*n, x, y));
    }
    canvas.finish(&places)
}
