//! Logins: who signs in, stays signed in and signs out. Whether a login holds is read from the
//! database at every request.

mod passwords;
mod tokens;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::FromQueryResult;

pub use passwords::PasswordCost;

use crate::db::Sql;
use crate::error::{Error, Result, is_duplicate};
use crate::events::Topic;
use crate::id::{LoginId, OrganizationId, PersonId};
use crate::keys::fingerprint;
use crate::kinds::{PersonStatus, Role};
use crate::people::{self, Person};
use crate::scope::{Scope, Viewer};
use crate::{Service, audit, organizations, text};

/// A login that is not refreshed for so long is over.
const LOGIN_LASTS: TimeDelta = TimeDelta::days(30);

/// The tokens of a login, as its device keeps them.
#[derive(Clone)]
pub struct Tokens {
    pub person: PersonId,
    pub viewer: Viewer,
    pub access: String,
    pub access_expires_at: DateTime<Utc>,
    pub refresh: String,
    pub refresh_expires_at: DateTime<Utc>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("person", &self.person)
            .finish_non_exhaustive()
    }
}

#[derive(FromQueryResult)]
struct LoginRow {
    id: LoginId,
    person_id: PersonId,
    organization_id: OrganizationId,
    role: Role,
    status: PersonStatus,
    timezone: String,
    max_upload_megabytes: i32,
    expires_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    refresh_hash: Vec<u8>,
}

impl LoginRow {
    fn viewer(&self, now: DateTime<Utc>) -> Result<Viewer> {
        let holds = self.ended_at.is_none() && self.expires_at > now && self.status == PersonStatus::Active;
        if !holds {
            return Err(Error::Unauthenticated);
        }
        Ok(Viewer {
            login: self.id,
            person: self.person_id,
            organization: self.organization_id,
            role: self.role,
            timezone: organizations::zone(&self.timezone)?,
            max_upload_bytes: u64::try_from(self.max_upload_megabytes).unwrap_or_default() << 20,
        })
    }
}

async fn find_login(db: &impl sea_orm::ConnectionTrait, id: LoginId) -> Result<Option<LoginRow>> {
    db.one(
        "SELECT l.id, l.person_id, l.organization_id, p.role, p.status, o.timezone, \
         o.max_upload_megabytes, l.expires_at, l.ended_at, l.refresh_hash \
         FROM login l JOIN person p ON p.id = l.person_id JOIN organization o ON o.id = l.organization_id \
         WHERE l.id = $1",
        vec![id.into()],
    )
    .await
}

/// Whom an access token speaks for, in one statement.
pub async fn authenticate(service: &Service, access_token: &str) -> Result<Viewer> {
    let login = tokens::read_access(service, access_token)?;
    find_login(service.db.reader(), login)
        .await?
        .ok_or(Error::Unauthenticated)?
        .viewer(service.now())
}

/// Whether a login still holds: what a live socket asks again and again.
pub async fn recheck(service: &Service, login: LoginId) -> Result<Viewer> {
    find_login(service.db.reader(), login)
        .await?
        .ok_or(Error::Unauthenticated)?
        .viewer(service.now())
}

#[derive(FromQueryResult)]
struct Credentials {
    id: PersonId,
    organization_id: OrganizationId,
    status: PersonStatus,
    password_hash: Option<String>,
}

/// An unknown address takes as long as a known one: the same hash is computed and one row is read.
pub async fn login(service: &Service, email: &str, password: &str) -> Result<Tokens> {
    let found: Option<Credentials> = service
        .db
        .reader()
        .one(
            "SELECT id, organization_id, status, password_hash FROM person WHERE login_email = $1",
            vec![email.trim().to_lowercase().replace('\0', "").into()],
        )
        .await?;
    let hash = found.as_ref().and_then(|p| p.password_hash.clone());
    let right = passwords::verify(service, password, hash).await?;
    let person = found
        .filter(|p| right && p.status == PersonStatus::Active)
        .ok_or(Error::WrongCredentials)?;

    let id = LoginId(service.new_id());
    let now = service.now();
    let secret = tokens::new_secret(service);
    let mut tx = service.begin().await?;
    tx.insert(vec![entity::login::Model {
        id: id.0,
        organization_id: person.organization_id.0,
        person_id: person.id.0,
        refresh_hash: fingerprint(&[&secret]).to_vec(),
        created_at: now,
        refreshed_at: now,
        expires_at: now + LOGIN_LASTS,
        ended_at: None,
    }])
    .await?;
    audit::entry(
        &tx,
        person.organization_id,
        Some(person.id),
        "login",
        ("User", person.id.0),
        "signed in",
    )
    .await?;
    let row = find_login(&*tx, id).await?.ok_or(Error::Unauthenticated)?;
    tx.announce(Topic::Login(id));
    tx.commit().await?;
    grant(service, &row, &secret, now + LOGIN_LASTS)
}

fn grant(service: &Service, row: &LoginRow, secret: &[u8], until: DateTime<Utc>) -> Result<Tokens> {
    let (access, access_expires_at) = tokens::new_access(service, row.id)?;
    Ok(Tokens {
        person: row.person_id,
        viewer: LoginRow {
            expires_at: until,
            ..clone(row)
        }
        .viewer(service.now())?,
        access,
        access_expires_at,
        refresh: tokens::refresh_text(row.id, secret),
        refresh_expires_at: until,
    })
}

fn clone(row: &LoginRow) -> LoginRow {
    LoginRow {
        timezone: row.timezone.clone(),
        refresh_hash: row.refresh_hash.clone(),
        ..*row
    }
}

