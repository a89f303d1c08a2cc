//! An organization goes with everything that belongs to it.

use sea_orm::FromQueryResult;

use crate::db::{Scalar, Sql};
use crate::error::{Error, Result};
use crate::id::{OrganizationId, PersonId};
use crate::people::Erased;
use crate::{Tx, accounts, mail, media};

/// Every table of an organization's own, in an order in which no row is left pointing at nothing.
/// Departments and people point at each other, so they come by themselves.
const TABLES: [&str; 24] = [
    "audit",
    "erasures",
    "feedback",
    "idempotency",
    "invitation",
    "login",
    "notice",
    "export",
    "student_week",
    "mark_change",
    "mark",
    "face",
    "face_template",
    "photo",
    "job",
    "session",
    "venue",
    "membership",
    "class_teacher",
    "class",
    "threshold",
    "gallery",
    "queue_pause",
    "queue_turn",
];

#[derive(FromQueryResult)]
struct Address {
    address: String,
}

/// Erases an organization; answers what there was of templates and photos, and the addresses that
/// its people had.
///
/// `proven`: the hash of the password by which its admin showed who they are.
pub(crate) async fn erase(
    tx: &Tx<'_>,
    id: OrganizationId,
    admin: PersonId,
    proven: String,
) -> Result<(Erased, Vec<String>)> {
    stop_everybody(tx, id).await?;
    let still: Option<Scalar> = tx
        .one(
            "SELECT COUNT(*) AS value FROM person WHERE id = $1 AND password_hash = $2 AND status = 'ACTIVE'",
            vec![admin.into(), proven.into()],
        )
        .await?;
    if still.is_none_or(|found| found.value == 0) {
        return Err(Error::Unauthenticated);
    }
    let addresses: Vec<Address> = tx
        .all(
            "SELECT email AS address FROM person WHERE organization_id = $1 AND email IS NOT NULL \
             UNION SELECT login_email FROM person WHERE organization_id = $1 AND login_email IS NOT NULL",
            vec![id.into()],
        )
        .await?;
    let addresses: Vec<String> = addresses.into_iter().map(|a| a.address).collect();
    for some in addresses.chunks(500) {
        accounts::forget_codes(tx, some).await?;
    }
    for address in &addresses {
        mail::forget(tx, address).await?;
    }
    let templates = count(
        tx,
        "(SELECT DISTINCT organization_id, job_id, photo_index FROM face_template) t",
        id,
    )
    .await?;
    let photos = count(tx, "photo", id).await?;
    media::discard_of(tx, &media::NAMES, "organization_id = $1", &[id.into()]).await?;
    for table in TABLES {
        tx.run(
            &format!("DELETE FROM {table} WHERE organization_id = $1"),
            vec![id.into()],
        )
        .await?;
    }
    for statement in [
        "UPDATE department SET head_id = NULL WHERE organization_id = $1",
        "DELETE FROM person WHERE organization_id = $1",
        "DELETE FROM department WHERE organization_id = $1",
        "DELETE FROM organization WHERE id = $1",
    ] {
        tx.run(statement, vec![id.into()]).await?;
    }
    Ok((Erased { templates, photos }, addresses))
}

/// Nobody writes anything of the organization from now on: jobs are cancelled, failed ones too, which could be sent again, and the rows that
/// everything hangs on are locked, in the order in which everybody else locks them.
async fn stop_everybody(tx: &Tx<'_>, id: OrganizationId) -> Result<()> {
    tx.run(
        "UPDATE job SET status = 'CANCELLED', lease_until = NULL, revision = revision + 1 \
         WHERE organization_id = $1 AND status IN ('QUEUED', 'RUNNING', 'FAILED')",
        vec![id.into()],
    )
    .await?;
    if !tx.service.db.is_postgres() {
        return Ok(());
    }
    for (table, column) in [
        ("class", "organization_id"),
        ("session", "organization_id"),
        ("person", "organization_id"),
        ("organization", "id"),
    ] {
        // Against new references too, which `for_update` lets pass.
        let sql = format!(
            "SELECT COUNT(*) AS value FROM (SELECT 1 FROM {table} WHERE {column} = $1 ORDER BY id FOR UPDATE) l"
        );
        tx.one::<Scalar>(&sql, vec![id.into()]).await?;
    }
    Ok(())
}

async fn count(tx: &Tx<'_>, table: &str, id: OrganizationId) -> Result<u64> {
    let counted: Option<Scalar> = tx
        .one(
            &format!("SELECT COUNT(*) AS value FROM {table} WHERE organization_id = $1"),
            vec![id.into()],
        )
        .await?;
    Ok(counted.map_or(0, |c| c.value.unsigned_abs()))
}
