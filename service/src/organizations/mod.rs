//! Organizations and the settings that the other rooms go by.

mod departments;
mod erase;
mod settings;

use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;
use sea_orm::FromQueryResult;

pub use departments::{
    Department, DepartmentChange, create_department, delete_department, departments, departments_by_ids,
    departments_of, update_department,
};
pub use settings::{OrganizationChange, Thresholds, announce_embedder, thresholds, update};

pub(crate) use departments::reach_department;
pub(crate) use erase::erase;
pub(crate) use settings::{current_embedder, embedder_in_use, set_thresholds, tuned};

use crate::clock::is_sensible;
use crate::db::{Scalar, Sql, Values};
use crate::error::{Error, Result};
use crate::id::OrganizationId;
use crate::scope::Scope;
use crate::{Service, Tx, text};

const MIN_ENROLMENT_PHOTOS: i32 = 3;
const LATE_AFTER_MINUTES: i32 = 10;
const CLOSE_AFTER_MINUTES: i32 = 15;
const PHOTO_RETENTION_DAYS: i32 = 30;
const MAX_UPLOAD_MEGABYTES: i32 = 25;

#[derive(Clone, Debug, FromQueryResult)]
pub struct Organization {
    pub id: OrganizationId,
    pub name: String,
    pub timezone: String,
    pub min_enrolment_photos: i32,
    pub late_after_minutes: i32,
    pub close_after_minutes: i32,
    pub photo_retention_days: i32,
    pub require_liveness: bool,
    pub check_in_radius_meters: Option<i32>,
    pub max_upload_megabytes: i32,
    pub created_at: DateTime<Utc>,
}

pub(crate) fn zone(name: &str) -> Result<Tz> {
    name.parse().map_err(Error::internal)
}

/// The instant at which a calendar day begins there; where midnight is skipped, the first
/// instant after the gap.
pub(crate) fn day_begins(zone: Tz, day: NaiveDate) -> Result<DateTime<Utc>> {
    (0..=3)
        .filter_map(|hour| day.and_hms_opt(hour, 0, 0))
        .find_map(|time| zone.from_local_datetime(&time).earliest())
        .map(|time| time.with_timezone(&Utc))
        .filter(|instant| is_sensible(*instant))
        .ok_or_else(|| Error::invalid("from", "this day does not exist in the organization's time zone"))
}

pub(crate) async fn insert(tx: &Tx<'_>, name: &str, timezone: Option<&str>) -> Result<OrganizationId> {
    let timezone = settings::known_zone(timezone.unwrap_or("UTC"))?;
    let id = OrganizationId(tx.service.new_id());
    tx.insert(vec![entity::organization::Model {
        id: id.0,
        name: text::name("organizationName", name)?,
        timezone,
        min_enrolment_photos: MIN_ENROLMENT_PHOTOS,
        late_after_minutes: LATE_AFTER_MINUTES,
        close_after_minutes: CLOSE_AFTER_MINUTES,
        photo_retention_days: PHOTO_RETENTION_DAYS,
        require_liveness: false,
        check_in_radius_meters: None,
        max_upload_megabytes: MAX_UPLOAD_MEGABYTES,
        created_at: tx.service.now(),
    }])
    .await?;
    Ok(id)
}

/// Whether anybody has founded one yet.
pub async fn any(service: &Service, scope: &Scope) -> Result<bool> {
    let Scope::System(_) = scope else {
        return Err(Error::Forbidden);
    };
    let found: Option<Scalar> = service
        .db
        .reader()
        .one(
            "SELECT COUNT(*) AS value FROM (SELECT 1 FROM organization LIMIT 1) o",
            vec![],
        )
        .await?;
    Ok(found.is_some_and(|f| f.value > 0))
}

pub async fn by_ids(service: &Service, scope: &Scope, ids: &[OrganizationId]) -> Result<Vec<Organization>> {
    let mut values = Values::default();
    let list = values.list(ids.iter().copied());
    let own = match scope {
        Scope::Viewer(viewer) => format!("id = {}", values.push(viewer.organization)),
        Scope::System(_) => "TRUE".into(),
    };
    service
        .db
        .reader()
        .all(
            &format!(
                "SELECT id, name, timezone, min_enrolment_photos, late_after_minutes, close_after_minutes, \
                 photo_retention_days, require_liveness, check_in_radius_meters, max_upload_megabytes, created_at \
                 FROM organization WHERE id IN {list} AND {own}"
            ),
            values.done(),
        )
        .await
}

