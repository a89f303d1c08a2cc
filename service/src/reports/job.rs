//! A report is asked for, made by a worker as whoever asked may see it then, and kept for them.

use std::time::Instant;

use chrono_tz::Tz;
use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Filter, Format, files, write};
use crate::db::Sql;
use crate::error::{Error, Result};
use crate::id::{LoginId, OrganizationId};
use crate::kinds::{JobKind, JobStage, PersonStatus, Role};
use crate::queue::claims::{self, Claim, Failure};
use crate::queue::{self, Job, NewJob, Timings};
use crate::rates::{self, Rule};
use crate::scope::{Scope, Viewer};
use crate::{Service, audit, classes, media, organizations, people, statistics};

/// Ten years and the days that leap.
const LONGEST_DAYS: i64 = 3653;

/// What the job's row says is wanted.
#[derive(Serialize, Deserialize)]
pub(super) struct Wanted {
    pub filter: Filter,
    pub format: Format,
}

/// Queues a report of what the asker may see.
pub async fn request(service: &Service, scope: &Scope, filter: Filter, format: Format) -> Result<Job> {
    let viewer = scope.staff()?;
    let days = (filter.to - filter.from).num_days();
    if !(0..=LONGEST_DAYS).contains(&days) {
        return Err(Error::invalid(
            "range",
            "range begins on or before its last day and is ten years at most",
        ));
    }
    statistics::days((filter.from, filter.to))?;
    if let Some(class) = filter.class {
        classes::reach(service, scope, class).await?;
    }
    if let Some(student) = filter.student {
        people::find(service, scope, student)
            .await?
            .filter(|person| person.in_full && person.role == Role::Student)
            .ok_or(Error::NotFound("student"))?;
    }
    let asks = [(Rule::ExportByAccount, viewer.person.0.simple().to_string())];
    rates::attempt(service, &asks).await?.right().await;
    let mut tx = service.begin().await?;
    organizations::reach_department(&tx, viewer.organization, filter.department).await?;
    let new = NewJob {
        kind: JobKind::Export,
        organization: viewer.organization,
        submitted_by: viewer.person,
        session: None,
        class: None,
        person: None,
        payload: serde_json::to_value(Wanted { filter, format })?,
    };
    let id = queue::insert(&mut tx, new).await?;
    audit::record(&tx, viewer, "exportAttendance", ("Job", id.0), "queued").await?;
    tx.commit().await?;
    queue::by_ids(service, scope, &[id])
        .await?
        .pop()
        .ok_or(Error::NotFound("job"))
}

#[derive(FromQueryResult)]
struct Asker {
    role: Role,
    status: PersonStatus,
    organization_id: OrganizationId,
    timezone: String,
}

/// As whom a report is read: whoever asked for it, as the database says now.
async fn asker(service: &Service, claim: &Claim) -> Result<Option<Scope>> {
    let Some(person) = claim.submitted_by else {
        return Ok(None);
    };
    let found: Option<Asker> = service
        .db
        .reader()
        .one(
            "SELECT p.role, p.status, p.organization_id, o.timezone FROM person p \
             JOIN organization o ON o.id = p.organization_id WHERE p.id = $1",
            vec![person.into()],
        )
        .await?;
    let Some(found) = found.filter(|f| f.status == PersonStatus::Active && f.role != Role::Student) else {
        return Ok(None);
    };
    let timezone: Tz = organizations::zone(&found.timezone)?;
    Ok(Some(Scope::Viewer(Viewer {
        login: LoginId(Uuid::nil()),
        person,
        organization: found.organization_id,
        role: found.role,
        timezone,
        max_upload_bytes: 0,
    })))
}

/// Makes the report of a claimed job. A failure is answered where nobody may read it any more.
pub async fn export(service: &Service, claim: &Claim) -> Result<Option<Failure>> {
    let begun = Instant::now();
    let wanted: Wanted = serde_json::from_value(claim.payload.clone())?;
    let Some(scope) = asker(service, claim).await? else {
        return Ok(Some(Failure {
            code: "INTERNAL",
            message: "Whoever asked for this report may not read it any more".into(),
            retryable: false,
        }));
    };
    while !make(service, claim, &scope, &wanted, begun).await? {
        tracing::info!("somebody was erased meanwhile: the report begins anew");
    }
    Ok(None)
}

/// Makes and keeps the file; false where it may name somebody who was erased meanwhile.
async fn make(service: &Service, claim: &Claim, scope: &Scope, wanted: &Wanted, begun: Instant) -> Result<bool> {
    let erasures = files::erasures(service, claim.organization_id).await?;
    if !claims::progress(service, claim, JobStage::Writing, 0.1).await? {
        return Err(claims::lost());
    }
    let file = tokio::task::spawn_blocking(tempfile::tempfile)
        .await?
        .map_err(Error::internal)?;
    let copy = file.try_clone().map_err(Error::internal)?;
    let rows = write(service, scope, &wanted.filter, wanted.format, copy).await?;
    if !claims::progress(service, claim, JobStage::Writing, 0.8).await? {
        return Err(claims::lost());
    }
    let key = media::new_key(service, &format!("exports/{}/{}", claim.id.0.simple(), claim.fence));
    let stored = async {
        let byte_size = service.media.put_file(&key, file).await?;
        let mut tx = service.begin().await?;
        claims::complete(&mut tx, claim).await?;
        if !files::unchanged_since(&tx, claim.organization_id, erasures).await? {
            return Ok(false);
        }
        tx.insert(vec![entity::export::Model {
            job_id: claim.id.0,
            organization_id: claim.organization_id.0,
            media_key: Some(key.clone()),
            rows: i32::try_from(rows).unwrap_or(i32::MAX),
            byte_size: i64::try_from(byte_size).unwrap_or(i64::MAX),
            created_at: service.now(),
        }])
        .await?;
        let timings = Timings {
            queued: claim.queued_ms(),
            write: begun.elapsed().as_secs_f64() * 1000.0,
            total: claim.queued_ms() + begun.elapsed().as_secs_f64() * 1000.0,
            ..Timings::default()
        };
        claims::record_timings(&mut tx, claim, &timings).await?;
        tx.commit().await?;
        Ok(true)
    };
    let stored: Result<bool> = stored.await;
    // Where the database did not say whether it has the row, the file stays.
    let is_unused = match &stored {
        Ok(kept) => !kept,
        Err(error) => !error.is_transient(),
    };
    if is_unused {
        media::abandon(service, std::slice::from_ref(&key)).await;
    }
    stored
}
