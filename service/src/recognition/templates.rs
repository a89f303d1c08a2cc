//! Enrolled faces as they are shown, and who is enrolled by them.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;

use super::Quality;
use super::embedders::OF_GALLERY;
use crate::db::{Sql, Values};
use crate::error::Result;
use crate::id::{ClassId, JobId, PersonId, TemplateId};
use crate::kinds::{Role, TemplateStatus};
use crate::people::{self, Person};
use crate::scope::Scope;
use crate::{Service, access};

#[derive(Clone, Debug, FromQueryResult)]
pub struct Template {
    pub id: TemplateId,
    pub person_id: PersonId,
    pub job_id: JobId,
    pub photo_index: i32,
    pub model: String,
    pub status: TemplateStatus,
    quality: Option<serde_json::Value>,
    rejections: serde_json::Value,
    pub has_crop: bool,
    pub created_at: DateTime<Utc>,
}

impl Template {
    /// None where no face was found.
    pub fn quality(&self) -> Option<Quality> {
        serde_json::from_value(self.quality.clone()?).ok()
    }

    pub fn rejections(&self) -> Vec<String> {
        serde_json::from_value(self.rejections.clone()).unwrap_or_default()
    }
}

/// Of a template by the alias `t`.
pub(super) const COLUMNS: &str = "t.id, t.person_id, t.job_id, t.photo_index, t.model, t.status, t.quality, t.rejections, \
     t.crop_key IS NOT NULL AS has_crop, t.created_at";

async fn select(service: &Service, scope: &Scope, which: impl FnOnce(&mut Values) -> String) -> Result<Vec<Template>> {
    let mut values = Values::default();
    let which = which(&mut values);
    let full = access::person_in_full(scope, &mut values, "t.person_id");
    let own = match scope {
        Scope::Viewer(viewer) => format!("t.organization_id = {}", values.push(viewer.organization)),
        Scope::System(_) => "TRUE".into(),
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM face_template t \
         WHERE {which} AND {own} AND {full} ORDER BY t.created_at, t.job_id, t.photo_index"
    );
    service.db.reader().all(&sql, values.done()).await
}

pub async fn by_ids(service: &Service, scope: &Scope, ids: &[TemplateId]) -> Result<Vec<Template>> {
    select(service, scope, |v| format!("t.id IN {}", v.list(ids.iter().copied()))).await
}

/// What these jobs made, as the gallery has it.
pub async fn by_jobs(service: &Service, scope: &Scope, ids: &[JobId]) -> Result<Vec<Template>> {
    select(service, scope, |v| {
        format!("t.job_id IN {} AND {OF_GALLERY}", v.list(ids.iter().copied()))
    })
    .await
}

/// The templates of these people in the gallery, oldest first.
pub async fn of_people(service: &Service, scope: &Scope, ids: &[PersonId]) -> Result<Vec<Template>> {
    select(service, scope, |v| {
        format!("t.person_id IN {} AND {OF_GALLERY}", v.list(ids.iter().copied()))
    })
    .await
}

/// Whether a person `p` has enough accepted templates in their organization's gallery, in SQL.
pub(crate) const ENROLLED: &str = "EXISTS (SELECT 1 FROM gallery eg JOIN organization eo ON eo.id = eg.organization_id \
     WHERE eg.organization_id = p.organization_id AND (SELECT COUNT(*) FROM face_template e WHERE e.person_id = p.id \
     AND e.model = eg.model AND e.status = 'ACCEPTED') >= eo.min_enrolment_photos)";

#[derive(FromQueryResult)]
struct Enrolled {
    id: PersonId,
    enrolled: bool,
}

/// Who of these can be recognized; of those whom the asker does not see in full nothing is said.
pub async fn enrolled(service: &Service, scope: &Scope, ids: &[PersonId]) -> Result<Vec<(PersonId, bool)>> {
    let mut values = Values::default();
    let list = values.list(ids.iter().copied());
    let full = access::person_in_full(scope, &mut values, "p.id");
    let own = match scope {
        Scope::Viewer(viewer) => format!("p.organization_id = {}", values.push(viewer.organization)),
        Scope::System(_) => "TRUE".into(),
    };
    let sql = format!(
        "SELECT p.id, {ENROLLED} AS enrolled FROM person p \
         WHERE p.id IN {list} AND {own} AND {full} AND p.status <> 'ERASED'"
    );
    let rows: Vec<Enrolled> = service.db.reader().all(&sql, values.done()).await?;
    Ok(rows.into_iter().map(|r| (r.id, r.enrolled)).collect())
}

/// The students of a class who cannot be recognized yet, by name; for its staff.
pub async fn unenrolled(service: &Service, scope: &Scope, class: ClassId) -> Result<Option<Vec<Person>>> {
    if scope.viewer()?.role == Role::Student {
        return Ok(None);
    }
    let mut values = Values::default();
    let full = access::person_in_full(scope, &mut values, "p.id");
    let (class, now) = (values.push(class), values.push(service.now()));
    let visible = access::by_class(scope, &mut values, "m.organization_id", "m.class_id");
    let sql = format!(
        "SELECT {} FROM person p JOIN membership m ON m.person_id = p.id WHERE m.class_id = {class} \
         AND m.joined_at <= {now} AND (m.left_at IS NULL OR m.left_at > {now}) AND {visible} AND NOT {ENROLLED} \
         ORDER BY p.name_key, p.id",
        people::columns(&full)
    );
    Ok(Some(service.db.reader().all(&sql, values.done()).await?))
}
