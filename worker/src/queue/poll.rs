//! How often an idle worker looks.

use std::task::{Context, Poll};
use std::time::Duration;

use apalis::prelude::{PollSnapshot, PollStrategy};
use tokio::time::{Interval, MissedTickBehavior};

/// Wakes the worker at a steady pace. Without it an empty fetch sleeps until the next heartbeat, and
/// apalis's own interval forgets to register its waker in the poll in which it fires, leaving the next
/// wake-up to chance.
#[derive(Debug)]
pub(super) struct Steadily(Interval);

impl Steadily {
    pub(super) fn every(period: Duration) -> Self {
        let mut interval = tokio::time::interval(period);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(interval)
    }
}

impl PollStrategy for Steadily {
    fn poll_drive(&mut self, cx: &mut Context<'_>, _: &PollSnapshot) -> Poll<Option<()>> {
        let mut due = false;
        // On to the tick that is still to come: only a pending one has registered the waker.
        while self.0.poll_tick(cx).is_ready() {
            due = true;
        }
        if due { Poll::Ready(Some(())) } else { Poll::Pending }
    }
}
