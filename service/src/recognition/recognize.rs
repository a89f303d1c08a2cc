//! The results of a photo: faces, marks, history, tallies and events in one transaction whose
//! first statement is the job's fence.

use std::collections::HashSet;
use std::sync::Arc;

use super::faces::{self, NewFace};
use super::known::{Known, no_session};
use super::matching::Verdict;
use super::{Crops, PhotoToRead, Seen, Watch, crops};
use crate::attendance::marks::{self, Evidence, Statement};
use crate::attendance::roll;
use crate::db::Sql;
use crate::error::Result;
use crate::events::Topic;
use crate::id::{FaceId, PersonId};
use crate::kinds::{FaceDecision, FaceReason, MarkSource, SessionState};
use crate::queue::claims::{self, Claim};
use crate::{Service, Tx, classes, people};

/// Writes what a class photo showed: who of the roll is in it is marked. `known` may have been begun before, and `stored` are
/// the crops of all its faces, where somebody has begun to store them.
pub async fn recognize(
    service: &Service,
    claim: &Claim,
    known: impl Future<Output = Result<Known>>,
    photo: &PhotoToRead,
    seen: Seen,
    stored: Option<Crops>,
) -> Result<()> {
    let stored = of_each(service, claim, stored, &seen);
    let Some(session) = claim.session_id else {
        return Err(no_session());
    };
    let mut watch = Watch::start(claim, &[&seen]);
    let seen = Arc::new(seen);
    let verdicts = known.await?.verdicts(service, &seen).await?;
    watch.timings.r#match = watch.lap();
    let keys = stored.stored(claim).await?;

    let written = async {
        let mut tx = service.begin().await?;
        claims::complete(&mut tx, claim).await?;
        let locked = marks::lock(&tx, session).await?;
        // Only who still exists and belongs: the roll may have changed since it was read.
        let here = roll::still_on(&tx, &locked, named(&verdicts)).await?;
        let verdicts = only(verdicts, &here);
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

/// Writes who is in a photo, among a class or the whole organization; marks nobody. `known` and `stored` as for
/// [`recognize`].
pub async fn identify(
    service: &Service,
    claim: &Claim,
    known: impl Future<Output = Result<Known>>,
    photo: &PhotoToRead,
    seen: Seen,
    stored: Option<Crops>,
) -> Result<()> {
    let stored = of_each(service, claim, stored, &seen);
    let mut watch = Watch::start(claim, &[&seen]);
    let seen = Arc::new(seen);
    let verdicts = known.await?.verdicts(service, &seen).await?;
    watch.timings.r#match = watch.lap();
    let keys = stored.stored(claim).await?;

    let written = async {
        let mut tx = service.begin().await?;
        claims::complete(&mut tx, claim).await?;
        let here = match claim.class_id {
            Some(class) => classes::still_in(&tx, class, named(&verdicts)).await?,
            None => people::still_here(&tx, named(&verdicts)).await?,
        };
        let faces = new_faces(service, &seen, only(verdicts, &here), keys.clone());
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

/// Everybody whom a verdict is for, or might be.
fn named(verdicts: &[Verdict]) -> HashSet<PersonId> {
    verdicts
        .iter()
        .flat_map(|v| v.candidates.iter().map(|(c, _)| *c).chain(v.student))
        .collect()
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
