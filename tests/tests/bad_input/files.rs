//! The files that are sent: bad ones, and good ones of the odd kinds.

use std::io::Cursor;

use bytes::Bytes;
use image::codecs::gif::GifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ExtendedColorType, Frame, GrayImage, ImageEncoder, ImageFormat, Rgb, RgbImage};
use tests::fake::Colour;

pub const HTML: &[u8] = b"<!doctype html><html><head><title>Sign in</title></head><body>No photo</body></html>";

pub fn png(picture: impl Into<DynamicImage>) -> Bytes {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner().into()
}

/// Greys that are nobody's face, so that even the fake vision makes little of them.
pub fn scene(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let shade = 40 + (x * 3 + y * 5) % 120;
        Rgb([u8::try_from(shade).unwrap(); 3])
    })
}

pub fn jpeg(picture: &RgbImage) -> Vec<u8> {
    picture::encode_jpeg(picture, 92).unwrap()
}

/// With one component.
pub fn grey_jpeg(picture: &RgbImage) -> Bytes {
    let plane = DynamicImage::ImageRgb8(picture.clone()).into_luma8();
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, 92)
        .write_image(plane.as_raw(), plane.width(), plane.height(), ExtendedColorType::L8)
        .unwrap();
    jpeg.into()
}

/// The first half of a JPEG: its header is whole.
pub fn truncated() -> Bytes {
    let mut bytes = jpeg(&scene(320, 240));
    bytes.truncate(bytes.len() / 2);
    bytes.into()
}

/// A picture that is read, with zeros behind it up to so many bytes.
pub fn padded(bytes: usize) -> Bytes {
    let mut file = png(scene(8, 8)).to_vec();
    file.resize(bytes, 0);
    file.into()
}

/// Two frames, each of these people.
pub fn animation(first: &[Colour], second: &[Colour]) -> Bytes {
    let frame = |people: &[Colour]| {
        let width = u32::try_from(people.len()).unwrap();
        let picture = RgbImage::from_fn(width, 1, |x, _| Rgb(people[x as usize]));
        Frame::new(DynamicImage::ImageRgb8(picture).into_rgba8())
    };
    let mut gif = Vec::new();
    GifEncoder::new(&mut gif)
        .encode_frames([frame(first), frame(second)])
        .unwrap();
    gif.into()
}

/// An EXIF block that holds the orientation alone.
fn exif(orientation: u8) -> Vec<u8> {
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    exif
}

/// The JPEG, said to lie as the orientation says.
pub fn oriented_jpeg(jpeg: &[u8], orientation: u8) -> Bytes {
    let block = [b"Exif\0\0", &exif(orientation)[..]].concat();
    let mut out = jpeg[..2].to_vec();
    segment(&mut out, 0xE1, &block);
    out.extend(&jpeg[2..]);
    out.into()
}

/// The PNG, said to lie as the orientation says.
pub fn oriented_png(png: &[u8], orientation: u8) -> Bytes {
    let behind_header = 8 + 25;
    let mut out = png[..behind_header].to_vec();
    chunk(&mut out, *b"eXIf", &exif(orientation));
    out.extend(&png[behind_header..]);
    out.into()
}

/// The picture as Adobe's programs write it for print: four inks, inverted, each a scan of its
/// own. The encoder knows one component at a time, so each ink is encoded as a grey picture and
/// its scan moved over.
pub fn cmyk(picture: &RgbImage) -> Bytes {
    let (width, height) = picture.dimensions();
    let inks: Vec<Vec<u8>> = (0..4)
        .map(|ink| {
            // What is inverted ink but light: without black the three are the colours themselves.
            let plane = GrayImage::from_fn(width, height, |x, y| {
                let Rgb(light) = picture.get_pixel(x, y);
                image::Luma([light.get(ink).copied().unwrap_or(255)])
            });
            let mut jpeg = Vec::new();
            JpegEncoder::new_with_quality(&mut jpeg, 92)
                .write_image(plane.as_raw(), width, height, ExtendedColorType::L8)
                .unwrap();
            jpeg
        })
        .collect();
    let mut out = vec![0xFF, 0xD8];
    segment(&mut out, 0xEE, b"Adobe\0\x64\0\0\0\0\0");
    for (marker, body) in segments(&inks[0]) {
        match marker {
            0xDB | 0xC4 => segment(&mut out, marker, body),
            0xC0 => {
                let table = body[8];
                let components = (1..=4).flat_map(|id| [id, 0x11, table]);
                let frame: Vec<u8> = body[..5].iter().copied().chain([4]).chain(components).collect();
                segment(&mut out, marker, &frame);
            }
            _ => {}
        }
    }
    for (id, ink) in (1..).zip(&inks) {
        let (_, scan) = *segments(ink).last().unwrap();
        segment(&mut out, 0xDA, &[1, id, scan[2], 0, 63, 0]);
        let begin = scan.as_ptr() as usize - ink.as_ptr() as usize + scan.len();
        out.extend(&ink[begin..ink.len() - 2]);
    }
    out.extend([0xFF, 0xD9]);
    out.into()
}

