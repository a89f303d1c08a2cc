//! The owner of an account changes what they sign in with.

use sea_orm::FromQueryResult;

use super::codes::{self, Purpose};
use super::{letters, logins, passwords};
use crate::db::Sql;
use crate::error::{Error, Result, is_duplicate};
use crate::id::{OrganizationId, PersonId};
use crate::mail;
use crate::people::Person;
use crate::rates::{self, Origin, Rule};
use crate::scope::{Scope, Viewer};
use crate::{Service, Tx, audit, text};

/// Wrong passwords that a new one makes up for: as many as lock an account.
const FORGIVEN: usize = 10;

#[derive(FromQueryResult)]
struct Own {
    full_name: String,
    login_email: Option<String>,
    password_hash: Option<String>,
}

/// The viewer, if the password is theirs.
async fn prove(service: &Service, viewer: &Viewer, field: &'static str, password: &str) -> Result<Own> {
    let account = viewer.person.0.simple().to_string();
    let attempt = rates::attempt(service, &[(Rule::LoginByAccount, account)]).await?;
    let own: Own = service
        .db
        .reader()
        .one(
            "SELECT full_name, login_email, password_hash FROM person WHERE id = $1",
            vec![viewer.person.into()],
        )
        .await?
        .ok_or(Error::Unauthenticated)?;
    if !passwords::verify(service, password, own.password_hash.clone()).await? {
        return Err(Error::invalid(field, "this is not your password"));
    }
    attempt.right().await;
    Ok(own)
}

/// Shows that it is the owner who asks, as before anything that can't be undone.
/// Answers the hash that was compared with: what follows holds only while it is still theirs.
pub(crate) async fn prove_owner(service: &Service, viewer: &Viewer, password: &str) -> Result<String> {
    let own = prove(service, viewer, "password", password).await?;
    own.password_hash.ok_or(Error::Unauthenticated)
}

/// In the transaction of what follows a proof: UNAUTHENTICATED where the password was changed, the
/// person suspended or the login ended since.
async fn still_theirs(tx: &Tx<'_>, viewer: &Viewer, proven: Option<String>) -> Result<()> {
    let holds = tx
        .run(
            "UPDATE person SET password_hash = password_hash WHERE id = $1 AND password_hash = $2 \
             AND status = 'ACTIVE' AND EXISTS (SELECT 1 FROM login l WHERE l.id = $3 AND l.ended_at IS NULL)",
            vec![viewer.person.into(), proven.into(), viewer.login.into()],
        )
        .await?;
    if holds == 0 {
        return Err(Error::Unauthenticated);
    }
    Ok(())
}

/// Ends every other login; this one gets new tokens.
pub async fn change_password(service: &Service, viewer: &Viewer, current: &str, new: &str) -> Result<logins::Tokens> {
    let own = prove(service, viewer, "currentPassword", current).await?;
    let email = own.login_email.unwrap_or_default();
    let hash = passwords::hash(service, "newPassword", new, &[&own.full_name, &email]).await?;
    let mut tx = service.begin().await?;
    let changed = tx
        .run(
            "UPDATE person SET password_hash = $1 WHERE id = $2 AND password_hash = $3",
            vec![hash.into(), viewer.person.into(), own.password_hash.into()],
        )
        .await?;
    if changed == 0 {
        return Err(Error::conflict(
            "CHANGED_MEANWHILE",
            "the password was changed meanwhile",
        ));
    }
    logins::end_all(&mut tx, viewer.person, Some(viewer.login)).await?;
    audit::record(&tx, viewer, "changePassword", ("User", viewer.person.0), "changed").await?;
    mail::post(&mut tx, letters::password_changed(email)).await?;
    let renewed = logins::renew(&mut tx, viewer.login).await?;
    logins::finish(service, tx, renewed).await
}

#[derive(FromQueryResult)]
struct Whose {
    id: PersonId,
    organization_id: OrganizationId,
}

/// Ends every login of the account; answers how many there were.
pub async fn reset_password(service: &Service, origin: Origin, email: &str, code: &str, new: &str) -> Result<u64> {
    let email = text::email("email", email)?;
    rates::admit(service, &[(Rule::LoginByOrigin, origin.to_string())]).await?;
    passwords::check(service, "newPassword", new, &[&email]).await?;
    codes::check(service, Purpose::Reset, &email, code).await?;
    let hash = passwords::rehash(service, new).await?;
    let mut tx = service.begin().await?;
    codes::spend(&tx, Purpose::Reset, &email, code).await?;
    let whose: Option<Whose> = tx
        .one(
            "UPDATE person SET password_hash = $1 WHERE login_email = $2 RETURNING id, organization_id",
            vec![hash.into(), email.clone().into()],
        )
        .await?;
    let whose = whose.ok_or(Error::NotFound("login"))?;
    let ended = logins::end_all(&mut tx, whose.id, None).await?;
    let target = ("User", whose.id.0);
    audit::entry(
        &tx,
        whose.organization_id,
        Some(whose.id),
        "resetPassword",
        target,
        "by code",
    )
    .await?;
    let address = email.clone();
    mail::post(&mut tx, letters::password_changed(email)).await?;
    tx.commit().await?;
    // Whoever was locked out by wrong guesses comes in again.
    rates::forgive(service, &vec![(Rule::LoginByAccount, address); FORGIVEN]).await;
    Ok(ended)
}

/// Moves a login to another address, which was shown to be the owner's.
pub async fn change_email(
    service: &Service,
    viewer: &Viewer,
    new_email: &str,
    verification_token: &str,
    password: &str,
) -> Result<Person> {
    let email = text::email("newEmail", new_email)?;
    codes::is_verified(service, &email, verification_token).await?;
    let own = prove(service, viewer, "password", password).await?;
    let mut tx = service.begin().await?;
    still_theirs(&tx, viewer, own.password_hash).await?;
    codes::spend_verified(&tx, &email, verification_token).await?;
    set_address(&tx, viewer.person, &email).await?;
    audit::record(&tx, viewer, "changeEmail", ("User", viewer.person.0), "changed").await?;
    let old = own.login_email.filter(|old| *old != email);
    if let Some(old) = old.clone() {
        mail::forget(&tx, &old).await?;
        mail::post(&mut tx, letters::address_changed(old)).await?;
    }
    tx.commit().await?;
    if let Some(old) = old {
        mail::erase_delivered(service, &old).await;
    }
    super::viewer(service, &Scope::from(viewer.clone())).await
}

/// Makes an address somebody's login; one that is taken is CONFLICT. Whoever was erased since the
/// request was let in gets none.
pub(super) async fn set_address(tx: &Tx<'_>, person: PersonId, email: &str) -> Result<()> {
    let statement = tx.statement(
        "UPDATE person SET login_email = $1, email = $1 WHERE id = $2 AND status <> 'ERASED'",
        vec![email.to_owned().into(), person.into()],
    );
    let done = sea_orm::ConnectionTrait::execute_raw(&**tx, statement)
        .await
        .map_err(|error| {
            if is_duplicate(&error) {
                Error::conflict("EMAIL_TAKEN", "this address already has a login")
            } else {
                error.into()
            }
        })?;
    if done.rows_affected() == 0 {
        return Err(Error::NotFound("user"));
    }
    Ok(())
}
