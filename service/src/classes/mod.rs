//! Classes: who teaches them and who belongs.

mod changes;
mod leaving;
mod membership;

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

pub use changes::{ClassChange, archive, delete, update};
pub use leaving::remove_students;
pub use membership::{NewStudent, StudentRow, add_students};
pub(crate) use membership::{leave_all, members_now, still_in};

use crate::db::{Scalar, Sql, Values};
use crate::error::{Error, Result, is_duplicate};
use crate::id::{ClassId, DepartmentId, OrganizationId, PersonId};
use crate::kinds::Role;
use crate::page::{self, KeyKind, Order, Page, PageRequest, Placed, SortKey};
use crate::people::{self, Person};
use crate::scope::Scope;
use crate::{Service, Tx, access, audit, organizations, text};

const MOST_TEACHERS: usize = 100;

#[derive(Clone, Debug, FromQueryResult)]
pub struct Class {
    pub id: ClassId,
    pub name: String,
    pub name_key: String,
    pub code: String,
    pub archived: bool,
    pub department_id: Option<DepartmentId>,
    pub created_at: DateTime<Utc>,
}

impl Placed for Class {
    fn place(&self) -> (SortKey, Uuid) {
        (SortKey::Text(self.name_key.clone()), self.id.0)
    }
}

const COLUMNS: &str = "c.id, c.name, c.name_key, c.code, c.archived, c.department_id, c.created_at";
const ORDER: Order = Order {
    key: "c.name_key",
    id: "c.id",
    kind: KeyKind::Text,
    descending: false,
};

#[derive(Debug)]
pub struct NewClass<'a> {
    pub name: &'a str,
    pub code: &'a str,
    pub department: Option<DepartmentId>,
    /// None: whoever creates the class teaches it.
    pub teachers: Option<Vec<PersonId>>,
}

#[derive(FromQueryResult)]
struct Candidate {
    role: Role,
}

pub async fn create(service: &Service, scope: &Scope, new: NewClass<'_>) -> Result<Class> {
    let viewer = scope.staff()?;
    let mut teachers = new.teachers.unwrap_or_else(|| vec![viewer.person]);
    if viewer.role == Role::Teacher {
        teachers.push(viewer.person);
    }
    teachers.sort_unstable();
    teachers.dedup();
    let class = Class {
        id: ClassId(service.new_id()),
        name: text::name("name", new.name)?,
        name_key: text::key(new.name.trim()),
        code: text::name("code", new.code)?,
        archived: false,
        department_id: new.department,
        created_at: service.now(),
    };
    let tx = service.begin().await?;
    // People before departments, as everybody locks them.
    fit_to_teach(&tx, viewer.organization, &teachers).await?;
    organizations::reach_department(&tx, viewer.organization, new.department).await?;
    let row = entity::class::Model {
        id: class.id.0,
        organization_id: viewer.organization.0,
        name: class.name.clone(),
        name_key: class.name_key.clone(),
        code: class.code.clone(),
        archived: false,
        gallery_version: 0,
        department_id: class.department_id.map(|d| d.0),
        created_at: class.created_at,
    };
    tx.insert(vec![row]).await.map_err(code_taken)?;
    let teaching = teachers.iter().map(|teacher| entity::class_teacher::Model {
        class_id: class.id.0,
        person_id: teacher.0,
        organization_id: viewer.organization.0,
    });
    tx.insert(teaching.collect()).await?;
    audit::record(&tx, viewer, "createClass", ("Class", class.id.0), "created").await?;
    tx.commit().await?;
    Ok(class)
}

fn code_taken(error: sea_orm::DbErr) -> Error {
    if is_duplicate(&error) {
        Error::conflict("CODE_TAKEN", "another class has this code")
    } else {
        error.into()
    }
}

/// Each of them is of the organization's staff, and stays it until the transaction ends.
async fn fit_to_teach(tx: &Tx<'_>, organization: OrganizationId, teachers: &[PersonId]) -> Result<()> {
    if teachers.len() > MOST_TEACHERS {
        let message = format!("a class has at most {MOST_TEACHERS} teachers");
        return Err(Error::invalid("teacherIds", message));
    }
    let mut values = Values::default();
    let org = values.push(organization);
    let list = values.list(teachers.iter().copied());
    let known: Vec<Candidate> = tx
        .all(
            &format!(
                "SELECT role FROM person WHERE organization_id = {org} AND id IN {list} AND status <> 'ERASED' \
                 ORDER BY id{}",
                tx.for_share()
            ),
            values.done(),
        )
        .await?;
    if known.len() != teachers.len() {
        return Err(Error::NotFound("teacher"));
    }
    if known.iter().any(|k| k.role == Role::Student) {
        return Err(Error::invalid(
            "teacherIds",
            "teacherIds names someone who is not a teacher",
        ));
    }
    Ok(())
}

