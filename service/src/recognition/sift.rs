//! Staff look through the enrolled photos: what waits is accepted or rejected, and what should not be
//! there is deleted. Whoever decides about a template means its photo, and with it the templates that
//! other embedders have of it.

use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::embedders::OF_GALLERY;
use super::templates::{COLUMNS, Template, by_ids};
use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::id::{ClassId, JobId, PersonId, TemplateId};
use crate::kinds::TemplateStatus;
use crate::page::{self, KeyKind, Order, Page, PageRequest, Placed, SortKey};
use crate::scope::Scope;
use crate::{Service, Tx, access, audit, classes, media, people};

impl Placed for Template {
    fn place(&self) -> (SortKey, Uuid) {
        (SortKey::Time(self.created_at), self.id.0)
    }
}

const ORDER: Order = Order {
    key: "t.created_at",
    id: "t.id",
    kind: KeyKind::Time,
    descending: false,
};

/// The gallery's templates of the students whom the asker teaches (an admin: of all), oldest first:
/// those of a status, and of the students who belong to a class now.
pub async fn list(
    service: &Service,
    scope: &Scope,
    status: Option<TemplateStatus>,
    class: Option<ClassId>,
    page: &PageRequest,
) -> Result<Page<Template>> {
    let viewer = scope.staff()?;
    let now = service.now();
    let body = |values: &mut Values| {
        let own = values.push(viewer.organization);
        let full = access::person_in_full(scope, values, "t.person_id");
        let mut sql = format!("FROM face_template t WHERE t.organization_id = {own} AND {OF_GALLERY} AND {full}");
        if let Some(status) = status {
            sql += &format!(" AND t.status = {}", values.push(status));
        }
        if let Some(class) = class {
            let visible = access::by_class(scope, values, "m.organization_id", "m.class_id");
            let (class, now) = (values.push(class), values.push(now));
            sql += &format!(
                " AND EXISTS (SELECT 1 FROM membership m WHERE m.person_id = t.person_id AND m.class_id = {class} \
                 AND m.joined_at <= {now} AND (m.left_at IS NULL OR m.left_at > {now}) AND {visible})"
            );
        }
        sql
    };
    page::fetch(service.db.reader(), page, ORDER, |_| COLUMNS.into(), body).await
}

/// A template as the transaction reads it.
#[derive(FromQueryResult)]
struct Found {
    id: TemplateId,
    person_id: PersonId,
    job_id: JobId,
    photo_index: i32,
    status: TemplateStatus,
}

#[derive(FromQueryResult)]
struct Crop {
    crop_key: Option<String>,
}

/// Accepts or rejects a photo that waits. What was doubted about it stays to be read; of a rejected one
/// nothing is left to compare with.
pub async fn review(service: &Service, scope: &Scope, id: TemplateId, accept: bool) -> Result<Template> {
    let person = reach(service, scope, id).await?.person_id;
    let viewer = scope.staff()?;
    let tx = service.begin().await?;
    let found = lock(&tx, id, person).await?;
    if found.status != TemplateStatus::Pending {
        return Err(Error::conflict(
            "DECIDED",
            format!(
                "only a template that is PENDING waits for a decision, and this one is {}; delete it if it is wrong",
                found.status.word()
            ),
        ));
    }
    let (status, embedding) = if accept {
        (TemplateStatus::Accepted, "embedding")
    } else {
        (TemplateStatus::Rejected, "NULL")
    };
    tx.run(
        &format!(
            "UPDATE face_template SET status = $1, embedding = {embedding} \
             WHERE job_id = $2 AND photo_index = $3 AND status = 'PENDING'"
        ),
        vec![status.into(), found.job_id.into(), found.photo_index.into()],
    )
    .await?;
    let target = ("FaceTemplate", id.0);
    audit::record(&tx, viewer, "reviewFaceTemplate", target, status.word()).await?;
    tx.commit().await?;
    find(service, scope, id).await
}

/// Deletes an enrolled photo's templates and their crop. What was recognized by them stays.
pub async fn delete(service: &Service, scope: &Scope, id: TemplateId) -> Result<()> {
    let person = reach(service, scope, id).await?.person_id;
    let viewer = scope.staff()?;
    let tx = service.begin().await?;
    let found = lock(&tx, id, person).await?;
    let crops: Vec<Crop> = tx
        .all(
            "DELETE FROM face_template WHERE job_id = $1 AND photo_index = $2 RETURNING crop_key",
            vec![found.job_id.into(), found.photo_index.into()],
        )
        .await?;
    media::discard(&tx, crops.into_iter().filter_map(|c| c.crop_key)).await?;
    let target = ("FaceTemplate", id.0);
    audit::record(&tx, viewer, "deleteFaceTemplate", target, found.status.word()).await?;
    tx.commit().await
}

/// The template, where the asker is staff and sees its person in full: nobody decides about their own
/// face, not even who became staff since.
async fn reach(service: &Service, scope: &Scope, id: TemplateId) -> Result<Template> {
    access::staff_on(service, scope, "face_template", id.0).await?;
    let template = find(service, scope, id).await?;
    if scope.viewer()?.person == template.person_id {
        return Err(Error::Forbidden);
    }
    Ok(template)
}

async fn find(service: &Service, scope: &Scope, id: TemplateId) -> Result<Template> {
    by_ids(service, scope, &[id])
        .await?
        .pop()
        .ok_or(Error::NotFound("face template"))
}

/// Locks what a change of a person's templates changes, in the order that everybody keeps to.
async fn lock(tx: &Tx<'_>, id: TemplateId, person: PersonId) -> Result<Found> {
    let raised = classes::raise_galleries_of(tx, person).await?;
    classes::hold_raised(tx, person, &raised).await?;
    if people::still_here(tx, [person]).await?.is_empty() {
        return Err(Error::NotFound("face template"));
    }
    // All of the photo's: a re-embedding holds the one that it adds another to.
    let sql = format!(
        "SELECT t.id, t.person_id, t.job_id, t.photo_index, t.status FROM face_template t WHERE (t.job_id, t.photo_index) IN \
         (SELECT o.job_id, o.photo_index FROM face_template o WHERE o.id = $1) ORDER BY t.id{}",
        tx.for_update()
    );
    let found: Vec<Found> = tx.all(&sql, vec![id.into()]).await?;
    found
        .into_iter()
        .find(|f| f.id == id && f.person_id == person)
        .ok_or(Error::NotFound("face template"))
}
