//! The end: the first signal asks every part to finish, the second ends the process at once.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{Failure, Outcome};

/// How long what is running may take to finish. Jobs that take longer are put back when their lease runs out.
const LIMIT: Duration = Duration::from_secs(30);
/// What a shell says of a process that was interrupted.
const INTERRUPTED: i32 = 130;

/// A token that is cancelled at Ctrl-C or SIGTERM.
pub(crate) fn on_signal() -> Result<CancellationToken, Failure> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::failed)?;
    let token = CancellationToken::new();
    let stopping = token.clone();
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        next().await;
        tracing::info!("stopping: finishing what is running; a second signal ends it at once");
        stopping.cancel();
        next().await;
        std::process::exit(INTERRUPTED);
    });
    Ok(token)
}

/// Waits until the parts have ended. One that ends before it was asked to takes the others with
/// it: half a server that looks alive is worse than none.
pub(crate) async fn when_done(parts: JoinSet<Outcome>, shutdown: CancellationToken) -> Outcome {
    within(LIMIT, parts, shutdown).await
}

async fn within(limit: Duration, mut parts: JoinSet<Outcome>, shutdown: CancellationToken) -> Outcome {
    let mut outcome = Ok(());
    let all = async {
        while let Some(ended) = parts.join_next().await {
            let early = !shutdown.is_cancelled();
            let ended = match ended {
                Ok(Ok(())) if early => Err(Failure::failed("a part ended without being asked to")),
                Ok(ended) => ended,
                Err(error) => Err(Failure::failed(error)),
            };
            outcome = std::mem::replace(&mut outcome, Ok(())).and(ended);
            shutdown.cancel();
        }
    };
    let too_late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(limit).await;
    };
    let in_time = tokio::select! {
        () = all => true,
        () = too_late => false,
    };
    if !in_time {
        tracing::warn!(
            limit_s = limit.as_secs(),
            "not everything finished in time; jobs go on when their lease runs out"
        );
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_fails_takes_the_others_with_it() {
        let shutdown = CancellationToken::new();
        let mut parts = JoinSet::new();
        let other = shutdown.clone();
        parts.spawn(async move {
            other.cancelled().await;
            Ok(())
        });
        parts.spawn(async { Err(Failure::failed("broken")) });
        assert_eq!(when_done(parts, shutdown).await, Err(Failure::failed("broken")));
    }

    #[tokio::test]
    async fn a_part_that_is_asked_to_end_has_not_failed() {
        let shutdown = CancellationToken::new();
        let mut parts = JoinSet::new();
        let asked = shutdown.clone();
        parts.spawn(async move {
            asked.cancelled().await;
            Ok(())
        });
        shutdown.cancel();
        assert_eq!(when_done(parts, shutdown).await, Ok(()));
    }

    #[tokio::test]
    async fn a_part_that_hangs_is_left_behind() {
        let shutdown = CancellationToken::new();
        let mut parts = JoinSet::new();
        parts.spawn(std::future::pending());
        shutdown.cancel();
        assert_eq!(within(Duration::from_millis(20), parts, shutdown).await, Ok(()));
    }
}
