//! Invitations: an admin asks somebody to register, with the role that the organization gives them.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::FromQueryResult;

use super::{letters, tokens};
use crate::db::{Scalar, Sql};
use crate::error::{Error, Result};
use crate::id::{DepartmentId, PersonId};
use crate::keys::fingerprint;
use crate::kinds::{PersonStatus, Role};
use crate::mail;
use crate::people::{self, NewPerson, Person};
use crate::rates::{self, Rule};
use crate::scope::{Scope, Viewer};
use crate::{Service, Tx, access, audit, organizations, text};

const LASTS: TimeDelta = TimeDelta::days(7);

/// Somebody who is known, or new with a name and a role.
#[derive(Clone, Debug)]
pub struct Invitation<'a> {
    pub person: Option<PersonId>,
    pub full_name: Option<&'a str>,
    pub email: &'a str,
    pub role: Option<Role>,
    pub department: Option<DepartmentId>,
}

#[derive(Debug)]
pub struct Invited {
    pub person: Person,
    pub expires_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct Known {
    id: PersonId,
    role: Role,
    status: PersonStatus,
    login_email: Option<String>,
}

/// Mails an invitation; whoever is invited again gets a new one and the old one dies. Whether the
/// address has a login elsewhere is told in the mail alone.
pub async fn invite(service: &Service, scope: &Scope, invitation: &Invitation<'_>) -> Result<Invited> {
    let viewer = match invitation.person {
        Some(person) => access::admin_on(service, scope, "person", "user", person.0).await?,
        None => scope.admin()?,
    };
    let email = text::email("email", invitation.email)?;
    let asks = [
        (Rule::InvitationByAccount, viewer.person.0.simple().to_string()),
        (
            Rule::CodeByAddress,
            format!("INVITATION {} {email}", viewer.organization.0),
        ),
    ];
    rates::admit(service, &asks).await?;
    let written = write(service, viewer, invitation, email).await;
    if written.is_err() {
        // No mail went out, so none is counted.
        rates::forgive(service, &asks).await;
    }
    let (person, expires_at) = written?;
    let person = people::by_ids(service, scope, &[person])
        .await?
        .pop()
        .ok_or(Error::NotFound("user"))?;
    Ok(Invited { person, expires_at })
}

async fn write(
    service: &Service,
    viewer: &Viewer,
    invitation: &Invitation<'_>,
    email: String,
) -> Result<(PersonId, DateTime<Utc>)> {
    let token = BASE64.encode(tokens::new_secret(service));
    let expires_at = service.now() + LASTS;
    let mut tx = service.begin().await?;
    // Of two invitations to the same address the second finds whom the first has entered.
    organizations::lock(&tx, viewer.organization).await?;
    let (person, role) = invited_person(&tx, viewer, invitation, &email).await?;
    if let Some(department) = invitation.department {
        people::set_department(&tx, viewer.organization, person, Some(department)).await?;
    }
    withdraw(&tx, person).await?;
    tx.insert(vec![entity::invitation::Model {
        person_id: person.0,
        organization_id: viewer.organization.0,
        token_hash: fingerprint(&[token.as_bytes()]).to_vec(),
        created_by: Some(viewer.person.0),
        created_at: service.now(),
        expires_at,
    }])
    .await?;
    let elsewhere: Option<Scalar> = tx
        .one(
            "SELECT COUNT(*) AS value FROM person WHERE login_email = $1",
            vec![email.clone().into()],
        )
        .await?;
    let school = organizations::name(&tx, viewer.organization).await?;
    let letter = if elsewhere.is_some_and(|found| found.value > 0) {
        letters::invitation_elsewhere(email, &school)
    } else {
        letters::invitation(email, &school, role, &service.public_url, token)
    };
    mail::post(&mut tx, letter).await?;
    audit::record(&tx, viewer, "inviteUser", ("User", person.0), "invited").await?;
    tx.commit().await?;
    Ok((person, expires_at))
}

/// Whom the invitation is for, with the address in their row; a new person is made for a new name.
async fn invited_person(
    tx: &Tx<'_>,
    viewer: &Viewer,
    invitation: &Invitation<'_>,
    email: &str,
) -> Result<(PersonId, Role)> {
    const COLUMNS: &str = "SELECT id, role, status, login_email FROM person";
    let known: Option<Known> = if let Some(id) = invitation.person {
        let sql = format!("{COLUMNS} WHERE id = $1 AND organization_id = $2{}", tx.for_update());
        let found = tx.one(&sql, vec![id.into(), viewer.organization.into()]).await?;
        Some(found.ok_or(Error::NotFound("user"))?)
    } else {
        // Invited before, as somebody new: the same person again.
        let sql = format!(
            "{COLUMNS} WHERE organization_id = $1 AND email = $2 AND status = $3 ORDER BY id LIMIT 1{}",
            tx.for_update()
        );
        let values = vec![
            viewer.organization.into(),
            email.to_owned().into(),
            PersonStatus::Invited.into(),
        ];
        tx.one(&sql, values).await?
    };
    let Some(known) = known else {
        let name = invitation
            .full_name
            .ok_or_else(|| Error::invalid("fullName", "name somebody new by fullName, or somebody known by userId"))?;
        let role = invitation
            .role
            .ok_or_else(|| Error::invalid("role", "somebody new needs a role"))?;
        let new = NewPerson {
            email: Some(email.to_owned()),
            status: PersonStatus::Invited,
            ..NewPerson::new(text::name("fullName", name)?, role)
        };
        return Ok((people::insert(tx, viewer.organization, new).await?, role));
    };
    match known.status {
        PersonStatus::Erased => return Err(Error::NotFound("user")),
        PersonStatus::Suspended => {
            return Err(Error::conflict(
                "SUSPENDED",
                "this person is suspended; set them ACTIVE first",
            ));
        }
        PersonStatus::Active | PersonStatus::Invited => {}
    }
    if known.login_email.is_some() {
        return Err(Error::conflict("HAS_LOGIN", "this person already has a login"));
    }
    if invitation.role.is_some_and(|role| role != known.role) {
        return Err(Error::invalid(
            "role",
            "this person has another role; change it with updateUser",
        ));
    }
    tx.run(
        "UPDATE person SET email = $1, status = $2 WHERE id = $3",
        vec![email.to_owned().into(), PersonStatus::Invited.into(), known.id.into()],
    )
    .await?;
    if let Some(name) = invitation.full_name {
        people::rename(tx, known.id, &text::name("fullName", name)?).await?;
    }
    Ok((known.id, known.role))
}

/// The person's invitation is good for nothing from now on.
pub(crate) async fn withdraw(tx: &Tx<'_>, person: PersonId) -> Result<()> {
    tx.run("DELETE FROM invitation WHERE person_id = $1", vec![person.into()])
        .await?;
    Ok(())
}
