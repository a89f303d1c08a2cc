//! What a file claims to be, read from its first bytes alone: no decoder runs, nothing is copied
//! and nothing is allocated, so this may stand before every limit.

use crate::PictureError;

/// A kind of picture that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// JPEG, baseline or progressive, grey, colour or CMYK.
    Jpeg,
    /// PNG, any depth.
    Png,
    /// WebP, lossy or lossless; no animation.
    WebP,
    /// GIF; of an animation the first frame.
    Gif,
}

impl Format {
    /// The media type, such as `image/jpeg`.
    pub const fn mime(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
            Self::Gif => "image/gif",
        }
    }

    /// The kind that a file's first bytes announce.
    fn guess(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xFF, 0xD8, 0xFF, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some(Self::Png),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            _ => None,
        }
    }
}

/// What a picture's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Kind of file.
    pub format: Format,
    /// Width in pixels as stored, before any EXIF rotation; at least 1.
    pub width: u32,
    /// Height in pixels as stored, before any EXIF rotation; at least 1.
    pub height: u32,
}

impl Header {
    /// Number of pixels.
    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Holds the size against a limit, in pixels.
    pub fn check(&self, max_pixels: u64) -> Result<(), PictureError> {
        if self.pixels() <= max_pixels {
            return Ok(());
        }
        Err(PictureError::TooManyPixels {
            width: self.width,
            height: self.height,
            max: max_pixels,
        })
    }
}

/// Kind and stored size of a picture, from its header alone.
pub fn inspect(bytes: &[u8]) -> Result<Header, PictureError> {
    let format = Format::guess(bytes)
        .ok_or_else(|| phone_kind(bytes).map_or(PictureError::UnsupportedKind, PictureError::PhoneKind))?;
    let size = match format {
        Format::Jpeg => jpeg_size(bytes),
        Format::Png => png_size(bytes),
        Format::WebP => webp_size(bytes),
        Format::Gif => gif_size(bytes),
    };
    match size {
        Some((width, height)) if width > 0 && height > 0 => Ok(Header { format, width, height }),
        _ => Err(PictureError::unreadable("its header is damaged")),
    }
}

/// The name of a kind that phones make and no maintained decoder without C libraries reads: the file's
/// brand says so (ISO/IEC 23008-12, annex B; the AV1 image file format).
fn phone_kind(bytes: &[u8]) -> Option<&'static str> {
    if bytes.get(4..8)? != b"ftyp" {
        return None;
    }
    match bytes.get(8..12)? {
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1" => Some("HEIC"),
        b"avif" | b"avis" => Some("AVIF"),
        _ => None,
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn big16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_be_bytes)
}

fn little16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

/// IHDR is always the first chunk.
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    if bytes.get(12..16)? != b"IHDR" {
        return None;
    }
    let width = array(bytes, 16).map(u32::from_be_bytes)?;
    let height = array(bytes, 20).map(u32::from_be_bytes)?;
    Some((width, height))
}

fn gif_size(bytes: &[u8]) -> Option<(u32, u32)> {
    Some((little16(bytes, 6)?.into(), little16(bytes, 8)?.into()))
}

/// The three layouts of the WebP container specification: lossy, lossless, extended.
fn webp_size(bytes: &[u8]) -> Option<(u32, u32)> {
    match bytes.get(12..16)? {
        b"VP8 " => {
            // Three bytes of frame tag, then the start code.
            if bytes.get(23..26)? != [0x9D, 0x01, 0x2A] {
                return None;
            }
            let side = |at| little16(bytes, at).map(|v| u32::from(v & 0x3FFF));
            Some((side(26)?, side(28)?))
        }
        b"VP8L" => {
            if *bytes.get(20)? != 0x2F {
                return None;
            }
            let bits = array(bytes, 21).map(u32::from_le_bytes)?;
            Some(((bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1))
        }
        b"VP8X" => {
            let side = |at| {
                let [a, b, c] = array(bytes, at)?;
                Some(u32::from_le_bytes([a, b, c, 0]) + 1)
            };
            Some((side(24)?, side(27)?))
        }
        _ => None,
    }
}

/// Whether a WebP has all that its chunks announce, as the container's specification lays them out: the
/// decoder makes room for what a chunk announces before it looks for it.
pub(crate) fn webp_is_whole(bytes: &[u8]) -> bool {
    const HEAD: usize = 8;
    let mut at = 12;
    while at < bytes.len() {
        let Some(length) = array(bytes, at + 4).map(u32::from_le_bytes) else {
            return false;
        };
        // Chunks are padded to even lengths; some writers leave the last one's out.
        let end = usize::try_from(length)
            .ok()
            .and_then(|length| length.checked_add(at + HEAD));
        match end {
            Some(end) if end <= bytes.len() => at = end + end % 2,
            _ => return false,
        }
    }
    true
}

/// Whether a WebP says that it is an animation: the first chunk's flags do.
pub(crate) fn is_animated_webp(bytes: &[u8]) -> bool {
    bytes.get(12..16) == Some(b"VP8X".as_slice()) && bytes.get(20).is_some_and(|flags| flags & 0x02 != 0)
}

fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let frame = jpeg_frame(bytes)?;
    Some((big16(bytes, frame + 5)?.into(), big16(bytes, frame + 3)?.into()))
}

