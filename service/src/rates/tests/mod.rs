//! Who is let through when, by the clock of the test, and the same counts in a real Redis.

mod algorithm;
mod bounds;
mod on_redis;
mod outages;
mod server;

use std::time::Duration;

use chrono::TimeDelta;

use super::{Ask, Deed, Limit, Limiter, Subject};
use crate::clock::{Clock, ManualClock};

fn clock() -> ManualClock {
    ManualClock::at("2026-03-02T08:00:00Z".parse().unwrap())
}

fn subject(number: u128) -> Subject {
    number.to_be_bytes()
}

fn ask(number: u128, limit: Limit) -> Ask {
    Ask {
        bucket: "test",
        subject: subject(number),
        limit,
    }
}

const TEN_A_MINUTE: Limit = Limit::new(10, Duration::from_mins(1));

/// How many of so many are let through now.
async fn through(limiter: &dyn Limiter, clock: &ManualClock, ask: Ask, times: usize) -> usize {
    let mut through = 0;
    for _ in 0..times {
        let wait = limiter.apply(Deed::Admit, clock.now(), &[ask]).await;
        through += usize::from(wait.is_zero());
    }
    through
}

fn seconds(number: i64) -> TimeDelta {
    TimeDelta::seconds(number)
}
