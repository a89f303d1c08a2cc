//! How much work waits in the whole installation: counts alone, for whoever keeps it running.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;

use super::claims::{claimable, now, since};
use crate::Service;
use crate::db::{Sql, Values};
use crate::error::Result;
use crate::kinds::{JobKind, JobStatus};

/// The jobs of a kind that have not ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Depth {
    pub kind: JobKind,
    pub queued: i64,
    pub running: i64,
    /// How long the oldest waits that a worker may take; 0 where there is none. One that is paused, or put
    /// back for a while, waits for nobody.
    pub oldest_seconds: f64,
}

#[derive(FromQueryResult)]
struct Counted {
    kind: JobKind,
    status: JobStatus,
    jobs: i64,
    oldest: Option<DateTime<Utc>>,
}

/// One for each kind, in one statement over the index of the waiting jobs.
pub(crate) async fn read(service: &Service) -> Result<Vec<Depth>> {
    let mut values = Values::default();
    let now = now(service, &mut values);
    let sql = format!(
        "SELECT j.kind, j.status, COUNT(*) AS jobs, MIN(CASE WHEN {} THEN {} END) AS oldest FROM job j \
         WHERE j.status IN ('QUEUED', 'RUNNING') GROUP BY j.kind, j.status",
        claimable("j", &now),
        since("j"),
    );
    let counted: Vec<Counted> = service.db.reader().all(&sql, values.done()).await?;
    let now = service.now();
    let one = |kind: JobKind| {
        let own = || counted.iter().filter(move |c| c.kind == kind);
        let jobs = |status| own().filter(|c| c.status == status).map(|c| c.jobs).sum();
        let oldest = own().filter_map(|c| c.oldest).min();
        let waited = oldest.and_then(|oldest| (now - oldest).to_std().ok());
        Depth {
            kind,
            queued: jobs(JobStatus::Queued),
            running: jobs(JobStatus::Running),
            oldest_seconds: waited.map_or(0.0, |waited| waited.as_secs_f64()),
        }
    };
    Ok(JobKind::ALL.iter().copied().map(one).collect())
}
