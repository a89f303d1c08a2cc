//! Departments: the parts of a school that students and classes belong to. Staff read all of them,
//! a student their own and those of their classes; admins make them.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::change::Change;
use crate::db::{Sql, Values};
use crate::error::{Error, Result, is_duplicate};
use crate::id::{DepartmentId, OrganizationId, PersonId};
use crate::kinds::Role;
use crate::scope::Scope;
use crate::{Service, Tx, access, audit, text};

#[derive(Clone, Debug, FromQueryResult)]
pub struct Department {
    pub id: DepartmentId,
    pub organization_id: OrganizationId,
    pub name: String,
    pub code: String,
    pub head_id: Option<PersonId>,
    pub created_at: DateTime<Utc>,
}

const COLUMNS: &str = "d.id, d.organization_id, d.name, d.code, d.head_id, d.created_at";

async fn select(
    service: &Service,
    scope: &Scope,
    which: impl FnOnce(&mut Values) -> String,
) -> Result<Vec<Department>> {
    let mut values = Values::default();
    let which = which(&mut values);
    let visible = access::department(scope, &mut values);
    let sql = format!("SELECT {COLUMNS} FROM department d WHERE {which} AND {visible} ORDER BY d.name_key, d.id");
    service.db.reader().all(&sql, values.done()).await
}

/// Those that the asker may see, by name.
pub async fn departments_of(
    service: &Service,
    scope: &Scope,
    organizations: &[OrganizationId],
) -> Result<Vec<Department>> {
    select(service, scope, |values| {
        format!("d.organization_id IN {}", values.list(organizations.iter().copied()))
    })
    .await
}

/// All of the asker's organization, for its staff.
pub async fn departments(service: &Service, scope: &Scope) -> Result<Vec<Department>> {
    let own = scope.staff()?.organization;
    departments_of(service, scope, &[own]).await
}

pub async fn departments_by_ids(service: &Service, scope: &Scope, ids: &[DepartmentId]) -> Result<Vec<Department>> {
    select(service, scope, |values| {
        format!("d.id IN {}", values.list(ids.iter().copied()))
    })
    .await
}

/// What is to change of a department; a new one has a name and a code.
#[derive(Clone, Debug, Default)]
pub struct DepartmentChange {
    pub name: Change<String>,
    pub code: Change<String>,
    pub head: Change<PersonId>,
}

pub async fn create_department(
    service: &Service,
    scope: &Scope,
    name: &str,
    code: &str,
    head: Option<PersonId>,
) -> Result<Department> {
    let viewer = scope.admin()?;
    let name = text::name("name", name)?;
    let department = Department {
        id: DepartmentId(service.new_id()),
        organization_id: viewer.organization,
        code: text::name("code", code)?,
        head_id: head,
        created_at: service.now(),
        name,
    };
    let tx = service.begin().await?;
    fit_to_lead(&tx, viewer.organization, head).await?;
    tx.insert(vec![entity::department::Model {
        id: department.id.0,
        organization_id: viewer.organization.0,
        name: department.name.clone(),
        name_key: text::key(&department.name),
        code: department.code.clone(),
        head_id: head.map(|h| h.0),
        created_at: department.created_at,
    }])
    .await
    .map_err(taken)?;
    let target = ("Department", department.id.0);
    audit::record(&tx, viewer, "createDepartment", target, "created").await?;
    tx.commit().await?;
    Ok(department)
}

fn taken(error: sea_orm::DbErr) -> Error {
    if is_duplicate(&error) {
        Error::conflict("CODE_TAKEN", "another department has this code")
    } else {
        error.into()
    }
}

#[derive(FromQueryResult)]
struct Candidate {
    role: Role,
}

/// The head of a department is one of the staff.
async fn fit_to_lead(tx: &Tx<'_>, organization: OrganizationId, head: Option<PersonId>) -> Result<()> {
    let Some(head) = head else { return Ok(()) };
    let found: Option<Candidate> = tx
        .one(
            &format!(
                "SELECT role FROM person WHERE id = $1 AND organization_id = $2 AND status <> 'ERASED'{}",
                tx.for_share()
            ),
            vec![head.into(), organization.into()],
        )
        .await?;
    match found.ok_or(Error::NotFound("user"))?.role {
        Role::Admin | Role::Teacher => Ok(()),
        Role::Student => Err(Error::invalid("headId", "a student cannot lead a department")),
    }
}

