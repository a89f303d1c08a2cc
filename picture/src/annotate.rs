//! Draws boxes, and names on tags beside them, so that they can be read on a thumbnail as on a
//! photo of twelve megapixels.

use ab_glyph::{Font, FontRef, GlyphId, PxScale, ScaleFont, point};
use image::{Rgb, RgbImage};

/// One box and what is written beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Left edge of the box in pixels.
    pub x: i32,
    /// Upper edge of the box in pixels.
    pub y: i32,
    /// Width of the box in pixels.
    pub width: i32,
    /// Height of the box in pixels.
    pub height: i32,
    /// What to write, usually a name; empty for a bare box.
    pub text: String,
    /// What to write where the font can't show the text, such as a roll number.
    pub fallback: String,
    /// Red, green and blue of box and tag.
    pub colour: [u8; 3],
}

/// Letters are this share of the face's height, within the bounds below.
const LETTER_SHARE: f32 = 0.22;
/// Letters are never lower than this share of the picture's longer side, nor than `LEAST_LETTER`
/// pixels.
const LEAST_SHARE: f32 = 1.0 / 110.0;
/// Letters are never higher than this share of the picture's longer side.
const MOST_SHARE: f32 = 1.0 / 40.0;
/// The smallest letters that can be read, in pixels from the top of an ascender to the foot of a
/// descender.
const LEAST_LETTER: f32 = 12.0;
/// A line is this share of the picture's longer side wide.
const LINE_SHARE: f32 = 1.0 / 500.0;

/// Draws every label: all boxes first, so that no line crosses a name. A tag goes below its box, or
/// above or into it where that is taken or outside, and always lies within the picture; a text too
/// long for the picture ends in "…".
pub fn annotate(picture: &mut RgbImage, labels: &[Label]) {
    let (width, height) = picture.dimensions();
    let canvas = Area {
        left: 0,
        top: 0,
        right: i64::from(width),
        bottom: i64::from(height),
    };
    if width == 0 || height == 0 {
        return;
    }
    let longer = float(canvas.right.max(canvas.bottom));
    let line = whole(longer * LINE_SHARE).max(2);
    for label in labels {
        outline(picture, &Area::of(label), line, label.colour);
    }
    // The font is part of the program; should it ever not be one, boxes are still worth having.
    let Ok(font) = FontRef::try_from_slice(dejavu::sans::regular()) else {
        return;
    };
    let mut taken: Vec<Area> = Vec::new();
    let faces: Vec<Area> = labels.iter().map(Area::of).collect();
    for (label, face) in labels.iter().zip(&faces) {
        let least = (longer * LEAST_SHARE).max(LEAST_LETTER);
        let most = (longer * MOST_SHARE).max(least);
        let size = (float(face.bottom - face.top) * LETTER_SHARE)
            .clamp(least, most)
            .round();
        let padding = whole(size / 5.0).max(1);
        let room = float(canvas.right - 2 * padding);
        let Some(text) = Text::lay_out(&font, size, choose(&font, label), room) else {
            continue;
        };
        let tag = place(face, &canvas, &faces, &taken, text.width + 2 * padding, text.height + 2);
        fill(picture, &tag, label.colour);
        text.draw(picture, tag.left + padding, tag.top + 1, ink(label.colour));
        taken.push(tag);
    }
}

/// A rectangle in pixels, the far edges excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Area {
    left: i64,
    top: i64,
    right: i64,
    bottom: i64,
}

impl Area {
    fn of(label: &Label) -> Self {
        let (left, top) = (i64::from(label.x), i64::from(label.y));
        let (width, height) = (i64::from(label.width.max(1)), i64::from(label.height.max(1)));
        Self {
            left,
            top,
            right: left + width,
            bottom: top + height,
        }
    }

    fn meets(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    fn within(&self, other: &Self) -> bool {
        self.left >= other.left && self.right <= other.right && self.top >= other.top && self.bottom <= other.bottom
    }

    /// The nearest place where it lies in `canvas`; what is larger than the canvas begins at its
    /// corner.
    fn moved_into(self, canvas: &Self) -> Self {
        let shift = |from: i64, to: i64, low: i64, high: i64| (high - to).min(0).max(low - from);
        let dx = shift(self.left, self.right, canvas.left, canvas.right);
        let dy = shift(self.top, self.bottom, canvas.top, canvas.bottom);
        Self {
            left: self.left + dx,
            right: self.right + dx,
            top: self.top + dy,
            bottom: self.bottom + dy,
        }
    }
}

/// The first place that is free: below the face, above it, at its lower edge, at its upper. Rather
/// over another face than over another tag, and where all is full, below.
fn place(face: &Area, canvas: &Area, faces: &[Area], taken: &[Area], width: i64, height: i64) -> Area {
    let middle = i64::midpoint(face.left, face.right);
    let at = |top: i64| {
        let left = (middle - width / 2).clamp(canvas.left, (canvas.right - width).max(canvas.left));
        Area {
            left,
            top,
            right: left + width,
            bottom: top + height,
        }
    };
    let tops = [face.bottom, face.top - height, face.bottom - height, face.top];
    let legible = |tag: &&Area| tag.within(canvas) && !taken.iter().any(|other| other.meets(tag));
    let clear = |tag: &&Area| legible(tag) && !faces.iter().any(|other| other != face && other.meets(tag));
    let tags = tops.map(at);
    let best = tags.iter().find(clear).or_else(|| tags.iter().find(legible));
    best.copied().unwrap_or_else(|| at(face.bottom).moved_into(canvas))
}

/// The text, if the font can show it.
fn choose<'l>(font: &FontRef<'_>, label: &'l Label) -> &'l str {
    let text = label.text.trim();
    if text.chars().all(|c| can_show(font, c)) {
        text
    } else {
        label.fallback.trim()
    }
}

/// Letters are drawn one after the other from the left, so a script that runs from the right or
/// joins its letters can't be shown even where the font has glyphs for it.
fn can_show(font: &FontRef<'_>, c: char) -> bool {
    let needs_shaping = matches!(u32::from(c),
        0x0590..=0x08FF | 0x0900..=0x0DFF | 0x0E00..=0x0FFF | 0x1000..=0x109F | 0x1780..=0x18AF
        | 0xFB1D..=0xFDFF | 0xFE70..=0xFEFF | 0x10800..=0x10FFF | 0x1E800..=0x1EFFF);
    !needs_shaping && font.glyph_id(c) != GlyphId(0)
}

/// Black or white, whichever stands out (ITU-R BT.601 luma).
fn ink([r, g, b]: [u8; 3]) -> [u8; 3] {
    let luma = 299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b);
    if luma > 140_000 { [0; 3] } else { [255; 3] }
}

