//! Decoding every kind of picture that people send, and much that isn't one.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::io::Cursor;

use image::codecs::gif::GifEncoder;
use image::{DynamicImage, Frame, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, RgbImage, Rgba, RgbaImage};
use picture::{Blank, Format, MAX_PIXELS, PictureError, decode, decode_into, encode_jpeg, inspect};

const CMYK_RED: &[u8] = include_bytes!("data/cmyk_red.jpg");
const RED_THEN_BLUE: &[u8] = include_bytes!("data/red_then_blue.webp");
const PROGRESSIVE: &[u8] = include_bytes!("data/progressive.jpg");

fn encode(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn png(picture: impl Into<DynamicImage>) -> Vec<u8> {
    encode(picture, ImageFormat::Png)
}

fn pixel(bytes: &[u8], x: u32, y: u32) -> [u8; 3] {
    decode(bytes, MAX_PIXELS).unwrap().get_pixel(x, y).0
}

fn near(a: [u8; 3], b: [u8; 3]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(b) < 40)
}

/// A corner each of red, green, blue and white; wider than high, so that turning shows.
fn corners() -> RgbImage {
    RgbImage::from_fn(48, 32, |x, y| match (x < 24, y < 16) {
        (true, true) => Rgb([255, 0, 0]),
        (false, true) => Rgb([0, 255, 0]),
        (true, false) => Rgb([0, 0, 255]),
        (false, false) => Rgb([255, 255, 255]),
    })
}

/// The JPEG with its only scan cut off, and a second one announced: its end is never written.
fn cut_off(jpeg: &[u8]) -> Vec<u8> {
    let scan = jpeg.windows(2).position(|marker| marker == [0xFF, 0xDA]).unwrap();
    let length = usize::from(u16::from_be_bytes([jpeg[scan + 2], jpeg[scan + 3]]));
    let header = &jpeg[scan..scan + 2 + length];
    let entropy = &jpeg[scan + 2 + length..jpeg.len() - 2];
    let half = &entropy[..entropy.len() / 2];
    [&jpeg[..scan], header, half, header, &[0xFF, 0xD9]].concat()
}

/// The JPEG with an EXIF block that holds the orientation alone.
fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut out = jpeg[..2].to_vec();
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    out.extend([0xFF, 0xE1]);
    out.extend(u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
    out.extend(exif);
    out.extend(&jpeg[2..]);
    out
}

/// A progressive, transparent or damaged picture doesn't write each byte of its memory once, in order.
#[test]
fn what_lay_in_the_memory_before_shows_in_no_picture() {
    let transparent = RgbaImage::from_fn(48, 32, |x, y| Rgba([9, 8, 7, if x > y { 255 } else { 0 }]));
    let jpeg = encode_jpeg(&corners(), 90).unwrap();
    let files = [
        with_orientation(&jpeg, 6),
        PROGRESSIVE.to_vec(),
        CMYK_RED.to_vec(),
        png(corners()),
        cut_off(&jpeg),
        png(transparent.clone()),
        png(DynamicImage::ImageRgba8(transparent.clone()).to_luma8()),
        encode(transparent.clone(), ImageFormat::WebP),
        encode(transparent, ImageFormat::Gif),
        jpeg,
    ];
    for file in &files {
        let expected = decode(file, MAX_PIXELS).unwrap();
        for height in [1, 31, 32, 5 * 32] {
            let before = RgbImage::from_pixel(48, height, Rgb([77; 3]));
            assert_eq!(decode_into(before.into(), file, MAX_PIXELS).unwrap(), expected);
        }
    }
    let before = RgbImage::from_pixel(48, 32, Rgb([77; 3]));
    let place = before.as_ptr();
    let [.., jpeg] = &files;
    assert_eq!(
        decode_into(Blank::from(before), jpeg, MAX_PIXELS).unwrap().as_ptr(),
        place
    );
}

