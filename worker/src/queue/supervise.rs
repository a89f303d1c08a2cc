//! Keeps an apalis worker running, whatever ends it.

use std::time::Duration;

use apalis::prelude::{WorkerContext, WorkerError};
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::slots::{Slots, Taker};

/// An apalis worker at work.
pub(super) type Running = BoxFuture<'static, Result<(), WorkerError>>;

/// Builds one apalis worker after another on the same transport.
pub(super) trait Workers {
    /// A worker that has never run, under the context's name.
    fn build(&mut self, context: WorkerContext, taker: Taker) -> impl Future<Output = Result<Running, String>> + Send;

    /// The worker of that name, which was built, has ended.
    fn ended(&mut self, name: &str) -> impl Future<Output = ()> + Send;
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A worker that lasted so long was well: its end begins a new series of failures.
const WELL: Duration = Duration::from_secs(10);
/// For a stopped worker's last acknowledgements. Without them the tasks come once more, which
/// costs a look into the database.
const FAREWELL: Duration = Duration::from_secs(1);
/// Failures from one warning to the next: about once a minute while Redis is away.
const FAILURES_A_WARNING: u32 = 12;

/// Runs workers until `shutdown`, and returns when no handler runs any more.
pub(super) async fn supervise<W: Workers>(mut workers: W, slots: Slots, shutdown: &CancellationToken) {
    let mut failures = 0;
    while !shutdown.is_cancelled() {
        let began = Instant::now();
        let outcome = one_worker(&mut workers, &slots, shutdown).await;
        if shutdown.is_cancelled() {
            break;
        }
        if began.elapsed() >= WELL {
            failures = 0;
        }
        let pause = pause(failures);
        let pause_ms = pause.as_millis();
        if failures.is_multiple_of(FAILURES_A_WARNING) {
            tracing::warn!(failures, pause_ms, reason = %outcome, "lost the queue of wake-ups");
        } else {
            tracing::debug!(failures, pause_ms, reason = %outcome, "lost the queue of wake-ups");
        }
        failures += 1;
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = sleep(pause) => {}
        }
    }
    slots.idle().await;
}

/// Builds one worker and runs it to its end; says why it ended.
async fn one_worker<W: Workers>(workers: &mut W, slots: &Slots, shutdown: &CancellationToken) -> String {
    // Redis refuses the name of a worker that was alive within five minutes.
    let name = format!("{:032x}", rand::random::<u128>());
    let context = WorkerContext::new(&name);
    let built = tokio::select! {
        () = shutdown.cancelled() => return "shutdown".into(),
        built = workers.build(context.clone(), slots.taker()) => built,
    };
    let running = match built {
        Ok(running) => running,
        Err(reason) => return reason,
    };
    let outcome = run(running, &context, slots, shutdown).await;
    workers.ended(&name).await;
    outcome
}

/// Runs a worker until it ends or `shutdown`.
///
/// Not `run_until`: that goes on waiting for its signal when the worker has long ended.
async fn run(running: Running, context: &WorkerContext, slots: &Slots, shutdown: &CancellationToken) -> String {
    // A task of its own: a panic inside apalis is then one more reason to build the next worker.
    let mut task = AbortOnDropHandle::new(tokio::spawn(running));
    tokio::select! {
        ended = &mut task => return match ended {
            Ok(Ok(())) => "the worker ended".into(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        },
        () = shutdown.cancelled() => {}
    }
    if context.stop().is_ok() {
        slots.idle().await;
        // However it ends, it is dropped next.
        let _ended = timeout(FAREWELL, &mut task).await;
    }
    "shutdown".into()
}

/// 0.1 to 5 s: doubled with each failure, then spread over its upper half so that the workers of
/// many machines don't come back all at once.
fn pause(failures: u32) -> Duration {
    let longest = SHORTEST_PAUSE.saturating_mul(2_u32.saturating_pow(failures.min(16)));
    longest.min(LONGEST_PAUSE).mul_f64(rand::random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::{Duration, pause};

    #[test]
    fn pauses_grow_within_bounds() {
        for failures in [0, 1, 5, 100, u32::MAX] {
            let pause = pause(failures);
            assert!(pause >= Duration::from_millis(100) && pause <= Duration::from_secs(5));
        }
        assert!(pause(100) >= Duration::from_millis(2500));
    }
}