/// Whether no colour of a JPEG has more samples than its first component, the brightness, as nobody's camera has it.
/// There the decoder breaks off.
pub(crate) fn jpeg_is_finest_in_brightness(bytes: &[u8]) -> bool {
    let sampling = |frame: usize, nth: usize| {
        let factors = *bytes.get(frame + 9 + 3 * nth)?;
        Some((factors >> 4, factors & 0x0F))
    };
    let is_finest = || {
        let frame = jpeg_frame(bytes)?;
        let (across, down) = sampling(frame, 0)?;
        let others = 1..usize::from(*bytes.get(frame + 7)?);
        let others: Option<Vec<_>> = others.map(|nth| sampling(frame, nth)).collect();
        Some(others?.iter().all(|(x, y)| *x <= across && *y <= down))
    };
    is_finest().unwrap_or(false)
}

/// Walks the marker segments to the frame header (ITU-T T.81, B.2.2); answers where its segment begins.
fn jpeg_frame(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    loop {
        let (marker, segment) = jpeg_marker(bytes, at)?;
        match marker {
            // Start of frame, whatever the coding; C4, C8 and CC are tables.
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => return Some(segment),
            // The scan or the end before any frame.
            0xDA | 0xD9 => return None,
            0x01 | 0xD0..=0xD8 => at = segment,
            _ => at = segment + usize::from(big16(bytes, segment)?.max(2)),
        }
    }
}

/// The marker at or after the fill bytes at `at`, and where its segment begins.
fn jpeg_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    if *bytes.get(at)? != 0xFF {
        return None;
    }
    loop {
        at += 1;
        match *bytes.get(at)? {
            0xFF => {}
            marker => return Some((marker, at + 1)),
        }
    }
}

/// Whether a JPEG runs to its end-of-image marker. Decoders fill what is missing of a scan with
/// grey, so a half-sent photo would pass as a whole one with an empty lower half.
pub(crate) fn jpeg_is_whole(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some((marker, segment)) = jpeg_marker(bytes, at) {
        match marker {
            0xD9 => return true,
            0x01 | 0xD0..=0xD8 => at = segment,
            _ => {
                let Some(length) = big16(bytes, segment) else {
                    return false;
                };
                at = segment + usize::from(length.max(2));
            }
        }
        if marker == 0xDA {
            match scan_end(bytes, at) {
                Some(end) => at = end,
                None => return false,
            }
        }
    }
    false
}

/// Where the entropy-coded data from `at` on meets a marker that is neither a stuffed byte nor a
/// restart.
fn scan_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += bytes.get(at..)?.iter().position(|&b| b == 0xFF)?;
        match *bytes.get(at + 1)? {
            0x00 | 0xD0..=0xD7 => at += 2,
            0xFF => at += 1,
            _ => return Some(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_of_any_size_is_measured_from_24_bytes() {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        bytes.extend(30_000_u32.to_be_bytes());
        bytes.extend(30_000_u32.to_be_bytes());
        let header = inspect(&bytes).unwrap();
        assert_eq!(header.format, Format::Png);
        assert_eq!(header.pixels(), 900_000_000);
        assert_eq!(
            header.check(crate::MAX_PIXELS),
            Err(PictureError::TooManyPixels {
                width: 30_000,
                height: 30_000,
                max: crate::MAX_PIXELS
            })
        );
        assert!(matches!(
            crate::decode(&bytes, crate::MAX_PIXELS),
            Err(PictureError::TooManyPixels { .. })
        ));
    }

    #[test]
    fn other_kinds_are_refused() {
        let html = b"<!doctype html><html><body>Not found</body></html>";
        for bytes in [&html[..], b"", b"\xFF", b"BM", b"%PDF-1.7", b"RIFF\0\0\0\0WAVE"] {
            assert_eq!(inspect(bytes), Err(PictureError::UnsupportedKind));
            assert_eq!(crate::decode(bytes, 1000), Err(PictureError::UnsupportedKind));
        }
    }

    #[test]
    fn what_phones_send_is_refused_with_advice() {
        for (brand, name) in [("heic", "HEIC"), ("mif1", "HEIC"), ("avif", "AVIF")] {
            let bytes = [b"\0\0\0\x18ftyp", brand.as_bytes(), b"\0\0\0\0"].concat();
            let error = inspect(&bytes).unwrap_err();
            assert_eq!(error, PictureError::PhoneKind(name));
            assert!(error.to_string().contains("send JPEG"), "{error}");
        }
        let video = inspect(b"\0\0\0\x18ftypisom\0\0\0\0");
        assert_eq!(video, Err(PictureError::UnsupportedKind));
        assert_eq!(inspect(b"\0\0\0\x18ftyphe"), Err(PictureError::UnsupportedKind));
    }

    #[test]
    fn every_short_header_is_an_error() {
        let whole: [&[u8]; 4] = [
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x03",
            b"GIF89a\x02\0\x03\0",
            b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f\x01\x80\0\0",
            b"\xFF\xD8\xFF\xE0\0\x04ab\xFF\xFF\xC0\0\x0B\x08\0\x03\0\x02",
        ];
        for bytes in whole {
            let header = inspect(bytes).unwrap();
            assert_eq!((header.width, header.height), (2, 3));
            for length in 0..bytes.len() {
                assert!(inspect(&bytes[..length]).is_err(), "{length} bytes");
            }
        }
    }

    #[test]
    fn the_extended_webp_gives_its_canvas() {
        let mut bytes = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0".to_vec();
        bytes.extend([0x0F, 0x27, 0, 0x1F, 0x03, 0]);
        let header = inspect(&bytes).unwrap();
        assert_eq!((header.width, header.height), (10_000, 800));
    }

    #[test]
    fn no_pixels_is_damage() {
        assert!(inspect(b"GIF89a\0\0\x03\0").is_err());
    }
}
