//! Enrolment: each photo becomes a template, or says why not. The job succeeds even where every
//! photo is rejected.
//!
//! What a better photo would cure is REJECTED, and nothing of it is kept but the picture. What only a
//! person can tell waits for one as PENDING: a photo unlike the person's others, one that resembles
//! somebody else, and whatever a student sent in themselves.
//!
//! The person's own templates are compared in the transaction that writes, which enrolments of an
//! organization go through one after another. Those of everybody else were compared before it: of two
//! students who are enrolled by one face at the same moment neither sees the other. The next photo of
//! either does, and faces that resemble both are AMBIGUOUS and never marked.

use std::sync::Arc;

use super::{Embedder, PhotoToRead, Seen, SeenFace, Watch, company, crops, embedders, gallery, gates, recognize};
use crate::error::{Error, Result};
use crate::id::{PersonId, TemplateId};
use crate::kinds::TemplateStatus;
use crate::queue::claims::{self, Claim};
use crate::{Service, Tx, classes, organizations, people};

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
    /// A better photo is needed.
    rejections: Vec<&'static str>,
    /// A person has to look.
    doubts: Vec<&'static str>,
}

impl NewTemplate<'_> {
    /// Of a photo that can be compared.
    fn embedding(&self) -> Option<&[f32]> {
        self.face
            .and_then(|f| f.embedding.as_deref())
            .filter(|_| self.rejections.is_empty())
    }
}

pub async fn enrol(service: &Service, claim: &Claim, embedder: &Embedder, photos: &[EnrolledPhoto]) -> Result<()> {
    let person = claim
        .person_id
        .ok_or_else(|| Error::internal("an enrolment without a person"))?;
    let seen: Vec<&Seen> = photos.iter().filter_map(|p| p.seen.as_ref()).collect();
    let mut watch = Watch::start(claim, &seen);
    let embedder = &organizations::tuned(service, claim.organization_id, embedder).await?;
    let mut templates: Vec<NewTemplate<'_>> = photos
        .iter()
        .map(|p| {
            let (face, rejections) = gates::judge(p.seen.as_ref(), claim.checks_liveness());
            NewTemplate {
                id: TemplateId(service.new_id()),
                index: p.photo.position,
                face,
                rejections,
                doubts: Vec::new(),
            }
        })
        .collect();
    doubt_likenesses(service, claim, embedder, person, &mut templates).await?;
    watch.timings.r#match = watch.lap();
    let crops = templates
        .iter()
        .filter_map(|t| t.face)
        .map(|f| f.crop.clone())
        .collect();
    let keys = crops::store(service, claim, crops).await?;

    let written = async {
        let mut tx = service.begin().await?;
        claims::complete(&mut tx, claim).await?;
        let raised = classes::raise_galleries_of(&tx, person).await?;
        embedders::keep_to(&tx, claim.organization_id, &embedder.name).await?;
        classes::hold_raised(&tx, person, &raised).await?;
        // An erasure cancels what it finds queued or running, but not what is tried anew behind it.
        if people::still_here(&tx, [person]).await?.is_empty() {
            return Err(Error::NotFound("student"));
        }
        let own = gallery::accepted_of(&tx, person, embedder).await?;
        doubt_strays(&own, embedder, &mut templates);
        insert(&tx, claim, embedder, person, &templates, keys.clone()).await?;
        for photo in photos {
            if let Some(seen) = &photo.seen {
                recognize::set_size(&tx, &photo.photo, seen).await?;
            }
        }
        claims::record_timings(&mut tx, claim, watch.total()).await?;
        tx.commit().await
    };
    crops::keep_if(service, written.await, &keys).await
}

/// Notes photos that would be marked as another student of the organization: as similar to one who
/// can be recognized as recognition asks for.
#[tracing::instrument(name = "match", level = "info", skip_all)]
async fn doubt_likenesses(
    service: &Service,
    claim: &Claim,
    embedder: &Embedder,
    person: PersonId,
    templates: &mut [NewTemplate<'_>],
) -> Result<()> {
    if templates.iter().all(|t| t.embedding().is_none()) {
        return Ok(());
    }
    let gallery = gallery::of_organization(service, claim.organization_id, embedder).await?;
    let embeddings: Vec<Option<Vec<f32>>> = templates.iter().map(|t| t.embedding().map(<[f32]>::to_vec)).collect();
    let (match_at, doubt, compared) = (embedder.match_threshold, embedder.doubt(), Arc::clone(&gallery));
    // A large school fills a core for a while.
    let resembles = service
        .blocking(move || {
            let another = |embedding: Vec<f32>| {
                let similarities = compared.similarities(&embedding, doubt);
                let mut others = compared.students.iter().zip(similarities);
                others.any(|(student, similarity)| *student != person && similarity >= match_at)
            };
            let of_each = |embedding: Option<Vec<f32>>| embedding.is_some_and(another);
            embeddings.into_iter().map(of_each).collect::<Vec<bool>>()
        })
        .await?;
    for (template, _) in templates.iter_mut().zip(resembles).filter(|(_, resembles)| *resembles) {
        template.doubts.push("RESEMBLES_ANOTHER");
    }
    Ok(())
}

/// Notes photos that do not go with the person's others.
fn doubt_strays(own: &[Vec<f32>], embedder: &Embedder, templates: &mut [NewTemplate<'_>]) {
    let new: Vec<&[f32]> = templates.iter().filter_map(NewTemplate::embedding).collect();
    let stand = company::stand(&new, own, embedder.review_threshold);
    let compared = templates.iter_mut().filter(|t| t.embedding().is_some());
    for (template, _) in compared.zip(stand).filter(|(_, stands)| !stands) {
        template.doubts.push("UNLIKE_THE_OTHERS");
    }
}

async fn insert(
    tx: &Tx<'_>,
    claim: &Claim,
    embedder: &Embedder,
    person: PersonId,
    templates: &[NewTemplate<'_>],
    keys: Vec<String>,
) -> Result<()> {
    // Who enrols themselves waits until somebody has looked.
    let by_themselves = claim.submitted_by == Some(person);
    let mut keys = keys.into_iter();
    let now = tx.service.now();
    let mut rows = Vec::with_capacity(templates.len());
    for template in templates {
        let status = match (&template.rejections[..], &template.doubts[..]) {
            ([_, ..], _) => TemplateStatus::Rejected,
            ([], []) if !by_themselves => TemplateStatus::Accepted,
            ([], _) => TemplateStatus::Pending,
        };
        // What is rejected is kept as a picture, for the person who asks why; never as numbers.
        let embedding = template
            .embedding()
            .map(|e| gallery::seal(tx.service, claim.organization_id, template.id, e))
            .transpose()?;
        let reasons: Vec<&str> = template.rejections.iter().chain(&template.doubts).copied().collect();
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
            rejections: serde_json::to_value(reasons)?,
            crop_key: template.face.and_then(|_| keys.next()),
            created_at: now,
        });
    }
    tx.insert(rows).await?;
    Ok(())
}
