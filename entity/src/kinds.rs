//! The closed sets that columns hold, stored as the words that clients see.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
        #[sea_orm(rs_type = "String", db_type = "Text")]
        pub enum $name {
            $(#[sea_orm(string_value = $word)] #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// The word as it is stored and shown.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
        }
    )+};
}

kinds! {
    Role { Admin = "ADMIN", Teacher = "TEACHER", Student = "STUDENT" }
    PersonStatus { Invited = "INVITED", Active = "ACTIVE", Suspended = "SUSPENDED", Erased = "ERASED" }
    SessionState { Scheduled = "SCHEDULED", Open = "OPEN", Closed = "CLOSED", Cancelled = "CANCELLED" }
    MarkStatus { Present = "PRESENT", Late = "LATE", Excused = "EXCUSED", Absent = "ABSENT" }
    MarkSource {
        Recognition = "RECOGNITION",
        Review = "REVIEW",
        Manual = "MANUAL",
        CheckIn = "CHECK_IN",
        Auto = "AUTO",
    }
    JobKind {
        Recognize = "RECOGNIZE",
        Enrol = "ENROL",
        Identify = "IDENTIFY",
        CheckIn = "CHECK_IN",
        Reembed = "REEMBED",
        Export = "EXPORT",
    }
    NoticeKind { Marked = "MARKED", Absent = "ABSENT" }
    JobStatus {
        Queued = "QUEUED",
        Running = "RUNNING",
        Succeeded = "SUCCEEDED",
        Failed = "FAILED",
        Cancelled = "CANCELLED",
    }
    JobStage {
        Waiting = "WAITING",
        Decoding = "DECODING",
        Detecting = "DETECTING",
        Embedding = "EMBEDDING",
        Matching = "MATCHING",
        Writing = "WRITING",
        Done = "DONE",
    }
    FaceDecision {
        Matched = "MATCHED",
        NeedsReview = "NEEDS_REVIEW",
        Unknown = "UNKNOWN",
        Confirmed = "CONFIRMED",
        Reassigned = "REASSIGNED",
        Dismissed = "DISMISSED",
    }
    FaceReason {
        BelowThreshold = "BELOW_THRESHOLD",
        BetweenThresholds = "BETWEEN_THRESHOLDS",
        TooSmall = "TOO_SMALL",
        LowQuality = "LOW_QUALITY",
        SecondClaim = "SECOND_CLAIM",
        Ambiguous = "AMBIGUOUS",
    }
    TemplateStatus { Pending = "PENDING", Accepted = "ACCEPTED", Rejected = "REJECTED" }
}
