//! Inputs of classes, venues and sessions that are there, and of whole terms.

use async_graphql::{ID, InputObject, MaybeUndefined};
use chrono::{DateTime, SubsecRound, Utc};
use service::classes::ClassChange;
use service::sessions::{SessionChange, Term};
use service::venues::VenueChange;

use super::people::{change, id_change};
use crate::graphql::ids::NodeId;
use crate::graphql::scalars::{Date, Weekday};

#[derive(InputObject)]
pub struct UpdateClassInput {
    name: MaybeUndefined<String>,
    code: MaybeUndefined<String>,
    department_id: MaybeUndefined<ID>,
    teacher_ids: MaybeUndefined<Vec<ID>>,
}

impl UpdateClassInput {
    pub fn change(self) -> async_graphql::Result<ClassChange> {
        let teachers = match self.teacher_ids {
            MaybeUndefined::Value(ids) => {
                MaybeUndefined::Value(ids.iter().map(NodeId::required).collect::<async_graphql::Result<_>>()?)
            }
            MaybeUndefined::Null => MaybeUndefined::Null,
            MaybeUndefined::Undefined => MaybeUndefined::Undefined,
        };
        Ok(ClassChange {
            name: change(self.name),
            code: change(self.code),
            department: id_change(self.department_id)?,
            teachers: change(teachers),
        })
    }
}

#[derive(InputObject)]
pub struct UpdateVenueInput {
    name: MaybeUndefined<String>,
    building: MaybeUndefined<String>,
    capacity: MaybeUndefined<i32>,
    latitude: MaybeUndefined<f64>,
    longitude: MaybeUndefined<f64>,
}

impl UpdateVenueInput {
    pub fn change(self) -> VenueChange {
        VenueChange {
            name: change(self.name),
            building: change(self.building),
            capacity: change(self.capacity),
            latitude: change(self.latitude),
            longitude: change(self.longitude),
        }
    }
}

#[derive(InputObject)]
pub struct UpdateSessionInput {
    venue_id: MaybeUndefined<ID>,
    title: MaybeUndefined<String>,
    starts_at: MaybeUndefined<DateTime<Utc>>,
    ends_at: MaybeUndefined<DateTime<Utc>>,
    #[graphql(default = false)]
    allow_overlap: bool,
}

impl UpdateSessionInput {
    pub fn change(self) -> async_graphql::Result<SessionChange> {
        // In whole microseconds, as both databases keep them.
        let whole = |at: DateTime<Utc>| at.trunc_subsecs(6);
        Ok(SessionChange {
            venue: id_change(self.venue_id)?,
            title: change(self.title),
            starts_at: change(self.starts_at.map_value(whole)),
            ends_at: change(self.ends_at.map_value(whole)),
            allow_overlap: self.allow_overlap,
        })
    }
}

/// startTime and endTime are HH:MM in the organization's time zone
#[derive(InputObject)]
pub struct ScheduleInput {
    class_id: ID,
    venue_id: Option<ID>,
    title: Option<String>,
    weekdays: Vec<Weekday>,
    start_time: String,
    end_time: String,
    from: Date,
    to: Date,
    except: Option<Vec<Date>>,
    #[graphql(default = false)]
    allow_overlap: bool,
}

impl ScheduleInput {
    pub fn term(self) -> async_graphql::Result<Term> {
        Ok(Term {
            class: NodeId::required(&self.class_id)?,
            venue: NodeId::optional(self.venue_id.as_ref())?,
            title: self.title,
            weekdays: self.weekdays.into_iter().map(Into::into).collect(),
            start_time: self.start_time,
            end_time: self.end_time,
            days: (self.from.0, self.to.0),
            except: self.except.into_iter().flatten().map(|day| day.0).collect(),
            allow_overlap: self.allow_overlap,
        })
    }
}