#[test]
fn a_photo_comes_out_upright_whatever_its_orientation() {
    let (r, g, b, w) = ([255, 0, 0], [0, 255, 0], [0, 0, 255], [255; 3]);
    // Where the stored corners go, from the upper left clockwise (EXIF 2.3, tag 274).
    let expected = [
        [r, g, w, b],
        [g, r, b, w],
        [w, b, r, g],
        [b, w, g, r],
        [r, b, w, g],
        [b, r, g, w],
        [w, g, r, b],
        [g, w, b, r],
    ];
    let jpeg = encode_jpeg(&corners(), 95).unwrap();
    for (orientation, corners) in (1..=8).zip(expected) {
        let turned = with_orientation(&jpeg, orientation);
        let header = inspect(&turned).unwrap();
        assert_eq!((header.width, header.height), (48, 32));
        let picture = decode(&turned, MAX_PIXELS).unwrap();
        let (width, height) = picture.dimensions();
        assert_eq!((width, height), if orientation < 5 { (48, 32) } else { (32, 48) });
        let (right, low) = (width - 4, height - 4);
        for ((x, y), colour) in [(3, 3), (right, 3), (right, low), (3, low)].into_iter().zip(corners) {
            let found = picture.get_pixel(x, y).0;
            assert!(near(found, colour), "orientation {orientation} at {x},{y}: {found:?}");
        }
    }
    for nonsense in [0, 9, 255] {
        assert_eq!(
            decode(&with_orientation(&jpeg, nonsense), MAX_PIXELS)
                .unwrap()
                .dimensions(),
            (48, 32)
        );
    }
}

#[test]
fn every_layout_becomes_rgb() {
    let grey = ImageBuffer::from_pixel(3, 2, Luma([100_u8]));
    assert_eq!(pixel(&png(grey.clone()), 2, 1), [100; 3]);
    assert!(near(pixel(&encode(grey, ImageFormat::Jpeg), 2, 1), [100; 3]));
    assert_eq!(
        pixel(&png(ImageBuffer::from_pixel(3, 2, LumaA([100_u8, 0]))), 0, 0),
        [255; 3]
    );
    assert_eq!(
        pixel(&png(ImageBuffer::from_pixel(3, 2, Luma([25_700_u16]))), 0, 0),
        [100; 3]
    );
    assert_eq!(
        pixel(&png(ImageBuffer::from_pixel(3, 2, Rgb([257_u16, 514, 65_535]))), 0, 0),
        [1, 2, 255]
    );
    let half = RgbaImage::from_pixel(3, 2, Rgba([0, 0, 255, 128]));
    assert_eq!(pixel(&png(half.clone()), 0, 0), [127, 127, 255]);
    assert_eq!(pixel(&encode(half, ImageFormat::WebP), 0, 0), [127, 127, 255]);
    let red = pixel(CMYK_RED, 3, 3);
    assert!(near(red, [255, 0, 0]), "{red:?}");
    assert!(near(pixel(PROGRESSIVE, 20, 15), [120, 120, 100]));
}

#[test]
fn of_an_animated_gif_the_first_frame_counts() {
    let mut gif = Vec::new();
    let frame = |colour| Frame::new(RgbaImage::from_pixel(6, 4, Rgba(colour)));
    GifEncoder::new(&mut gif)
        .encode_frames([frame([255, 0, 0, 255]), frame([0, 0, 255, 255])])
        .unwrap();
    assert_eq!(inspect(&gif).unwrap().format, Format::Gif);
    assert!(near(pixel(&gif, 5, 3), [255, 0, 0]));
}

/// One of each kind.
fn samples() -> Vec<Vec<u8>> {
    let mut kinds: Vec<Vec<u8>> = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif]
        .into_iter()
        .map(|format| encode(corners(), format))
        .collect();
    kinds.extend([CMYK_RED, PROGRESSIVE].map(<[u8]>::to_vec));
    kinds
}

#[test]
fn one_pixel_is_a_picture() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif] {
        let bytes = encode(RgbImage::from_pixel(1, 1, Rgb([9, 9, 9])), format);
        assert_eq!(decode(&bytes, 1).unwrap().dimensions(), (1, 1));
        assert!(matches!(decode(&bytes, 0), Err(PictureError::TooManyPixels { .. })));
    }
}

