//! A class that is there is changed, archived or deleted.

use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{Class, by_ids, code_taken, fit_to_teach, reach};
use crate::accounts::{self, LiveLogins};
use crate::attendance::marks;
use crate::change::Change;
use crate::db::{Scalar, Sql, Values};
use crate::error::{Error, Result};
use crate::events::Topic;
use crate::id::{ClassId, DepartmentId, JobId, OrganizationId, PersonId};
use crate::kinds::Role;
use crate::scope::{Scope, Viewer};
use crate::{Service, Tx, audit, media, organizations, queue, text};

#[derive(Debug, Default)]
pub struct ClassChange {
    pub name: Change<String>,
    pub code: Change<String>,
    pub department: Change<DepartmentId>,
    /// All who teach it from now on.
    pub teachers: Change<Vec<PersonId>>,
}

#[derive(FromQueryResult)]
struct Known {
    archived: bool,
}

/// Nobody else changes the class until the transaction ends.
async fn lock(tx: &Tx<'_>, id: ClassId) -> Result<Known> {
    tx.one(
        &format!("SELECT archived FROM class WHERE id = $1{}", tx.for_update()),
        vec![id.into()],
    )
    .await?
    .ok_or(Error::NotFound("class"))
}

pub async fn update(service: &Service, scope: &Scope, id: ClassId, change: ClassChange) -> Result<Class> {
    let mut class = reach(service, scope, id).await?;
    let viewer = scope.staff()?;
    let mut tx = service.begin().await?;
    lock(&tx, id).await?;
    let mut fields = Vec::new();
    let mut values = Values::default();
    let mut set = Vec::new();
    if let Some(name) = change.name.required("name")? {
        class.name = text::name("name", name)?;
        class.name_key = text::key(&class.name);
        fields.push("name");
        set.push(format!("name_key = {}", values.push(class.name_key.clone())));
        set.push(format!("name = {}", values.push(class.name.clone())));
    }
    if let Some(code) = change.code.required("code")? {
        class.code = text::name("code", code)?;
        fields.push("code");
        set.push(format!("code = {}", values.push(class.code.clone())));
    }
    if let Some(teachers) = change.teachers.required("teacherIds")?
        && set_teachers(&mut tx, viewer, id, teachers.clone()).await?
    {
        fields.push("teachers");
    }
    if let Some(department) = change.department.given() {
        class.department_id = department.copied();
        organizations::reach_department(&tx, viewer.organization, class.department_id).await?;
        fields.push("department");
        set.push(format!("department_id = {}", values.push(class.department_id)));
    }
    if !set.is_empty() {
        let key = values.push(id);
        let sql = format!("UPDATE class SET {} WHERE id = {key}", set.join(", "));
        tx.execute_raw(tx.statement(&sql, values.done()))
            .await
            .map_err(code_taken)?;
    }
    if !fields.is_empty() {
        audit::record(&tx, viewer, "updateClass", ("Class", id.0), &fields.join(", ")).await?;
        tx.announce(Topic::Sessions(viewer.organization));
    }
    tx.commit().await?;
    // Whoever took themselves off the class is shown it once more, as they left it.
    Ok(class)
}

#[derive(FromQueryResult)]
struct Teacher {
    person_id: PersonId,
}

/// Answers whether that changes anything. Who is no longer among them loses the class at once, on
/// open sockets too.
async fn set_teachers(tx: &mut Tx<'_>, viewer: &Viewer, id: ClassId, mut teachers: Vec<PersonId>) -> Result<bool> {
    teachers.sort_unstable();
    teachers.dedup();
    if teachers.is_empty() && viewer.role != Role::Admin {
        return Err(Error::invalid(
            "teacherIds",
            "only an admin leaves a class without a teacher",
        ));
    }
    fit_to_teach(tx, viewer.organization, &teachers).await?;
    let before: Vec<Teacher> = tx
        .all(
            "SELECT person_id FROM class_teacher WHERE class_id = $1 ORDER BY person_id",
            vec![id.into()],
        )
        .await?;
    let before: Vec<PersonId> = before.into_iter().map(|t| t.person_id).collect();
    let gone: Vec<PersonId> = before.iter().filter(|p| !teachers.contains(p)).copied().collect();
    let new: Vec<PersonId> = teachers.into_iter().filter(|p| !before.contains(p)).collect();
    if !gone.is_empty() {
        let mut values = Values::default();
        let class = values.push(id);
        let list = values.list(gone.iter().copied());
        let sql = format!("DELETE FROM class_teacher WHERE class_id = {class} AND person_id IN {list}");
        tx.run(&sql, values.done()).await?;
    }
    for person in &gone {
        accounts::tell_all(tx, LiveLogins::Person(*person)).await?;
    }
    let changed = !gone.is_empty() || !new.is_empty();
    let rows = new.into_iter().map(|teacher| entity::class_teacher::Model {
        class_id: id.0,
        person_id: teacher.0,
        organization_id: viewer.organization.0,
    });
    tx.insert(rows.collect()).await?;
    Ok(changed)
}

