//! What is done again and again so that nothing stays longer than it may. The table of chores: each
//! is done by one process at a time in the whole installation, in small pieces, and may be cut off
//! anywhere or done twice.

mod turn;

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;

use crate::db::{Sql, Values};
use crate::error::Result;
use crate::queue::{claims, nodes};
use crate::recognition::retention;
use crate::{Service, accounts, audit, idempotency, media, reports};

pub(crate) use turn::{PIECE, Turn};

/// A chore that failed is tried again after so long, or when it is due if that is sooner.
const AGAIN: Duration = Duration::from_mins(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Chore {
    DiscardedMedia,
    Codes,
    Logins,
    Answers,
    Reports,
    Photos,
    Crops,
    Audit,
    Workers,
    OrphanedMedia,
    MissingMedia,
}

impl Chore {
    pub const ALL: [Self; 11] = [
        Self::DiscardedMedia,
        Self::Codes,
        Self::Logins,
        Self::Answers,
        Self::Reports,
        Self::Photos,
        Self::Crops,
        Self::Audit,
        Self::Workers,
        Self::OrphanedMedia,
        Self::MissingMedia,
    ];

    /// The name under which its row is kept.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DiscardedMedia => "discarded-media",
            Self::Codes => "codes",
            Self::Logins => "logins",
            Self::Answers => "answers",
            Self::Reports => "reports",
            Self::Photos => "photos",
            Self::Crops => "crops",
            Self::Audit => "audit",
            Self::Workers => "workers",
            Self::OrphanedMedia => "orphaned-media",
            Self::MissingMedia => "missing-media",
        }
    }

    /// How long after it was begun it is due again.
    pub const fn every(self) -> Duration {
        match self {
            Self::DiscardedMedia => Duration::from_secs(15),
            Self::Codes | Self::Answers | Self::Reports => Duration::from_mins(10),
            Self::Photos | Self::Crops | Self::Workers | Self::MissingMedia => Duration::from_hours(1),
            Self::Logins | Self::Audit | Self::OrphanedMedia => Duration::from_hours(24),
        }
    }

    /// What it counts, in words that stand behind a number.
    pub const fn counts(self) -> &'static str {
        match self {
            Self::DiscardedMedia | Self::OrphanedMedia => "objects removed",
            Self::Photos | Self::Crops => "pictures let go",
            Self::MissingMedia => "objects missing",
            Self::Codes | Self::Logins | Self::Answers | Self::Reports | Self::Audit | Self::Workers => "rows removed",
        }
    }

    async fn work(self, service: &Service, turn: &Turn<'_>) -> Result<u64> {
        match self {
            Self::DiscardedMedia => media::remove_discarded(service, Some(turn)).await,
            Self::Codes => accounts::clear_codes(service, turn).await,
            Self::Logins => accounts::clear_logins(service, turn).await,
            Self::Answers => idempotency::clear(service, turn).await,
            Self::Reports => reports::clear(service, turn).await,
            Self::Photos => retention::let_photos_go(service, turn).await,
            Self::Crops => retention::let_crops_go(service, turn).await,
            Self::Audit => audit::rotate(service, turn).await,
            Self::Workers => nodes::forget_the_gone(service, turn).await,
            Self::OrphanedMedia => media::remove_orphans(service, turn).await,
            Self::MissingMedia => media::look_for_missing(service, turn).await,
        }
    }
}

/// When a chore is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// If it is due.
    Due,
    /// At once, and the whole of it where it does a part at a time.
    Asked,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ran {
    /// How much it dealt with, as [`Chore::counts`] says.
    pub done: Result<u64>,
    pub took: Duration,
}

/// Does a chore; none where it is not due, or another process is at it.
pub async fn run(service: &Service, chore: Chore, occasion: Occasion) -> Result<Option<Ran>> {
    let Some(turn) = Turn::take(service, chore, occasion).await? else {
        return Ok(None);
    };
    let begun = Instant::now();
    let done = chore.work(service, &turn).await;
    let took = begun.elapsed();
    let (name, ms) = (chore.name(), took.as_millis());
    match &done {
        Ok(0) => tracing::debug!(chore = name, ms, "housekeeping: nothing to do"),
        Ok(count) => tracing::info!(chore = name, count, ms, "housekeeping: {}", chore.counts()),
        Err(error) => tracing::warn!(chore = name, %error, ms, "housekeeping: a chore failed and is tried again"),
    }
    turn.end(&done).await?;
    Ok(Some(Ran { done, took }))
}

/// A chore as its row says it.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub chore: Chore,
    /// Whether a process is at it.
    pub running: bool,
    /// Of the last run that came to its end; none before the first.
    pub ended_at: Option<DateTime<Utc>>,
    /// How much that run dealt with.
    pub done: i64,
    /// Why that run failed.
    pub error: Option<String>,
    due: bool,
}

#[derive(FromQueryResult)]
struct Row {
    name: String,
    until: Option<DateTime<Utc>>,
    begun_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    done: i64,
    error: Option<String>,
    now: DateTime<Utc>,
}

impl Row {
    fn state(self, chore: Chore) -> State {
        let ahead = |at: DateTime<Utc>| (at - self.now).to_std().unwrap_or_default();
        let running = self
            .until
            .is_some_and(|until| until >= self.now && ahead(until) <= turn::LEASE + turn::AHEAD);
        let was_cut_off = self.until.is_some() && !running;
        let pause = turn::pause(chore, self.error.is_some());
        let since = (self.now - self.begun_at).to_std().unwrap_or_default();
        let is_over = since >= pause || ahead(self.begun_at) > turn::AHEAD;
        State {
            chore,
            running,
            due: !running && (was_cut_off || is_over),
            ended_at: self.ended_at,
            done: self.done,
            error: self.error,
        }
    }
}

/// Every chore, in the order of [`Chore::ALL`].
pub async fn states(service: &Service) -> Result<Vec<State>> {
    let mut values = Values::default();
    let now = claims::now(service, &mut values);
    let sql = format!("SELECT name, until, begun_at, ended_at, done, error, {now} AS now FROM chore");
    let mut rows: Vec<Row> = service.db.reader().all(&sql, values.done()).await?;
    let one = |chore: Chore| match rows.iter().position(|row| row.name == chore.name()) {
        Some(place) => rows.swap_remove(place).state(chore),
        None => State {
            chore,
            running: false,
            ended_at: None,
            done: 0,
            error: None,
            due: true,
        },
    };
    Ok(Chore::ALL.map(one).into())
}

/// The chores that are due and that nobody is at.
pub async fn due(service: &Service) -> Result<Vec<Chore>> {
    let states = states(service).await?;
    Ok(states
        .into_iter()
        .filter(|state| state.due)
        .map(|state| state.chore)
        .collect())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_chore_has_a_name_of_its_own() {
        let names: HashSet<&str> = Chore::ALL.iter().map(|chore| chore.name()).collect();
        assert_eq!(names.len(), Chore::ALL.len());
    }
}