/// Rotates: the old token is spent. A token that was spent before ends its login, since one of
/// the two who hold it is a thief.
pub async fn refresh(service: &Service, refresh_token: &str) -> Result<Tokens> {
    let (id, old) = tokens::read_refresh(refresh_token).ok_or(Error::Unauthenticated)?;
    let secret = tokens::new_secret(service);
    let now = service.now();
    let until = now + LOGIN_LASTS;
    let mut tx = service.begin().await?;
    let row = find_login(&*tx, id).await?.ok_or(Error::Unauthenticated)?;
    row.viewer(now)?;
    let rotated = tx
        .run(
            "UPDATE login SET refresh_hash = $1, refreshed_at = $2, expires_at = $3 \
             WHERE id = $4 AND refresh_hash = $5 AND ended_at IS NULL",
            vec![
                fingerprint(&[&secret]).to_vec().into(),
                now.into(),
                until.into(),
                id.into(),
                fingerprint(&[&old]).to_vec().into(),
            ],
        )
        .await?;
    if rotated == 0 {
        end(&tx, "id", id.into(), now).await?;
        audit::entry(
            &tx,
            row.organization_id,
            Some(row.person_id),
            "refresh",
            ("User", row.person_id.0),
            "a spent refresh token was used again: the login was ended",
        )
        .await?;
        tx.announce(Topic::Login(id));
        tx.commit().await?;
        return Err(Error::Unauthenticated);
    }
    tx.commit().await?;
    grant(service, &row, &secret, until)
}

async fn end(tx: &crate::Tx<'_>, column: &'static str, value: sea_orm::Value, now: DateTime<Utc>) -> Result<u64> {
    tx.run(
        &format!("UPDATE login SET ended_at = $1 WHERE {column} = $2 AND ended_at IS NULL"),
        vec![now.into(), value],
    )
    .await
}

/// Ends the viewer's login or, where the access token has run out, that of the refresh token.
/// Answers how many logins it ended.
pub async fn logout(service: &Service, viewer: Option<&Viewer>, refresh_token: Option<&str>) -> Result<u64> {
    let now = service.now();
    let mut tx = service.begin().await?;
    let row = match (viewer, refresh_token) {
        (Some(viewer), _) => find_login(&*tx, viewer.login).await?,
        (None, Some(text)) => {
            let (id, secret) = tokens::read_refresh(text).ok_or(Error::Unauthenticated)?;
            find_login(&*tx, id)
                .await?
                .filter(|row| row.refresh_hash == fingerprint(&[&secret]))
        }
        (None, None) => None,
    }
    .ok_or(Error::Unauthenticated)?;
    let ended = end(&tx, "id", row.id.into(), now).await?;
    if ended > 0 {
        audit::entry(
            &tx,
            row.organization_id,
            Some(row.person_id),
            "logout",
            ("User", row.person_id.0),
            "signed out",
        )
        .await?;
    }
    tx.announce(Topic::Login(row.id));
    tx.commit().await?;
    Ok(ended)
}

/// Someone with a login.
#[derive(Debug)]
pub struct NewAccount<'a> {
    pub full_name: &'a str,
    pub email: &'a str,
    pub password: &'a str,
    pub role: Role,
}

/// Founds an organization with its first admin: the command line's way in.
pub async fn found(
    service: &Service,
    scope: &Scope,
    organization: &str,
    timezone: Option<&str>,
    admin: &NewAccount<'_>,
) -> Result<(OrganizationId, PersonId)> {
    // Before the transaction: nobody waits for a hash.
    let hash = passwords::hash(service, admin.password).await?;
    let tx = service.begin().await?;
    let id = organizations::insert(&tx, scope, organization, timezone).await?;
    let person = insert_account(&tx, id, admin, hash).await?;
    audit::entry(
        &tx,
        id,
        None,
        "found",
        ("Organization", id.0),
        "founded with its first admin",
    )
    .await?;
    tx.commit().await?;
    Ok((id, person))
}

/// Adds someone with a login to an organization; only Muster itself may choose the role.
pub async fn add(
    service: &Service,
    scope: &Scope,
    organization: OrganizationId,
    account: &NewAccount<'_>,
) -> Result<PersonId> {
    let Scope::System(reason) = scope else {
        return Err(Error::Forbidden);
    };
    let hash = passwords::hash(service, account.password).await?;
    let tx = service.begin().await?;
    let person = insert_account(&tx, organization, account, hash).await?;
    audit::entry(&tx, organization, None, "createUser", ("User", person.0), reason).await?;
    tx.commit().await?;
    Ok(person)
}

async fn insert_account(
    tx: &crate::Tx<'_>,
    organization: OrganizationId,
    account: &NewAccount<'_>,
    hash: String,
) -> Result<PersonId> {
    let email = text::email("email", account.email)?;
    let person = people::NewPerson {
        full_name: text::name("fullName", account.full_name)?,
        email: Some(email.clone()),
        roll_number: None,
        role: account.role,
    };
    let id = people::insert(tx, organization, person).await?;
    let statement = tx.statement(
        "UPDATE person SET login_email = $1, password_hash = $2 WHERE id = $3",
        vec![email.into(), hash.into(), id.into()],
    );
    sea_orm::ConnectionTrait::execute_raw(&**tx, statement)
        .await
        .map_err(|error| {
            if is_duplicate(&error) {
                Error::conflict("EMAIL_TAKEN", "this address already has a login")
            } else {
                error.into()
            }
        })?;
    Ok(id)
}

/// The signed-in person themselves.
pub async fn viewer(service: &Service, scope: &Scope) -> Result<Person> {
    let me = scope.viewer()?.person;
    people::by_ids(service, scope, &[me])
        .await?
        .pop()
        .ok_or(Error::Unauthenticated)
}
