//! A worker's hold on a job: claimed with a lease, written to only under the number (fence) of
//! the claim. Whoever lost the lease can write nothing more.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::FromQueryResult;

use super::Timings;
use crate::db::{Scalar, Sql, Values};
use crate::error::{Error, Result};
use crate::events::Topic;
use crate::id::{ClassId, JobId, OrganizationId, PersonId, SessionId};
use crate::kinds::{JobKind, JobStage, JobStatus};
use crate::{Service, Tx, measure};

/// A worker that says nothing for so long has lost its job.
pub const LEASE: Duration = Duration::from_secs(15);
/// A stage, or a job, that is over sooner is not told of: nobody would see it, and telling costs as much as what the job writes
/// in the end.
pub const MOMENT: Duration = Duration::from_millis(100);
/// A job that ended its process so often is failed.
pub const ATTEMPTS: i32 = 3;

#[derive(Clone, Debug, FromQueryResult)]
pub struct Claim {
    pub id: JobId,
    pub organization_id: OrganizationId,
    pub kind: JobKind,
    pub fence: i64,
    pub attempts: i32,
    pub submitted_by: Option<PersonId>,
    pub session_id: Option<SessionId>,
    pub class_id: Option<ClassId>,
    pub person_id: Option<PersonId>,
    pub payload: serde_json::Value,
    /// The trace of whoever asked for it: see [`crate::trace`].
    pub trace: Option<String>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    /// The embedder of the organization's gallery as it was at the claim: the job keeps to it.
    /// None where nobody is enrolled.
    pub gallery_model: Option<String>,
    /// Whether the organization wants selfies and enrolment photos to be of living people.
    pub requires_liveness: bool,
}

impl Claim {
    /// Whether the faces of this job count only where they are living people's.
    pub fn checks_liveness(&self) -> bool {
        self.requires_liveness && matches!(self.kind, JobKind::CheckIn | JobKind::Enrol)
    }

    /// Milliseconds from submission to the first claim.
    pub fn queued_ms(&self) -> f64 {
        let waited = self.started_at.unwrap_or(self.created_at) - self.created_at;
        waited.to_std().map_or(0.0, |waited| waited.as_secs_f64() * 1000.0)
    }
}

/// Why a job ended without a result; safe to show a teacher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: &'static str,
    pub message: String,
    pub retryable: bool,
}

/// Now, and a while later, in SQL: by the database's clock where many machines share it.
pub(crate) fn now(service: &Service, values: &mut Values) -> String {
    if service.db.is_postgres() {
        "now()".into()
    } else {
        values.push(service.now())
    }
}

pub(crate) fn later(service: &Service, values: &mut Values, by: Duration) -> String {
    if service.db.is_postgres() {
        format!("(now() + make_interval(secs => {}))", values.push(by.as_secs_f64()))
    } else {
        values.push(service.now() + TimeDelta::from_std(by).unwrap_or_default())
    }
}

/// A while ago, as [`now`].
pub(crate) fn earlier(service: &Service, values: &mut Values, by: Duration) -> String {
    if service.db.is_postgres() {
        format!("(now() - make_interval(secs => {}))", values.push(by.as_secs_f64()))
    } else {
        values.push(service.now() - TimeDelta::from_std(by).unwrap_or_default())
    }
}

/// Whether a row of `job` waits for a worker; `now` is SQL.
pub(super) fn claimable(job: &str, now: &str) -> String {
    format!(
        "(({job}.status = 'QUEUED' AND {job}.available_at <= {now}) OR \
         ({job}.status = 'RUNNING' AND {job}.lease_until < {now} AND {job}.attempts < {ATTEMPTS})) \
         AND NOT EXISTS (SELECT 1 FROM queue_pause p WHERE p.organization_id = {job}.organization_id \
         AND p.kind = {job}.kind)"
    )
}

/// Since when a row of `job` waits: what is sent again comes behind what came meanwhile.
pub(super) fn since(job: &str) -> String {
    format!("CASE WHEN {job}.available_at > {job}.created_at THEN {job}.available_at ELSE {job}.created_at END")
}

/// Takes the best waiting job: by priority, then of the organization with the fewest running, then of the one
/// whose turn is longest ago, then the oldest.
pub async fn claim(service: &Service) -> Result<Option<Claim>> {
    take(service, false).await
}

/// The same for a worker that works on others meanwhile. A job's last attempt is not begun: such a job is answered as
/// if it were, with that number of attempts, and is left in the queue without having spent it. Whoever is answered
/// so becomes quiet and then claims.
pub async fn claim_beside(service: &Service) -> Result<Option<Claim>> {
    take(service, true).await
}

