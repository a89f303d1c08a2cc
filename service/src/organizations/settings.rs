//! The settings that an organization's admins choose, each within what makes sense.

use chrono_tz::Tz;
use sea_orm::FromQueryResult;

use super::{Organization, by_ids};
use crate::change::Change;
use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::id::OrganizationId;
use crate::queue::nodes;
use crate::recognition::Embedder;
use crate::scope::Scope;
use crate::{Service, Tx, audit, sessions, text};

/// What is to change. `radius` alone can be cleared, and the thresholds, which are then the catalog's.
#[derive(Clone, Debug, Default)]
pub struct OrganizationChange {
    pub name: Change<String>,
    pub timezone: Change<String>,
    pub match_threshold: Change<f64>,
    pub review_threshold: Change<f64>,
    pub min_enrolment_photos: Change<i32>,
    pub late_after_minutes: Change<i32>,
    pub close_after_minutes: Change<i32>,
    pub photo_retention_days: Change<i32>,
    pub require_liveness: Change<bool>,
    pub check_in_radius_meters: Change<i32>,
    pub max_upload_megabytes: Change<i32>,
}

impl OrganizationChange {
    /// Whether it says anything of the thresholds.
    fn thresholds(&self) -> Result<bool> {
        let both = [
            ("matchThreshold", &self.match_threshold),
            ("reviewThreshold", &self.review_threshold),
        ];
        for (field, threshold) in both {
            if matches!(threshold, Change::To(similarity) if !(0.0..=1.0).contains(similarity)) {
                return Err(Error::invalid(
                    field,
                    format!("{field} is a similarity between 0 and 1"),
                ));
            }
        }
        Ok(both.iter().any(|(_, threshold)| threshold.given().is_some()))
    }
}

/// An organization's thresholds for its gallery's embedder; none: the catalog's.
#[derive(Clone, Copy, Debug, Default, FromQueryResult)]
pub struct Thresholds {
    pub match_threshold: Option<f64>,
    pub review_threshold: Option<f64>,
}

#[derive(FromQueryResult)]
struct Current {
    name: String,
    match_threshold: f64,
    review_threshold: f64,
}

/// A worker says which embedder it runs with.
pub async fn announce_embedder(service: &Service, embedder: &Embedder) -> Result<()> {
    service
        .db
        .writer()
        .run(
            "INSERT INTO embedder (name, match_threshold, review_threshold, seen_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (name) DO UPDATE SET match_threshold = excluded.match_threshold, \
             review_threshold = excluded.review_threshold, seen_at = excluded.seen_at",
            vec![
                embedder.name.clone().into(),
                f64::from(embedder.match_threshold).into(),
                f64::from(embedder.review_threshold).into(),
                service.now().into(),
            ],
        )
        .await?;
    Ok(())
}

/// The name of the embedder that a worker started with last.
const CURRENT: &str = "SELECT name FROM embedder ORDER BY seen_at DESC, name LIMIT 1";

/// The name of the embedder of organization $1's gallery; where there is none yet, the one that it will
/// be. In SQL.
fn in_use() -> String {
    format!("COALESCE((SELECT g.model FROM gallery g WHERE g.organization_id = $1), ({CURRENT}))")
}

#[derive(FromQueryResult)]
struct Named {
    name: String,
}

/// The embedder with which galleries are made now.
pub(crate) async fn current_embedder(tx: &Tx<'_>) -> Result<Option<String>> {
    let found: Option<Named> = tx.one(CURRENT, vec![]).await?;
    Ok(found.map(|f| f.name))
}

/// The thresholds that the organization set for its gallery's embedder.
pub async fn thresholds(service: &Service, scope: &Scope) -> Result<Thresholds> {
    let viewer = scope.viewer()?;
    let found = service
        .db
        .reader()
        .one(
            &format!(
                "SELECT t.match_threshold, t.review_threshold FROM threshold t WHERE t.organization_id = $1 \
                 AND t.model = {}",
                in_use()
            ),
            vec![viewer.organization.into()],
        )
        .await?;
    Ok(found.unwrap_or_default())
}

/// An embedder with the thresholds that an organization set for it.
pub(crate) async fn tuned(service: &Service, organization: OrganizationId, embedder: &Embedder) -> Result<Embedder> {
    let own: Option<Thresholds> = service
        .db
        .reader()
        .one(
            "SELECT match_threshold, review_threshold FROM threshold WHERE organization_id = $1 AND model = $2",
            vec![organization.into(), embedder.name.clone().into()],
        )
        .await?;
    let own = own.unwrap_or_default();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a similarity has no more digits than that"
    )]
    let or = |own: Option<f64>, catalog: f32| own.map_or(catalog, |own| own as f32);
    let match_threshold = or(own.match_threshold, embedder.match_threshold);
    Ok(Embedder {
        name: embedder.name.clone(),
        match_threshold,
        review_threshold: or(own.review_threshold, embedder.review_threshold).min(match_threshold),
    })
}

/// The embedder of an organization's gallery, with the thresholds that hold for it there.
pub(crate) async fn embedder_in_use(service: &Service, organization: OrganizationId) -> Result<Embedder> {
    let sql = announced();
    let found: Option<Current> = service.db.reader().one(&sql, vec![organization.into()]).await?;
    let current = found.ok_or_else(no_embedder)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a similarity has no more digits than that"
    )]
    let catalog = Embedder {
        name: current.name,
        match_threshold: current.match_threshold as f32,
        review_threshold: current.review_threshold as f32,
    };
    tuned(service, organization, &catalog).await
}

