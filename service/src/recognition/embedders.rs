//! Which embedder the templates of an organization's gallery are of. One at a time: it is noted with
//! the first enrolment, every job keeps to the one that it found when it was claimed, and going over
//! to another is one transaction.
//!
//! An enrolled photo is a job and a place in it. It has at most one template for each embedder; they
//! share its crop and its person's decision, and whoever reviews or deletes one means the photo.
//! Templates that are not the gallery's lie beside it: compared with nothing, counted nowhere.
//!
//! Locks are taken in this order: job, classes, `gallery`, people, templates.

use sea_orm::FromQueryResult;

use crate::db::{Scalar, Sql, Values};
use crate::error::{Error, Result};
use crate::id::OrganizationId;
use crate::organizations::{self, Organization};
use crate::scope::Scope;
use crate::{Service, Tx, audit, classes};

/// An enrolment or a re-embedding finds that the gallery went over to another embedder meanwhile.
pub const GALLERY_SWITCHED: &str = "GALLERY_SWITCHED";

/// Whether a template `t` is one of its organization's gallery, in SQL.
pub(crate) const OF_GALLERY: &str =
    "t.model = (SELECT og.model FROM gallery og WHERE og.organization_id = t.organization_id)";

#[derive(FromQueryResult)]
struct Gallery {
    model: Option<String>,
}

/// Has new templates of this embedder belong to the gallery, which becomes the embedder's where it is
/// nobody's yet. CONFLICT where it is another's: the photos are to be looked at again.
pub(super) async fn keep_to(tx: &Tx<'_>, organization: OrganizationId, model: &str) -> Result<()> {
    let found: Option<Gallery> = tx
        .one(
            "INSERT INTO gallery (organization_id, version, model) VALUES ($1, 1, $2) \
             ON CONFLICT (organization_id) DO UPDATE SET model = COALESCE(gallery.model, excluded.model) \
             RETURNING model",
            vec![organization.into(), model.into()],
        )
        .await?;
    if found.and_then(|g| g.model).as_deref() == Some(model) {
        return Ok(());
    }
    Err(Error::conflict(
        GALLERY_SWITCHED,
        "the gallery went over to another embedder meanwhile",
    ))
}

/// Locks the gallery and answers its embedder: nothing is enrolled until the transaction ends.
pub(super) async fn hold(tx: &Tx<'_>, organization: OrganizationId) -> Result<Option<String>> {
    let found: Option<Gallery> = tx
        .one(
            "INSERT INTO gallery (organization_id, version) VALUES ($1, 1) \
             ON CONFLICT (organization_id) DO UPDATE SET version = gallery.version RETURNING model",
            vec![organization.into()],
        )
        .await?;
    Ok(found.and_then(|g| g.model))
}

/// The templates `t` whose photo has none of the embedder yet: those of the gallery, and of photos that
/// the gallery has none of either (enrolled before an embedder was noted). In SQL from `FROM` on.
pub(super) fn lacking(values: &mut Values, organization: OrganizationId, model: &str) -> String {
    let (organization, model) = (values.push(organization), values.push(model));
    let has = |model: &str| {
        format!(
            "EXISTS (SELECT 1 FROM face_template n WHERE n.job_id = t.job_id AND n.photo_index = t.photo_index \
             AND n.model = {model})"
        )
    };
    format!(
        "FROM face_template t JOIN gallery g ON g.organization_id = t.organization_id \
         WHERE t.organization_id = {organization} AND t.model <> {model} AND NOT {} \
         AND (t.model = g.model OR NOT {})",
        has(&model),
        has("g.model")
    )
}

/// How many templates would have to be made for the gallery to be this embedder's.
pub(super) async fn missing(db: &impl Sql, organization: OrganizationId, model: &str) -> Result<i64> {
    let mut values = Values::default();
    let lacking = lacking(&mut values, organization, model);
    let sql = format!("SELECT COUNT(*) AS value {lacking}");
    let found: Option<Scalar> = db.one(&sql, values.done()).await?;
    Ok(found.map_or(0, |f| f.value))
}

/// Turns the gallery, which the caller holds, to an embedder. What was read of it before is read
/// again, in every class.
pub(super) async fn turn(tx: &Tx<'_>, organization: OrganizationId, model: &str) -> Result<()> {
    tx.run(
        "UPDATE gallery SET model = $2, version = version + 1 WHERE organization_id = $1",
        vec![organization.into(), model.into()],
    )
    .await?;
    Ok(())
}

/// Turns the gallery to an embedder whose templates are complete. One that finds no face any more in
/// some of the crops has templates that say so, and is complete: whoever turns to it by hand accepts
/// that.
pub async fn switch_gallery(service: &Service, scope: &Scope, model: &str) -> Result<Organization> {
    let viewer = scope.admin()?;
    let organization = viewer.organization;
    let unknown = || {
        Error::invalid(
            "model",
            "no worker has run with an embedder of this name; templates say which one they are of",
        )
    };
    if model.chars().any(char::is_control) {
        return Err(unknown());
    }
    let tx = service.begin().await?;
    let known: Option<Scalar> = tx
        .one(
            "SELECT (SELECT COUNT(*) FROM embedder WHERE name = $1) + \
             (SELECT COUNT(*) FROM gallery WHERE organization_id = $2 AND model = $1) AS value",
            vec![model.into(), organization.into()],
        )
        .await?;
    if known.is_none_or(|k| k.value == 0) {
        return Err(unknown());
    }
    classes::raise_all_galleries(&tx, organization).await?;
    let from = hold(&tx, organization).await?;
    let missing = missing(&*tx, organization, model).await?;
    if missing > 0 {
        return Err(Error::conflict(
            "INCOMPLETE",
            format!(
                "{missing} enrolled photos have no template of {model}; let the workers run with it, and have \
                 reembedGallery make them"
            ),
        ));
    }
    turn(&tx, organization, model).await?;
    let summary = format!("{} to {model}", from.as_deref().unwrap_or("none"));
    let target = ("Organization", organization.0);
    audit::record(&tx, viewer, "switchGallery", target, &summary).await?;
    tx.commit().await?;
    organizations::by_ids(service, scope, &[organization])
        .await?
        .pop()
        .ok_or(Error::NotFound("organization"))
}
