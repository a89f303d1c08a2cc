//! Marks, the roll and its changes.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use service::attendance::{Mark, Summary, roll, stream};
use service::people::Person;

use super::{DetectedFace, Session, User};
use crate::graphql::connection::{bounded, connection, exact};
use crate::graphql::ids::NodeId;
use crate::graphql::loaders;
use crate::graphql::loaders::HistoryOf;
use crate::graphql::scalars::{MarkSource, MarkStatus};

/**
At most one per session and student. MANUAL and REVIEW (the later wins) stand over RECOGNITION
and CHECK_IN, and those over AUTO. Between machine sources the earliest submission decides
PRESENT or LATE, whatever the order of processing, and the highest similarity is the evidence
kept.
*/
#[derive(Clone)]
pub struct AttendanceMark {
    mark: Mark,
    /// Where it was read with the mark.
    student: Option<Person>,
}

impl From<Mark> for AttendanceMark {
    fn from(mark: Mark) -> Self {
        Self { mark, student: None }
    }
}

#[Object]
impl AttendanceMark {
    pub async fn id(&self) -> ID {
        self.mark.id.global()
    }

    async fn session(&self, ctx: &Context<'_>) -> async_graphql::Result<Session> {
        Session::load(ctx, self.mark.session_id).await
    }

    async fn student(&self, ctx: &Context<'_>) -> async_graphql::Result<User> {
        match &self.student {
            Some(student) => Ok(User(student.clone())),
            None => User::load(ctx, self.mark.student_id).await,
        }
    }

    async fn status(&self) -> MarkStatus {
        self.mark.status.into()
    }

    async fn source(&self) -> MarkSource {
        self.mark.source.into()
    }

    /// cosine similarity of the face that set it; null unless source is RECOGNITION, REVIEW or CHECK_IN
    async fn similarity(&self) -> Option<f64> {
        self.mark.similarity
    }

    async fn face(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<DetectedFace>> {
        match self.mark.face_id {
            Some(id) => Ok(loaders(ctx)?.one(id).await?.map(DetectedFace)),
            None => Ok(None),
        }
    }

    async fn remark(&self) -> Option<&str> {
        self.mark.remark.as_deref()
    }

    /// when the photo or selfie was submitted, or the mark entered
    async fn marked_at(&self) -> DateTime<Utc> {
        self.mark.marked_at
    }

    async fn marked_by(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<User>> {
        User::load_optional(ctx, self.mark.marked_by).await
    }

    async fn history(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<MarkChange>> {
        history(ctx, self.mark.session_id, self.mark.student_id).await
    }
}

async fn history(
    ctx: &Context<'_>,
    session: service::id::SessionId,
    student: service::id::PersonId,
) -> async_graphql::Result<Vec<MarkChange>> {
    let changes = loaders(ctx)?.many(HistoryOf((session, student))).await?;
    Ok(changes.into_iter().map(MarkChange).collect())
}

/// to is null where the mark was withdrawn
#[derive(Clone)]
pub struct MarkChange(pub roll::MarkChange);

#[Object]
impl MarkChange {
    async fn from(&self) -> Option<MarkStatus> {
        self.0.from_status.map(Into::into)
    }

    async fn to(&self) -> Option<MarkStatus> {
        self.0.to_status.map(Into::into)
    }

    async fn source(&self) -> MarkSource {
        self.0.source.into()
    }

    async fn by(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<User>> {
        User::load_optional(ctx, self.0.by_id).await
    }

    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }

    async fn remark(&self) -> Option<&str> {
        self.0.remark.as_deref()
    }
}

/// history: every change of this student's mark in this session, oldest first; never rewritten
#[derive(Clone)]
pub struct RollEntry(pub roll::Entry);

impl From<roll::Entry> for RollEntry {
    fn from(entry: roll::Entry) -> Self {
        Self(entry)
    }
}

#[Object]
impl RollEntry {
    async fn student(&self) -> User {
        User(self.0.student.clone())
    }

    async fn mark(&self) -> Option<AttendanceMark> {
        self.0.mark.clone().map(|mark| AttendanceMark {
            mark,
            student: Some(self.0.student.clone()),
        })
    }

    async fn history(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<MarkChange>> {
        history(ctx, self.0.session, self.0.student.id).await
    }
}

connection!(MarkConnection, MarkEdge, AttendanceMark, Option<i32>, bounded);
connection!(RollEntryConnection, RollEntryEdge, RollEntry, i32, exact);

/**
expected = roll entries of sessions that are OPEN or CLOSED in the range.
unmarked = entries of OPEN sessions without a mark; in CLOSED ones they count as absent.
expected = present + late + excused + absent + unmarked, always.
rate = (present + late) / (expected - excused - unmarked); null where that is 0.
*/
#[derive(Clone, Copy, SimpleObject)]
pub struct AttendanceSummary {
    sessions: i32,
    expected: i32,
    present: i32,
    late: i32,
    excused: i32,
    absent: i32,
    unmarked: i32,
    rate: Option<f64>,
}

impl From<Summary> for AttendanceSummary {
    fn from(summary: Summary) -> Self {
        let Summary {
            sessions,
            expected,
            present,
            late,
            excused,
            absent,
            unmarked,
        } = summary;
        Self {
            sessions,
            expected,
            present,
            late,
            excused,
            absent,
            unmarked,
            rate: summary.rate(),
        }
    }
}

/// mark is null where it was withdrawn; mark and summary are as at delivery
pub struct AttendanceEvent(pub Arc<stream::Event>);

#[Object]
impl AttendanceEvent {
    async fn cursor(&self) -> &str {
        &self.0.cursor
    }

    async fn replayed(&self) -> bool {
        self.0.replayed
    }

    async fn student(&self) -> User {
        User(self.0.student.clone())
    }

    async fn mark(&self) -> Option<AttendanceMark> {
        self.0.mark.clone().map(|mark| AttendanceMark {
            mark,
            student: Some(self.0.student.clone()),
        })
    }

    async fn change(&self) -> MarkChange {
        MarkChange(self.0.change.clone())
    }

    async fn summary(&self) -> AttendanceSummary {
        self.0.summary.into()
    }
}
