//! Registration: somebody who has shown their address founds an organization, or joins the one
//! that invited them. Nobody chooses their own role or somebody else's organization.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;

use super::credentials::set_address;
use super::{codes, logins, passwords};
use crate::db::Sql;
use crate::error::{Error, Result};
use crate::id::{OrganizationId, PersonId};
use crate::keys::fingerprint;
use crate::kinds::{PersonStatus, Role};
use crate::people::{self, NewPerson};
use crate::rates::{self, Origin, Rule};
use crate::{Service, Tx, audit, organizations, text};

/// What somebody fills in.
pub struct Registration<'a> {
    pub full_name: &'a str,
    pub email: &'a str,
    pub password: &'a str,
    pub verification_token: &'a str,
    pub organization_name: Option<&'a str>,
    pub timezone: Option<&'a str>,
    pub invitation_token: Option<&'a str>,
}

impl std::fmt::Debug for Registration<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registration").finish_non_exhaustive()
    }
}

pub async fn register(service: &Service, origin: Origin, form: Registration<'_>) -> Result<logins::Tokens> {
    rates::admit(service, &[(Rule::LoginByOrigin, origin.to_string())]).await?;
    let email = text::email("email", form.email)?;
    let full_name = text::name("fullName", form.full_name)?;
    let way = Way::of(service, &form)?;
    codes::is_verified(service, &email, form.verification_token).await?;
    let hash = passwords::hash(service, "password", form.password, &[&full_name, &email]).await?;

    let mut tx = service.begin().await?;
    codes::spend_verified(&tx, &email, form.verification_token).await?;
    let (organization, person) = match way {
        Way::Found { name, timezone } => found(&tx, name, timezone, full_name).await?,
        Way::Join(token) => join(&tx, token, &email, full_name).await?,
    };
    set_address(&tx, person, &email).await?;
    tx.run(
        "UPDATE person SET password_hash = $1, status = $2 WHERE id = $3",
        vec![hash.into(), PersonStatus::Active.into(), person.into()],
    )
    .await?;
    let target = ("User", person.0);
    audit::entry(&tx, organization, Some(person), "register", target, "registered").await?;
    let begun = logins::begin(&mut tx, organization, person).await?;
    logins::finish(service, tx, begun).await
}

enum Way<'a> {
    Found { name: &'a str, timezone: Option<&'a str> },
    Join(&'a str),
}

impl<'a> Way<'a> {
    fn of(service: &Service, form: &Registration<'a>) -> Result<Self> {
        match (form.organization_name, form.invitation_token) {
            (Some(_), Some(_)) => Err(Error::invalid(
                "invitationToken",
                "found an organization or join one: give organizationName or invitationToken",
            )),
            (None, None) => Err(Error::invalid(
                "organizationName",
                "give organizationName to found an organization or invitationToken to join one",
            )),
            (Some(_), None) if !service.open_registration => Err(Error::Forbidden),
            (Some(name), None) => Ok(Self::Found {
                name,
                timezone: form.timezone,
            }),
            (None, Some(token)) => Ok(Self::Join(token)),
        }
    }
}

async fn found(
    tx: &Tx<'_>,
    name: &str,
    timezone: Option<&str>,
    full_name: String,
) -> Result<(OrganizationId, PersonId)> {
    let organization = organizations::insert(tx, name, timezone).await?;
    let admin = NewPerson::new(full_name, Role::Admin);
    let person = people::insert(tx, organization, admin).await?;
    Ok((organization, person))
}

#[derive(FromQueryResult)]
struct Invited {
    person_id: PersonId,
    organization_id: OrganizationId,
    expires_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct Known {
    email: Option<String>,
    status: PersonStatus,
    login_email: Option<String>,
}

async fn join(tx: &Tx<'_>, token: &str, email: &str, full_name: String) -> Result<(OrganizationId, PersonId)> {
    let unknown = || {
        Error::invalid(
            "invitationToken",
            "this invitation was used, withdrawn or has run out; ask for another",
        )
    };
    let hash = fingerprint(&[token.trim().as_bytes()]).to_vec();
    let invited: Invited = tx
        .one(
            "SELECT person_id, organization_id, expires_at FROM invitation WHERE token_hash = $1",
            vec![hash.clone().into()],
        )
        .await?
        .filter(|invited: &Invited| invited.expires_at > tx.service.now())
        .ok_or_else(unknown)?;
    let known: Known = tx
        .one(
            &format!(
                "SELECT email, status, login_email FROM person WHERE id = $1{}",
                tx.for_update()
            ),
            vec![invited.person_id.into()],
        )
        .await?
        .ok_or_else(unknown)?;
    // The person first, as whoever withdraws an invitation does.
    let used = tx
        .run("DELETE FROM invitation WHERE token_hash = $1", vec![hash.into()])
        .await?;
    if used == 0 {
        return Err(unknown());
    }
    let joins = matches!(known.status, PersonStatus::Invited | PersonStatus::Active) && known.login_email.is_none();
    if !joins {
        return Err(unknown());
    }
    if known.email.as_deref() != Some(email) {
        return Err(Error::invalid(
            "email",
            "this invitation was sent to another address; register with that one",
        ));
    }
    people::rename(tx, invited.person_id, &full_name).await?;
    Ok((invited.organization_id, invited.person_id))
}
