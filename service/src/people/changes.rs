//! Admins enter people and change what is known of them.

use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{NewPerson, Person, admins, by_ids, insert, taken};
use crate::accounts::{self, LiveLogins};
use crate::change::Change;
use crate::db::{Scalar, Sql, Values};
use crate::error::{Error, Result};
use crate::id::{DepartmentId, OrganizationId, PersonId};
use crate::kinds::{PersonStatus, Role};
use crate::scope::Scope;
use crate::{Service, Tx, access, audit, classes, mail, organizations, text};

/// A person without a login.
#[derive(Clone, Debug)]
pub struct NewUser<'a> {
    pub full_name: &'a str,
    pub role: Role,
    pub email: Option<&'a str>,
    pub roll_number: Option<&'a str>,
    pub department: Option<DepartmentId>,
}

pub async fn create(service: &Service, scope: &Scope, new: &NewUser<'_>) -> Result<Person> {
    let viewer = scope.admin()?;
    let person = NewPerson {
        email: address(new.email)?,
        roll_number: text::optional("rollNumber", new.roll_number)?,
        department: new.department,
        ..NewPerson::new(text::name("fullName", new.full_name)?, new.role)
    };
    let tx = service.begin().await?;
    organizations::reach_department(&tx, viewer.organization, new.department).await?;
    let id = insert(&tx, viewer.organization, person).await?;
    audit::record(&tx, viewer, "createUser", ("User", id.0), "created").await?;
    tx.commit().await?;
    one(service, scope, id).await
}

fn address(email: Option<&str>) -> Result<Option<String>> {
    email
        .filter(|e| !e.trim().is_empty())
        .map(|e| text::email("email", e))
        .transpose()
}

async fn one(service: &Service, scope: &Scope, id: PersonId) -> Result<Person> {
    by_ids(service, scope, &[id])
        .await?
        .pop()
        .ok_or(Error::NotFound("user"))
}

/// What is to change of a person.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    pub full_name: Change<String>,
    pub email: Change<String>,
    pub roll_number: Change<String>,
    pub role: Change<Role>,
    pub department: Change<DepartmentId>,
}

#[derive(FromQueryResult)]
pub(super) struct Known {
    pub role: Role,
    pub status: PersonStatus,
    pub email: Option<String>,
    pub login_email: Option<String>,
    pub password_hash: Option<String>,
}

/// Somebody of this organization who has not been erased; nobody else changes them meanwhile.
pub(super) async fn lock(tx: &Tx<'_>, organization: OrganizationId, id: PersonId) -> Result<Known> {
    tx.one(
        &format!(
            "SELECT role, status, email, login_email, password_hash FROM person \
             WHERE id = $1 AND organization_id = $2{}",
            tx.for_update()
        ),
        vec![id.into(), organization.into()],
    )
    .await?
    .filter(|known: &Known| known.status != PersonStatus::Erased)
    .ok_or(Error::NotFound("user"))
}

pub async fn update(service: &Service, scope: &Scope, id: PersonId, change: UserChange) -> Result<Person> {
    let viewer = access::admin_on(service, scope, "person", "user", id.0).await?;
    let mut tx = service.begin().await?;
    let role = change.role.required("role")?.copied();
    if role.is_some_and(|role| role != Role::Admin) {
        admins::keep_one(&tx, viewer.organization, id).await?;
    }
    // Classes and their sessions are locked before people: by marking, by erasure and so here.
    if role.is_some_and(|role| role != Role::Student) && is_student(&tx, viewer.organization, id).await? {
        classes::leave_all(&tx, id).await?;
    }
    let known = lock(&tx, viewer.organization, id).await?;
    let mut left_address = None;
    let mut fields = Vec::new();
    let mut values = Values::default();
    let mut set = Vec::new();
    if let Some(name) = change.full_name.required("fullName")? {
        let name = text::name("fullName", name)?;
        fields.push("fullName");
        set.push(format!("name_key = {}", values.push(text::key(&name))));
        set.push(format!("full_name = {}", values.push(name)));
    }
    if let Some(email) = change.email.given() {
        if known.login_email.is_some() {
            return Err(Error::conflict(
                "HAS_LOGIN",
                "this person signs in with their address, so only they can change it",
            ));
        }
        let email = address(email.map(String::as_str))?;
        if email != known.email {
            accounts::withdraw_invitation(&tx, id).await?;
            if let Some(old) = &known.email {
                mail::forget(&tx, old).await?;
                left_address = Some(old.clone());
            }
        }
        fields.push("email");
        set.push(format!("email = {}", values.push(email)));
    }
    if let Some(number) = change.roll_number.given() {
        let number = text::optional("rollNumber", number.map(String::as_str))?;
        fields.push("rollNumber");
        set.push(format!("roll_number = {}", values.push(number)));
    }
    if let Some(department) = change.department.given() {
        organizations::reach_department(&tx, viewer.organization, department.copied()).await?;
        fields.push("department");
        set.push(format!("department_id = {}", values.push(department.copied())));
    }
    if let Some(role) = role.filter(|role| *role != known.role) {
        fields.push("role");
        set.push(format!("role = {}", values.push(role)));
        leave_staff(&mut tx, id, role).await?;
    }
    if !set.is_empty() {
        let person = values.push(id);
        let sql = format!("UPDATE person SET {} WHERE id = {person}", set.join(", "));
        tx.execute_raw(tx.statement(&sql, values.done())).await.map_err(taken)?;
        audit::record(&tx, viewer, "updateUser", ("User", id.0), &fields.join(", ")).await?;
    }
    tx.commit().await?;
    if let Some(old) = left_address {
        mail::erase_delivered(service, &old).await;
    }
    one(service, scope, id).await
}

