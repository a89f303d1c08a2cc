//! What an operator or a camera hands in: a picture of every kind and layout that is read, and the
//! built-in catalog, whole and entry by entry.

use std::fs;
use std::io::{self, Cursor};
use std::path::Path;

use image::{DynamicImage, ImageFormat, RgbImage};

/// EXIF that asks for a quarter turn.
const ON_ITS_SIDE: &[u8] = b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";

pub fn pictures(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let level = |value: u32| value.to_le_bytes()[0];
    let scene = DynamicImage::ImageRgb8(RgbImage::from_fn(24, 17, |x, y| {
        [level(x * 9), level(y * 13), level(x * y)].into()
    }));
    let layouts = [
        ("rgb", scene.clone()),
        ("rgba", scene.to_rgba8().into()),
        ("grey", scene.to_luma8().into()),
        ("grey-alpha", scene.to_luma_alpha8().into()),
        ("rgb16", scene.to_rgb16().into()),
        ("rgba16", scene.to_rgba16().into()),
        ("grey16", scene.to_luma16().into()),
    ];
    let formats = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif];
    for (name, picture) in layouts {
        for format in formats {
            let mut file = Cursor::new(Vec::new());
            // Not every kind holds every layout.
            if picture.write_to(&mut file, format).is_err() {
                continue;
            }
            let (bytes, extension) = (file.into_inner(), format.extensions_str()[0]);
            fs::write(folder.join(format!("{name}.{extension}")), &bytes)?;
            if format == ImageFormat::Jpeg {
                let lying = [&bytes[..2], ON_ITS_SIDE, &bytes[2..]].concat();
                fs::write(folder.join(format!("{name}-lying.jpg")), lying)?;
            }
        }
    }
    fs::write(folder.join("phone.heic"), b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
}

pub fn catalogs(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let whole = include_str!("../../../models/catalog.toml");
    fs::write(folder.join("whole.toml"), whole)?;
    for (index, entry) in whole.split("[[model]]").skip(1).enumerate() {
        fs::write(folder.join(format!("{index}.toml")), format!("[[model]]{entry}"))?;
    }
    Ok(())
}
