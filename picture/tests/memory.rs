//! The largest pictures stay within the memory that is promised. In a process of its own, and in one
//! test: the system counts a process's peak, not a function's.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::io::Cursor;

use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Rgb, RgbImage};

const WIDTH: u32 = 8000;
const HEIGHT: u32 = 6250;

/// What a pixel may cost while the picture is read, in bytes; [`picture::decode`]'s own bound.
const OF_JPEG: u64 = 4;
const OF_DEEP_PNG: u64 = 8;
const OF_GREY: u64 = 4;

/// Peak of resident memory since the last reset, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// What decoding adds to the memory in use, in bytes.
fn cost(file: &[u8]) -> u64 {
    // 5 resets the peak to what is in use now (proc(5), clear_refs).
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = peak();
    let picture = picture::decode(file, picture::MAX_PIXELS).unwrap();
    assert_eq!(picture.dimensions(), (WIDTH, HEIGHT));
    peak() - before
}

fn encode(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    picture.into().write_to(&mut file, format).unwrap();
    file.into_inner()
}

#[test]
fn fifty_megapixels_cost_no_more_than_promised() {
    assert_eq!(u64::from(WIDTH) * u64::from(HEIGHT), picture::MAX_PIXELS);
    let level = |x: u32, y: u32| (x / 7 + y / 5).to_le_bytes()[0];
    let jpeg = encode(
        RgbImage::from_fn(WIDTH, HEIGHT, |x, y| Rgb([level(x, y), 90, 200])),
        ImageFormat::Jpeg,
    );
    let deep = encode(
        DynamicImage::ImageRgb16(ImageBuffer::from_fn(WIDTH, HEIGHT, |x, y| {
            Rgb([u16::from(level(x, y)) * 200, 9000, 40_000])
        })),
        ImageFormat::Png,
    );
    let grey = encode(
        GrayImage::from_fn(WIDTH, HEIGHT, |x, y| image::Luma([level(x, y)])),
        ImageFormat::Png,
    );
    for (name, file, bytes_a_pixel) in [
        ("JPEG", jpeg, OF_JPEG),
        ("16-bit PNG", deep, OF_DEEP_PNG),
        ("grey PNG", grey, OF_GREY),
    ] {
        let cost = cost(&file);
        println!("{name}: {} MB for 50 megapixels", cost / 1_000_000);
        let most = bytes_a_pixel * picture::MAX_PIXELS + (16 << 20);
        assert!(cost <= most, "{name}: {cost} bytes, at most {most}");
    }
}