/// The segments of a JPEG up to its scan, that included.
fn segments(jpeg: &[u8]) -> Vec<(u8, &[u8])> {
    let (mut all, mut at) = (Vec::new(), 2);
    loop {
        let marker = jpeg[at + 1];
        let length = usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        all.push((marker, &jpeg[at + 4..at + 2 + length]));
        at += 2 + length;
        if marker == 0xDA {
            return all;
        }
    }
}

fn segment(out: &mut Vec<u8>, marker: u8, body: &[u8]) {
    out.extend([0xFF, marker]);
    out.extend(u16::try_from(body.len() + 2).unwrap().to_be_bytes());
    out.extend(body);
}

/// A grey, black and true PNG of so many pixels a side: nothing but its size speaks against it,
/// and a reader that believes it fills its memory. Of 30000 it has 5.7 MB.
pub fn vast_png(side: u32) -> Bytes {
    let mut header = Vec::new();
    header.extend(side.to_be_bytes());
    header.extend(side.to_be_bytes());
    header.extend([8, 0, 0, 0, 0]);
    // Rows of zeros, each behind the zero that says how it is filtered.
    let zeros = u64::from(side) * (u64::from(side) + 1);
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut out, *b"IHDR", &header);
    chunk(&mut out, *b"IDAT", &deflated_zeros(zeros));
    chunk(&mut out, *b"IEND", &[]);
    out.into()
}

/// So many zeros in zlib's format (RFC 1950, 1951): one block with the fixed code, in which each
/// match repeats the 258 bytes before.
fn deflated_zeros(count: u64) -> Vec<u8> {
    const LITERAL_ZERO: (u32, u32) = (0b0011_0000, 8);
    const MATCH_258: (u32, u32) = (0b1100_0101, 8);
    const ONE_BACK: (u32, u32) = (0, 5);
    const END: (u32, u32) = (0, 7);
    let mut out = vec![0x78, 0x01];
    let (mut held, mut bits) = (0_u32, 0);
    // Codes go in with their highest bit first.
    let mut put = |(code, length): (u32, u32)| {
        for at in (0..length).rev() {
            held |= ((code >> at) & 1) << bits;
            bits += 1;
            if bits == 8 {
                out.push(u8::try_from(held).unwrap());
                (held, bits) = (0, 0);
            }
        }
    };
    // The last block, of the fixed code (01, lowest bit first).
    put((0b110, 3));
    put(LITERAL_ZERO);
    for _ in 0..(count - 1) / 258 {
        put(MATCH_258);
        put(ONE_BACK);
    }
    for _ in 0..(count - 1) % 258 {
        put(LITERAL_ZERO);
    }
    put(END);
    put((0, 7));
    // Adler-32: the first sum stays one, the second counts.
    let second = u32::try_from(count % 65_521).unwrap();
    out.extend(((second << 16) | 1).to_be_bytes());
    out
}

fn chunk(out: &mut Vec<u8>, name: [u8; 4], body: &[u8]) {
    out.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    let begin = out.len();
    out.extend(name);
    out.extend(body);
    // CRC-32, a bit at a time.
    let crc = out[begin..].iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    });
    out.extend((!crc).to_be_bytes());
}

/// What is made here is read as what it is meant to be.
#[test]
fn the_files_are_what_they_say() {
    let scene = scene(40, 24);
    let printed = picture::decode(&cmyk(&scene), picture::MAX_PIXELS).unwrap();
    let far = |a: &Rgb<u8>, b: &Rgb<u8>| a.0.iter().zip(b.0).any(|(a, b)| a.abs_diff(b) > 12);
    let differ = scene.pixels().zip(printed.pixels()).filter(|(a, b)| far(a, b)).count();
    assert!(differ < 40, "{differ} of {} pixels", scene.pixels().len());
    assert!(cmyk(&scene).windows(2).any(|w| w == [0xFF, 0xEE]));

    for side in [1, 17, 900] {
        let black = picture::decode(&vast_png(side), picture::MAX_PIXELS).unwrap();
        assert_eq!(black.dimensions(), (side, side));
        assert!(black.as_raw().iter().all(|v| *v == 0));
    }
    let vast = vast_png(30_000);
    assert!((2_000_000..8_000_000).contains(&vast.len()), "{}", vast.len());
    assert_eq!(picture::inspect(&vast).unwrap().pixels(), 900_000_000);

    let turned = picture::decode(&oriented_png(&png(scene.clone()), 6), picture::MAX_PIXELS).unwrap();
    assert_eq!(turned.dimensions(), (24, 40));
    let turned = picture::decode(&oriented_jpeg(&jpeg(&scene), 6), picture::MAX_PIXELS).unwrap();
    assert_eq!(turned.dimensions(), (24, 40));
    assert!(picture::inspect(&truncated()).is_ok());
    assert!(picture::decode(&truncated(), picture::MAX_PIXELS).is_err());
}
