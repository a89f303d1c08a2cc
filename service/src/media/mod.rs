//! Photos and crops: where their bytes lie, and the short-lived signed addresses at which they
//! are shown. Keys are random, never made from the content.

mod discard;
mod files;
pub(crate) mod named;
mod orphans;
mod owner;
mod show;
mod store;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use bytes::Bytes;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use uuid::Uuid;

pub(crate) use discard::{abandon, discard, discard_of, remove_discarded};
pub(crate) use named::NAMES;
pub(crate) use orphans::{look_for_missing, remove_orphans};
pub use owner::{MARKER, claim};
pub use show::{Served, open};
pub use store::{Listed, Store};

use crate::Service;
use crate::error::{Error, Result};
use crate::id::{FaceId, JobId, PhotoId, TemplateId};
use crate::keys::Purpose;

/// Long enough to load a page of pictures, too short to pass on.
const ADDRESS_LASTS: TimeDelta = TimeDelta::minutes(5);
/// More than any phone takes; a picture beyond it is refused from its header.
pub const MAX_PIXELS: u64 = 50_000_000;

/// What an address shows: one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Photo(PhotoId),
    /// The photo with a box and a name for each face.
    Annotated(PhotoId),
    Face(FaceId),
    Template(TemplateId),
    /// The file of a report.
    Export(JobId),
}

impl Shown {
    fn parts(self) -> (u8, Uuid) {
        match self {
            Self::Photo(id) => (1, id.0),
            Self::Annotated(id) => (2, id.0),
            Self::Face(id) => (3, id.0),
            Self::Template(id) => (4, id.0),
            Self::Export(id) => (5, id.0),
        }
    }

    fn from_parts(kind: u8, id: Uuid) -> Option<Self> {
        match kind {
            1 => Some(Self::Photo(PhotoId(id))),
            2 => Some(Self::Annotated(PhotoId(id))),
            3 => Some(Self::Face(FaceId(id))),
            4 => Some(Self::Template(TemplateId(id))),
            5 => Some(Self::Export(JobId(id))),
            _ => None,
        }
    }
}

const UNSIGNED: usize = 1 + 16 + 8;

/// A signed address, good for [`ADDRESS_LASTS`] and this object alone.
pub fn address(service: &Service, shown: Shown) -> String {
    address_until(service, shown).0
}

/// The same, and when it runs out.
pub(crate) fn address_until(service: &Service, shown: Shown) -> (String, DateTime<Utc>) {
    let (kind, id) = shown.parts();
    let until = (service.now() + ADDRESS_LASTS).trunc_subsecs(0);
    let unsigned = [&[kind], &id.as_bytes()[..], &until.timestamp().to_be_bytes()].concat();
    let signature = service.keys.sign(Purpose::Media, &unsigned);
    let token = BASE64.encode([&unsigned[..], &signature].concat());
    (format!("{}/media/{token}", service.public_url), until)
}

/// What a token shows, if we signed it and it has not run out.
fn read_address(service: &Service, token: &str) -> Option<Shown> {
    let bytes = BASE64.decode(token).ok()?;
    let (unsigned, signature) = bytes.split_at_checked(UNSIGNED)?;
    if !service.keys.verify(Purpose::Media, unsigned, signature) {
        return None;
    }
    let until = i64::from_be_bytes(unsigned[17..].try_into().ok()?);
    let until = DateTime::<Utc>::from_timestamp(until, 0)?;
    let id = Uuid::from_slice(&unsigned[1..17]).ok()?;
    (until > service.now()).then_some(())?;
    Shown::from_parts(unsigned[0], id)
}

/// Checks a submitted picture by its header alone: no pixel is decoded.
pub(crate) fn check(bytes: &Bytes, max_bytes: u64) -> Result<()> {
    if bytes.is_empty() {
        return Err(Error::invalid("photo", "the photo is empty"));
    }
    if bytes.len() as u64 > max_bytes {
        return Err(Error::TooLarge(format!("a photo has at most {} MB", max_bytes >> 20)));
    }
    let header = picture::inspect(bytes).map_err(|e| picture_error(&e))?;
    header.check(MAX_PIXELS).map_err(|e| picture_error(&e))?;
    Ok(())
}

pub(crate) fn picture_error(error: &picture::PictureError) -> Error {
    match error {
        picture::PictureError::UnsupportedKind => {
            Error::UnsupportedMedia("this is no JPEG, PNG, WebP or GIF picture".into())
        }
        picture::PictureError::PhoneKind(_) => Error::UnsupportedMedia(error.to_string()),
        picture::PictureError::TooManyPixels { .. } => {
            Error::TooLarge(format!("a photo has at most {} megapixels", MAX_PIXELS / 1_000_000))
        }
        picture::PictureError::Unreadable(_) => {
            Error::UnsupportedMedia("this picture cannot be read: its header is damaged".into())
        }
    }
}

/// A key that says nothing: `prefix` is for the operator's eye.
pub(crate) fn new_key(service: &Service, prefix: &str) -> String {
    let mut random = [0; 16];
    service.entropy.fill(&mut random);
    format!("{prefix}/{}", Uuid::from_bytes(random).simple())
}
