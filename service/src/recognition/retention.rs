//! Photos, selfies and the faces cut from them go when the organization keeps them no longer. What
//! was made of them stays: marks, faces without their picture, templates with theirs.
//!
//! Rows that somebody is at are left for the next time, so that nobody waits for this and it waits
//! for nobody, whatever the order in which they take their locks.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::db::{Sql, Values};
use crate::error::Result;
use crate::housekeeping::{PIECE, Turn};
use crate::id::OrganizationId;
use crate::{Service, Tx, media, organizations};

#[derive(Clone, Copy)]
enum Picture {
    Photo,
    Crop,
}

#[derive(FromQueryResult)]
struct Old {
    id: Uuid,
    key: String,
    job_id: Uuid,
}

/// Lets photos go, by when they were submitted; answers how many. One whose job has not ended stays until it
/// has: what was acknowledged is recognized, however long its queue was paused.
pub(crate) async fn let_photos_go(service: &Service, turn: &Turn<'_>) -> Result<u64> {
    let_go(service, turn, Picture::Photo).await
}

/// Lets the crops of detected faces go, by when they were made; answers how many. Those of enrolled photos
/// live as long as their template.
pub(crate) async fn let_crops_go(service: &Service, turn: &Turn<'_>) -> Result<u64> {
    let_go(service, turn, Picture::Crop).await
}

async fn let_go(service: &Service, turn: &Turn<'_>, picture: Picture) -> Result<u64> {
    let (mut gone, mut last) = (0, None);
    while let Some(organization) = organizations::after(service, last).await? {
        let until = service.now() - TimeDelta::days(organization.photo_retention_days.into());
        loop {
            let some = piece(service, organization.id, until, picture).await?;
            gone += some;
            turn.goes_on().await?;
            if some < PIECE {
                break;
            }
        }
        last = Some(organization.id);
    }
    Ok(gone)
}

async fn piece(service: &Service, organization: OrganizationId, until: DateTime<Utc>, picture: Picture) -> Result<u64> {
    let tx = service.begin().await?;
    let lock = if service.db.is_postgres() {
        "FOR NO KEY UPDATE SKIP LOCKED"
    } else {
        ""
    };
    let sql = match picture {
        Picture::Photo => format!(
            "SELECT h.id, h.media_key AS key, h.job_id FROM photo h JOIN job j ON j.id = h.job_id \
             WHERE h.organization_id = $1 AND h.media_key IS NOT NULL AND h.submitted_at < $2 \
             AND j.status NOT IN ('QUEUED', 'RUNNING') ORDER BY h.submitted_at LIMIT {PIECE} {lock}"
        ),
        Picture::Crop => format!(
            "SELECT f.id, f.crop_key AS key, f.job_id FROM face f WHERE f.organization_id = $1 \
             AND f.crop_key IS NOT NULL AND f.created_at < $2 ORDER BY f.created_at LIMIT {PIECE} {lock}"
        ),
    };
    let old: Vec<Old> = tx.all(&sql, vec![organization.into(), until.into()]).await?;
    if old.is_empty() {
        return Ok(0);
    }
    let set = match picture {
        Picture::Photo => {
            give_up(&tx, old.iter().map(|old| old.job_id)).await?;
            "UPDATE photo SET media_key = NULL"
        }
        Picture::Crop => "UPDATE face SET crop_key = NULL",
    };
    let mut values = Values::default();
    let list = values.list(old.iter().map(|old| old.id));
    tx.run(&format!("{set} WHERE id IN {list}"), values.done()).await?;
    let some = old.len() as u64;
    media::discard(&tx, old.into_iter().map(|old| old.key)).await?;
    tx.commit().await?;
    Ok(some)
}

/// Failed jobs whose photos go are not sent again: there is nothing left to look at.
async fn give_up(tx: &Tx<'_>, jobs: impl Iterator<Item = Uuid>) -> Result<()> {
    let mut values = Values::default();
    let list = values.list(jobs);
    let sql = format!(
        "UPDATE job SET error_retryable = FALSE, revision = revision + 1 \
         WHERE id IN {list} AND status = 'FAILED' AND error_retryable"
    );
    tx.run(&sql, values.done()).await?;
    Ok(())
}
