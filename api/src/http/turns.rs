//! How many requests are worked on at once. Beyond what the database and the cores can do, more at
//! once only makes everybody wait, and in the end for answers whose askers have gone: so a request
//! waits for its turn for a while and is then refused, before anything was done for it.
//!
//! How long it waits depends on the queue (Maurer, "Fail at Scale", ACM Queue 13(8), 2015): a burst
//! is waited out, but where everybody has had to wait for as long as that, no burst is what it is,
//! and only those get a turn who come when one is nearly free. Others hear at once that they should
//! come later, and who is let in is answered as fast as ever.
//!
//! Health is asked without a turn, and a body that isn't here yet is waited for without one: what drips
//! holds up nobody. Whoever comes with one at last stands in the same queue, and newcomers behind them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_graphql::Request;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::error::Refusal;
use super::guard;
use super::limits::Limits;

/// For as many as have a turn at once otherwise, so many may be signing in: they wait for one
/// another to be hashed, and hold no connection meanwhile.
const STRANGERS: usize = 4;

/// The turns of those who don't wait for one another. A media store that answers slowly holds up
/// uploads alone, and a class that signs in holds up nobody who has.
pub(super) struct Turns {
    pub viewers: Lane,
    pub strangers: Lane,
    pub uploads: Lane,
}

impl Turns {
    pub(super) fn new(limits: &Limits) -> Self {
        let lane = |turns: usize| Lane::new(turns, limits);
        Self {
            viewers: lane(limits.requests_at_once),
            strangers: lane(limits.requests_at_once.saturating_mul(STRANGERS)),
            uploads: lane(limits.requests_at_once.div_ceil(2)),
        }
    }

    /// A turn for an operation on a socket, of which nothing is done yet. What watches has none: it
    /// lasts, and its reads are shared. Nor has what a viewer names by its hash, which may be that.
    pub(super) async fn for_socket(
        &self,
        request: &mut Request,
        signed_in: bool,
        large: bool,
    ) -> Result<Option<Turn>, Refusal> {
        if guard::watches(request) || signed_in && request.query.is_empty() {
            return Ok(None);
        }
        let lane = match (signed_in, large) {
            (false, _) => &self.strangers,
            (true, true) => &self.uploads,
            (true, false) => &self.viewers,
        };
        lane.begin().await.map(Some)
    }
}

pub(super) struct Lane {
    turns: Arc<Semaphore>,
    burst: Duration,
    crowded: Duration,
    resumed: Duration,
    /// When somebody last had a turn without waiting for it.
    idle: Mutex<Instant>,
}

/// The right to be worked on, until it is dropped.
pub(super) type Turn = OwnedSemaphorePermit;

impl Lane {
    fn new(turns: usize, limits: &Limits) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(turns.clamp(1, Semaphore::MAX_PERMITS))),
            burst: limits.burst,
            crowded: limits.crowded,
            resumed: limits.resumed,
            idle: Mutex::new(Instant::now()),
        }
    }

    /// A turn for a request of which nothing is done yet; refused where that takes too long.
    pub(super) async fn begin(&self) -> Result<Turn, Refusal> {
        if let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() {
            *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            return Ok(turn);
        }
        let idle = *self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let patience = if idle.elapsed() >= self.burst {
            self.crowded
        } else {
            self.burst
        };
        match timeout(patience, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }

    /// Another turn for what was begun: it has cost its sender something, and is waited for longer. Many that
    /// were begun may come at once, and not for all of them is there an end before they are given up.
    pub(super) async fn go_on(&self) -> Result<Turn, Refusal> {
        match timeout(self.resumed, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }
}

fn busy() -> Refusal {
    Refusal::new(
        "UNAVAILABLE",
        "Too much is asked of the server at once; try again in a moment",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(turns: usize) -> Lane {
        Lane::new(turns, &Limits::default())
    }

    /// How long somebody waited to be refused.
    async fn refused(lane: &Lane) -> Option<Duration> {
        let start = Instant::now();
        lane.begin().await.err().map(|_| start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_waited_out_and_a_crowd_is_turned_away() {
        let limits = Limits::default();
        let lane = lane(1);
        let turn = lane.begin().await.unwrap();
        // Nobody can say yet that it is more than a burst.
        assert_eq!(refused(&lane).await, Some(limits.burst));
        assert_eq!(refused(&lane).await, Some(limits.crowded));
        drop(turn);
        // Whoever comes when nobody is before them is let in, and who follows may wait again.
        let turn = lane.begin().await.unwrap();
        let (waited, ()) = tokio::join!(refused(&lane), async {
            tokio::time::sleep(limits.burst / 2).await;
            drop(turn);
        });
        assert_eq!(waited, None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_begun_is_waited_for_and_comes_in_turn() {
        let limits = Limits::default();
        let lane = lane(1);
        let turn = lane.begin().await.unwrap();
        let begun = Instant::now();
        let long = limits.resumed / 2;
        let later = async {
            tokio::time::sleep(long).await;
            drop(turn);
        };
        let (turn, ()) = tokio::join!(lane.go_on(), later);
        assert_eq!(begun.elapsed(), long);
        let _turn = turn.unwrap();
        let begun = Instant::now();
        assert!(lane.go_on().await.is_err());
        assert_eq!(begun.elapsed(), limits.resumed);
    }

    #[tokio::test(start_paused = true)]
    async fn newcomers_stand_behind_what_was_begun() {
        let lane = lane(1);
        let turn = lane.begin().await.unwrap();
        let (begun, new, ()) = tokio::join!(lane.go_on(), lane.begin(), async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            drop(turn);
        });
        assert!(begun.is_ok() && new.is_err());
    }

    #[test]
    fn there_is_a_turn_however_few_were_asked_for() {
        for few in [0, 1, 2] {
            let limits = Limits {
                requests_at_once: few,
                ..Limits::default()
            };
            let turns = Turns::new(&limits);
            for lane in [&turns.viewers, &turns.strangers, &turns.uploads] {
                assert!(lane.turns.available_permits() >= 1);
            }
        }
    }
}
