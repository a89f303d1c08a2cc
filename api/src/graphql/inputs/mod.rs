//! Inputs of the contract, and how each becomes what the service takes.

mod people;
mod statistics;
mod timetable;

use async_graphql::{Context, ID, InputObject, MaybeUndefined, OneofObject};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, SubsecRound, Utc};
use service::attendance::NewMark;
use service::classes::NewStudent;
use service::id::{PersonId, SessionId};

pub use people::{
    CreateUserInput, DepartmentInput, InviteUserInput, RegisterInput, UpdateDepartmentInput, UpdateOrganizationInput,
    UpdateUserInput, UserFilter, UserSettingsInput,
};
pub use timetable::{ScheduleInput, UpdateClassInput, UpdateSessionInput, UpdateVenueInput};

pub use statistics::{MarkFilter, StatisticsFilter};

use super::ids::NodeId;
use super::scalars::{Date, JobKind, JobStatus, MarkStatus};
use crate::http::error::extend;
use crate::http::upload::Upload;

#[derive(Clone, Copy, InputObject)]
pub struct DateRange {
    from: Date,
    to: Date,
}

impl DateRange {
    pub fn days(self) -> (NaiveDate, NaiveDate) {
        (self.from.0, self.to.0)
    }
}

/// one way or the other; base64 with or without a data: prefix
#[derive(OneofObject)]
pub enum PhotoInput {
    Upload(Upload),
    Base64(String),
}

impl PhotoInput {
    pub async fn bytes(self, ctx: &Context<'_>) -> async_graphql::Result<Bytes> {
        match self {
            Self::Upload(upload) => upload.bytes(ctx),
            // Megabytes of text: not on a thread that others wait for.
            Self::Base64(text) => tokio::task::spawn_blocking(move || decode(&text))
                .await
                .map_err(|error| extend(service::Error::internal(error)))?
                .ok_or_else(|| extend(service::Error::invalid("photo", "photo is not base64"))),
        }
    }
}

fn decode(text: &str) -> Option<Bytes> {
    let text = match text.strip_prefix("data:") {
        Some(rest) => rest.split_once(";base64,")?.1,
        None => text,
    };
    let text = text.trim();
    BASE64_STANDARD
        .decode(text)
        .or_else(|_| BASE64_STANDARD_NO_PAD.decode(text))
        .ok()
        .map(Bytes::from)
}

#[derive(InputObject)]
pub struct ClassInput {
    pub name: String,
    pub code: String,
    pub department_id: Option<ID>,
    pub teacher_ids: Option<Vec<ID>>,
}

#[derive(InputObject)]
pub struct StudentInput {
    id: Option<ID>,
    roll_number: Option<String>,
    full_name: Option<String>,
    email: Option<String>,
}

impl StudentInput {
    /// An id that is none at all is answered in its row, like one that is unknown.
    pub fn student(self) -> NewStudent {
        let unknown = || PersonId(uuid::Uuid::nil());
        NewStudent {
            id: self.id.map(|id| NodeId::parse(&id).unwrap_or_else(unknown)),
            roll_number: self.roll_number,
            full_name: self.full_name,
            email: self.email,
        }
    }
}

#[derive(InputObject)]
pub struct VenueInput {
    pub name: String,
    pub building: Option<String>,
    pub capacity: Option<i32>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
}

#[derive(InputObject)]
pub struct SessionInput {
    pub class_id: ID,
    pub venue_id: Option<ID>,
    pub title: Option<String>,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    #[graphql(default = false)]
    pub allow_overlap: bool,
}

impl SessionInput {
    /// In whole microseconds, as both databases keep them.
    pub fn times(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        (self.starts_at.trunc_subsecs(6), self.ends_at.trunc_subsecs(6))
    }
}

#[derive(InputObject)]
pub struct CheckInInput {
    pub session_id: ID,
    pub code: String,
    pub selfie: PhotoInput,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    pub idempotency_key: Option<String>,
}

#[derive(InputObject)]
pub struct MarkInput {
    session_id: ID,
    student_id: ID,
    status: MarkStatus,
    remark: MaybeUndefined<String>,
}

impl MarkInput {
    /// An id that is none at all is answered like one that is unknown.
    pub fn mark(self) -> NewMark {
        NewMark {
            session: NodeId::parse(&self.session_id).unwrap_or(SessionId(uuid::Uuid::nil())),
            student: NodeId::parse(&self.student_id).unwrap_or(PersonId(uuid::Uuid::nil())),
            status: self.status.into(),
            remark: people::change(self.remark),
        }
    }
}

#[derive(InputObject)]
pub struct JobFilter {
    kind: Option<JobKind>,
    status: Option<JobStatus>,
    session_id: Option<ID>,
}

impl JobFilter {
    pub fn filter(self) -> async_graphql::Result<service::queue::JobFilter> {
        Ok(service::queue::JobFilter {
            kind: self.kind.map(Into::into),
            status: self.status.map(Into::into),
            session: NodeId::optional(self.session_id.as_ref())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_comes_in_several_dresses() {
        for text in ["aGVsbG8=", "aGVsbG8", " aGVsbG8=\n", "data:image/png;base64,aGVsbG8="] {
            assert_eq!(decode(text).as_deref(), Some(&b"hello"[..]), "{text}");
        }
        for text in ["a", "data:image/png,hello", "%%%%", "data:"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