/// What housekeeping goes by.
#[derive(FromQueryResult)]
pub(crate) struct Kept {
    pub id: OrganizationId,
    pub photo_retention_days: i32,
}

/// The organization behind this one in the order of ids; the first where none is given.
pub(crate) async fn after(service: &Service, last: Option<OrganizationId>) -> Result<Option<Kept>> {
    let mut values = Values::default();
    let behind = last.map_or_else(String::new, |last| format!(" WHERE id > {}", values.push(last)));
    let sql = format!("SELECT id, photo_retention_days FROM organization{behind} ORDER BY id LIMIT 1");
    service.db.reader().one(&sql, values.done()).await
}

/// The organization of this id or, written exactly so, this name.
pub async fn named(service: &Service, scope: &Scope, name: &str) -> Result<Organization> {
    let Scope::System(_) = scope else {
        return Err(Error::Forbidden);
    };
    let found: Vec<Id> = if let Ok(id) = name.parse() {
        vec![Id { id: OrganizationId(id) }]
    } else {
        let sql = "SELECT id FROM organization WHERE name = $1 LIMIT 2";
        service.db.reader().all(sql, vec![name.into()]).await?
    };
    match found[..] {
        [] => Err(Error::NotFound("organization")),
        [Id { id }] => by_ids(service, scope, &[id])
            .await?
            .pop()
            .ok_or(Error::NotFound("organization")),
        _ => Err(Error::invalid(
            "organizationName",
            "several organizations have this name; give the id of one",
        )),
    }
}

#[derive(FromQueryResult)]
struct Id {
    id: OrganizationId,
}

/// The span of calendar days there, both within, as instants: from, and until before.
pub(crate) fn span(zone: Tz, (from, to): (NaiveDate, NaiveDate)) -> Result<(DateTime<Utc>, DateTime<Utc>)> {
    let behind = to
        .succ_opt()
        .filter(|_| from <= to)
        .ok_or_else(|| Error::invalid("range", "range begins on or before its last day"))?;
    let begins = |day| day_begins(zone, day).map_err(|error| error.of_field("range"));
    Ok((begins(from)?, begins(behind)?))
}

/// Days since 1970-01-01, as sessions keep them.
pub(crate) fn day_number(day: NaiveDate) -> i32 {
    // A day of chrono's is less than 100 million days away.
    i32::try_from((day - NaiveDate::default()).num_days()).unwrap_or(i32::MAX)
}

pub(crate) fn day_of_number(number: i32) -> NaiveDate {
    NaiveDate::default() + chrono::TimeDelta::days(number.into())
}

#[derive(FromQueryResult)]
struct Zoned {
    timezone: String,
}

/// The organization's time zone, which stays what it is until the transaction ends.
pub(crate) async fn zone_of(tx: &Tx<'_>, id: OrganizationId) -> Result<Tz> {
    hold(tx, id, tx.for_share()).await
}

/// The same, with the row locked so.
pub(crate) async fn hold(tx: &Tx<'_>, id: OrganizationId, lock: &str) -> Result<Tz> {
    let found: Option<Zoned> = tx
        .one(
            &format!("SELECT timezone FROM organization WHERE id = $1{lock}"),
            vec![id.into()],
        )
        .await?;
    zone(&found.ok_or(Error::NotFound("organization"))?.timezone)
}

/// Makes whoever changes what an organization has one of wait for each other.
pub(crate) async fn lock(tx: &Tx<'_>, id: OrganizationId) -> Result<()> {
    tx.run("UPDATE organization SET name = name WHERE id = $1", vec![id.into()])
        .await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Named {
    name: String,
}

pub(crate) async fn name(tx: &Tx<'_>, id: OrganizationId) -> Result<String> {
    let found: Option<Named> = tx
        .one("SELECT name FROM organization WHERE id = $1", vec![id.into()])
        .await?;
    Ok(found.map(|o| o.name).unwrap_or_default())
}
