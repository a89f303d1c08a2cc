//! Pictures, and nothing about what is in them: what kind and size a file claims to be, its pixels
//! the right way up, a piece cut out, boxes and names drawn on, a JPEG of it.
//!
//! Everything here takes bytes from strangers. Nothing panics on them, no buffer is allocated
//! before the header's size has been held against a limit, and no error repeats what a file
//! contains.

mod annotate;
mod convert;
mod decode;
mod encode;
mod header;

pub use annotate::{Label, annotate};
pub use decode::{Blank, decode, decode_into};
pub use encode::{EncodeError, Rect, crop, encode_jpeg};
pub use header::{Format, Header, inspect};
pub use image::RgbImage;

/// The most pixels that a photo may have unless an operator says otherwise; more than any phone
/// takes by default, and 150 MB decoded.
pub const MAX_PIXELS: u64 = 50_000_000;

/// Why a picture can't be used. The text is fit for the person who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// The bytes begin like none of the kinds that are read.
    #[error("this is not a JPEG, PNG, WebP or GIF picture")]
    UnsupportedKind,
    /// HEIC or AVIF, as phones store photos unless told otherwise.
    #[error("this is a {0} picture, which isn't read: send JPEG, or set the phone's camera to \"Most compatible\"")]
    PhoneKind(&'static str),
    /// The header promises more pixels than are allowed.
    #[error("the picture has {width} x {height} pixels, and at most {max} pixels are allowed")]
    TooManyPixels {
        /// Stored width in pixels.
        width: u32,
        /// Stored height in pixels.
        height: u32,
        /// The limit, in pixels.
        max: u64,
    },
    /// A known kind, but damaged, cut short, or of a variety that isn't read. The text names the
    /// trouble and holds nothing of the picture.
    #[error("the picture can't be read: {0}")]
    Unreadable(String),
}

impl PictureError {
    pub(crate) fn unreadable(text: impl Into<String>) -> Self {
        Self::Unreadable(text.into())
    }
}
