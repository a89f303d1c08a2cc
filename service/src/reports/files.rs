//! The files of reports: who may fetch one, and when it goes.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::FromQueryResult;

use super::Format;
use super::job::Wanted;
use crate::db::{Scalar, Sql, Values};
use crate::error::Result;
use crate::housekeeping::{PIECE, Turn};
use crate::id::{JobId, OrganizationId};
use crate::scope::Scope;
use crate::{Service, Tx, media};

/// Long enough to fetch it; whoever needs it again asks again.
const KEPT: TimeDelta = TimeDelta::days(7);

/// A report that can be fetched, for whoever asked for it.
#[derive(Clone, Debug)]
pub struct ExportFile {
    pub job: JobId,
    pub url: String,
    pub expires_at: DateTime<Utc>,
    pub rows: i32,
    pub byte_size: i64,
}

#[derive(FromQueryResult)]
struct Kept {
    job_id: JobId,
    rows: i32,
    byte_size: i64,
}

/// The files of these jobs that are the asker's own.
pub async fn files_of_jobs(service: &Service, scope: &Scope, jobs: &[JobId]) -> Result<Vec<ExportFile>> {
    let viewer = scope.viewer()?;
    let mut values = Values::default();
    let list = values.list(jobs.iter().copied());
    let (me, organization) = (values.push(viewer.person), values.push(viewer.organization));
    let since = values.push(service.now() - KEPT);
    let sql = format!(
        "SELECT e.job_id, e.rows, e.byte_size FROM export e JOIN job j ON j.id = e.job_id WHERE e.job_id IN {list} \
         AND j.submitted_by = {me} AND e.organization_id = {organization} AND e.media_key IS NOT NULL \
         AND e.created_at > {since}"
    );
    let kept: Vec<Kept> = service.db.reader().all(&sql, values.done()).await?;
    Ok(kept
        .into_iter()
        .map(|kept| {
            let (url, expires_at) = media::address_until(service, media::Shown::Export(kept.job_id));
            ExportFile {
                job: kept.job_id,
                url,
                expires_at,
                rows: kept.rows,
                byte_size: kept.byte_size,
            }
        })
        .collect())
}

#[derive(FromQueryResult)]
struct Described {
    media_key: Option<String>,
    payload: serde_json::Value,
}

/// Where the file of a job lies, its type and the name under which it is saved.
pub(crate) async fn described(service: &Service, job: JobId) -> Result<Option<(String, &'static str, String)>> {
    let found: Option<Described> = service
        .db
        .reader()
        .one(
            "SELECT e.media_key, j.payload FROM export e JOIN job j ON j.id = e.job_id WHERE e.job_id = $1",
            vec![job.into()],
        )
        .await?;
    let Some(Described {
        media_key: Some(key),
        payload,
    }) = found
    else {
        return Ok(None);
    };
    let Wanted { filter, format } = serde_json::from_value(payload)?;
    let (kind, end) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "csv"),
        Format::Xlsx => (
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "xlsx",
        ),
    };
    Ok(Some((
        key,
        kind,
        format!("attendance-{}-{}.{end}", filter.from, filter.to),
    )))
}

#[derive(FromQueryResult)]
struct Object {
    media_key: String,
}

/// Lets all files of an organization go; those that are being made begin anew ([`unchanged_since`]):
/// they may name somebody who is erased in this transaction.
pub(crate) async fn withdraw_all(tx: &Tx<'_>, organization: OrganizationId) -> Result<()> {
    // Before the files are looked for: a report that is being completed is seen, or sees this.
    count_erasures(tx, organization, 1).await?;
    let whose = "organization_id = $1";
    media::discard_of(tx, &[("export", "media_key")], whose, &[organization.into()]).await?;
    tx.run(
        "UPDATE export SET media_key = NULL WHERE organization_id = $1 AND media_key IS NOT NULL",
        vec![organization.into()],
    )
    .await?;
    Ok(())
}

/// Adds to the count of erasures, which stays what it is now until the transaction ends.
async fn count_erasures(tx: &Tx<'_>, organization: OrganizationId, more: i64) -> Result<i64> {
    let count: Option<Scalar> = tx
        .one(
            "INSERT INTO erasures (organization_id, people) VALUES ($1, $2) ON CONFLICT (organization_id) \
             DO UPDATE SET people = erasures.people + excluded.people RETURNING people AS value",
            vec![organization.into(), more.into()],
        )
        .await?;
    Ok(count.map_or(0, |count| count.value))
}

/// How many people were erased before a report is begun.
pub(super) async fn erasures(service: &Service, organization: OrganizationId) -> Result<i64> {
    let count: Option<Scalar> = service
        .db
        .reader()
        .one(
            "SELECT people AS value FROM erasures WHERE organization_id = $1",
            vec![organization.into()],
        )
        .await?;
    Ok(count.map_or(0, |count| count.value))
}

/// Whether nobody was erased since, and nobody is before this transaction ends.
pub(super) async fn unchanged_since(tx: &Tx<'_>, organization: OrganizationId, erasures: i64) -> Result<bool> {
    Ok(count_erasures(tx, organization, 0).await? == erasures)
}

/// Lets go what was kept long enough; answers how many reports.
pub(crate) async fn clear(service: &Service, turn: &Turn<'_>) -> Result<u64> {
    let until = service.now() - KEPT;
    let mut gone = 0;
    loop {
        let tx = service.begin().await?;
        let sql = format!(
            "DELETE FROM export WHERE job_id IN (SELECT job_id FROM export WHERE created_at <= $1 LIMIT {PIECE}{}) \
             RETURNING COALESCE(media_key, '') AS media_key",
            tx.skip_locked()
        );
        let objects: Vec<Object> = tx.all(&sql, vec![until.into()]).await?;
        let some = objects.len() as u64;
        let keys = objects.into_iter().map(|object| object.media_key);
        media::discard(&tx, keys.filter(|key| !key.is_empty())).await?;
        tx.commit().await?;
        gone += some;
        if some < PIECE {
            return Ok(gone);
        }
        turn.goes_on().await?;
    }
}