pub async fn update_department(
    service: &Service,
    scope: &Scope,
    id: DepartmentId,
    change: DepartmentChange,
) -> Result<Department> {
    let viewer = access::admin_on(service, scope, "department", "department", id.0).await?;
    let tx = service.begin().await?;
    // People before departments, as everybody locks them.
    if let Some(head) = change.head.given() {
        fit_to_lead(&tx, viewer.organization, head.copied()).await?;
    }
    let sql = format!(
        "SELECT id FROM department WHERE id = $1 AND organization_id = $2{}",
        tx.for_update()
    );
    let found: Option<Locked> = tx.one(&sql, vec![id.into(), viewer.organization.into()]).await?;
    found.ok_or(Error::NotFound("department"))?;
    let mut fields = Vec::new();
    let mut values = Values::default();
    let mut set = Vec::new();
    if let Some(name) = change.name.required("name")? {
        let name = text::name("name", name)?;
        fields.push("name");
        set.push(format!("name_key = {}", values.push(text::key(&name))));
        set.push(format!("name = {}", values.push(name)));
    }
    if let Some(code) = change.code.required("code")? {
        fields.push("code");
        set.push(format!("code = {}", values.push(text::name("code", code)?)));
    }
    if let Some(head) = change.head.given() {
        fields.push("head");
        set.push(format!("head_id = {}", values.push(head.copied())));
    }
    if !set.is_empty() {
        let key = values.push(id);
        let sql = format!("UPDATE department SET {} WHERE id = {key}", set.join(", "));
        tx.execute_raw(tx.statement(&sql, values.done())).await.map_err(taken)?;
        let target = ("Department", id.0);
        audit::record(&tx, viewer, "updateDepartment", target, &fields.join(", ")).await?;
    }
    tx.commit().await?;
    departments_by_ids(service, scope, &[id])
        .await?
        .pop()
        .ok_or(Error::NotFound("department"))
}

#[derive(FromQueryResult)]
struct Locked {
    #[expect(dead_code, reason = "the rows are locked, not read")]
    id: uuid::Uuid,
}

/// Locks what a deletion changes, in the order in which everybody else takes these locks: whoever
/// puts something into the department now comes before, or finds it gone.
async fn lock_whole(tx: &Tx<'_>, id: DepartmentId) -> Result<()> {
    for rows in [
        "SELECT id FROM class WHERE department_id = $1 ORDER BY id",
        "SELECT id FROM person WHERE department_id = $1 ORDER BY id",
        "SELECT id FROM department WHERE id = $1",
    ] {
        tx.all::<Locked>(&format!("{rows}{}", tx.for_update()), vec![id.into()])
            .await?;
    }
    Ok(())
}

/// Its people and classes are without a department then.
pub async fn delete_department(service: &Service, scope: &Scope, id: DepartmentId) -> Result<()> {
    let viewer = access::admin_on(service, scope, "department", "department", id.0).await?;
    let tx = service.begin().await?;
    lock_whole(&tx, id).await?;
    reach_department(&tx, viewer.organization, Some(id)).await?;
    for statement in [
        "UPDATE person SET department_id = NULL WHERE department_id = $1",
        "UPDATE class SET department_id = NULL WHERE department_id = $1",
        "DELETE FROM department WHERE id = $1",
    ] {
        tx.run(statement, vec![id.into()]).await?;
    }
    let target = ("Department", id.0);
    audit::record(&tx, viewer, "deleteDepartment", target, "deleted").await?;
    tx.commit().await
}

/// A department that something is to belong to is one of the organization's own.
pub(crate) async fn reach_department(
    tx: &Tx<'_>,
    organization: OrganizationId,
    department: Option<DepartmentId>,
) -> Result<()> {
    let Some(department) = department else { return Ok(()) };
    let sql = format!(
        "SELECT id FROM department WHERE id = $1 AND organization_id = $2{}",
        tx.for_share()
    );
    let found: Option<Locked> = tx.one(&sql, vec![department.into(), organization.into()]).await?;
    found.map(|_| ()).ok_or(Error::NotFound("department"))
}