async fn take(service: &Service, beside: bool) -> Result<Option<Claim>> {
    let mut values = Values::default();
    let now = now(service, &mut values);
    let until = later(service, &mut values, LEASE);
    let skip = if service.db.is_postgres() {
        "FOR UPDATE OF j SKIP LOCKED"
    } else {
        ""
    };
    // In one statement: were it claimed and put back, it would be lost with whatever ends the worker in between.
    let begins = if beside {
        format!("attempts + 1 < {ATTEMPTS}")
    } else {
        "TRUE".into()
    };
    // The status stands in words as well, so that the index of waiting jobs is seen to serve.
    let sql = format!(
        "UPDATE job SET status = CASE WHEN {begins} THEN 'RUNNING' ELSE 'QUEUED' END, stage = 'WAITING', \
         fence = fence + 1, attempts = CASE WHEN {begins} THEN attempts + 1 ELSE attempts END, \
         lease_until = CASE WHEN {begins} THEN {until} END, started_at = COALESCE(started_at, {now}), progress = 0, revision = revision + 1 \
         WHERE id = (SELECT j.id FROM job j LEFT JOIN (SELECT organization_id, COUNT(*) AS jobs FROM job \
         WHERE status = 'RUNNING' AND lease_until >= {now} GROUP BY organization_id) busy ON busy.organization_id = j.organization_id \
         LEFT JOIN queue_turn t ON t.organization_id = j.organization_id \
         WHERE j.status IN ('QUEUED', 'RUNNING') AND {} \
         ORDER BY j.priority, COALESCE(busy.jobs, 0), t.claimed_at IS NOT NULL, t.claimed_at, {} \
         LIMIT 1 {skip}) AND {} \
         RETURNING id, organization_id, kind, fence, \
         CASE WHEN status = 'RUNNING' THEN attempts ELSE attempts + 1 END AS attempts, submitted_by, session_id, class_id, person_id, \
         payload, trace, created_at, started_at, \
         (SELECT g.model FROM gallery g WHERE g.organization_id = job.organization_id) AS gallery_model, \
         (SELECT o.require_liveness FROM organization o WHERE o.id = job.organization_id) AS requires_liveness",
        claimable("j", &now),
        since("j"),
        claimable("job", &now),
    );
    let claim = if service.db.is_postgres() {
        let claim = service.db.writer().one(&sql, values.done()).await?;
        // Behind it, so that no claim waits for another of the same organization.
        if let Some(claim) = &claim {
            take_turn(service, service.db.writer(), claim).await;
        }
        claim
    } else {
        // With it: what the one writer commits once has to reach the disk once.
        let tx = service.db.begin().await?;
        let claim = tx.one(&sql, values.done()).await?;
        if let Some(claim) = &claim {
            take_turn(service, &tx, claim).await;
        }
        tx.commit().await?;
        claim
    };
    if let Some(Claim { id, .. }) = &claim {
        service.announcer.announce(&[Topic::Job(*id)]);
    }
    Ok(claim)
}

/// A turn that isn't noted makes nobody wait long.
async fn take_turn(service: &Service, db: &impl Sql, claim: &Claim) {
    let mut values = Values::default();
    let organization = values.push(claim.organization_id);
    let now = now(service, &mut values);
    let sql = format!(
        "INSERT INTO queue_turn (organization_id, claimed_at) SELECT o.id, {now} FROM organization o \
         WHERE o.id = {organization} ON CONFLICT (organization_id) DO UPDATE SET claimed_at = excluded.claimed_at"
    );
    if let Err(error) = db.run(&sql, values.done()).await {
        tracing::debug!(%error, "a turn was not noted");
    }
}

/// Changes a job under its fence; false where the lease was lost.
async fn change(service: &Service, claim: &Claim, set: impl FnOnce(&mut Values) -> String) -> Result<bool> {
    change_in(service.db.writer(), claim, set).await
}

async fn change_in(db: &impl Sql, claim: &Claim, set: impl FnOnce(&mut Values) -> String) -> Result<bool> {
    let mut values = Values::default();
    let (id, fence) = (values.push(claim.id), values.push(claim.fence));
    let set = set(&mut values);
    let sql = format!("UPDATE job SET {set} WHERE id = {id} AND fence = {fence} AND status = 'RUNNING'");
    Ok(db.run(&sql, values.done()).await? > 0)
}

/// Whether a job that goes before this one waits for a worker.
pub async fn is_overtaken(service: &Service, claim: &Claim) -> Result<bool> {
    let mut values = Values::default();
    let now = now(service, &mut values);
    let own = values.push(super::priority(claim.kind));
    let sql = format!(
        "SELECT COUNT(*) AS value FROM (SELECT 1 FROM job j WHERE j.status IN ('QUEUED', 'RUNNING') \
         AND j.priority < {own} AND {} LIMIT 1) w",
        claimable("j", &now)
    );
    let found: Option<Scalar> = service.db.reader().one(&sql, values.done()).await?;
    Ok(found.is_some_and(|f| f.value > 0))
}

/// Keeps the lease; false where it was lost.
pub async fn renew(service: &Service, claim: &Claim) -> Result<bool> {
    change(service, claim, |values| {
        format!("lease_until = {}", later(service, values, LEASE))
    })
    .await
}

/// Tells how far the job is, 0 to 1 and never falling, nor its stage; false where the lease was lost.
pub async fn progress(service: &Service, claim: &Claim, stage: JobStage, progress: f64) -> Result<bool> {
    let kept = change(service, claim, |values| come_to(service, values, stage, progress)).await?;
    if kept {
        service.announcer.announce(&[Topic::Job(claim.id)]);
    }
    Ok(kept)
}

