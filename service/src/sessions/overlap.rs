//! Nobody is in two places at once: neither a venue nor a teacher is planned twice for one time.
//!
//! The other session is named by its id alone: whoever may not see it learns only that it is in
//! the way.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use sea_orm::FromQueryResult;

use crate::Tx;
use crate::clock::is_sensible;
use crate::db::{Sql, Values};
use crate::error::{About, Error, Result};
use crate::id::{ClassId, OrganizationId, SessionId, VenueId};
use crate::organizations;

const LONGEST: TimeDelta = TimeDelta::hours(24);

/// From, and until before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
}

impl Times {
    /// `ends`: the field that is blamed for an end that is none.
    pub fn check(self, ends: &'static str) -> Result<Self> {
        for (field, instant) in [("startsAt", self.starts_at), ("endsAt", self.ends_at)] {
            if !is_sensible(instant) {
                return Err(Error::invalid(field, format!("{field} is in no year of a school")));
            }
        }
        if self.ends_at <= self.starts_at {
            return Err(Error::invalid(ends, "a session ends after it starts"));
        }
        if self.ends_at - self.starts_at > LONGEST {
            return Err(Error::invalid(ends, "a session lasts at most 24 hours"));
        }
        Ok(self)
    }

    fn meets(self, other: Self) -> bool {
        self.starts_at < other.ends_at && other.starts_at < self.ends_at
    }
}

/// What somebody wants to plan for a class; `times` are checked and in order.
pub(super) struct Wish<'a> {
    pub class: ClassId,
    pub venue: Option<VenueId>,
    pub times: &'a [Times],
    /// The session that is moved, which is not in its own way.
    pub moved: Option<SessionId>,
}

#[derive(FromQueryResult)]
struct Taken {
    id: SessionId,
    venue_id: Option<VenueId>,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
}

/// Until the transaction ends nobody else of the organization plans: of two who want the same hour
/// at once, one waits here and then finds it taken.
pub(super) async fn plan_alone(tx: &Tx<'_>, organization: OrganizationId) -> Result<Tz> {
    // At once as strong as it must be: two who both hold it shared would wait for each other.
    organizations::hold(tx, organization, tx.for_update()).await
}

/// One statement, however many times are wanted.
pub(super) async fn refuse(tx: &Tx<'_>, organization: OrganizationId, zone: Tz, wish: &Wish<'_>) -> Result<()> {
    let (Some(first), Some(last)) = (wish.times.first(), wish.times.last()) else {
        return Ok(());
    };
    let mut values = Values::default();
    let org = values.push(organization);
    let earliest = values.push(first.starts_at - LONGEST);
    let (from, to) = (values.push(first.starts_at), values.push(last.ends_at));
    let class = values.push(wish.class);
    let venue = values.push(wish.venue);
    let moved = match wish.moved {
        Some(id) => format!("AND s.id <> {}", values.push(id)),
        None => String::new(),
    };
    let taken: Vec<Taken> = tx
        .all(
            &format!(
                "SELECT s.id, s.venue_id, s.starts_at, s.ends_at FROM session s WHERE s.organization_id = {org} \
                 AND s.starts_at > {earliest} AND s.starts_at < {to} AND s.ends_at > {from} \
                 AND s.state IN ('SCHEDULED', 'OPEN') {moved} AND (s.venue_id = {venue} OR EXISTS (\
                 SELECT 1 FROM class_teacher a JOIN class_teacher b ON b.person_id = a.person_id \
                 WHERE a.class_id = s.class_id AND b.class_id = {class})) ORDER BY s.starts_at, s.id"
            ),
            values.done(),
        )
        .await?;
    for wanted in wish.times {
        let in_the_way = taken.iter().find(|other| {
            wanted.meets(Times {
                starts_at: other.starts_at,
                ends_at: other.ends_at,
            })
        });
        if let Some(other) = in_the_way {
            let when = wanted.starts_at.with_timezone(&zone).format("%Y-%m-%d at %H:%M");
            return Err(if wish.venue.is_some() && other.venue_id == wish.venue {
                let message = format!("the venue is taken on {when}; choose another time, or set allowOverlap");
                Error::conflict_with("VENUE_TAKEN", About::Session(other.id), message)
            } else {
                let message =
                    format!("a teacher of the class is busy on {when}; choose another time, or set allowOverlap");
                Error::conflict_with("TEACHER_BUSY", About::Session(other.id), message)
            });
        }
    }
    Ok(())
}
