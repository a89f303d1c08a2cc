//! Enrolment of a class from files, at the command line: who is meant by a roll number, and which
//! photos were sent in before, so that doing it again does nothing twice.

use bytes::Bytes;
use sea_orm::FromQueryResult;

use crate::db::{Sql, Values};
use crate::error::Result;
use crate::id::{ClassId, JobId, PersonId};
use crate::keys::fingerprint;
use crate::scope::Scope;
use crate::{Service, access, classes, media};

/// A student of a class, by the number that their folder is named after.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Pupil {
    pub id: PersonId,
    pub roll_number: String,
}

/// Whoever belongs to the class now and has a roll number.
pub async fn pupils(service: &Service, scope: &Scope, class: ClassId) -> Result<Vec<Pupil>> {
    classes::reach(service, scope, class).await?;
    service
        .db
        .reader()
        .all(
            "SELECT p.id, p.roll_number FROM person p WHERE p.roll_number IS NOT NULL AND p.status <> 'ERASED' \
             AND p.id IN (SELECT m.person_id FROM membership m WHERE m.class_id = $1 AND m.joined_at <= $2 \
             AND (m.left_at IS NULL OR m.left_at > $2)) ORDER BY p.roll_number",
            vec![class.into(), service.now().into()],
        )
        .await
}

/// An enrolment photo that was sent in: its digest, and where its result is to be found.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Sent {
    pub digest: Vec<u8>,
    pub job_id: JobId,
    pub position: i32,
}

/// The photos that a student was enrolled by, or is about to be: those of jobs that failed or were
/// cancelled may come again.
pub async fn sent(service: &Service, scope: &Scope, student: PersonId) -> Result<Vec<Sent>> {
    let mut values = Values::default();
    let student = values.push(student);
    let visible = access::job(scope, &mut values, "j");
    let sql = format!(
        "SELECT h.digest, h.job_id, h.position FROM photo h JOIN job j ON j.id = h.job_id \
         WHERE j.person_id = {student} AND j.kind = 'ENROL' AND j.status IN ('QUEUED', 'RUNNING', 'SUCCEEDED') \
         AND h.digest IS NOT NULL AND {visible} ORDER BY h.submitted_at, h.id"
    );
    service.db.reader().all(&sql, values.done()).await
}

/// What tells a photo from every other: SHA-256 over its bytes.
pub async fn digest(service: &Service, photo: &Bytes) -> Result<Vec<u8>> {
    let photo = photo.clone();
    service.blocking(move || fingerprint(&[&photo]).to_vec()).await
}

/// Refuses what could not be submitted, by its header alone.
pub fn check(scope: &Scope, photo: &Bytes) -> Result<()> {
    media::check(photo, scope.viewer()?.max_upload_bytes)
}
