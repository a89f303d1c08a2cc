//! Faces that were found in photos, and what was decided about each.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};

use super::Quality;
use super::matching::Verdict;
use crate::db::{Sql, Values};
use crate::error::Result;
use crate::id::{FaceId, JobId, PersonId, PhotoId, SessionId};
use crate::kinds::{FaceDecision, FaceReason};
use crate::queue::claims::Claim;
use crate::scope::Scope;
use crate::{Service, Tx, access};

#[derive(Clone, Debug, FromQueryResult)]
pub struct Face {
    pub id: FaceId,
    pub photo_id: PhotoId,
    pub job_id: JobId,
    pub session_id: Option<SessionId>,
    pub x: i32,
    pub y: i32,
    pub width: i32,
    pub height: i32,
    pub detection_score: f64,
    quality: serde_json::Value,
    pub decision: FaceDecision,
    pub reason: Option<FaceReason>,
    pub student_id: Option<PersonId>,
    pub similarity: Option<f64>,
    candidates: serde_json::Value,
    pub has_crop: bool,
    pub decided_by: Option<PersonId>,
    pub decided_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// Of a face by the alias `f`.
pub(super) const COLUMNS: &str = "f.id, f.photo_id, f.job_id, f.session_id, f.x, f.y, f.width, f.height, \
     f.detection_score, f.quality, f.decision, f.reason, f.student_id, f.similarity, f.candidates, \
     f.crop_key IS NOT NULL AS has_crop, f.decided_by, f.decided_at, f.created_at";

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    pub student: PersonId,
    pub similarity: f32,
}

impl Face {
    pub fn quality(&self) -> Option<Quality> {
        serde_json::from_value(self.quality.clone()).ok()
    }

    /// The best three, best first.
    pub fn candidates(&self) -> Vec<Candidate> {
        serde_json::from_value(self.candidates.clone()).unwrap_or_default()
    }
}

#[derive(Debug)]
pub(super) struct NewFace {
    pub id: FaceId,
    /// x, y, width, height in pixels of the upright photo.
    pub bounds: [i32; 4],
    pub score: f32,
    pub quality: Quality,
    pub verdict: Verdict,
    pub crop_key: String,
}

pub(super) async fn insert(
    tx: &Tx<'_>,
    claim: &Claim,
    photo: PhotoId,
    session: Option<SessionId>,
    faces: &[NewFace],
) -> Result<()> {
    let now = tx.service.now();
    let mut rows = Vec::with_capacity(faces.len());
    for face in faces {
        let candidates: Vec<Candidate> = face
            .verdict
            .candidates
            .iter()
            .map(|(student, similarity)| Candidate {
                student: *student,
                similarity: *similarity,
            })
            .collect();
        let [x, y, width, height] = face.bounds;
        rows.push(entity::face::Model {
            id: face.id.0,
            organization_id: claim.organization_id.0,
            photo_id: photo.0,
            job_id: claim.id.0,
            session_id: session.map(|s| s.0),
            x,
            y,
            width,
            height,
            detection_score: face.score.into(),
            quality: serde_json::to_value(face.quality)?,
            decision: face.verdict.decision,
            reason: face.verdict.reason,
            student_id: face.verdict.student.map(|s| s.0),
            similarity: face.verdict.similarity.map(f64::from),
            candidates: serde_json::to_value(candidates)?,
            crop_key: Some(face.crop_key.clone()),
            decided_by: None,
            decided_at: None,
            created_at: now,
        });
    }
    tx.insert(rows).await?;
    Ok(())
}

async fn select(service: &Service, scope: &Scope, which: impl FnOnce(&mut Values) -> String) -> Result<Vec<Face>> {
    let mut values = Values::default();
    let which = which(&mut values);
    let visible = access::job(scope, &mut values, "j");
    let sql = format!(
        "SELECT {COLUMNS} FROM face f JOIN job j ON j.id = f.job_id WHERE {which} AND {visible} \
         ORDER BY f.x, f.y, f.id"
    );
    service.db.reader().all(&sql, values.done()).await
}

pub async fn by_ids(service: &Service, scope: &Scope, ids: &[FaceId]) -> Result<Vec<Face>> {
    select(service, scope, |v| format!("f.id IN {}", v.list(ids.iter().copied()))).await
}

/// The faces of these photos, from left to right.
pub async fn by_photos(service: &Service, scope: &Scope, ids: &[PhotoId]) -> Result<Vec<Face>> {
    select(service, scope, |v| {
        format!("f.photo_id IN {}", v.list(ids.iter().copied()))
    })
    .await
}

pub async fn by_jobs(service: &Service, scope: &Scope, ids: &[JobId]) -> Result<Vec<Face>> {
    select(service, scope, |v| {
        format!("f.job_id IN {}", v.list(ids.iter().copied()))
    })
    .await
}
