//! What can go wrong in a use case, in the caller's words. One enum; api maps it to the codes
//! of the contract and nothing else decides what a caller may read.

use sea_orm::{DbErr, RuntimeErr, SqlErr};
use serde::{Deserialize, Serialize};

use crate::id::{JobId, SessionId};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("Sign in first: the access token is missing, expired or no longer valid")]
    Unauthenticated,
    /// Wrong address or password; which of them is not told.
    #[error("The address or the password is wrong")]
    WrongCredentials,
    #[error("Your role may not do this")]
    Forbidden,
    #[error("There is no such {0}")]
    NotFound(&'static str),
    #[error("{message}")]
    Invalid { field: &'static str, message: String },
    #[error("{message}")]
    Conflict {
        reason: &'static str,
        message: String,
        /// What is in the way, where the caller can look at it or at least tell it from others.
        about: Option<About>,
    },
    #[error("Too many attempts; try again in {retry_after_seconds} s")]
    RateLimited { retry_after_seconds: u64 },
    #[error("{0}")]
    TooLarge(String),
    #[error("{0}")]
    UnsupportedMedia(String),
    /// A part that Muster needs is away; trying again later helps.
    #[error("{0} cannot be reached now; try again in a moment")]
    Unavailable(&'static str),
    /// A fault of ours. The source is for the log alone.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    Session(SessionId),
    Job(JobId),
}

impl Error {
    pub fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid {
            field,
            message: message.into(),
        }
    }

    pub fn conflict(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Conflict {
            reason,
            message: message.into(),
            about: None,
        }
    }

    /// A conflict with something that is named by its id alone.
    pub fn conflict_with(reason: &'static str, about: About, message: impl Into<String>) -> Self {
        Self::Conflict {
            reason,
            message: message.into(),
            about: Some(about),
        }
    }

    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }

    /// The code of the contract.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated | Self::WrongCredentials => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound(_) => "NOT_FOUND",
            Self::Invalid { .. } => "INVALID_INPUT",
            Self::Conflict { .. } => "CONFLICT",
            Self::RateLimited { .. } => "RATE_LIMITED",
            Self::TooLarge(_) => "PAYLOAD_TOO_LARGE",
            Self::UnsupportedMedia(_) => "UNSUPPORTED_MEDIA",
            Self::Unavailable(_) => "UNAVAILABLE",
            Self::Internal(_) => "INTERNAL",
        }
    }

    /// The same of an input field by another name, where this one is not the caller's own.
    #[must_use]
    pub(crate) fn of_field(self, name: &'static str) -> Self {
        match self {
            Self::Invalid { message, .. } => Self::Invalid { field: name, message },
            other => other,
        }
    }

    /// Whether the same call may succeed later without anything being changed.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// What was wrong with one row of many, as its sender reads it: can be kept and answered again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowError {
    pub code: String,
    pub message: String,
    /// Where a field of the row was to blame.
    pub field: Option<String>,
}

impl From<Error> for RowError {
    fn from(error: Error) -> Self {
        Self {
            code: error.code().to_owned(),
            message: error.to_string(),
            field: match error {
                Error::Invalid { field, .. } => Some(field.to_owned()),
                _ => None,
            },
        }
    }
}

/// SQLSTATE classes that say the server is going, coming or full, or that two transactions met;
/// not that the statement is wrong.
const PASSING_CLASSES: [&str; 4] = ["08", "40", "53", "57"];
/// `SQLite`'s result codes of the same kind, without their extensions: BUSY, LOCKED, IOERR, FULL.
const PASSING_CODES: [u32; 4] = [5, 6, 10, 13];

fn passes(code: &str) -> bool {
    // SQLSTATE has five characters; `SQLite` answers a decimal number.
    if code.len() == 5 && PASSING_CLASSES.iter().any(|class| code.starts_with(class)) {
        return true;
    }
    code.parse::<u32>()
        .is_ok_and(|n| code.len() < 5 && PASSING_CODES.contains(&(n & 0xff)))
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        let away = match &error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
            DbErr::Exec(RuntimeErr::SqlxError(e)) | DbErr::Query(RuntimeErr::SqlxError(e)) => {
                use sea_orm::sqlx::Error as Sqlx;
                match &**e {
                    Sqlx::Io(_) | Sqlx::PoolTimedOut | Sqlx::PoolClosed | Sqlx::WorkerCrashed => true,
                    Sqlx::Database(e) => e.code().is_some_and(|code| passes(&code)),
                    _ => false,
                }
            }
            _ => false,
        };
        if is_orphan(&error) {
            return Self::conflict("GONE_MEANWHILE", "what this belongs to was deleted meanwhile");
        }
        if away {
            tracing::warn!(error = %error, "database away");
            Self::Unavailable("The database")
        } else {
            Self::internal(error)
        }
    }
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound("stored object"),
            other => {
                tracing::warn!(error = %other, "media store away");
                Self::Unavailable("The media store")
            }
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error)
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::internal(error)
    }
}

/// Whether a statement failed because a row with the same key exists.
pub(crate) fn is_duplicate(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

/// Whether a row points at one that is not there any more. The service looks before it writes, so
/// something was deleted in between. Where a trigger of ours says so, it says it in `SQLite`'s words.
fn is_orphan(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::ForeignKeyConstraintViolation(_)))
        || error.to_string().contains("FOREIGN KEY constraint failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_told_from_what_is_wrong() {
        for code in ["08006", "40P01", "40001", "53300", "57P01", "5", "517", "10", "13", "6"] {
            assert!(passes(code), "{code}");
        }
        for code in ["23505", "42P01", "22021", "1", "19", "2067", ""] {
            assert!(!passes(code), "{code}");
        }
    }
}