pub async fn by_ids(service: &Service, scope: &Scope, ids: &[ClassId]) -> Result<Vec<Class>> {
    let mut values = Values::default();
    let list = values.list(ids.iter().copied());
    let visible = access::by_class(scope, &mut values, "c.organization_id", "c.id");
    let sql = format!("SELECT {COLUMNS} FROM class c WHERE c.id IN {list} AND {visible}");
    service.db.reader().all(&sql, values.done()).await
}

/// The classes in which the asker has a part.
pub async fn list(
    service: &Service,
    scope: &Scope,
    search: Option<&str>,
    archived: Option<bool>,
    page: &PageRequest,
) -> Result<Page<Class>> {
    scope.viewer()?;
    let pattern = search.filter(|s| !s.trim().is_empty()).map(text::pattern).transpose()?;
    let body = |values: &mut Values| {
        let mut sql = format!(
            "FROM class c WHERE {}",
            access::by_class(scope, values, "c.organization_id", "c.id")
        );
        if let Some(pattern) = &pattern {
            let pattern = values.push(pattern.clone());
            sql += &format!(" AND (c.name_key LIKE {pattern} ESCAPE '\\' OR lower(c.code) LIKE {pattern} ESCAPE '\\')");
        }
        if let Some(archived) = archived {
            sql += &format!(" AND c.archived = {}", values.push(archived));
        }
        sql
    };
    page::fetch(service.db.reader(), page, ORDER, |_| COLUMNS.into(), body).await
}

/// The classes that a person teaches or attends, as far as the asker reaches them.
pub async fn of_person(service: &Service, scope: &Scope, person: PersonId, page: &PageRequest) -> Result<Page<Class>> {
    let now = service.now();
    let body = |values: &mut Values| {
        let (person, now) = (values.push(person), values.push(now));
        format!(
            "FROM class c WHERE {} AND (EXISTS (SELECT 1 FROM class_teacher t WHERE t.class_id = c.id AND t.person_id = {person}) \
             OR EXISTS (SELECT 1 FROM membership m WHERE m.class_id = c.id AND m.person_id = {person} AND m.joined_at <= {now} \
             AND (m.left_at IS NULL OR m.left_at > {now})))",
            access::by_class(scope, values, "c.organization_id", "c.id")
        )
    };
    page::fetch(service.db.reader(), page, ORDER, |_| COLUMNS.into(), body).await
}

#[derive(FromQueryResult)]
struct Teaching {
    class_id: ClassId,
    person_id: PersonId,
}

