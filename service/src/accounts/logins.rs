//! Logins: one a device. Each has an access token that names it and a refresh token that rotates.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{passwords, tokens};
use crate::db::Sql;
use crate::error::{Error, Result};
use crate::events::Topic;
use crate::housekeeping::Turn;
use crate::id::{LoginId, OrganizationId, PersonId};
use crate::keys::fingerprint;
use crate::kinds::{PersonStatus, Role};
use crate::rates::{self, Origin, Rule};
use crate::scope::Viewer;
use crate::{Service, Tx, audit, organizations};

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

async fn find(db: &impl ConnectionTrait, id: LoginId) -> Result<Option<LoginRow>> {
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
    recheck(service, tokens::read_access(service, access_token)?).await
}

/// Whether a login still holds: what a live socket asks again and again.
pub async fn recheck(service: &Service, login: LoginId) -> Result<Viewer> {
    find(service.db.reader(), login)
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

/// The form in which addresses are kept; what is none finds nobody.
pub(super) fn plain_address(email: &str) -> String {
    email.trim().to_lowercase().replace('\0', "")
}

/// An unknown address takes as long as a known one: the same hash is computed and one row is read.
pub async fn login(service: &Service, origin: Origin, email: &str, password: &str) -> Result<Tokens> {
    let email = plain_address(email);
    let asks = [
        (Rule::LoginByOrigin, origin.to_string()),
        (Rule::LoginByAccount, email.clone()),
    ];
    let attempt = rates::attempt(service, &asks).await?;
    let found: Option<Credentials> = service
        .db
        .reader()
        .one(
            "SELECT id, organization_id, status, password_hash FROM person WHERE login_email = $1",
            vec![email.into()],
        )
        .await?;
    let hash = found.as_ref().and_then(|p| p.password_hash.clone());
    let right = passwords::verify(service, password, hash.clone()).await?;
    let person = found
        .filter(|p| right && p.status == PersonStatus::Active)
        .ok_or(Error::WrongCredentials)?;
    attempt.right().await;
    let old = hash.ok_or(Error::WrongCredentials)?;
    let new = if passwords::is_outdated(service, &old) {
        passwords::rehash(service, password).await?
    } else {
        old.clone()
    };
    let mut tx = service.begin().await?;
    // Also where the hash stays as it is: whoever changes the password or suspends the person has
    // done so before, and then nobody comes in, or waits for this login and ends it.
    let holds = tx
        .run(
            "UPDATE person SET password_hash = $1 WHERE id = $2 AND password_hash = $3 AND status = 'ACTIVE'",
            vec![new.into(), person.id.into(), old.into()],
        )
        .await?;
    if holds == 0 {
        return Err(Error::WrongCredentials);
    }
    let begun = begin(&mut tx, person.organization_id, person.id).await?;
    audit::entry(
        &tx,
        person.organization_id,
        Some(person.id),
        "login",
        ("User", person.id.0),
        "signed in",
    )
    .await?;
    finish(service, tx, begun).await
}

/// A login that begins with its transaction.
pub(super) struct Begun {
    id: LoginId,
    secret: [u8; tokens::SECRET_BYTES],
}

/// Begins a login for somebody who has shown who they are.
pub(super) async fn begin(tx: &mut Tx<'_>, organization: OrganizationId, person: PersonId) -> Result<Begun> {
    let id = LoginId(tx.service.new_id());
    let now = tx.service.now();
    let secret = tokens::new_secret(tx.service);
    tx.insert(vec![entity::login::Model {
        id: id.0,
        organization_id: organization.0,
        person_id: person.0,
        refresh_hash: fingerprint(&[&secret]).to_vec(),
        created_at: now,
        refreshed_at: now,
        expires_at: now + LOGIN_LASTS,
        ended_at: None,
    }])
    .await?;
    tx.announce(Topic::Login(id));
    Ok(Begun { id, secret })
}

/// Gives a login that holds a new refresh token.
pub(super) async fn renew(tx: &mut Tx<'_>, id: LoginId) -> Result<Begun> {
    let now = tx.service.now();
    let secret = tokens::new_secret(tx.service);
    tx.run(
        "UPDATE login SET refresh_hash = $1, refreshed_at = $2, expires_at = $3 WHERE id = $4 AND ended_at IS NULL",
        vec![
            fingerprint(&[&secret]).to_vec().into(),
            now.into(),
            (now + LOGIN_LASTS).into(),
            id.into(),
        ],
    )
    .await?;
    Ok(Begun { id, secret })
}

/// Commits, and hands out the tokens.
pub(super) async fn finish(service: &Service, tx: Tx<'_>, begun: Begun) -> Result<Tokens> {
    let row = find(&*tx, begun.id).await?.ok_or(Error::Unauthenticated)?;
    let viewer = row.viewer(service.now())?;
    tx.commit().await?;
    let (access, access_expires_at) = tokens::new_access(service, row.id)?;
    Ok(Tokens {
        person: row.person_id,
        viewer,
        access,
        access_expires_at,
        refresh: tokens::refresh_text(row.id, &begun.secret),
        refresh_expires_at: row.expires_at,
    })
}

/// Rotates: the old token is spent. A token that was spent before ends its login, since one of
/// the two who hold it is a thief.
pub async fn refresh(service: &Service, refresh_token: &str) -> Result<Tokens> {
    let (id, old) = tokens::read_refresh(refresh_token).ok_or(Error::Unauthenticated)?;
    // Strangers who make tokens up keep no writer waiting.
    let row = find(service.db.reader(), id).await?.ok_or(Error::Unauthenticated)?;
    row.viewer(service.now())?;
    let mut tx = service.begin().await?;
    // The row's lock makes two at once come one after the other.
    let taken = tx
        .run(
            "UPDATE login SET refreshed_at = $1 WHERE id = $2 AND refresh_hash = $3 AND ended_at IS NULL",
            vec![service.now().into(), id.into(), fingerprint(&[&old]).to_vec().into()],
        )
        .await?;
    if taken > 0 {
        let renewed = renew(&mut tx, id).await?;
        return finish(service, tx, renewed).await;
    }
    end(&mut tx, id).await?;
    audit::entry(
        &tx,
        row.organization_id,
        Some(row.person_id),
        "refresh",
        ("User", row.person_id.0),
        "a spent refresh token was used again: the login was ended",
    )
    .await?;
    tx.commit().await?;
    Err(Error::Unauthenticated)
}

async fn end(tx: &mut Tx<'_>, id: LoginId) -> Result<u64> {
    tx.announce(Topic::Login(id));
    tx.run(
        "UPDATE login SET ended_at = $1 WHERE id = $2 AND ended_at IS NULL",
        vec![tx.service.now().into(), id.into()],
    )
    .await
}

/// Ends the viewer's login or, where the access token has run out, that of the refresh token.
/// Answers how many logins it ended.
pub async fn logout(service: &Service, viewer: Option<&Viewer>, refresh_token: Option<&str>) -> Result<u64> {
    let reader = service.db.reader();
    let row = match (viewer, refresh_token) {
        (Some(viewer), _) => find(reader, viewer.login).await?,
        (None, Some(text)) => {
            let (id, secret) = tokens::read_refresh(text).ok_or(Error::Unauthenticated)?;
            find(reader, id)
                .await?
                .filter(|row| row.refresh_hash == fingerprint(&[&secret]))
        }
        (None, None) => None,
    }
    .ok_or(Error::Unauthenticated)?;
    let mut tx = service.begin().await?;
    let ended = end(&mut tx, row.id).await?;
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
    tx.commit().await?;
    Ok(ended)
}

/// Ends every login of the viewer, this one too.
pub async fn logout_everywhere(service: &Service, viewer: &Viewer) -> Result<u64> {
    let mut tx = service.begin().await?;
    let ended = end_all(&mut tx, viewer.person, None).await?;
    let summary = format!("signed out on {ended} devices");
    let target = ("User", viewer.person.0);
    audit::record(&tx, viewer, "logoutEverywhere", target, &summary).await?;
    tx.commit().await?;
    Ok(ended)
}

#[derive(FromQueryResult)]
struct Id {
    id: LoginId,
}

/// Which logins of somebody hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LiveLogins {
    Person(PersonId),
    Organization(OrganizationId),
}