#[test]
fn a_file_cut_short_is_an_error() {
    for bytes in samples() {
        assert!(decode(&bytes, MAX_PIXELS).is_ok());
        for length in [bytes.len() / 3, bytes.len() / 2, bytes.len() * 3 / 4] {
            let result = decode(&bytes[..length], MAX_PIXELS);
            assert!(
                matches!(result, Err(PictureError::Unreadable(_))),
                "{length}: {result:?}"
            );
        }
    }
}

#[test]
fn damage_is_never_a_panic() {
    // A small generator (xorshift), so that a failure can be repeated.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    for original in samples() {
        for _ in 0..400 {
            let mut bytes = original.clone();
            for _ in 0..=random(4) {
                let at = random(bytes.len());
                bytes[at] = u8::try_from(random(256)).unwrap();
            }
            bytes.truncate(bytes.len() - random(8));
            let _ = inspect(&bytes);
            let _ = decode(&bytes, 100_000);
        }
    }
}

/// The decoder came upon what it holds to be impossible.
#[test]
fn a_jpeg_whose_colours_are_finer_than_its_brightness_is_refused() {
    let frame = PROGRESSIVE.windows(2).position(|two| two == [0xFF, 0xC2]).unwrap();
    let sampled = |factors: [u8; 3]| {
        let mut jpeg = PROGRESSIVE.to_vec();
        for (nth, factors) in factors.into_iter().enumerate() {
            jpeg[frame + 11 + 3 * nth] = factors;
        }
        decode(&jpeg, MAX_PIXELS)
    };
    for factors in [
        [0x11, 0x22, 0x11],
        [0x11, 0x11, 0x22],
        [0x21, 0x12, 0x11],
        [0x12, 0x21, 0x11],
    ] {
        let refused = sampled(factors).unwrap_err();
        assert!(refused.to_string().contains("finer"), "{factors:?}: {refused}");
    }
    // One that cameras make.
    let taken = sampled([0x11, 0x11, 0x11]);
    assert!(taken.is_ok_and(|taken| taken.width() > 0));
}

#[test]
fn what_an_error_says_holds_nothing_of_the_file() {
    let mut bytes = png(corners());
    let at = bytes.len() / 2;
    bytes[at] ^= 0xFF;
    let text = decode(&bytes, MAX_PIXELS).unwrap_err().to_string();
    assert_eq!(text, "the picture can't be read: its data are damaged or cut short");
}

/// A WebP of this chunk behind the extended header with these flags.
fn webp(flags: u8, name: [u8; 4], announced: u32, data: &[u8]) -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WEBPVP8X".to_vec();
    file.extend(10_u32.to_le_bytes());
    file.extend([flags, 0, 0, 0, 15, 0, 0, 15, 0, 0]);
    file.extend(name);
    file.extend(announced.to_le_bytes());
    file.extend(data);
    let length = u32::try_from(file.len()).unwrap() - 8;
    file[4..8].copy_from_slice(&length.to_le_bytes());
    file
}

/// What a chunk announces is not made room for before it is seen to be there; and animations, whose
/// frames may be of any size, are not read.
#[test]
fn a_webp_that_promises_what_it_has_not_is_refused() {
    for (file, why) in [
        (webp(0x08, *b"EXIF", 0xFFFF_FFFE, b"short"), "cut short"),
        (webp(0x08, *b"EXIF", 6, b"short"), "cut short"),
        (webp(0x00, *b"VP8L", 0x7FFF_FFFF, &[0x2F]), "cut short"),
        (webp(0x02, *b"ANMF", 4, &[0; 4]), "animation"),
    ] {
        let error = decode(&file, 1 << 20).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    let error = decode(RED_THEN_BLUE, 1 << 20).unwrap_err().to_string();
    assert!(error.contains("animation"), "{error}");
    let whole = encode(corners(), ImageFormat::WebP);
    assert!(decode(&whole, 1 << 20).is_ok());
    assert!(decode(&whole[..whole.len() - 3], 1 << 20).is_err());
}