/// Who teaches each of these classes, by name; the classes are ones that the asker was given.
pub async fn teachers(service: &Service, scope: &Scope, ids: &[ClassId]) -> Result<Vec<(ClassId, Person)>> {
    let mut values = Values::default();
    let list = values.list(ids.iter().copied());
    let visible = access::by_class(scope, &mut values, "t.organization_id", "t.class_id");
    let rows: Vec<Teaching> = service
        .db
        .reader()
        .all(
            &format!("SELECT t.class_id, t.person_id FROM class_teacher t WHERE t.class_id IN {list} AND {visible}"),
            values.done(),
        )
        .await?;
    let mut ids: Vec<PersonId> = rows.iter().map(|r| r.person_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let people = people::by_ids(service, scope, &ids).await?;
    let mut pairs: Vec<(ClassId, Person)> = rows
        .iter()
        .filter_map(|row| {
            let person = people.iter().find(|p| p.id == row.person_id)?;
            Some((row.class_id, person.clone()))
        })
        .collect();
    pairs.sort_by(|a, b| (&a.1.name_key, a.1.id).cmp(&(&b.1.name_key, b.1.id)));
    Ok(pairs)
}

#[derive(FromQueryResult)]
struct Counted {
    class_id: ClassId,
    students: i64,
}

/// How many students belong to each class now; staff alone learn it.
pub async fn student_counts(service: &Service, scope: &Scope, ids: &[ClassId]) -> Result<Vec<(ClassId, i64)>> {
    if scope.viewer()?.role == Role::Student {
        return Ok(Vec::new());
    }
    let mut values = Values::default();
    let list = values.list(ids.iter().copied());
    let now = values.push(service.now());
    let visible = access::by_class(scope, &mut values, "c.organization_id", "c.id");
    let rows: Vec<Counted> = service
        .db
        .reader()
        .all(
            &format!(
                "SELECT c.id AS class_id, COUNT(m.id) AS students FROM class c LEFT JOIN membership m ON m.class_id = c.id \
                 AND m.joined_at <= {now} AND (m.left_at IS NULL OR m.left_at > {now}) \
                 WHERE c.id IN {list} AND {visible} GROUP BY c.id"
            ),
            values.done(),
        )
        .await?;
    Ok(rows.into_iter().map(|r| (r.class_id, r.students)).collect())
}

/// Says that the faces or the members of a class changed: workers read their gallery anew.
/// Also makes whoever changes one class's members wait for each other.
pub(crate) async fn raise_gallery(tx: &Tx<'_>, class: ClassId) -> Result<()> {
    tx.run(
        "UPDATE class SET gallery_version = gallery_version + 1 WHERE id = $1",
        vec![class.into()],
    )
    .await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Attended {
    id: ClassId,
}

/// Says that a person's templates changed: the same of every class that they belong to or have
/// belonged to, and of their organization's own gallery. Answers which classes.
pub(crate) async fn raise_galleries_of(tx: &Tx<'_>, person: PersonId) -> Result<Vec<ClassId>> {
    // In the order of ids: two that share classes never wait for each other in a circle.
    let classes: Vec<Attended> = tx
        .all(
            &format!(
                "SELECT c.id FROM class c WHERE c.id IN (SELECT m.class_id FROM membership m WHERE m.person_id = $1) \
                 ORDER BY c.id{}",
                tx.for_update()
            ),
            vec![person.into()],
        )
        .await?;
    let classes: Vec<ClassId> = classes.into_iter().map(|class| class.id).collect();
    let mut values = Values::default();
    let list = values.list(classes.iter().copied());
    let sql = format!("UPDATE class SET gallery_version = gallery_version + 1 WHERE id IN {list}");
    tx.run(&sql, values.done()).await?;
    tx.run(
        "INSERT INTO gallery (organization_id, version) SELECT organization_id, 1 FROM person WHERE id = $1 \
         ON CONFLICT (organization_id) DO UPDATE SET version = gallery.version + 1",
        vec![person.into()],
    )
    .await?;
    Ok(classes)
}

/// Holds a person whose galleries were raised, and refuses where they joined another class meanwhile: its
/// gallery would stay what it was before.
pub(crate) async fn hold_raised(tx: &Tx<'_>, person: PersonId, raised: &[ClassId]) -> Result<()> {
    let hold = format!(
        "SELECT CAST(1 AS BIGINT) AS value FROM person WHERE id = $1{}",
        tx.for_update()
    );
    let _held: Option<Scalar> = tx.one(&hold, vec![person.into()]).await?;
    let classes: Vec<Attended> = tx
        .all(
            "SELECT DISTINCT m.class_id AS id FROM membership m WHERE m.person_id = $1",
            vec![person.into()],
        )
        .await?;
    if classes.iter().all(|class| raised.contains(&class.id)) {
        Ok(())
    } else {
        Err(Error::Unavailable("The student"))
    }
}

/// The same of all classes of an organization.
pub(crate) async fn raise_all_galleries(tx: &Tx<'_>, organization: OrganizationId) -> Result<()> {
    tx.all::<Attended>(
        &format!(
            "SELECT id FROM class WHERE organization_id = $1 ORDER BY id{}",
            tx.for_update()
        ),
        vec![organization.into()],
    )
    .await?;
    tx.run(
        "UPDATE class SET gallery_version = gallery_version + 1 WHERE organization_id = $1",
        vec![organization.into()],
    )
    .await?;
    Ok(())
}

/// The class, if the asker teaches it or is an admin.
pub(crate) async fn reach(service: &Service, scope: &Scope, id: ClassId) -> Result<Class> {
    access::staff_on(service, scope, "class", id.0).await?;
    by_ids(service, scope, &[id])
        .await?
        .pop()
        .ok_or(Error::NotFound("class"))
}
