//! Pictures as they are shown: upright, without metadata, boxes and names drawn on request and
//! never stored.

use bytes::Bytes;
use picture::Label;
use sea_orm::FromQueryResult;

use super::{MAX_PIXELS, Shown, read_address};
use crate::db::Sql;
use crate::error::{Error, Result};
use crate::id::PhotoId;
use crate::kinds::FaceDecision;
use crate::{Service, reports};

const JPEG_QUALITY: u8 = 88;
const KNOWN: [u8; 3] = [22, 130, 60];
const DOUBTFUL: [u8; 3] = [196, 110, 0];
const STRANGER: [u8; 3] = [110, 116, 128];

/// A picture on its way to a client.
#[derive(Debug)]
pub struct Served {
    pub bytes: Bytes,
    pub content_type: &'static str,
    /// The name under which it is saved; none: it is shown.
    pub file_name: Option<String>,
}

#[derive(FromQueryResult)]
struct Place {
    media_key: Option<String>,
}

/// Opens a signed address; whatever is wrong with it, there is nothing.
pub async fn open(service: &Service, token: &str) -> Result<Served> {
    let nothing = Error::NotFound("picture");
    let Some(shown) = read_address(service, token) else {
        return Err(nothing);
    };
    if let Shown::Export(job) = shown {
        let (key, content_type, file_name) = reports::described(service, job).await?.ok_or(nothing)?;
        return Ok(Served {
            bytes: service.media.get(&key).await?,
            content_type,
            file_name: Some(file_name),
        });
    }
    let (sql, id) = match shown {
        Shown::Photo(id) | Shown::Annotated(id) => ("SELECT media_key FROM photo WHERE id = $1", id.0),
        Shown::Face(id) => ("SELECT crop_key AS media_key FROM face WHERE id = $1", id.0),
        Shown::Template(id) => ("SELECT crop_key AS media_key FROM face_template WHERE id = $1", id.0),
        Shown::Export(_) => return Err(nothing),
    };
    let place: Option<Place> = service.db.reader().one(sql, vec![id.into()]).await?;
    let key = place.and_then(|p| p.media_key).ok_or(nothing)?;
    let bytes = match shown {
        // Crops were made here, from pixels alone.
        Shown::Face(_) | Shown::Template(_) | Shown::Export(_) => service.media.get(&key).await?,
        Shown::Photo(_) => draw(service, &key, Vec::new()).await?,
        Shown::Annotated(id) => draw(service, &key, labels(service, id).await?).await?,
    };
    Ok(Served {
        bytes,
        content_type: "image/jpeg",
        file_name: None,
    })
}

async fn draw(service: &Service, key: &str, labels: Vec<Label>) -> Result<Bytes> {
    let core = service.core().await?;
    let bytes = service.media.get(key).await?;
    core.run(move || {
        let mut photo = picture::decode(&bytes, MAX_PIXELS).map_err(|e| super::picture_error(&e))?;
        drop(bytes);
        picture::annotate(&mut photo, &labels);
        picture::encode_jpeg(&photo, JPEG_QUALITY)
            .map(Bytes::from)
            .map_err(Error::internal)
    })
    .await?
}

#[derive(FromQueryResult)]
struct Found {
    x: i32,
    y: i32,
    width: i32,
    height: i32,
    decision: FaceDecision,
    similarity: Option<f64>,
    full_name: Option<String>,
    roll_number: Option<String>,
}

async fn labels(service: &Service, photo: PhotoId) -> Result<Vec<Label>> {
    let faces: Vec<Found> = service
        .db
        .reader()
        .all(
            "SELECT f.x, f.y, f.width, f.height, f.decision, f.similarity, p.full_name, p.roll_number \
             FROM face f LEFT JOIN person p ON p.id = f.student_id WHERE f.photo_id = $1 ORDER BY f.x",
            vec![photo.into()],
        )
        .await?;
    Ok(faces.into_iter().map(Found::label).collect())
}

impl Found {
    fn label(self) -> Label {
        use FaceDecision::{Confirmed, Dismissed, Matched, NeedsReview, Reassigned, Unknown};
        let (colour, doubt) = match self.decision {
            Matched | Confirmed | Reassigned => (KNOWN, ""),
            NeedsReview => (DOUBTFUL, "?"),
            Unknown | Dismissed => (STRANGER, ""),
        };
        let percent = self
            .similarity
            .filter(|_| self.full_name.is_some())
            .map_or_else(String::new, |s| format!(" {s:.2}"));
        let named = |name: Option<String>| name.map_or_else(String::new, |n| format!("{n}{doubt}{percent}"));
        Label {
            x: self.x,
            y: self.y,
            width: self.width,
            height: self.height,
            text: named(self.full_name),
            fallback: named(self.roll_number),
            colour,
        }
    }
}
