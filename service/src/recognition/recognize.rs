//! The results of a photo: faces, marks, history, tallies and events in one transaction whose
//! first statement is the job's fence.

use std::collections::HashSet;
use std::sync::Arc;

use super::faces::{self, NewFace};
use super::matching::{self, Verdict};
use super::{Crops, Embedder, PhotoToRead, Seen, Watch, crops, gallery};
use crate::attendance::marks::{self, Evidence, Statement};
use crate::attendance::roll;
use crate::db::Sql;
use crate::error::{Error, Result};
use crate::events::Topic;
use crate::id::{FaceId, PersonId};
use crate::kinds::{FaceDecision, FaceReason, MarkSource, SessionState};
use crate::queue::claims::{self, Claim};
use crate::{Service, Tx, organizations, people};

/// Writes what a class photo showed: who of the roll is in it is marked. `stored`: the crops of all its faces, where
/// somebody has begun to store them.
pub async fn recognize(
    service: &Service,
    claim: &Claim,
    embedder: &Embedder,
    photo: &PhotoToRead,
    seen: Seen,
    stored: Option<Crops>,
) -> Result<()> {
    let stored = of_each(service, claim, stored, &seen);
    let (Some(class), Some(session)) = (claim.class_id, claim.session_id) else {
        return Err(Error::internal("a recognition without a session"));
    };
    let mut watch = Watch::start(claim, &[&seen]);
    let (embedder, gallery, roll) = tokio::try_join!(
        organizations::tuned(service, claim.organization_id, embedder),
        gallery::of_class(service, class, embedder),
        roll::ids(service.db.reader(), session),
    )?;
    let roll: HashSet<PersonId> = roll.into_iter().collect();
    let seen = Arc::new(seen);
    let verdicts = match_faces(service, gallery, &seen, &embedder, Some(roll)).await?;
    watch.timings.r#match = watch.lap();
    let keys = stored.stored(claim).await?;

    let written = async {
        let mut tx = service.begin().await?;
        claims::complete(&mut tx, claim).await?;
        let locked = marks::lock(&tx, session).await?;
        // Only who still exists and belongs: the roll may have changed since the matching.
        let roll: HashSet<PersonId> = roll::ids(&*tx, session).await?.into_iter().collect();
        let verdicts = only(still_here(&tx, verdicts).await?, &roll);
        let faces = new_faces(service, &seen, verdicts, keys.clone());
        faces::insert(&tx, claim, photo.id, Some(session), &faces).await?;
        set_size(&tx, photo, &seen).await?;
        if locked.state != SessionState::Cancelled {
            let status = crate::attendance::on_time(photo.submitted_at, locked.starts_at, locked.late_after_minutes);
            let said: Vec<Statement> = faces
                .iter()
                .filter(|f| f.verdict.decision == FaceDecision::Matched)
                .filter_map(|f| {
                    Some(Statement {
                        student: f.verdict.student?,
                        status,
                        source: MarkSource::Recognition,
                        evidence: Some(Evidence {
                            similarity: Some(f.verdict.similarity?.into()),
                            face: Some(f.id),
                        }),
                        remark: None,
                        at: photo.submitted_at,
                        by: claim.submitted_by,
                        job: Some(claim.id),
                    })
                })
                .collect();
            marks::apply(&mut tx, &locked, &said).await?;
        }
        if faces.iter().any(|f| f.verdict.decision == FaceDecision::NeedsReview) {
            tx.announce(Topic::Reviews(claim.organization_id));
        }
        claims::record_timings(&mut tx, claim, watch.total()).await?;
        tx.commit().await
    };
    crops::keep_if(service, written.await, &keys).await
}

/// Writes who is in a photo, among a class or the whole organization; marks nobody. `stored` as for [`recognize`].
pub async fn identify(
    service: &Service,
    claim: &Claim,
    embedder: &Embedder,
    photo: &PhotoToRead,
    seen: Seen,
    stored: Option<Crops>,
) -> Result<()> {
    let stored = of_each(service, claim, stored, &seen);
    let mut watch = Watch::start(claim, &[&seen]);
    let embedder = &organizations::tuned(service, claim.organization_id, embedder).await?;
    let (gallery, members) = match claim.class_id {
        Some(class) => {
            let members: HashSet<PersonId> = crate::classes::members_now(service, class).await?.into_iter().collect();
            (gallery::of_class(service, class, embedder).await?, Some(members))
        }
        None => (
            gallery::of_organization(service, claim.organization_id, embedder).await?,
            None,
        ),
    };
    let seen = Arc::new(seen);
    let verdicts = match_faces(service, gallery, &seen, embedder, members).await?;
    watch.timings.r#match = watch.lap();
    let keys = stored.stored(claim).await?;

    let written = async {
        let mut tx = service.begin().await?;
        claims::complete(&mut tx, claim).await?;
        let faces = new_faces(service, &seen, still_here(&tx, verdicts).await?, keys.clone());
        faces::insert(&tx, claim, photo.id, None, &faces).await?;
        set_size(&tx, photo, &seen).await?;
        claims::record_timings(&mut tx, claim, watch.total()).await?;
        tx.commit().await
    };
    crops::keep_if(service, written.await, &keys).await
}

