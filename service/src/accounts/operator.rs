//! What only the operator of the installation may do, at the command line: Muster itself asks.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;

use super::credentials::set_address;
use super::{logins, passwords};
use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::id::{LoginId, OrganizationId, PersonId};
use crate::kinds::{PersonStatus, Role};
use crate::people::{self, NewPerson};
use crate::scope::{Scope, Viewer};
use crate::{Service, Tx, audit, organizations, text};

/// Someone with a login.
pub struct NewAccount<'a> {
    pub full_name: &'a str,
    pub email: &'a str,
    pub password: &'a str,
    pub role: Role,
}

impl std::fmt::Debug for NewAccount<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewAccount").finish_non_exhaustive()
    }
}

fn only_muster(scope: &Scope) -> Result<&'static str> {
    match scope {
        Scope::System(reason) => Ok(reason),
        Scope::Viewer(_) => Err(Error::Forbidden),
    }
}

/// Founds an organization with its first admin.
pub async fn found(
    service: &Service,
    scope: &Scope,
    organization: &str,
    timezone: Option<&str>,
    admin: &NewAccount<'_>,
) -> Result<(OrganizationId, PersonId)> {
    only_muster(scope)?;
    // Before the transaction: nobody waits for a hash.
    let hash = passwords::hash(service, "password", admin.password, &[admin.full_name, admin.email]).await?;
    let tx = service.begin().await?;
    let id = organizations::insert(&tx, organization, timezone).await?;
    let person = insert_account(&tx, id, admin, hash).await?;
    let target = ("Organization", id.0);
    audit::entry(&tx, id, None, "found", target, "founded with its first admin").await?;
    tx.commit().await?;
    Ok((id, person))
}

/// Adds someone with a login to an organization.
pub async fn add(
    service: &Service,
    scope: &Scope,
    organization: OrganizationId,
    account: &NewAccount<'_>,
) -> Result<PersonId> {
    let reason = only_muster(scope)?;
    let about = [account.full_name, account.email];
    let hash = passwords::hash(service, "password", account.password, &about).await?;
    let tx = service.begin().await?;
    let person = insert_account(&tx, organization, account, hash).await?;
    audit::entry(&tx, organization, None, "createUser", ("User", person.0), reason).await?;
    tx.commit().await?;
    Ok(person)
}

async fn insert_account(
    tx: &Tx<'_>,
    organization: OrganizationId,
    account: &NewAccount<'_>,
    hash: String,
) -> Result<PersonId> {
    let email = text::email("email", account.email)?;
    let new = NewPerson::new(text::name("fullName", account.full_name)?, account.role);
    let id = people::insert(tx, organization, new).await?;
    set_address(tx, id, &email).await?;
    tx.run(
        "UPDATE person SET password_hash = $1 WHERE id = $2",
        vec![hash.into(), id.into()],
    )
    .await?;
    Ok(id)
}

/// A login as the operator sees it.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Account {
    pub id: PersonId,
    pub organization: String,
    pub full_name: String,
    pub email: String,
    pub role: Role,
    pub status: PersonStatus,
    pub last_seen: Option<DateTime<Utc>>,
}

/// Everybody with a login, by organization and name.
pub async fn list(service: &Service, scope: &Scope) -> Result<Vec<Account>> {
    only_muster(scope)?;
    select(service, Values::default(), "TRUE").await
}

async fn select(service: &Service, values: Values, which: &str) -> Result<Vec<Account>> {
    let sql = format!(
        "SELECT p.id, o.name AS organization, p.full_name, p.login_email AS email, p.role, p.status, \
         (SELECT MAX(l.refreshed_at) FROM login l WHERE l.person_id = p.id) AS last_seen \
         FROM person p JOIN organization o ON o.id = p.organization_id \
         WHERE p.login_email IS NOT NULL AND {which} ORDER BY o.name, o.id, p.name_key, p.id"
    );
    service.db.reader().all(&sql, values.done()).await
}

#[derive(FromQueryResult)]
struct Found {
    id: PersonId,
    organization_id: OrganizationId,
    status: PersonStatus,
}

async fn find(tx: &Tx<'_>, email: &str) -> Result<Found> {
    tx.one(
        &format!(
            "SELECT id, organization_id, status FROM person WHERE login_email = $1{}",
            tx.for_update()
        ),
        vec![logins::plain_address(email).into()],
    )
    .await?
    .ok_or(Error::NotFound("login"))
}

#[derive(FromQueryResult)]
struct Acting {
    id: PersonId,
    organization_id: OrganizationId,
    role: Role,
    timezone: String,
    max_upload_megabytes: i32,
}

/// The scope of an active teacher or admin, by the address with which they log in: the operator does
/// something in their name, within what they may do.
pub async fn on_behalf(service: &Service, scope: &Scope, email: &str) -> Result<Scope> {
    only_muster(scope)?;
    let acting: Acting = service
        .db
        .reader()
        .one(
            "SELECT p.id, p.organization_id, p.role, o.timezone, o.max_upload_megabytes FROM person p \
             JOIN organization o ON o.id = p.organization_id \
             WHERE p.login_email = $1 AND p.status = 'ACTIVE' AND p.role <> 'STUDENT'",
            vec![logins::plain_address(email).into()],
        )
        .await?
        .ok_or(Error::NotFound("login"))?;
    Ok(Scope::Viewer(Viewer {
        // There is none: nothing that is done so is about a login.
        login: LoginId(uuid::Uuid::nil()),
        person: acting.id,
        organization: acting.organization_id,
        role: acting.role,
        timezone: organizations::zone(&acting.timezone)?,
        max_upload_bytes: u64::try_from(acting.max_upload_megabytes).unwrap_or_default() << 20,
    }))
}

/// Suspends a login and ends it everywhere, or lets it in again. The last admin of an organization
/// can be suspended here: the operator can undo it.
pub async fn set_active(service: &Service, scope: &Scope, email: &str, active: bool) -> Result<()> {
    let reason = only_muster(scope)?;
    let mut tx = service.begin().await?;
    let found = find(&tx, email).await?;
    let status = if active {
        PersonStatus::Active
    } else {
        PersonStatus::Suspended
    };
    if found.status != status {
        people::set_status(&mut tx, found.id, status).await?;
        let target = ("User", found.id.0);
        audit::entry(&tx, found.organization_id, None, "setUserStatus", target, reason).await?;
    }
    tx.commit().await
}

/// Sets somebody's password and ends their logins; answers how many there were.
pub async fn set_password(service: &Service, scope: &Scope, email: &str, password: &str) -> Result<u64> {
    let reason = only_muster(scope)?;
    let hash = passwords::hash(service, "password", password, &[email]).await?;
    let mut tx = service.begin().await?;
    let found = find(&tx, email).await?;
    tx.run(
        "UPDATE person SET password_hash = $1 WHERE id = $2",
        vec![hash.into(), found.id.into()],
    )
    .await?;
    let ended = logins::end_all(&mut tx, found.id, None).await?;
    let target = ("User", found.id.0);
    audit::entry(&tx, found.organization_id, None, "resetPassword", target, reason).await?;
    tx.commit().await?;
    Ok(ended)
}
