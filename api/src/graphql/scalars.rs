//! Scalars and enumerations of the contract that the service has in its own words.

use async_graphql::{Enum, InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::NaiveDate;
use service::kinds;

/// A calendar day, `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date(pub NaiveDate);

#[Scalar]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .map(Self)
            .map_err(|_| InputValueError::custom("a Date is a day such as 2026-03-29"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewChange {
    Entered,
    Left,
}

macro_rules! remote {
    ($($name:ident $remote:literal { $($variant:ident),+ $(,)? })+) => {$(
        #[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
        #[graphql(remote = $remote)]
        pub enum $name { $($variant),+ }
    )+};
}

/// A day of the week.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl From<Weekday> for chrono::Weekday {
    fn from(day: Weekday) -> Self {
        match day {
            Weekday::Monday => Self::Mon,
            Weekday::Tuesday => Self::Tue,
            Weekday::Wednesday => Self::Wed,
            Weekday::Thursday => Self::Thu,
            Weekday::Friday => Self::Fri,
            Weekday::Saturday => Self::Sat,
            Weekday::Sunday => Self::Sun,
        }
    }
}

remote! {
    Role "kinds::Role" { Admin, Teacher, Student }
    UserStatus "kinds::PersonStatus" { Invited, Active, Suspended, Erased }
    SessionState "kinds::SessionState" { Scheduled, Open, Closed, Cancelled }
    MarkStatus "kinds::MarkStatus" { Present, Late, Excused, Absent }
    MarkSource "kinds::MarkSource" { Recognition, Review, Manual, CheckIn, Auto }
    JobKind "kinds::JobKind" { Recognize, Enrol, Identify, CheckIn, Reembed, Export }
    JobStatus "kinds::JobStatus" { Queued, Running, Succeeded, Failed, Cancelled }
    JobStage "kinds::JobStage" { Waiting, Decoding, Detecting, Embedding, Matching, Writing, Done }
    FaceDecision "kinds::FaceDecision" { Matched, NeedsReview, Unknown, Confirmed, Reassigned, Dismissed }
    FaceReason "kinds::FaceReason" { BelowThreshold, BetweenThresholds, TooSmall, LowQuality, SecondClaim, Ambiguous }
    ReviewDecision "service::recognition::ReviewDecision" { Confirm, Reassign, Dismiss }
    ExportFormat "service::reports::Format" { Csv, Xlsx }
    TemplateStatus "kinds::TemplateStatus" { Pending, Accepted, Rejected }
    StudentSessionState "service::sessions::StudentState" { Upcoming, Pending, Marked, Missed }
    Interval "service::statistics::Interval" { Day, Week, Month, Quarter, Year }
    HealthState "service::health::State" { Ok, Degraded, Down }
}
