//! Erasure: of a person nothing stays but their row, emptied, and the marks that hang on it. What
//! lies in the media store is noted in the same transaction and removed behind it.

use std::collections::HashSet;
use std::time::Duration;

use sea_orm::FromQueryResult;
use tokio::time::timeout;

use super::admins;
use super::changes::{Known, lock};
use crate::accounts::{self, LiveLogins};
use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::events::Topic;
use crate::id::{JobId, OrganizationId, PersonId, PhotoId};
use crate::scope::{Scope, Viewer};
use crate::{Service, Tx, access, audit, classes, mail, media, organizations, queue, reports};

/// How long who erases waits for the media store, which may be away for minutes.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an erasure took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    pub templates: u64,
    pub photos: u64,
}

/// Erases somebody of the admin's organization.
pub async fn delete_user(service: &Service, scope: &Scope, id: PersonId) -> Result<()> {
    let viewer = access::admin_on(service, scope, "person", "user", id.0).await?;
    let mut tx = service.begin().await?;
    admins::keep_one(&tx, viewer.organization, id).await?;
    let (_, addresses) = person(&mut tx, viewer.organization, id, None).await?;
    audit::record(&tx, viewer, "deleteUser", ("User", id.0), "erased").await?;
    tx.commit().await?;
    clean_up(service, &addresses).await;
    Ok(())
}

/// Erases the viewer or, where they are its last admin and say so, the whole organization.
pub async fn delete_account(
    service: &Service,
    viewer: &Viewer,
    password: &str,
    erase_organization: bool,
) -> Result<Erased> {
    let proven = accounts::prove_owner(service, viewer, password).await?;
    let mut tx = service.begin().await?;
    let last = admins::is_last(&tx, viewer.organization, viewer.person).await?;
    let (erased, addresses) = match (last, erase_organization) {
        (true, true) => {
            accounts::tell_all(&mut tx, LiveLogins::Organization(viewer.organization)).await?;
            let erased = organizations::erase(&tx, viewer.organization, viewer.person, proven).await?;
            tracing::info!(organization = %viewer.organization.0, "an organization was erased by its last admin");
            erased
        }
        (true, false) => {
            return Err(Error::conflict(
                "LAST_ADMIN",
                "you are the organization's last admin; make somebody else an admin first, or set eraseOrganization \
                 to erase all of it",
            ));
        }
        (false, true) => {
            return Err(Error::conflict(
                "NOT_LAST_ADMIN",
                "only an organization's last admin can erase it; without eraseOrganization you erase yourself",
            ));
        }
        (false, false) => {
            let erased = person(&mut tx, viewer.organization, viewer.person, Some(proven)).await?;
            let target = ("User", viewer.person.0);
            audit::record(&tx, viewer, "deleteAccount", target, "erased").await?;
            erased
        }
    };
    tx.commit().await?;
    clean_up(service, &addresses).await;
    Ok(erased)
}

/// What cannot be done within the transaction; what fails here is tried again by the workers.
async fn clean_up(service: &Service, addresses: &[String]) {
    for address in addresses {
        mail::erase_delivered(service, address).await;
    }
    match timeout(PATIENCE, media::remove_discarded(service, None)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "erased objects stay for the sweep"),
        Err(_) => tracing::warn!("the media store is slow; erased objects stay for the sweep"),
    }
    if let Err(error) = service.db.empty_log().await {
        tracing::warn!(%error, "the database's log still holds what was erased");
    }
}

#[derive(FromQueryResult)]
struct Found {
    id: PhotoId,
    media_key: Option<String>,
}

#[derive(FromQueryResult)]
struct Enrolled {
    job_id: JobId,
    photo_index: i32,
    crop_key: Option<String>,
}

#[derive(FromQueryResult)]
struct Crop {
    crop_key: Option<String>,
}

/// Empties a person. The locks are taken in the order in which everybody else takes them: jobs,
/// classes, sessions, then the person.
///
/// `proven`: the hash of the password by which somebody showed that it is their own account.
async fn person(
    tx: &mut Tx<'_>,
    organization: OrganizationId,
    id: PersonId,
    proven: Option<String>,
) -> Result<(Erased, Vec<String>)> {
    cancel_jobs(tx, id).await?;
    classes::leave_all(tx, id).await?;
    let known = lock(tx, organization, id).await?;
    if proven.is_some() && proven != known.password_hash {
        return Err(Error::Unauthenticated);
    }
    let addresses = addresses(known);
    forget_what_was_mailed(tx, &addresses).await?;
    accounts::withdraw_invitation(tx, id).await?;
    accounts::erase_all(tx, id).await?;
    // What came in between the first look and the lock.
    cancel_jobs(tx, id).await?;
    reports::withdraw_all(tx, organization).await?;
    let photos = photos(tx, id).await?;
    let templates = templates(tx, id).await?;
    for statement in [
        // Also of photos that have gone before.
        "UPDATE photo SET digest = NULL WHERE digest IS NOT NULL AND job_id IN (SELECT id FROM job WHERE person_id = $1)",
        "DELETE FROM class_teacher WHERE person_id = $1",
        "UPDATE department SET head_id = NULL WHERE head_id = $1",
        "DELETE FROM idempotency WHERE person_id = $1",
        "DELETE FROM feedback WHERE person_id = $1",
        "DELETE FROM notice WHERE student_id = $1",
        // Nobody is asked whether a face is somebody who is gone.
        "UPDATE face SET decision = 'UNKNOWN', reason = 'BELOW_THRESHOLD' \
         WHERE student_id = $1 AND decision = 'NEEDS_REVIEW'",
        // A remark is what somebody wrote of this person.
        "UPDATE mark SET remark = NULL WHERE student_id = $1 AND remark IS NOT NULL",
        "UPDATE mark_change SET remark = NULL WHERE student_id = $1 AND remark IS NOT NULL",
        "UPDATE person SET full_name = '', name_key = '', email = NULL, roll_number = NULL, login_email = NULL, \
         password_hash = NULL, department_id = NULL, locale = 'en', status = 'ERASED' WHERE id = $1",
    ] {
        tx.run(statement, vec![id.into()]).await?;
    }
    tx.announce(Topic::Reviews(organization));
    Ok((Erased { templates, photos }, addresses))
}

