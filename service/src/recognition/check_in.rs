//! A selfie is compared with its student's own templates, one to one.

use std::sync::Arc;

use super::faces;
use super::matching::Verdict;
use super::recognize::{new_faces, set_size};
use super::{Embedder, PhotoToRead, Seen, SeenFace, Watch, crops, gallery, gates};
use crate::Service;
use crate::attendance::marks::{self, Evidence, Statement};
use crate::attendance::roll;
use crate::error::{Error, Result};
use crate::events::Topic;
use crate::kinds::{FaceDecision, FaceReason, MarkSource, SessionState};
use crate::organizations;
use crate::queue::claims::{self, Claim, Failure};

/// Writes what a selfie showed: a mark, or a face that waits for a person. Where it showed nothing
/// of the student the answer says why, and nothing is written.
pub async fn check_in(
    service: &Service,
    claim: &Claim,
    embedder: &Embedder,
    photo: &PhotoToRead,
    seen: Seen,
) -> Result<Option<Failure>> {
    let (Some(session), Some(student)) = (claim.session_id, claim.person_id) else {
        return Err(Error::internal("a check-in without a session or a student"));
    };
    let mut watch = Watch::start(claim, &[&seen]);
    let (face, embedding) = match only_face(&seen) {
        Ok(found) => found,
        Err(failure) => return Ok(Some(failure)),
    };
    if claim.checks_liveness() && !gates::is_live(&face) {
        return Ok(Some(refused(
            "NOT_LIVE",
            "The selfie looks like a picture of a picture; take it of your own face, in even light",
        )));
    }
    let embedder = &organizations::tuned(service, claim.organization_id, embedder).await?;
    let own = Arc::new(gallery::of_person(service, student, embedder).await?);
    let similarity = own
        .similarities(&embedding, embedder.doubt())
        .into_iter()
        .next()
        .filter(|s| s.is_finite());
    watch.timings.r#match = watch.lap();
    let verdict = match similarity {
        Some(similarity) if similarity >= embedder.match_threshold => (FaceDecision::Matched, None, similarity),
        Some(similarity) if similarity >= embedder.review_threshold => (
            FaceDecision::NeedsReview,
            Some(FaceReason::BetweenThresholds),
            similarity,
        ),
        _ => {
            return Ok(Some(refused(
                "NO_MATCH",
                "The selfie does not resemble the photos that this student was enrolled with",
            )));
        }
    };
    let (decision, reason, similarity) = verdict;
    let verdict = Verdict {
        decision,
        reason,
        student: Some(student),
        similarity: Some(similarity),
        candidates: vec![(student, similarity)],
    };
    let keys = crops::store(service, claim, vec![face.crop.clone()]).await?;
    let alone = Seen {
        faces: vec![face],
        ..seen
    };

    let written = async {
        let mut tx = service.begin().await?;
        claims::complete(&mut tx, claim).await?;
        let locked = marks::lock(&tx, session).await?;
        // Whoever left the class meanwhile is nobody's to mark.
        let verdict = if roll::has(&tx, session, student).await? {
            verdict
        } else {
            Verdict {
                decision: FaceDecision::Unknown,
                reason: Some(FaceReason::BelowThreshold),
                student: None,
                similarity: None,
                candidates: Vec::new(),
            }
        };
        let decision = verdict.decision;
        let faces = new_faces(service, &alone, vec![verdict], keys.clone());
        faces::insert(&tx, claim, photo.id, Some(session), &faces).await?;
        set_size(&tx, photo, &alone).await?;
        if let (FaceDecision::Matched, Some(face), true) =
            (decision, faces.first(), locked.state != SessionState::Cancelled)
        {
            let said = Statement {
                student,
                status: crate::attendance::on_time(photo.submitted_at, locked.starts_at, locked.late_after_minutes),
                source: MarkSource::CheckIn,
                evidence: Some(Evidence {
                    similarity: Some(similarity.into()),
                    face: Some(face.id),
                }),
                remark: None,
                at: photo.submitted_at,
                by: claim.submitted_by,
                job: Some(claim.id),
            };
            marks::apply(&mut tx, &locked, &[said]).await?;
        }
        if decision == FaceDecision::NeedsReview {
            tx.announce(Topic::Reviews(claim.organization_id));
        }
        claims::record_timings(&mut tx, claim, watch.total()).await?;
        tx.commit().await
    };
    crops::keep_if(service, written.await, &keys).await?;
    Ok(None)
}

/// The one face that can be compared. Faces too small for that are passers-by.
fn only_face(seen: &Seen) -> Result<(SeenFace, Vec<f32>), Failure> {
    let mut large = seen
        .faces
        .iter()
        .filter(|face| !face.too_small)
        .filter_map(|face| Some((face, face.embedding.as_ref()?)));
    match (large.next(), large.next()) {
        (Some((face, embedding)), None) => Ok((face.clone(), embedding.clone())),
        (Some(_), Some(_)) => Err(refused(
            "SEVERAL_FACES",
            "There is more than one face in the selfie; take it alone",
        )),
        (None, _) if seen.faces.is_empty() => Err(refused("NO_FACE", "There is no face in the selfie")),
        (None, _) => Err(refused(
            "LOW_QUALITY",
            "The face in the selfie is too small; take it from nearer",
        )),
    }
}

/// The same selfie will never do.
fn refused(code: &'static str, message: &str) -> Failure {
    Failure {
        code,
        message: message.to_owned(),
        retryable: false,
    }
}