/// A crop of each face that was seen: those, or now.
fn of_each(service: &Service, claim: &Claim, stored: Option<Crops>, seen: &Seen) -> Crops {
    let crops = || seen.faces.iter().map(|face| face.crop.clone()).collect();
    stored
        .filter(|stored| stored.count() == seen.faces.len())
        .unwrap_or_else(|| Crops::store(service, claim, crops()))
}

/// Compares on a blocking thread: a full photo against a large school fills a core for a while.
/// `among`: who counts, of those in the gallery.
#[tracing::instrument(name = "match", level = "info", skip_all)]
async fn match_faces(
    service: &Service,
    gallery: Arc<gallery::Gallery>,
    seen: &Arc<Seen>,
    embedder: &Embedder,
    among: Option<HashSet<PersonId>>,
) -> Result<Vec<Verdict>> {
    let (seen, match_at, review_at) = (seen.clone(), embedder.match_threshold, embedder.review_threshold);
    service
        .blocking(move || {
            let counts = |student: &PersonId| among.as_ref().is_none_or(|a| a.contains(student));
            let embeddings: Vec<Option<&[f32]>> = seen
                .faces
                .iter()
                .map(|face| face.embedding.as_deref().filter(|_| !face.too_small))
                .collect();
            let comparable: Vec<&[f32]> = embeddings.iter().copied().flatten().collect();
            let mut rows = gallery.similarities_of(&comparable, match_at - review_at);
            for (place, _) in gallery.students.iter().enumerate().filter(|(_, s)| !counts(s)) {
                for row in &mut rows {
                    row[place] = f32::NEG_INFINITY;
                }
            }
            let mut rows = rows.into_iter();
            let similarities: Vec<Option<Vec<f32>>> = embeddings.iter().map(|e| e.and_then(|_| rows.next())).collect();
            matching::decide(&gallery.students, &similarities, match_at, review_at)
        })
        .await
}

/// The verdicts without those who are none of these: neither decided for nor a candidate.
fn only(verdicts: Vec<Verdict>, these: &HashSet<PersonId>) -> Vec<Verdict> {
    let one = |mut v: Verdict| {
        v.candidates.retain(|(candidate, _)| these.contains(candidate));
        if v.student.is_some_and(|s| !these.contains(&s)) {
            v.decision = FaceDecision::Unknown;
            v.reason = Some(FaceReason::BelowThreshold);
            v.student = None;
            v.similarity = None;
        }
        v
    };
    verdicts.into_iter().map(one).collect()
}

/// The verdicts without those who were erased meanwhile: their face is nobody's.
async fn still_here(tx: &Tx<'_>, verdicts: Vec<Verdict>) -> Result<Vec<Verdict>> {
    let named = verdicts
        .iter()
        .flat_map(|v| v.candidates.iter().map(|(c, _)| *c).chain(v.student));
    let named: HashSet<PersonId> = named.collect();
    let here = people::still_here(tx, named).await?;
    Ok(only(verdicts, &here))
}

pub(super) fn new_faces(service: &Service, seen: &Seen, verdicts: Vec<Verdict>, keys: Vec<String>) -> Vec<NewFace> {
    seen.faces
        .iter()
        .zip(verdicts)
        .zip(keys)
        .map(|((face, verdict), crop_key)| NewFace {
            id: FaceId(service.new_id()),
            bounds: [face.x, face.y, face.width, face.height],
            score: face.score,
            quality: face.quality,
            verdict,
            crop_key,
        })
        .collect()
}

pub(super) async fn set_size(tx: &Tx<'_>, photo: &PhotoToRead, seen: &Seen) -> Result<()> {
    let side = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    tx.run(
        "UPDATE photo SET width = $1, height = $2 WHERE id = $3",
        vec![side(seen.width).into(), side(seen.height).into(), photo.id.into()],
    )
    .await?;
    Ok(())
}