fn addresses(known: Known) -> Vec<String> {
    let mut addresses: Vec<String> = [known.email, known.login_email].into_iter().flatten().collect();
    addresses.dedup();
    addresses
}

async fn forget_what_was_mailed(tx: &Tx<'_>, addresses: &[String]) -> Result<()> {
    accounts::forget_codes(tx, addresses).await?;
    for address in addresses {
        mail::forget(tx, address).await?;
    }
    Ok(())
}

#[derive(FromQueryResult)]
struct Cancelled {
    id: JobId,
}

/// A worker that is at such a job finds it gone when it comes to write.
async fn cancel_jobs(tx: &mut Tx<'_>, id: PersonId) -> Result<()> {
    let cancelled: Vec<Cancelled> = tx
        .all(
            "UPDATE job SET status = 'CANCELLED', lease_until = NULL, finished_at = $1, revision = revision + 1 \
             WHERE person_id = $2 AND status IN ('QUEUED', 'RUNNING') RETURNING id",
            vec![tx.service.now().into(), id.into()],
        )
        .await?;
    queue::announce_all(tx, cancelled.into_iter().map(|job| job.id));
    Ok(())
}

/// Takes the photos that show nobody else who is still known, and every crop of the person's face.
/// An enrolment or a selfie is of its person alone, whoever stands behind them.
async fn photos(tx: &Tx<'_>, id: PersonId) -> Result<u64> {
    let photos: Vec<Found> = tx
        .all(
            "SELECT h.id, h.media_key FROM photo h WHERE h.media_key IS NOT NULL \
             AND (h.job_id IN (SELECT j.id FROM job j WHERE j.person_id = $1) \
             OR (h.id IN (SELECT f.photo_id FROM face f WHERE f.student_id = $1) \
             AND NOT EXISTS (SELECT 1 FROM face f LEFT JOIN person p ON p.id = f.student_id WHERE f.photo_id = h.id \
             AND (p.id IS NULL OR (p.id <> $1 AND p.status <> 'ERASED')))))",
            vec![id.into()],
        )
        .await?;
    let mut values = Values::default();
    let list = values.list(photos.iter().map(|photo| photo.id));
    let person = values.push(id);
    let crops: Vec<Crop> = tx
        .all(
            &format!(
                "SELECT crop_key FROM face WHERE crop_key IS NOT NULL AND (student_id = {person} OR photo_id IN {list})"
            ),
            values.done(),
        )
        .await?;
    let mut values = Values::default();
    let list = values.list(photos.iter().map(|photo| photo.id));
    let person = values.push(id);
    let sql = format!("UPDATE face SET crop_key = NULL WHERE student_id = {person} OR photo_id IN {list}");
    tx.run(&sql, values.done()).await?;
    let mut values = Values::default();
    let list = values.list(photos.iter().map(|photo| photo.id));
    let sql = format!("UPDATE photo SET media_key = NULL, digest = NULL WHERE id IN {list}");
    tx.run(&sql, values.done()).await?;
    let taken = photos.len() as u64;
    let keys = photos.into_iter().filter_map(|photo| photo.media_key);
    media::discard(tx, keys.chain(crops.into_iter().filter_map(|crop| crop.crop_key))).await?;
    Ok(taken)
}

/// Answers how many enrolled photos there were: each has a template for every embedder.
async fn templates(tx: &Tx<'_>, id: PersonId) -> Result<u64> {
    let taken: Vec<Enrolled> = tx
        .all(
            "DELETE FROM face_template WHERE person_id = $1 RETURNING job_id, photo_index, crop_key",
            vec![id.into()],
        )
        .await?;
    let photos: HashSet<(JobId, i32)> = taken.iter().map(|t| (t.job_id, t.photo_index)).collect();
    media::discard(tx, taken.into_iter().filter_map(|t| t.crop_key)).await?;
    Ok(photos.len() as u64)
}