async fn is_student(tx: &Tx<'_>, organization: OrganizationId, id: PersonId) -> Result<bool> {
    let found: Option<Scalar> = tx
        .one(
            "SELECT COUNT(*) AS value FROM person WHERE id = $1 AND organization_id = $2 AND role = 'STUDENT'",
            vec![id.into(), organization.into()],
        )
        .await?;
    Ok(found.is_some_and(|f| f.value > 0))
}

/// Who becomes a student neither teaches nor leads any more. Live sockets look again at who is
/// behind them.
async fn leave_staff(tx: &mut Tx<'_>, id: PersonId, new: Role) -> Result<()> {
    if new == Role::Student {
        tx.run("DELETE FROM class_teacher WHERE person_id = $1", vec![id.into()])
            .await?;
        tx.run(
            "UPDATE department SET head_id = NULL WHERE head_id = $1",
            vec![id.into()],
        )
        .await?;
    }
    accounts::tell_all(tx, LiveLogins::Person(id)).await
}

/// ACTIVE or SUSPENDED.
pub async fn set_user_status(service: &Service, scope: &Scope, id: PersonId, status: PersonStatus) -> Result<Person> {
    let viewer = access::admin_on(service, scope, "person", "user", id.0).await?;
    if !matches!(status, PersonStatus::Active | PersonStatus::Suspended) {
        return Err(Error::invalid("status", "status is set to ACTIVE or SUSPENDED"));
    }
    let mut tx = service.begin().await?;
    if status == PersonStatus::Suspended {
        admins::keep_one(&tx, viewer.organization, id).await?;
    }
    let known = lock(&tx, viewer.organization, id).await?;
    if known.status != status {
        set_status(&mut tx, id, status).await?;
        let summary = if status == PersonStatus::Active {
            "active"
        } else {
            "suspended"
        };
        audit::record(&tx, viewer, "setUserStatus", ("User", id.0), summary).await?;
    }
    tx.commit().await?;
    one(service, scope, id).await
}

/// Who is suspended is signed out everywhere, and can't come in by an invitation either.
pub(crate) async fn set_status(tx: &mut Tx<'_>, id: PersonId, status: PersonStatus) -> Result<()> {
    tx.run(
        "UPDATE person SET status = $1 WHERE id = $2",
        vec![status.into(), id.into()],
    )
    .await?;
    if status == PersonStatus::Suspended {
        accounts::withdraw_invitation(tx, id).await?;
        accounts::end_all(tx, id, None).await?;
    }
    Ok(())
}

/// Whoever was erased since the request was let in gets no name again.
pub(crate) async fn rename(tx: &Tx<'_>, id: PersonId, name: &str) -> Result<()> {
    let renamed = tx
        .run(
            "UPDATE person SET full_name = $1, name_key = $2 WHERE id = $3 AND status <> 'ERASED'",
            vec![name.into(), text::key(name).into(), id.into()],
        )
        .await?;
    if renamed == 0 {
        return Err(Error::NotFound("user"));
    }
    Ok(())
}

pub(crate) async fn set_department(
    tx: &Tx<'_>,
    organization: OrganizationId,
    id: PersonId,
    department: Option<DepartmentId>,
) -> Result<()> {
    organizations::reach_department(tx, organization, department).await?;
    tx.run(
        "UPDATE person SET department_id = $1 WHERE id = $2",
        vec![department.into(), id.into()],
    )
    .await?;
    Ok(())
}
