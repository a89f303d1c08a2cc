//! Enrolment: each photo becomes a template, or says why not. The job succeeds even where every
//! photo is rejected.

use super::{Embedder, PhotoToRead, Seen, SeenFace, Watch, embedders, gallery, keep_crops_if, recognize, store_crops};
use crate::error::{Error, Result};
use crate::id::{PersonId, TemplateId};
use crate::kinds::TemplateStatus;
use crate::queue::claims::{self, Claim};
use crate::{Service, Tx, classes, people};

/// Faces narrower than this (pixels of the photo) draw strangers when they are compared.
const LEAST_WIDTH: i32 = 40;
/// One face is the person's where it has at least so many times the area of the next.
const CLEARLY_LARGEST: i64 = 4;

/// A photo of an enrolment, and what the models saw in it; none where it could not be read.
#[derive(Debug)]
pub struct EnrolledPhoto {
    pub photo: PhotoToRead,
    pub seen: Option<Seen>,
}

struct NewTemplate<'a> {
    id: TemplateId,
    index: i32,
    face: Option<&'a SeenFace>,
    rejections: Vec<&'static str>,
}

pub async fn enrol(service: &Service, claim: &Claim, embedder: &Embedder, photos: &[EnrolledPhoto]) -> Result<()> {
    let person = claim
        .person_id
        .ok_or_else(|| Error::internal("an enrolment without a person"))?;
    let seen: Vec<&Seen> = photos.iter().filter_map(|p| p.seen.as_ref()).collect();
    let mut watch = Watch::start(claim, &seen);
    let templates: Vec<NewTemplate<'_>> = photos
        .iter()
        .map(|p| {
            let (face, rejections) = choose(p.seen.as_ref());
            NewTemplate {
                id: TemplateId(service.new_id()),
                index: p.photo.position,
                face,
                rejections,
            }
        })
        .collect();
    watch.timings.r#match = watch.lap();
    let crops = templates
        .iter()
        .filter_map(|t| t.face)
        .map(|f| f.crop.clone())
        .collect();
    let keys = store_crops(service, claim, crops).await?;

    let written = async {
        let mut tx = service.begin().await?;
        claims::complete(&mut tx, claim).await?;
        let accepted = if claim.submitted_by == Some(person) {
            // Who enrols themselves waits until somebody has looked.
            TemplateStatus::Pending
        } else {
            TemplateStatus::Accepted
        };
        insert(&tx, claim, embedder, person, &templates, keys.clone(), accepted).await?;
        for photo in photos {
            if let Some(seen) = &photo.seen {
                recognize::set_size(&tx, &photo.photo, seen).await?;
            }
        }
        classes::raise_galleries_of(&tx, person).await?;
        embedders::keep_to(&tx, claim.organization_id, &embedder.name).await?;
        // An erasure cancels what it finds queued or running, but not what is tried anew behind it.
        if people::still_here(&tx, [person]).await?.is_empty() {
            return Err(Error::NotFound("student"));
        }
        claims::record_timings(&tx, claim, watch.total()).await?;
        tx.commit().await
    };
    keep_crops_if(service, written.await, &keys).await
}

/// The person's face in an enrolment photo, and what speaks against it.
fn choose(seen: Option<&Seen>) -> (Option<&SeenFace>, Vec<&'static str>) {
    let Some(seen) = seen else {
        return (None, vec!["UNREADABLE_IMAGE"]);
    };
    let area = |f: &SeenFace| i64::from(f.width) * i64::from(f.height);
    let mut faces: Vec<&SeenFace> = seen.faces.iter().collect();
    faces.sort_by_key(|f| std::cmp::Reverse(area(f)));
    match faces[..] {
        [] => (None, vec!["NO_FACE"]),
        [first, second, ..] if area(first) < CLEARLY_LARGEST * area(second) => (None, vec!["SEVERAL_FACES"]),
        [first, ..] if first.too_small || first.width < LEAST_WIDTH || first.embedding.is_none() => {
            (Some(first), vec!["TOO_SMALL"])
        }
        [first, ..] => (Some(first), vec![]),
    }
}

async fn insert(
    tx: &Tx<'_>,
    claim: &Claim,
    embedder: &Embedder,
    person: PersonId,
    templates: &[NewTemplate<'_>],
    keys: Vec<String>,
    accepted: TemplateStatus,
) -> Result<()> {
    let mut keys = keys.into_iter();
    let now = tx.service.now();
    let mut rows = Vec::with_capacity(templates.len());
    for template in templates {
        let status = if template.rejections.is_empty() {
            accepted
        } else {
            TemplateStatus::Rejected
        };
        // What is rejected is kept as a picture, for the person who asks why; never as numbers.
        let embedding = template
            .face
            .and_then(|f| f.embedding.as_deref())
            .filter(|_| template.rejections.is_empty())
            .map(|e| gallery::seal(tx.service, claim.organization_id, template.id, e))
            .transpose()?;
        rows.push(entity::face_template::Model {
            id: template.id.0,
            organization_id: claim.organization_id.0,
            person_id: person.0,
            job_id: claim.id.0,
            photo_index: template.index,
            model: embedder.name.clone(),
            status,
            embedding,
            quality: template.face.map(|f| serde_json::to_value(f.quality)).transpose()?,
            rejections: serde_json::to_value(&template.rejections)?,
            crop_key: template.face.and_then(|_| keys.next()),
            created_at: now,
        });
    }
    tx.insert(rows).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recognition::Quality;
    use bytes::Bytes;

    fn face(width: i32) -> SeenFace {
        SeenFace {
            x: 0,
            y: 0,
            width,
            height: width,
            score: 0.9,
            quality: Quality::default(),
            too_small: false,
            embedding: Some(vec![1.0]),
            liveness: None,
            crop: Bytes::new(),
        }
    }

    fn rejections(widths: &[i32]) -> Vec<&'static str> {
        let seen = Seen {
            faces: widths.iter().map(|w| face(*w)).collect(),
            ..Seen::default()
        };
        choose(Some(&seen)).1
    }

    #[test]
    fn the_face_must_be_alone_or_clearly_the_largest() {
        assert_eq!(rejections(&[]), ["NO_FACE"]);
        assert_eq!(rejections(&[100]), [""; 0]);
        assert_eq!(rejections(&[100, 60]), ["SEVERAL_FACES"]);
        assert_eq!(rejections(&[50, 100]), [""; 0]);
        assert_eq!(rejections(&[39]), ["TOO_SMALL"]);
        assert_eq!(choose(None).1, ["UNREADABLE_IMAGE"]);
    }
}
