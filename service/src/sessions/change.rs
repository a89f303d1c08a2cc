//! A session that was planned is changed: its venue, its title, its times.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;

use super::overlap::{self, Times, Wish};
use super::{Session, finish, reach};
use crate::attendance::{marks, weeks};
use crate::change::Change;
use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::events::Topic;
use crate::id::{ClassId, SessionId, VenueId};
use crate::kinds::SessionState;
use crate::organizations::day_number;
use crate::scope::Scope;
use crate::{Service, audit, text, venues};

#[derive(Debug, Default)]
pub struct SessionChange {
    pub venue: Change<VenueId>,
    pub title: Change<String>,
    pub starts_at: Change<DateTime<Utc>>,
    pub ends_at: Change<DateTime<Utc>>,
    pub allow_overlap: bool,
}

#[derive(FromQueryResult)]
struct Known {
    class_id: ClassId,
    venue_id: Option<VenueId>,
    title: Option<String>,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
}

/// Marks that are there stay what they are: nobody becomes late because the start was moved.
pub async fn update(service: &Service, scope: &Scope, id: SessionId, change: SessionChange) -> Result<Session> {
    reach(service, scope, id).await?;
    let viewer = scope.staff()?;
    let (starts, ends) = (
        change.starts_at.required("startsAt")?.copied(),
        change.ends_at.required("endsAt")?.copied(),
    );
    let venue = change.venue.given().map(Option::<&VenueId>::copied);
    if let Some(Some(venue)) = venue {
        venues::find(service, scope, venue)
            .await?
            .ok_or(Error::NotFound("venue"))?;
    }
    let title = match change.title.given() {
        Some(title) => Some(text::optional("title", title.map(String::as_str))?),
        None => None,
    };
    let mut tx = service.begin().await?;
    // Before the session, as whoever changes the time zone locks them.
    let zone = overlap::plan_alone(&tx, viewer.organization).await?;
    let mut session = marks::lock(&tx, id).await?;
    let known: Known = tx
        .one(
            "SELECT class_id, venue_id, title, starts_at, ends_at FROM session WHERE id = $1",
            vec![id.into()],
        )
        .await?
        .ok_or(Error::NotFound("session"))?;
    let old = Times {
        starts_at: known.starts_at,
        ends_at: known.ends_at,
    };
    let new = Times {
        starts_at: starts.unwrap_or(old.starts_at),
        ends_at: ends.unwrap_or(old.ends_at),
    };
    let planned = matches!(session.state, SessionState::Scheduled | SessionState::Open);
    let mut fields = Vec::new();
    let mut values = Values::default();
    let mut set = Vec::new();
    if new != old {
        if !planned {
            return Err(Error::conflict(
                session.state.word(),
                "a session that was closed or cancelled is not moved",
            ));
        }
        new.check(if ends.is_some() { "endsAt" } else { "startsAt" })?;
        fields.push("times");
        set.push(format!("starts_at = {}", values.push(new.starts_at)));
        set.push(format!("ends_at = {}", values.push(new.ends_at)));
    }
    let place = venue.unwrap_or(known.venue_id);
    if place != known.venue_id {
        fields.push("venue");
        set.push(format!("venue_id = {}", values.push(place)));
    }
    if !change.allow_overlap && planned && !fields.is_empty() {
        let wish = Wish {
            class: known.class_id,
            venue: place,
            times: &[new],
            moved: Some(id),
        };
        overlap::refuse(&tx, viewer.organization, zone, &wish).await?;
    }
    if let Some(title) = title.filter(|title| *title != known.title) {
        fields.push("title");
        set.push(format!("title = {}", values.push(title)));
    }
    if !set.is_empty() {
        let day = day_number(new.starts_at.with_timezone(&zone).date_naive());
        if day != session.day && weeks::counts(session.state) {
            weeks::shift(&mut tx, &session, -1).await?;
            session.day = day;
            weeks::shift(&mut tx, &session, 1).await?;
        }
        set.push(format!("day = {}", values.push(day)));
        let key = values.push(id);
        let sql = format!("UPDATE session SET {} WHERE id = {key}", set.join(", "));
        tx.run(&sql, values.done()).await?;
        let target = ("Session", id.0);
        audit::record(&tx, viewer, "updateSession", target, &fields.join(", ")).await?;
        tx.announce(Topic::Sessions(viewer.organization));
    }
    finish(tx, scope, id).await
}