/// Ends the logins of a person, but for one; every server and every live socket hears of it.
pub(crate) async fn end_all(tx: &mut Tx<'_>, person: PersonId, but: Option<LoginId>) -> Result<u64> {
    let ended: Vec<Id> = tx
        .all(
            "UPDATE login SET ended_at = $1 WHERE person_id = $2 AND ended_at IS NULL AND id <> $3 RETURNING id",
            vec![
                tx.service.now().into(),
                person.into(),
                but.unwrap_or(LoginId(uuid::Uuid::nil())).into(),
            ],
        )
        .await?;
    for login in &ended {
        tx.announce(Topic::Login(login.id));
    }
    Ok(ended.len() as u64)
}

/// Has live sockets look again at who somebody is.
pub(crate) async fn tell_all(tx: &mut Tx<'_>, whose: LiveLogins) -> Result<()> {
    let (column, value): (_, sea_orm::Value) = match whose {
        LiveLogins::Person(person) => ("person_id", person.into()),
        LiveLogins::Organization(organization) => ("organization_id", organization.into()),
    };
    let held: Vec<Id> = tx
        .all(
            &format!("SELECT id FROM login WHERE {column} = $1 AND ended_at IS NULL"),
            vec![value],
        )
        .await?;
    for login in &held {
        tx.announce(Topic::Login(login.id));
    }
    Ok(())
}

/// Leaves no trace of the logins of a person.
pub(crate) async fn erase_all(tx: &mut Tx<'_>, person: PersonId) -> Result<()> {
    tell_all(tx, LiveLogins::Person(person)).await?;
    tx.run("DELETE FROM login WHERE person_id = $1", vec![person.into()])
        .await?;
    Ok(())
}

/// How long a login that is over is kept.
const OVER_KEPT: TimeDelta = TimeDelta::days(30);

/// Removes logins that ended or ran out a month ago, but of nobody the last one, which tells when they
/// were seen; answers how many.
pub(crate) async fn clear_logins(service: &Service, turn: &Turn<'_>) -> Result<u64> {
    let until = service.now() - OVER_KEPT;
    turn.clear("login", "id", |values| {
        format!(
            "COALESCE(login.ended_at, login.expires_at) < {} AND EXISTS (SELECT 1 FROM login l \
             WHERE l.person_id = login.person_id AND (l.refreshed_at, l.id) > (login.refreshed_at, login.id))",
            values.push(until)
        )
    })
    .await
}