/// An archived class takes no new sessions, and the clock opens none of those it has.
pub async fn archive(service: &Service, scope: &Scope, id: ClassId, archived: bool) -> Result<Class> {
    reach(service, scope, id).await?;
    let viewer = scope.staff()?;
    let mut tx = service.begin().await?;
    if lock(&tx, id).await?.archived != archived {
        tx.run(
            "UPDATE class SET archived = $1 WHERE id = $2",
            vec![archived.into(), id.into()],
        )
        .await?;
        if !archived {
            marks::lock_all_of(&tx, &[id]).await?;
            // Nobody held what was over before: the clock would write everyone absent.
            tx.run(
                "UPDATE session SET state = 'CANCELLED', touched_at = $1 \
                 WHERE class_id = $2 AND state = 'SCHEDULED' AND ends_at <= $1",
                vec![service.now().into(), id.into()],
            )
            .await?;
        }
        let summary = if archived {
            "archived"
        } else {
            "taken out of the archive"
        };
        audit::record(&tx, viewer, "archiveClass", ("Class", id.0), summary).await?;
        tx.announce(Topic::Sessions(viewer.organization));
    }
    tx.commit().await?;
    by_ids(service, scope, &[id])
        .await?
        .pop()
        .ok_or(Error::NotFound("class"))
}

/// Which jobs are of a class: of its sessions, or asked within it. `$1` is its id.
const JOBS: &str = "SELECT j.id FROM job j WHERE j.class_id = $1 OR j.session_id IN (SELECT s.id FROM session s WHERE s.class_id = $1)";

/// Deletes a class that nobody was ever marked in, with its sessions and their photos.
pub async fn delete(service: &Service, scope: &Scope, id: ClassId) -> Result<()> {
    reach(service, scope, id).await?;
    let viewer = scope.staff()?;
    let mut tx = service.begin().await?;
    // Jobs before classes before sessions, as everybody locks them.
    cancel_jobs(&mut tx, id).await?;
    lock_whole(&tx, viewer.organization, id).await?;
    // A mark that was withdrawn is history all the same.
    let marked: Option<Scalar> = tx
        .one(
            "SELECT COUNT(*) AS value FROM session s WHERE s.class_id = $1 \
             AND (EXISTS (SELECT 1 FROM mark_change h WHERE h.session_id = s.id) \
             OR EXISTS (SELECT 1 FROM mark m WHERE m.session_id = s.id))",
            vec![id.into()],
        )
        .await?;
    if marked.is_some_and(|marked| marked.value > 0) {
        return Err(Error::conflict("HAS_MARKS", "the class has marks; archive it instead"));
    }
    // What came in between the first look and the lock.
    cancel_jobs(&mut tx, id).await?;
    discard(&tx, id).await?;
    for statement in [
        "DELETE FROM notice WHERE session_id IN (SELECT s.id FROM session s WHERE s.class_id = $1)",
        &format!("DELETE FROM face WHERE job_id IN ({JOBS})"),
        &format!("DELETE FROM photo WHERE job_id IN ({JOBS})"),
        &format!("DELETE FROM export WHERE job_id IN ({JOBS})"),
        &format!("DELETE FROM job WHERE id IN ({JOBS})"),
        "DELETE FROM session WHERE class_id = $1",
        "DELETE FROM membership WHERE class_id = $1",
        "DELETE FROM class_teacher WHERE class_id = $1",
        "DELETE FROM class WHERE id = $1",
    ] {
        tx.run(statement, vec![id.into()]).await?;
    }
    audit::record(&tx, viewer, "deleteClass", ("Class", id.0), "deleted").await?;
    tx.announce(Topic::Sessions(viewer.organization));
    tx.announce(Topic::Reviews(viewer.organization));
    tx.commit().await
}

#[derive(FromQueryResult)]
struct Row {
    id: JobId,
}

/// A worker that is at such a job finds it gone when it comes to write.
async fn cancel_jobs(tx: &mut Tx<'_>, id: ClassId) -> Result<()> {
    let cancelled: Vec<Row> = tx
        .all(
            &format!(
                "UPDATE job SET status = 'CANCELLED', lease_until = NULL, finished_at = $2, revision = revision + 1 \
                 WHERE id IN ({JOBS}) AND status IN ('QUEUED', 'RUNNING') RETURNING id"
            ),
            vec![id.into(), tx.service.now().into()],
        )
        .await?;
    queue::announce_all(tx, cancelled.into_iter().map(|job| job.id));
    Ok(())
}

/// The sessions are locked against new references too, which `for_update` lets pass: whoever
/// submits now comes before, or finds them gone. The class is not: who changes a session twice in
/// one transaction refers to it again at the second time. Planning holds the class shared.
async fn lock_whole(tx: &Tx<'_>, organization: OrganizationId, id: ClassId) -> Result<()> {
    let lock = if tx.for_update().is_empty() { "" } else { " FOR UPDATE" };
    let found = tx
        .all::<Uuids>(
            &format!(
                "SELECT id FROM class WHERE id = $1 AND organization_id = $2{}",
                tx.for_update()
            ),
            vec![id.into(), organization.into()],
        )
        .await?;
    if found.is_empty() {
        return Err(Error::NotFound("class"));
    }
    // Whoever plans or moves a session holds the organization: none of them is at it from here on.
    organizations::hold(tx, organization, tx.for_update()).await?;
    tx.all::<Uuids>(
        &format!("SELECT id FROM session WHERE class_id = $1 ORDER BY id{lock}"),
        vec![id.into()],
    )
    .await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Uuids {
    #[expect(dead_code, reason = "the rows are locked, not read")]
    id: uuid::Uuid,
}

async fn discard(tx: &Tx<'_>, id: ClassId) -> Result<()> {
    let tables = [("photo", "media_key"), ("face", "crop_key"), ("export", "media_key")];
    media::discard_of(tx, &tables, &format!("job_id IN ({JOBS})"), &[id.into()]).await
}
