//! Where boxes and tags come to lie, and which texts can be shown.

use super::*;

const RED: [u8; 3] = [200, 0, 0];

fn label(x: i32, y: i32, width: i32, height: i32, text: &str) -> Label {
    Label {
        x,
        y,
        width,
        height,
        text: text.into(),
        fallback: "17".into(),
        colour: RED,
    }
}

fn grey(width: u32, height: u32) -> RgbImage {
    RgbImage::from_pixel(width, height, Rgb([90; 3]))
}

/// What is drawn, as the smallest area that holds it.
fn drawn(picture: &RgbImage) -> Option<(u32, u32, u32, u32)> {
    let changed = picture.enumerate_pixels().filter(|(_, _, pixel)| pixel.0 != [90; 3]);
    changed.fold(None, |area, (x, y, _)| {
        let (a, b, c, d) = area.unwrap_or((x, y, x, y));
        Some((a.min(x), b.min(y), c.max(x), d.max(y)))
    })
}

#[test]
fn a_box_is_drawn_where_it_is_and_a_tag_below() {
    let mut picture = grey(300, 200);
    annotate(&mut picture, &[label(100, 50, 60, 60, "")]);
    assert_eq!(drawn(&picture), Some((100, 50, 159, 109)));
    assert_eq!(picture.get_pixel(130, 80).0, [90; 3]);
    annotate(&mut picture, &[label(100, 50, 60, 60, "Ada")]);
    let below = (110..130).any(|y| picture.get_pixel(130, y).0 == RED);
    assert!(below);
}

#[test]
fn tags_stay_inside_and_apart() {
    let canvas = Area {
        left: 0,
        top: 0,
        right: 300,
        bottom: 200,
    };
    let mut taken = Vec::new();
    for (left, top) in [(-50, -50), (280, 180), (100, 150), (120, 150), (0, 0), (1000, 1000)] {
        let face = Area {
            left,
            top,
            right: left + 60,
            bottom: top + 50,
        };
        let tag = place(&face, &canvas, &[], &taken, 80, 16);
        assert!(tag.within(&canvas), "{tag:?}");
        taken.push(tag);
    }
    assert!(!taken[2].meets(&taken[3]));
}

#[test]
fn a_text_too_long_is_cut_to_the_picture() {
    let font = FontRef::try_from_slice(dejavu::sans::regular()).unwrap();
    let text = Text::lay_out(&font, 14.0, &"Wolfeschlegelsteinhausen ".repeat(20), 200.0).unwrap();
    assert!(text.width <= 200, "{}", text.width);
    assert_eq!(text.glyphs.last().unwrap().0, font.glyph_id('…'));
    assert!(Text::lay_out(&font, 14.0, "Ada", 0.0).is_some());
    assert!(Text::lay_out(&font, 14.0, "", 100.0).is_none());
}

#[test]
fn what_the_font_cannot_show_gives_way_to_the_fallback() {
    let font = FontRef::try_from_slice(dejavu::sans::regular()).unwrap();
    let chosen = |text: &str| choose(&font, &label(0, 0, 9, 9, text)).to_owned();
    for shown in ["Zoë Šťastná", "Ирина", "Ελένη", "Nguyễn Thị Bích", "O’Neill-Smith"] {
        assert_eq!(chosen(shown), shown);
    }
    for hidden in ["山田太郎", "محمد", "दिव्या", "Ada\n", "שרה"] {
        assert_eq!(chosen(hidden), if hidden == "Ada\n" { "Ada" } else { "17" });
    }
}

#[test]
fn nothing_panics_wherever_the_box_is() {
    let text = "A rather long name for a small picture";
    for (width, height) in [(0, 0), (1, 1), (3, 200), (40, 30)] {
        let mut picture = grey(width, height);
        let labels = [
            label(-5, -5, 500, 500, text),
            label(i32::MIN, i32::MIN, i32::MAX, i32::MAX, text),
            label(i32::MAX, i32::MAX, i32::MAX, i32::MAX, text),
            label(0, 0, 0, -7, text),
        ];
        annotate(&mut picture, &labels);
    }
}

#[test]
fn ink_stands_out() {
    assert_eq!(ink([255, 255, 0]), [0; 3]);
    assert_eq!(ink([0, 0, 120]), [255; 3]);
}
