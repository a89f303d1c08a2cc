//! Who sees which rows: the one place, as conditions for SQL. What another organization owns
//! does not exist; a teacher reaches the classes they teach, a student themselves.

use uuid::Uuid;

use crate::Service;
use crate::db::{Scalar, Sql, Values};
use crate::error::{Error, Result};
use crate::kinds::Role;
use crate::scope::{Scope, Viewer};

/// Rows that hang on a class: `organization` and `class` are the columns that tell.
pub(crate) fn by_class(scope: &Scope, values: &mut Values, organization: &str, class: &str) -> String {
    let Scope::Viewer(viewer) = scope else {
        return "TRUE".into();
    };
    let org = values.push(viewer.organization);
    let own = match viewer.role {
        Role::Admin => return format!("{organization} = {org}"),
        Role::Teacher => "class_teacher",
        Role::Student => "membership",
    };
    let me = values.push(viewer.person);
    format!(
        "({organization} = {org} AND EXISTS (SELECT 1 FROM {own} v WHERE v.class_id = {class} AND v.person_id = {me}))"
    )
}

/// Lets staff go on to work on a row of this table. A student is refused by role what their
/// organization owns; what another's owns does not exist for them either.
pub(crate) async fn staff_on(service: &Service, scope: &Scope, table: &'static str, id: Uuid) -> Result<()> {
    let viewer = scope.viewer()?;
    if viewer.role == Role::Student {
        return Err(refusal(service, viewer, table, table, id).await?);
    }
    Ok(())
}

/// The same of admins, and `name` is what clients call a row of the table.
pub(crate) async fn admin_on<'v>(
    service: &Service,
    scope: &'v Scope,
    table: &'static str,
    name: &'static str,
    id: Uuid,
) -> Result<&'v Viewer> {
    let viewer = scope.viewer()?;
    if viewer.role != Role::Admin {
        return Err(refusal(service, viewer, table, name, id).await?);
    }
    Ok(viewer)
}

async fn refusal(
    service: &Service,
    viewer: &Viewer,
    table: &'static str,
    name: &'static str,
    id: Uuid,
) -> Result<Error> {
    let here: Option<Scalar> = service
        .db
        .reader()
        .one(
            &format!("SELECT COUNT(*) AS value FROM {table} WHERE id = $1 AND organization_id = $2"),
            vec![id.into(), viewer.organization.into()],
        )
        .await?;
    Ok(if here.is_some_and(|h| h.value > 0) {
        Error::Forbidden
    } else {
        Error::NotFound(name)
    })
}

/// People of whom the viewer may see everything; `person` is the column of the id.
/// Of others in the organization it is name and role alone.
pub(crate) fn person_in_full(scope: &Scope, values: &mut Values, person: &str) -> String {
    let Scope::Viewer(viewer) = scope else {
        return "TRUE".into();
    };
    if viewer.role == Role::Admin {
        return "TRUE".into();
    }
    let me = values.push(viewer.person);
    match viewer.role {
        Role::Teacher => format!(
            "({person} = {me} OR EXISTS (SELECT 1 FROM membership vm \
             JOIN class_teacher vt ON vt.class_id = vm.class_id \
             WHERE vm.person_id = {person} AND vt.person_id = {me}))"
        ),
        _ => format!("{person} = {me}"),
    }
}

/// People whom the viewer may look up: those seen in full, a teacher's colleagues, a student's teachers.
pub(crate) fn person_at_all(scope: &Scope, values: &mut Values, person: &str, role: &str) -> String {
    let full = person_in_full(scope, values, person);
    let Scope::Viewer(viewer) = scope else { return full };
    match viewer.role {
        Role::Admin => full,
        Role::Teacher => format!("({full} OR {role} <> 'STUDENT')"),
        Role::Student => {
            let me = values.push(viewer.person);
            format!(
                "({full} OR EXISTS (SELECT 1 FROM class_teacher wt \
                 JOIN membership wm ON wm.class_id = wt.class_id \
                 WHERE wt.person_id = {person} AND wm.person_id = {me}))"
            )
        }
    }
}

/// Departments, by the alias `d`: all of the organization for staff; for a student their own and
/// those of their classes.
pub(crate) fn department(scope: &Scope, values: &mut Values) -> String {
    let Scope::Viewer(viewer) = scope else {
        return "TRUE".into();
    };
    let org = values.push(viewer.organization);
    if viewer.role != Role::Student {
        return format!("d.organization_id = {org}");
    }
    let me = values.push(viewer.person);
    format!(
        "(d.organization_id = {org} AND (d.id IN (SELECT p.department_id FROM person p WHERE p.id = {me}) \
         OR d.id IN (SELECT c.department_id FROM class c JOIN membership m ON m.class_id = c.id \
         WHERE m.person_id = {me})))"
    )
}

/// Jobs, by the alias of their table: identifications and reports are for their submitter and admins
/// alone.
pub(crate) fn job(scope: &Scope, values: &mut Values, job: &str) -> String {
    let Scope::Viewer(viewer) = scope else {
        return "TRUE".into();
    };
    let org = values.push(viewer.organization);
    let mine = match viewer.role {
        Role::Admin => return format!("{job}.organization_id = {org}"),
        Role::Teacher => {
            let me = values.push(viewer.person);
            let about = person_in_full(scope, values, &format!("{job}.person_id"));
            format!(
                "({job}.kind IN ('IDENTIFY', 'EXPORT') AND {job}.submitted_by = {me}) OR \
                 ({job}.kind NOT IN ('IDENTIFY', 'EXPORT') \
                 AND (EXISTS (SELECT 1 FROM class_teacher v WHERE v.class_id = {job}.class_id AND v.person_id = {me}) \
                 OR ({job}.person_id IS NOT NULL AND {about})))"
            )
        }
        Role::Student => {
            let me = values.push(viewer.person);
            format!("{job}.person_id = {me}")
        }
    };
    format!("({job}.organization_id = {org} AND ({mine}))")
}

/// Marks of sessions that the viewer reaches; a student's are their own. `m` and `s` are the
/// aliases of mark and session.
pub(crate) fn mark(scope: &Scope, values: &mut Values) -> String {
    match scope {
        Scope::Viewer(viewer) if viewer.role == Role::Student => {
            let org = values.push(viewer.organization);
            let me = values.push(viewer.person);
            format!("(m.organization_id = {org} AND m.student_id = {me})")
        }
        _ => by_class(scope, values, "s.organization_id", "s.class_id"),
    }
}

/// Restricts the entries of a roll (column `student`) to the student who looks.
pub(crate) fn own_entry(scope: &Scope, values: &mut Values, student: &str) -> String {
    match scope {
        Scope::Viewer(viewer) if viewer.role == Role::Student => {
            format!("{student} = {}", values.push(viewer.person))
        }
        _ => "TRUE".into(),
    }
}