/// A line of text whose glyphs have their places, measured from its upper left corner.
struct Text<'f> {
    font: &'f FontRef<'f>,
    scale: PxScale,
    glyphs: Vec<(GlyphId, f32)>,
    width: i64,
    height: i64,
}

impl<'f> Text<'f> {
    /// `None` of an empty text. What doesn't fit in `room` pixels is cut off, with an ellipsis.
    fn lay_out(font: &'f FontRef<'f>, size: f32, text: &str, room: f32) -> Option<Self> {
        let scale = PxScale::from(size);
        let ids: Vec<GlyphId> = text
            .chars()
            .map(|c| font.glyph_id(c))
            .filter(|id| *id != GlyphId(0))
            .collect();
        if ids.is_empty() {
            return None;
        }
        let (mut glyphs, mut end) = advance(font, scale, &ids);
        if end > room {
            let dots = font.glyph_id('…');
            let left = room - font.as_scaled(scale).h_advance(dots);
            let kept = glyphs.iter().skip(1).take_while(|(_, at)| *at <= left).count();
            let cut: Vec<GlyphId> = ids.into_iter().take(kept).chain([dots]).collect();
            (glyphs, end) = advance(font, scale, &cut);
        }
        Some(Self {
            font,
            scale,
            glyphs,
            width: whole(end.ceil()),
            height: whole(size.ceil()),
        })
    }

    fn draw(&self, picture: &mut RgbImage, left: i64, top: i64, colour: [u8; 3]) {
        let baseline = float(top) + self.font.as_scaled(self.scale).ascent();
        for (id, at) in &self.glyphs {
            let glyph = id.with_scale_and_position(self.scale, point(float(left) + at, baseline));
            // A space has no outline.
            let Some(outlined) = self.font.outline_glyph(glyph) else {
                continue;
            };
            let bounds = outlined.px_bounds();
            let (x0, y0) = (whole(bounds.min.x), whole(bounds.min.y));
            outlined.draw(|x, y, cover| {
                blend(picture, x0 + i64::from(x), y0 + i64::from(y), colour, cover);
            });
        }
    }
}

/// Where each glyph begins, and where the last ends.
fn advance(font: &FontRef<'_>, scale: PxScale, ids: &[GlyphId]) -> (Vec<(GlyphId, f32)>, f32) {
    let font = font.as_scaled(scale);
    let mut at = 0.0;
    let mut before = None;
    let mut glyphs = Vec::with_capacity(ids.len());
    for &id in ids {
        at += before.map_or(0.0, |before| font.kern(before, id));
        glyphs.push((id, at));
        at += font.h_advance(id);
        before = Some(id);
    }
    (glyphs, at)
}

/// Four bars along the inside of the edges.
fn outline(picture: &mut RgbImage, area: &Area, line: i64, colour: [u8; 3]) {
    let Area {
        left,
        top,
        right,
        bottom,
    } = *area;
    fill(
        picture,
        &Area {
            bottom: (top + line).min(bottom),
            ..*area
        },
        colour,
    );
    fill(
        picture,
        &Area {
            top: (bottom - line).max(top),
            ..*area
        },
        colour,
    );
    fill(
        picture,
        &Area {
            right: (left + line).min(right),
            ..*area
        },
        colour,
    );
    fill(
        picture,
        &Area {
            left: (right - line).max(left),
            ..*area
        },
        colour,
    );
}

fn fill(picture: &mut RgbImage, area: &Area, colour: [u8; 3]) {
    let clip = |value: i64, limit: u32| u32::try_from(value.max(0)).unwrap_or(limit).min(limit);
    let (width, height) = picture.dimensions();
    for y in clip(area.top, height)..clip(area.bottom, height) {
        for x in clip(area.left, width)..clip(area.right, width) {
            picture.put_pixel(x, y, Rgb(colour));
        }
    }
}

fn blend(picture: &mut RgbImage, x: i64, y: i64, colour: [u8; 3], cover: f32) {
    let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else {
        return;
    };
    let Some(pixel) = picture.get_pixel_mut_checked(x, y) else {
        return;
    };
    let cover = cover.clamp(0.0, 1.0);
    for (under, over) in pixel.0.iter_mut().zip(colour) {
        let mixed = f32::from(*under) * (1.0 - cover) + f32::from(over) * cover;
        *under = byte(mixed);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a mean of two bytes; `as` saturates"
)]
fn byte(value: f32) -> u8 {
    value.round() as u8
}

#[expect(clippy::cast_precision_loss, reason = "coordinates of pixels")]
fn float(value: i64) -> f32 {
    value as f32
}

#[expect(clippy::cast_possible_truncation, reason = "coordinates of pixels; `as` saturates")]
fn whole(value: f32) -> i64 {
    value as i64
}

#[cfg(test)]
mod tests;
