//! Sessions are planned: when, where and with whom.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sea_orm::FromQueryResult;

use super::overlap::{self, Times, Wish};
use super::{Session, select};
use crate::attendance::roll;
use crate::db::Sql;
use crate::error::{Error, Result};
use crate::events::Topic;
use crate::id::{ClassId, SessionId, VenueId};
use crate::kinds::SessionState;
use crate::organizations::{day_number, zone_of};
use crate::scope::{Scope, Viewer};
use crate::{Service, Tx, audit, classes, text, venues};

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
    let viewer = reach(service, scope, new.class, new.venue).await?;
    let times = Times {
        starts_at: new.starts_at,
        ends_at: new.ends_at,
    }
    .check("endsAt")?;
    let title = text::optional("title", new.title)?;
    let tx = service.begin().await?;
    let zone = begin(&tx, viewer, new.class, new.allow_overlap).await?;
    let planned = Planned {
        class: new.class,
        venue: new.venue,
        title,
        times: vec![times],
        allow_overlap: new.allow_overlap,
    };
    let ids = write(&tx, viewer, zone, planned).await?;
    for id in &ids {
        audit::record(&tx, viewer, "createSession", ("Session", id.0), "scheduled").await?;
    }
    finish(tx, scope, &ids).await?.pop().ok_or(Error::NotFound("session"))
}

/// The class that somebody plans for, and the venue if there is one.
pub(super) async fn reach<'v>(
    service: &Service,
    scope: &'v Scope,
    class: ClassId,
    venue: Option<VenueId>,
) -> Result<&'v Viewer> {
    classes::reach(service, scope, class).await?;
    let viewer = scope.staff()?;
    if let Some(venue) = venue {
        venues::find(service, scope, venue)
            .await?
            .ok_or(Error::NotFound("venue"))?;
    }
    Ok(viewer)
}

#[derive(FromQueryResult)]
struct Standing {
    archived: bool,
}

/// The class takes sessions, and goes on doing so until the transaction ends. Answers the time
/// zone.
pub(super) async fn begin(tx: &Tx<'_>, viewer: &Viewer, class: ClassId, allow_overlap: bool) -> Result<Tz> {
    let class: Standing = tx
        .one(
            &format!("SELECT archived FROM class WHERE id = $1{}", tx.for_share()),
            vec![class.into()],
        )
        .await?
        .ok_or(Error::NotFound("class"))?;
    if class.archived {
        return Err(Error::conflict("ARCHIVED", "the class is archived"));
    }
    if allow_overlap {
        zone_of(tx, viewer.organization).await
    } else {
        overlap::plan_alone(tx, viewer.organization).await
    }
}

/// Sessions that differ by their times alone.
pub(super) struct Planned {
    pub class: ClassId,
    pub venue: Option<VenueId>,
    pub title: Option<String>,
    pub times: Vec<Times>,
    pub allow_overlap: bool,
}

/// All of them or none, by as many statements as one needs.
pub(super) async fn write(tx: &Tx<'_>, viewer: &Viewer, zone: Tz, planned: Planned) -> Result<Vec<SessionId>> {
    if !planned.allow_overlap {
        let wish = Wish {
            class: planned.class,
            venue: planned.venue,
            times: &planned.times,
            moved: None,
        };
        overlap::refuse(tx, viewer.organization, zone, &wish).await?;
    }
    let now = tx.service.now();
    let rows: Vec<_> = planned
        .times
        .iter()
        .map(|times| entity::session::Model {
            id: tx.service.new_id(),
            organization_id: viewer.organization.0,
            class_id: planned.class.0,
            venue_id: planned.venue.map(|v| v.0),
            title: planned.title.clone(),
            starts_at: times.starts_at,
            ends_at: times.ends_at,
            day: day_number(times.starts_at.with_timezone(&zone).date_naive()),
            state: SessionState::Scheduled,
            event_seq: 0,
            present: 0,
            late: 0,
            excused: 0,
            absent: 0,
            expected: 0,
            created_by: Some(viewer.person.0),
            created_at: now,
            touched_at: now,
            opened_at: None,
        })
        .collect();
    let ids: Vec<SessionId> = rows.iter().map(|row| SessionId(row.id)).collect();
    tx.insert(rows).await?;
    for some in ids.chunks(crate::ROWS) {
        roll::recount_all(tx, some).await?;
    }
    Ok(ids)
}

/// Commits, and answers the sessions in the order of time.
pub(super) async fn finish(mut tx: Tx<'_>, scope: &Scope, ids: &[SessionId]) -> Result<Vec<Session>> {
    let mut sessions = Vec::with_capacity(ids.len());
    for some in ids.chunks(crate::ROWS) {
        sessions.extend(select(&*tx, scope, some).await?);
    }
    sessions.sort_by_key(|session| (session.starts_at, session.id));
    tx.announce(Topic::Sessions(scope.viewer()?.organization));
    tx.commit().await?;
    Ok(sessions)
}