fn come_to(service: &Service, values: &mut Values, stage: JobStage, progress: f64) -> String {
    let until = later(service, values, LEASE);
    let (stage, progress) = (values.push(stage), values.push(progress));
    format!(
        "stage = CASE WHEN progress > {progress} THEN stage ELSE {stage} END, \
         progress = CASE WHEN progress > {progress} THEN progress ELSE {progress} END, \
         lease_until = {until}, revision = revision + 1"
    )
}

/// Puts a job back. Where the worker is not to blame (shutdown, database or store away) the
/// attempt is given back.
pub async fn release(service: &Service, claim: &Claim, after: Duration, blameless: bool) -> Result<()> {
    let released = change(service, claim, |values| {
        let due = later(service, values, after);
        let back = i32::from(blameless);
        format!(
            "status = 'QUEUED', stage = 'WAITING', progress = 0, lease_until = NULL, available_at = {due}, \
             attempts = attempts - {back}, revision = revision + 1"
        )
    })
    .await?;
    if released {
        measure::put_back(claim.kind, blameless);
    }
    service.announcer.announce(&[Topic::Job(claim.id)]);
    Ok(())
}

pub async fn fail(service: &Service, claim: &Claim, failure: &Failure) -> Result<()> {
    let failed = change(service, claim, |values| {
        let finished = values.push(service.now());
        let (code, message) = (values.push(failure.code), values.push(failure.message.clone()));
        let retryable = values.push(failure.retryable);
        format!(
            "status = 'FAILED', lease_until = NULL, error_code = {code}, error_message = {message}, \
             error_retryable = {retryable}, finished_at = {finished}, revision = revision + 1"
        )
    })
    .await?;
    if failed {
        measure::ended(claim.kind, JobStatus::Failed);
    }
    service.announcer.announce(&[Topic::Job(claim.id)]);
    Ok(())
}

#[derive(FromQueryResult)]
struct Exhausted {
    id: JobId,
    kind: JobKind,
}

/// Fails the jobs that ended their worker too often; answers how many.
pub async fn fail_exhausted(service: &Service) -> Result<usize> {
    let mut values = Values::default();
    let now = now(service, &mut values);
    let finished = values.push(service.now());
    let sql = format!(
        "UPDATE job SET status = 'FAILED', lease_until = NULL, error_code = 'INTERNAL', \
         error_message = 'Working on this stopped the worker {ATTEMPTS} times; it is not tried again', \
         error_retryable = TRUE, finished_at = {finished}, revision = revision + 1 \
         WHERE status = 'RUNNING' AND lease_until < {now} AND attempts >= {ATTEMPTS} RETURNING id, kind"
    );
    let failed: Vec<Exhausted> = service.db.writer().all(&sql, values.done()).await?;
    for job in &failed {
        measure::ended(job.kind, JobStatus::Failed);
    }
    let topics: Vec<Topic> = failed.iter().map(|f| Topic::Job(f.id)).collect();
    service.announcer.announce(&topics);
    Ok(failed.len())
}

/// The first statement of a transaction that writes a part of a job's results, with the job going on
/// behind it: as [`complete`], it holds only for the worker that holds the lease.
pub(crate) async fn go_on(tx: &mut Tx<'_>, claim: &Claim, stage: JobStage, progress: f64) -> Result<()> {
    let service = tx.service;
    if !change_in(&**tx, claim, |values| come_to(service, values, stage, progress)).await? {
        return Err(lost());
    }
    tx.announce(Topic::Job(claim.id));
    Ok(())
}

/// The first statement of every transaction that writes a job's results: it holds only for the
/// worker that holds the lease.
pub(crate) async fn complete(tx: &mut Tx<'_>, claim: &Claim) -> Result<()> {
    let done = tx
        .run(
            "UPDATE job SET status = 'SUCCEEDED', stage = 'DONE', progress = 1, lease_until = NULL, \
             finished_at = $1, revision = revision + 1 WHERE id = $2 AND fence = $3 AND status = 'RUNNING'",
            vec![tx.service.now().into(), claim.id.into(), claim.fence.into()],
        )
        .await?;
    if done == 0 {
        return Err(lost());
    }
    tx.announce(Topic::Job(claim.id));
    Ok(())
}

/// Writes where the time of a job went, and has it measured once that is committed.
pub(crate) async fn record_timings(tx: &mut Tx<'_>, claim: &Claim, timings: &Timings) -> Result<()> {
    tx.ended = Some((claim.kind, *timings));
    tx.run(
        "UPDATE job SET timings = $1 WHERE id = $2",
        vec![serde_json::to_value(timings)?.into(), claim.id.into()],
    )
    .await?;
    Ok(())
}

pub const LEASE_LOST: &str = "LEASE_LOST";

pub(crate) fn lost() -> Error {
    Error::conflict(LEASE_LOST, "another worker has this job now")
}
