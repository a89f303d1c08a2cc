//! Photos that were submitted. Who sees the job sees its photos.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;

use crate::db::{Sql, Values};
use crate::error::Result;
use crate::id::{JobId, PersonId, PhotoId, SessionId};
use crate::scope::Scope;
use crate::{Service, access};

#[derive(Clone, Debug, FromQueryResult)]
pub struct Photo {
    pub id: PhotoId,
    pub job_id: JobId,
    pub session_id: Option<SessionId>,
    /// False once retention took the bytes.
    pub is_kept: bool,
    pub byte_size: i64,
    /// Upright pixels; none until decoded.
    pub width: Option<i32>,
    pub height: Option<i32>,
    pub uploaded_by: Option<PersonId>,
    pub submitted_at: DateTime<Utc>,
}

async fn select(service: &Service, scope: &Scope, which: impl FnOnce(&mut Values) -> String) -> Result<Vec<Photo>> {
    let mut values = Values::default();
    let which = which(&mut values);
    let visible = access::job(scope, &mut values, "j");
    let sql = format!(
        "SELECT h.id, h.job_id, h.session_id, h.media_key IS NOT NULL AS is_kept, h.byte_size, h.width, h.height, \
         h.uploaded_by, h.submitted_at FROM photo h JOIN job j ON j.id = h.job_id WHERE {which} AND {visible} \
         ORDER BY h.submitted_at, h.job_id, h.position"
    );
    service.db.reader().all(&sql, values.done()).await
}

pub async fn by_ids(service: &Service, scope: &Scope, ids: &[PhotoId]) -> Result<Vec<Photo>> {
    select(service, scope, |v| format!("h.id IN {}", v.list(ids.iter().copied()))).await
}

pub async fn by_jobs(service: &Service, scope: &Scope, ids: &[JobId]) -> Result<Vec<Photo>> {
    select(service, scope, |v| {
        format!("h.job_id IN {}", v.list(ids.iter().copied()))
    })
    .await
}

/// The photos of these sessions, oldest first.
pub async fn by_sessions(service: &Service, scope: &Scope, ids: &[SessionId]) -> Result<Vec<Photo>> {
    select(service, scope, |v| {
        format!("h.session_id IN {}", v.list(ids.iter().copied()))
    })
    .await
}
