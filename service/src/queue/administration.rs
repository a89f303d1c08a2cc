//! What admins do about the queues of their organization, and staff about a job that they reach.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;

use super::{Job, WakeUp, announce_all, by_ids, claims};
use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::events::Topic;
use crate::id::JobId;
use crate::kinds::{JobKind, JobStatus};
use crate::scope::{Scope, Viewer};
use crate::{Service, Tx, access, audit, classes, measure};

/// An organization's jobs of a kind that have not succeeded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Queue {
    pub kind: JobKind,
    pub paused: bool,
    pub queued: i64,
    pub running: i64,
    pub failed: i64,
    /// How long the oldest that is QUEUED waits; 0 where none is.
    pub oldest_queued_seconds: f64,
}

#[derive(FromQueryResult)]
struct Counted {
    kind: JobKind,
    status: JobStatus,
    jobs: i64,
    oldest: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct Paused {
    kind: JobKind,
}

/// One for each kind.
pub async fn list(service: &Service, scope: &Scope) -> Result<Vec<Queue>> {
    let viewer = scope.admin()?;
    queues(service, viewer, service.db.reader()).await
}

async fn queues(service: &Service, viewer: &Viewer, db: &impl Sql) -> Result<Vec<Queue>> {
    let own = || vec![viewer.organization.into()];
    let sql = format!(
        "SELECT j.kind, j.status, COUNT(*) AS jobs, MIN({}) AS oldest FROM job j WHERE j.organization_id = $1 \
         AND j.status IN ('QUEUED', 'RUNNING', 'FAILED') GROUP BY j.kind, j.status",
        claims::since("j")
    );
    let counted: Vec<Counted> = db.all(&sql, own()).await?;
    let paused: Vec<Paused> = db
        .all("SELECT kind FROM queue_pause WHERE organization_id = $1", own())
        .await?;
    let now = service.now();
    let one = |kind: JobKind| {
        let of = |status| counted.iter().find(|c| c.kind == kind && c.status == status);
        let jobs = |status| of(status).map_or(0, |c| c.jobs);
        let waited = of(JobStatus::Queued).and_then(|c| (now - c.oldest).to_std().ok());
        Queue {
            kind,
            paused: paused.iter().any(|p| p.kind == kind),
            queued: jobs(JobStatus::Queued),
            running: jobs(JobStatus::Running),
            failed: jobs(JobStatus::Failed),
            oldest_queued_seconds: waited.map_or(0.0, |waited| waited.as_secs_f64()),
        }
    };
    Ok(JobKind::ALL.iter().copied().map(one).collect())
}

/// Has no worker begin a job of the kind, nor take up one that another worker lost; what is running goes on.
pub async fn pause(service: &Service, scope: &Scope, kind: JobKind) -> Result<Queue> {
    let viewer = scope.admin()?;
    let tx = service.begin().await?;
    let target = ("Organization", viewer.organization.0);
    // First, because it holds the organization: who erases it does so before its queues.
    audit::record(&tx, viewer, "pauseQueue", target, kind.word()).await?;
    tx.run(
        "INSERT INTO queue_pause (organization_id, kind, paused_at) VALUES ($1, $2, $3) \
         ON CONFLICT (organization_id, kind) DO NOTHING",
        vec![viewer.organization.into(), kind.into(), service.now().into()],
    )
    .await?;
    tx.commit().await?;
    one(service, viewer, kind).await
}

/// Has workers go on with the kind.
pub async fn resume(service: &Service, scope: &Scope, kind: JobKind) -> Result<Queue> {
    let viewer = scope.admin()?;
    let mut tx = service.begin().await?;
    let target = ("Organization", viewer.organization.0);
    audit::record(&tx, viewer, "resumeQueue", target, kind.word()).await?;
    tx.run(
        "DELETE FROM queue_pause WHERE organization_id = $1 AND kind = $2",
        vec![viewer.organization.into(), kind.into()],
    )
    .await?;
    wake(&mut tx, kind, None);
    tx.commit().await?;
    one(service, viewer, kind).await
}

async fn one(service: &Service, viewer: &Viewer, kind: JobKind) -> Result<Queue> {
    let queues = queues(service, viewer, service.db.writer()).await?;
    queues
        .into_iter()
        .find(|queue| queue.kind == kind)
        .ok_or(Error::NotFound("queue"))
}

fn wake(tx: &mut Tx<'_>, kind: JobKind, job: Option<JobId>) {
    tx.wake(WakeUp { kind, job, trace: None });
}

/// What a job that is sent again begins with; it waits from now on.
fn again(service: &Service, values: &mut Values) -> String {
    let now = claims::now(service, values);
    format!(
        "status = 'QUEUED', stage = 'WAITING', progress = 0, attempts = 0, available_at = {now}, error_code = NULL, \
         error_message = NULL, error_retryable = FALSE, finished_at = NULL, lease_until = NULL, revision = revision + 1"
    )
}

/// Sends a FAILED job again. One whose photo is to blame stays as it is: the same photo will never do. So does a
/// re-embedding: whether the gallery is to go over to that embedder is asked by [`crate::recognition::reembed_gallery`].
pub async fn retry(service: &Service, scope: &Scope, id: JobId) -> Result<Job> {
    let (viewer, job) = reach(service, scope, id).await?;
    let mut tx = service.begin().await?;
    let mut values = Values::default();
    let (row, again) = (values.push(id), again(service, &mut values));
    let sql = format!(
        "UPDATE job SET {again} WHERE id = {row} AND status = 'FAILED' AND error_retryable AND kind <> 'REEMBED'"
    );
    let sent = tx.run(&sql, values.done()).await?;
    if sent == 0 {
        return Err(match read(&tx, id).await? {
            JobStatus::Failed if job.kind == JobKind::Reembed => Error::conflict(
                "NOT_RETRYABLE",
                "recompute the gallery anew: what this made so far is kept",
            ),
            JobStatus::Failed => Error::conflict(
                "NOT_RETRYABLE",
                "trying again would end in the same way; the job's error says why",
            ),
            status => Error::conflict(
                "NOT_FAILED",
                format!(
                    "only a job that is FAILED is sent again, and this one is {}",
                    status.word()
                ),
            ),
        });
    }
    audit::record(&tx, viewer, "retryJob", ("Job", id.0), job.kind.word()).await?;
    tx.announce(Topic::Job(id));
    wake(&mut tx, job.kind, Some(id));
    tx.commit().await?;
    find(service, scope, id).await
}

/// Ends a job that has not ended. What it has written stays; a worker that has it stops before its next stage.
pub async fn cancel(service: &Service, scope: &Scope, id: JobId) -> Result<Job> {
    let (viewer, job) = reach(service, scope, id).await?;
    let mut tx = service.begin().await?;
    let cancelled = tx
        .run(
            "UPDATE job SET status = 'CANCELLED', lease_until = NULL, finished_at = $2, revision = revision + 1 \
             WHERE id = $1 AND status IN ('QUEUED', 'RUNNING')",
            vec![id.into(), service.now().into()],
        )
        .await?;
    if cancelled == 0 {
        let status = read(&tx, id).await?;
        return Err(Error::conflict(
            "ENDED",
            format!("the job has ended: it is {}", status.word()),
        ));
    }
    audit::record(&tx, viewer, "cancelJob", ("Job", id.0), job.kind.word()).await?;
    tx.announce(Topic::Job(id));
    tx.commit().await?;
    measure::ended(job.kind, JobStatus::Cancelled);
    find(service, scope, id).await
}

#[derive(FromQueryResult)]
struct Sent {
    id: JobId,
    kind: JobKind,
}

/// How far behind what comes meanwhile many jobs are put that are sent again at once: before the next kind.
const BEHIND: i32 = 5;

/// Sends all of the organization's FAILED jobs again that [`retry`] would, of a kind or of all; answers how many.
/// A class that waits now doesn't wait for them.
pub async fn retry_failed(service: &Service, scope: &Scope, kind: Option<JobKind>) -> Result<usize> {
    let viewer = scope.admin()?;
    let mut tx = service.begin().await?;
    let mut values = Values::default();
    let again = again(service, &mut values);
    let own = values.push(viewer.organization);
    let behind = |kind: &JobKind| format!(" WHEN '{}' THEN {}", kind.word(), super::priority(*kind) + BEHIND);
    let behind: String = JobKind::ALL.iter().map(behind).collect();
    let mut sql = format!(
        "UPDATE job SET {again}, priority = CASE kind{behind} ELSE priority END \
         WHERE organization_id = {own} AND status = 'FAILED' AND error_retryable AND kind <> 'REEMBED'"
    );
    if let Some(kind) = kind {
        sql += &format!(" AND kind = {}", values.push(kind));
    }
    sql += " RETURNING id, kind";
    let sent: Vec<Sent> = tx.all(&sql, values.done()).await?;
    let target = ("Organization", viewer.organization.0);
    let summary = format!("{} jobs", sent.len());
    audit::record(&tx, viewer, "retryFailedJobs", target, &summary).await?;
    announce_all(&mut tx, sent.iter().map(|sent| sent.id));
    for kind in JobKind::ALL
        .iter()
        .filter(|kind| sent.iter().any(|sent| sent.kind == **kind))
    {
        wake(&mut tx, *kind, None);
    }
    tx.commit().await?;
    Ok(sent.len())
}

/// The job, where the asker is staff and reaches it: one of a class those who teach it, who need not be all that
/// may see it.
async fn reach<'s>(service: &Service, scope: &'s Scope, id: JobId) -> Result<(&'s Viewer, Job)> {
    access::staff_on(service, scope, "job", id.0).await?;
    let job = find(service, scope, id).await?;
    if let Some(class) = job.class_id {
        classes::reach(service, scope, class)
            .await
            .map_err(|error| match error {
                Error::NotFound(_) | Error::Forbidden => Error::NotFound("job"),
                other => other,
            })?;
    }
    Ok((scope.viewer()?, job))
}

async fn find(service: &Service, scope: &Scope, id: JobId) -> Result<Job> {
    by_ids(service, scope, &[id]).await?.pop().ok_or(Error::NotFound("job"))
}

#[derive(FromQueryResult)]
struct Status {
    status: JobStatus,
}

async fn read(tx: &Tx<'_>, id: JobId) -> Result<JobStatus> {
    let found: Option<Status> = tx.one("SELECT status FROM job WHERE id = $1", vec![id.into()]).await?;
    found.map(|found| found.status).ok_or(Error::NotFound("job"))
}