/// The embedder of organization $1's gallery as a worker announced it, in SQL.
fn announced() -> String {
    format!(
        "SELECT name, match_threshold, review_threshold FROM embedder WHERE name = {}",
        in_use()
    )
}

fn no_embedder() -> Error {
    Error::conflict(
        "NO_EMBEDDER",
        "thresholds belong to the gallery's embedder, and no worker has started with it yet",
    )
}

fn within(field: &'static str, value: i32, least: i32, most: i32) -> Result<i32> {
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(Error::invalid(field, format!("{field} is between {least} and {most}")))
    }
}

pub(super) fn known_zone(name: &str) -> Result<String> {
    match name.parse::<Tz>() {
        Ok(_) => Ok(name.to_owned()),
        Err(_) => Err(Error::invalid(
            "timezone",
            "timezone is not an IANA name, such as Europe/Madrid",
        )),
    }
}

pub async fn update(service: &Service, scope: &Scope, change: OrganizationChange) -> Result<Organization> {
    let viewer = scope.admin()?;
    let mut values = Values::default();
    let mut set = Vec::new();
    let mut fields = Vec::new();
    let mut put = |column: &'static str, field: &'static str, value: sea_orm::Value| {
        set.push(format!("{column} = {}", values.push(value)));
        fields.push(field);
    };
    if let Some(name) = change.name.required("name")? {
        put("name", "name", text::name("name", name)?.into());
    }
    if let Some(zone) = change.timezone.required("timezone")? {
        put("timezone", "timezone", known_zone(zone)?.into());
    }
    for (column, field, value, least, most) in [
        (
            "min_enrolment_photos",
            "minEnrolmentPhotos",
            &change.min_enrolment_photos,
            1,
            20,
        ),
        (
            "late_after_minutes",
            "lateAfterMinutes",
            &change.late_after_minutes,
            0,
            24 * 60,
        ),
        (
            "close_after_minutes",
            "closeAfterMinutes",
            &change.close_after_minutes,
            0,
            24 * 60,
        ),
        (
            "photo_retention_days",
            "photoRetentionDays",
            &change.photo_retention_days,
            1,
            3650,
        ),
        (
            "max_upload_megabytes",
            "maxUploadMegabytes",
            &change.max_upload_megabytes,
            1,
            100,
        ),
    ] {
        if let Some(value) = value.required(field)? {
            put(column, field, within(field, *value, least, most)?.into());
        }
    }
    if let Some(required) = change.require_liveness.required("requireLiveness")? {
        if *required && !nodes::all_tell_liveness(service).await? {
            return Err(Error::invalid(
                "requireLiveness",
                "the liveness check needs its models on every worker that runs, and not all have them: have the operator \
                 fetch them first",
            ));
        }
        put("require_liveness", "requireLiveness", (*required).into());
    }
    if let Some(radius) = change.check_in_radius_meters.given() {
        let radius = radius
            .map(|radius| within("checkInRadiusMeters", *radius, 10, 100_000))
            .transpose()?;
        put("check_in_radius_meters", "checkInRadiusMeters", radius.into());
    }
    let thresholds = change.thresholds()?;
    if thresholds {
        fields.push("thresholds");
    }
    if !fields.is_empty() {
        let tx = service.begin().await?;
        // Whatever else changes: two updates come one after the other.
        set.push("created_at = created_at".into());
        let id = values.push(viewer.organization);
        let sql = format!("UPDATE organization SET {} WHERE id = {id}", set.join(", "));
        tx.run(&sql, values.done()).await?;
        if change.timezone.given().is_some() {
            sessions::move_days(&tx, viewer.organization).await?;
        }
        if thresholds {
            set_thresholds(&tx, viewer.organization, &change).await?;
        }
        let target = ("Organization", viewer.organization.0);
        audit::record(&tx, viewer, "updateOrganization", target, &fields.join(", ")).await?;
        tx.commit().await?;
    }
    by_ids(service, scope, &[viewer.organization])
        .await?
        .pop()
        .ok_or(Error::NotFound("organization"))
}

/// Answers the embedder that they are for.
pub(crate) async fn set_thresholds(
    tx: &Tx<'_>,
    organization: OrganizationId,
    change: &OrganizationChange,
) -> Result<String> {
    let current: Option<Current> = tx.one(&announced(), vec![organization.into()]).await?;
    let current = current.ok_or_else(no_embedder)?;
    let own: Option<Thresholds> = tx
        .one(
            "SELECT match_threshold, review_threshold FROM threshold WHERE organization_id = $1 AND model = $2",
            vec![organization.into(), current.name.clone().into()],
        )
        .await?;
    let mut own = own.unwrap_or_default();
    for (given, kept) in [
        (change.match_threshold.given(), &mut own.match_threshold),
        (change.review_threshold.given(), &mut own.review_threshold),
    ] {
        if let Some(given) = given {
            *kept = given.copied();
        }
    }
    let match_at = own.match_threshold.unwrap_or(current.match_threshold);
    if own.review_threshold.unwrap_or(current.review_threshold) > match_at {
        let field = match change.review_threshold.given() {
            Some(_) => "reviewThreshold",
            None => "matchThreshold",
        };
        return Err(Error::invalid(
            field,
            format!("reviewThreshold is never above matchThreshold, which is {match_at:.3}"),
        ));
    }
    tx.run(
        "INSERT INTO threshold (organization_id, model, match_threshold, review_threshold) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (organization_id, model) DO UPDATE SET match_threshold = excluded.match_threshold, \
         review_threshold = excluded.review_threshold",
        vec![
            organization.into(),
            current.name.clone().into(),
            own.match_threshold.into(),
            own.review_threshold.into(),
        ],
    )
    .await?;
    Ok(current.name)
}
