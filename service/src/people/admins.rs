//! An organization keeps at least one admin who can sign in.

use sea_orm::FromQueryResult;

use crate::db::Sql;
use crate::error::{Error, Result};
use crate::id::{OrganizationId, PersonId};
use crate::{Tx, organizations};

#[derive(FromQueryResult)]
struct Admin {
    id: PersonId,
}

/// The admins who can sign in. Whoever asks waits for the others who asked, so that two admins
/// cannot remove each other at the same time.
async fn who_can_sign_in(tx: &Tx<'_>, organization: OrganizationId) -> Result<Vec<PersonId>> {
    organizations::lock(tx, organization).await?;
    let admins: Vec<Admin> = tx
        .all(
            "SELECT id FROM person WHERE organization_id = $1 AND role = 'ADMIN' AND status = 'ACTIVE' \
             AND login_email IS NOT NULL",
            vec![organization.into()],
        )
        .await?;
    Ok(admins.into_iter().map(|a| a.id).collect())
}

/// CONFLICT where the organization would be left without an admin.
pub(super) async fn keep_one(tx: &Tx<'_>, organization: OrganizationId, without: PersonId) -> Result<()> {
    if who_can_sign_in(tx, organization).await? == [without] {
        return Err(last());
    }
    Ok(())
}

/// Whether this is the last one.
pub(super) async fn is_last(tx: &Tx<'_>, organization: OrganizationId, person: PersonId) -> Result<bool> {
    Ok(who_can_sign_in(tx, organization).await? == [person])
}

pub(super) fn last() -> Error {
    Error::conflict(
        "LAST_ADMIN",
        "this is the organization's last admin; make somebody else an admin first",
    )
}
