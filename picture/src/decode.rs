//! From a file's bytes to pixels the right way up, in no more memory than the limit implies: the
//! decoder's buffer (at most 8 bytes a pixel), plus one copy of 3 bytes a pixel where the picture
//! is grey or lies on its side. `tests/memory.rs` measures it.
//!
//! JPEG is read by zune-jpeg: libjpeg-turbo is the one that is faster at times, and needs `CMake` and an
//! assembler where Muster is built. It is read whole, never at a half or a quarter, because a face
//! narrower than twice the embedder's 112 pixels would lose some of those it is told by, and which faces a
//! photo has is known only when it has been read.

use std::io::Cursor;
use std::panic::{self, AssertUnwindSafe};

use image::codecs::{gif::GifDecoder, jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder};
use image::{DynamicImage, ImageDecoder, ImageError, Limits, RgbImage};

use crate::convert::to_rgb;
use crate::header::{Format, inspect, is_animated_webp, jpeg_is_finest_in_brightness, jpeg_is_whole, webp_is_whole};
use crate::{Header, PictureError};

/// What decoders may need besides the picture itself: tables, a palette, an EXIF block.
const OVERHEAD: u64 = 16 << 20;

/// Decodes a picture to 8-bit RGB, turned upright by its EXIF orientation. Grey, palette, 16-bit
/// and CMYK pictures are converted, transparency is laid over white, and of an animated GIF the
/// first frame counts.
///
/// `max_pixels` is held against the header before anything is allocated. A file that is cut short
/// is [`PictureError::Unreadable`].
pub fn decode(bytes: &[u8], max_pixels: u64) -> Result<RgbImage, PictureError> {
    decode_into(Blank::default(), bytes, max_pixels)
}

/// Memory for a picture, without anything in it: of a damaged file's picture a part is never written, and must not show
/// the picture before it.
#[derive(Debug, Default)]
pub struct Blank(Vec<u8>);

impl From<RgbImage> for Blank {
    /// The memory of a picture that is done with, wiped.
    fn from(picture: RgbImage) -> Self {
        let mut memory = picture.into_raw();
        memory.fill(0);
        Self(memory)
    }
}

/// The same in memory that is there already, where it is large enough and the decoder writes RGB: its pages need not be
/// fetched.
pub fn decode_into(Blank(buffer): Blank, bytes: &[u8], max_pixels: u64) -> Result<RgbImage, PictureError> {
    let header = inspect(bytes)?;
    header.check(max_pixels)?;
    unless_it_panics(|| decode_as(&header, bytes, buffer))
}

/// A decoder that comes upon what it holds to be impossible is at fault, and yet it is this file that can't be read: whoever
/// sent it is to be told so, and nobody is to try it again.
fn unless_it_panics(decode: impl FnOnce() -> Result<RgbImage, PictureError>) -> Result<RgbImage, PictureError> {
    // What it has written so far goes with it.
    let decoded = panic::catch_unwind(AssertUnwindSafe(decode));
    decoded.unwrap_or_else(|_| Err(PictureError::unreadable("its data are damaged")))
}

fn decode_as(header: &Header, bytes: &[u8], buffer: Vec<u8>) -> Result<RgbImage, PictureError> {
    let reader = Cursor::new(bytes);
    match header.format {
        Format::Jpeg if !jpeg_is_whole(bytes) => Err(PictureError::unreadable("the file is cut short")),
        Format::Jpeg if !jpeg_is_finest_in_brightness(bytes) => {
            Err(PictureError::unreadable("its colours are finer than its brightness"))
        }
        Format::Jpeg => read(JpegDecoder::new(reader).map_err(safe)?, header, buffer),
        Format::Png => {
            let decoder = PngDecoder::with_limits(reader, limits(header)).map_err(safe)?;
            read(decoder, header, buffer)
        }
        Format::WebP if !webp_is_whole(bytes) => Err(PictureError::unreadable("the file is cut short")),
        // Nobody's camera makes one, and its frames may be of any size.
        Format::WebP if is_animated_webp(bytes) => Err(PictureError::unreadable("it is an animation")),
        Format::WebP => read(WebPDecoder::new(reader).map_err(safe)?, header, buffer),
        Format::Gif => read(GifDecoder::new(reader).map_err(safe)?, header, buffer),
    }
}

fn limits(header: &Header) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(header.width);
    limits.max_image_height = Some(header.height);
    // Progressive JPEG keeps its coefficients, WebP and GIF a second frame, next to the result.
    limits.max_alloc = Some(header.pixels() * 16 + OVERHEAD);
    limits
}

fn read(mut decoder: impl ImageDecoder, header: &Header, mut buffer: Vec<u8>) -> Result<RgbImage, PictureError> {
    // The decoder reads the header for itself; where it comes to another size than the one that was
    // checked, the file was made to deceive.
    if decoder.dimensions() != (header.width, header.height) {
        return Err(PictureError::unreadable("its header contradicts itself"));
    }
    decoder.set_limits(limits(header)).map_err(safe)?;
    let orientation = decoder.orientation().map_err(safe)?;
    let color = decoder.color_type();
    let bytes = usize::try_from(decoder.total_bytes())
        .map_err(|_| PictureError::unreadable("it is too large for this machine"))?;
    if buffer.capacity() < bytes {
        buffer = vec![0; bytes];
    }
    buffer.resize(bytes, 0);
    decoder.read_image(&mut buffer).map_err(safe)?;
    let rgb = to_rgb(buffer, color)
        .and_then(|rgb| RgbImage::from_raw(header.width, header.height, rgb))
        .ok_or_else(|| PictureError::unreadable("its pixels are of an unknown kind"))?;
    let mut picture = DynamicImage::ImageRgb8(rgb);
    picture.apply_orientation(orientation);
    Ok(picture.into_rgb8())
}

/// The decoders' own messages quote the file at times; what is passed on is one of a few sentences.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn safe(error: ImageError) -> PictureError {
    PictureError::unreadable(match error {
        ImageError::Unsupported(_) => "it is of a variety that isn't read",
        ImageError::Limits(_) => "it needs more memory than its size allows",
        ImageError::IoError(_) => "the file is cut short",
        _ => "its data are damaged or cut short",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_that_breaks_off_makes_the_file_unreadable() {
        let ended = unless_it_panics(|| panic!("on purpose"));
        assert!(matches!(ended, Err(PictureError::Unreadable(_))), "{ended:?}");
    }
}
