//! Work in the background that goes on until it is told to end: what panics is begun anew, or nobody would
//! notice for days that a session is not watched, or that a worker says no longer that it lives.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, sleep};

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// What went on for so long was well: its end begins a new series.
const WELL: Duration = Duration::from_secs(10);

/// Does `work` until it ends of itself, and from its beginning after each panic, at growing pauses. What it must
/// not forget stands outside of it.
pub async fn keep<F: Future<Output = ()>>(what: &'static str, mut work: impl FnMut() -> F) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        let begun = Instant::now();
        // Nothing that it left half-changed is looked at again: it begins with what it makes itself.
        let worked = AssertUnwindSafe(work()).catch_unwind().await;
        if worked.is_ok() {
            return;
        }
        if begun.elapsed() >= WELL {
            pause = SHORTEST_PAUSE;
        }
        // What it said is in the log by the hook for panics.
        tracing::error!(what, pause_ms = pause.as_millis(), "a duty panicked and begins anew");
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_panics_begins_anew_at_growing_pauses() {
        let (times, start) = (Cell::new(0), Instant::now());
        keep("test", || async {
            times.set(times.get() + 1);
            tokio::task::yield_now().await;
            assert!(times.get() > 4, "it panics four times");
        })
        .await;
        assert_eq!(times.get(), 5);
        assert_eq!(start.elapsed(), SHORTEST_PAUSE * (1 + 2 + 4 + 8));
    }
}
