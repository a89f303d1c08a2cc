//! Organizations and the settings that the other rooms go by.

use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;
use sea_orm::FromQueryResult;

use crate::db::{Sql, Values};
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
        .ok_or_else(|| Error::invalid("from", "this day does not exist in the organization's time zone"))
}

pub(crate) async fn insert(tx: &Tx<'_>, scope: &Scope, name: &str, timezone: Option<&str>) -> Result<OrganizationId> {
    let Scope::System(_) = scope else { return Err(Error::Forbidden) };
    let timezone = timezone.unwrap_or("UTC");
    if timezone.parse::<Tz>().is_err() {
        return Err(Error::invalid(
            "timezone",
            "timezone is not an IANA name, such as Europe/Madrid",
        ));
    }
    let id = OrganizationId(tx.service.new_id());
    tx.run(
        "INSERT INTO organization (id, name, timezone, min_enrolment_photos, late_after_minutes, \
         close_after_minutes, photo_retention_days, require_liveness, max_upload_megabytes, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        vec![
            id.into(),
            text::name("organizationName", name)?.into(),
            timezone.into(),
            MIN_ENROLMENT_PHOTOS.into(),
            LATE_AFTER_MINUTES.into(),
            CLOSE_AFTER_MINUTES.into(),
            PHOTO_RETENTION_DAYS.into(),
            false.into(),
            MAX_UPLOAD_MEGABYTES.into(),
            tx.service.now().into(),
        ],
    )
    .await?;
    Ok(id)
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
