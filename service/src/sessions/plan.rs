//! Sessions are planned: when, where and with whom, and nobody in two places at once.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::FromQueryResult;

use super::{Session, select};
use crate::attendance::roll;
use crate::clock::is_sensible;
use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::events::Topic;
use crate::id::{ClassId, OrganizationId, SessionId, VenueId};
use crate::kinds::SessionState;
use crate::organizations::{day_number, zone_of};
use crate::scope::Scope;
use crate::{Service, Tx, audit, classes, text, venues};

const LONGEST: TimeDelta = TimeDelta::hours(24);
#[derive(Debug)]
pub struct NewSession<'a> {
    pub class: ClassId,
    pub venue: Option<VenueId>,
    pub title: Option<&'a str>,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    pub allow_overlap: bool,
}

pub async fn create(service: &Service, scope: &Scope, new: NewSession<'_>) -> Result<Session> {
    let class = classes::reach(service, scope, new.class).await?;
    let viewer = scope.staff()?;
    if class.archived {
        return Err(Error::conflict("ARCHIVED", "the class is archived"));
    }
    if let Some(venue) = new.venue {
        venues::find(service, scope, venue)
            .await?
            .ok_or(Error::NotFound("venue"))?;
    }
    for (field, instant) in [("startsAt", new.starts_at), ("endsAt", new.ends_at)] {
        if !is_sensible(instant) {
            return Err(Error::invalid(field, format!("{field} is in no year of a school")));
        }
    }
    if new.ends_at <= new.starts_at {
        return Err(Error::invalid("endsAt", "endsAt is after startsAt"));
    }
    if new.ends_at - new.starts_at > LONGEST {
        return Err(Error::invalid("endsAt", "a session lasts at most 24 hours"));
    }
    let id = SessionId(service.new_id());
    let title = text::optional("title", new.title)?;
    let mut tx = service.begin().await?;
    let zone = zone_of(&tx, viewer.organization).await?;
    if !new.allow_overlap {
        refuse_overlap(&tx, viewer.organization, &new).await?;
    }
    tx.insert(vec![entity::session::Model {
        id: id.0,
        organization_id: viewer.organization.0,
        class_id: new.class.0,
        venue_id: new.venue.map(|v| v.0),
        title,
        starts_at: new.starts_at,
        ends_at: new.ends_at,
        day: day_number(new.starts_at.with_timezone(&zone).date_naive()),
        state: SessionState::Scheduled,
        event_seq: 0,
        present: 0,
        late: 0,
        excused: 0,
        absent: 0,
        expected: 0,
        created_by: Some(viewer.person.0),
        created_at: service.now(),
        touched_at: service.now(),
    }])
    .await?;
    roll::recount(&tx, id).await?;
    audit::record(&tx, viewer, "createSession", ("Session", id.0), "scheduled").await?;
    let session = select(&*tx, scope, &[id])
        .await?
        .pop()
        .ok_or(Error::NotFound("session"))?;
    tx.announce(Topic::Sessions(viewer.organization));
    tx.commit().await?;
    Ok(session)
}

#[derive(FromQueryResult)]
struct Clash {
    venue_id: Option<VenueId>,
}

async fn refuse_overlap(tx: &Tx<'_>, organization: OrganizationId, new: &NewSession<'_>) -> Result<()> {
    if !tx.for_update().is_empty() {
        // Two who plan the same hour at once: one waits here for the other.
        tx.run(
            "SELECT id FROM organization WHERE id = $1 FOR NO KEY UPDATE",
            vec![organization.into()],
        )
        .await?;
    }
    let mut values = Values::default();
    let org = values.push(organization);
    let earliest = values.push(new.starts_at - LONGEST);
    let (from, to) = (values.push(new.starts_at), values.push(new.ends_at));
    let class = values.push(new.class);
    let venue = values.push(new.venue.map(|v| v.0));
    let taken: Option<Clash> = tx
        .one(
            &format!(
                "SELECT s.venue_id FROM session s WHERE s.organization_id = {org} AND s.starts_at > {earliest} \
                 AND s.starts_at < {to} AND s.ends_at > {from} AND s.state IN ('SCHEDULED', 'OPEN') AND (s.venue_id = {venue} OR EXISTS (\
                 SELECT 1 FROM class_teacher a JOIN class_teacher b ON b.person_id = a.person_id \
                 WHERE a.class_id = s.class_id AND b.class_id = {class})) ORDER BY s.starts_at LIMIT 1"
            ),
            values.done(),
        )
        .await?;
    match taken {
        None => Ok(()),
        Some(taken) if taken.venue_id.is_some() && taken.venue_id == new.venue => Err(Error::conflict(
            "VENUE_TAKEN",
            "the venue is taken then; choose another time, or set allowOverlap",
        )),
        Some(_) => Err(Error::conflict(
            "TEACHER_BUSY",
            "a teacher of the class has another session then; choose another time, or set allowOverlap",
        )),
    }
}
