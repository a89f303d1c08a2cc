//! Organizations and the settings that the other rooms go by.

use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;
use sea_orm::FromQueryResult;

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

pub(crate) async fn insert(tx: &Tx<'_>, scope: &Scope, name: &str, timezone: Option<&str>) -> Result<OrganizationId> {
    let Scope::System(_) = scope else {
        return Err(Error::Forbidden);
    };
    let timezone = timezone.unwrap_or("UTC");
    if timezone.parse::<Tz>().is_err() {
        return Err(Error::invalid(
            "timezone",
            "timezone is not an IANA name, such as Europe/Madrid",
        ));
    }
    let id = OrganizationId(tx.service.new_id());
    tx.insert(vec![entity::organization::Model {
        id: id.0,
        name: text::name("organizationName", name)?,
        timezone: timezone.to_owned(),
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
                "SELECT id, name, timezone, min_enrolment_photos, late_after_minutes, created_at \
                 FROM organization WHERE id IN {list} AND {own}"
            ),
            values.done(),
        )
        .await
}
