//! Who keeps the counts.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::gcra::Limit;

/// Who is counted, as a keyed hash.
pub type Subject = [u8; 16];

#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Counts of different buckets don't mix; there are a handful.
    pub bucket: &'static str,
    pub subject: Subject,
    pub limit: Limit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Count one of each if all have room, otherwise none.
    Admit,
    /// Only look.
    Check,
    /// Count one of each, room or not.
    Count,
    /// Take one of each back.
    Forgive,
}

#[async_trait]
pub trait Limiter: Send + Sync + Debug {
    /// How long until all of these have room: zero is yes. Always answers: a limiter that has lost
    /// its store counts by itself. Each pair of bucket and subject comes once at most.
    async fn apply(&self, deed: Deed, now: DateTime<Utc>, asks: &[Ask]) -> Duration;

    /// Whether it counts at a server, which may be away.
    fn has_server(&self) -> bool {
        false
    }

    /// Whether its server answers now.
    async fn answers(&self) -> bool {
        true
    }
}
