//! The generic cell rate algorithm in its form of virtual scheduling (ITU-T I.371, ATM Forum
//! Traffic Management 4.0): a count is one instant, until which everything counted so far would
//! have lasted had it come evenly. Nothing is stored of the single requests, one number a
//! subject; a request is given back by subtraction, and the wait is exact.
//!
//! A limit of n in a time lets n through at once and then one every time/n. So within one time no
//! more than 2n pass, and n a time in the long run.
//!
//! Instants and lengths are microseconds.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// So many times within so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub times: u32,
    pub within: Duration,
}

impl Limit {
    /// Is never asked about.
    pub const UNLIMITED: Self = Self::new(u32::MAX, Duration::from_secs(1));

    pub const fn new(times: u32, within: Duration) -> Self {
        Self { times, within }
    }

    pub fn is_unlimited(self) -> bool {
        self == Self::UNLIMITED
    }

    /// What one takes up: never nothing.
    pub(super) fn step(self) -> i64 {
        let within = i64::try_from(self.within.as_micros()).unwrap_or(i64::MAX);
        (within / i64::from(self.times.max(1))).max(1)
    }

    /// What all of them together take up.
    pub(super) fn room(self) -> i64 {
        self.step().saturating_mul(i64::from(self.times))
    }
}

/// What has been counted for one subject, seen from now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count {
    /// In I.371's words the theoretical arrival time.
    full_until: i64,
    now: i64,
    limit: Limit,
}

impl Count {
    /// `kept` is what [`Count::keep`] gave before. More than the limit's room is cut to it: after a
    /// clock was set back, or the limit lowered, nobody waits for longer than the limit says.
    pub fn at(now: DateTime<Utc>, kept: Option<i64>, limit: Limit) -> Self {
        let now = now.timestamp_micros();
        let full_until = kept.unwrap_or(now).clamp(now, now.saturating_add(limit.room()));
        Self { full_until, now, limit }
    }

    /// How long until one more has room; zero where it has now.
    pub fn wait(self) -> Duration {
        let taken = self.full_until - self.now;
        let over = taken + self.limit.step() - self.limit.room();
        Duration::from_micros(u64::try_from(over).unwrap_or(0))
    }

    pub fn one_more(mut self) -> Self {
        let most = self.now.saturating_add(self.limit.room());
        self.full_until = (self.full_until + self.limit.step()).min(most);
        self
    }

    pub fn one_less(mut self) -> Self {
        self.full_until = (self.full_until - self.limit.step()).max(self.now);
        self
    }

    /// What is to be kept, and until when; nothing where nothing counts any more.
    pub fn keep(self) -> Option<i64> {
        (self.full_until > self.now).then_some(self.full_until)
    }
}
