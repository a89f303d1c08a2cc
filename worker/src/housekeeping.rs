//! Housekeeping: every worker looks which chores are due, and does those that nobody is at, each beside
//! the others. A chore that takes long, or a store that is slow, holds up no other.

use std::time::Duration;

use service::Service;
use service::housekeeping::{self, Occasion};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

/// Between two looks, and before the first: whoever starts has better to do.
const LOOK: Duration = Duration::from_secs(10);

pub(crate) async fn run(service: Service, shutdown: CancellationToken) {
    let mut look = interval_at(Instant::now() + LOOK, LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut at_work = JoinSet::new();
    while shutdown.run_until_cancelled(look.tick()).await.is_some() {
        while let Some(ended) = at_work.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "a chore ended badly");
            }
        }
        match housekeeping::due(&service).await {
            Ok(due) => due.into_iter().for_each(|chore| {
                let service = service.clone();
                at_work.spawn(async move {
                    if let Err(error) = housekeeping::run(&service, chore, Occasion::Due).await {
                        tracing::debug!(%error, chore = chore.name(), "a chore waits: the database is away");
                    }
                });
            }),
            Err(error) => tracing::debug!(%error, "no housekeeping: the database is away"),
        }
    }
    // What is at work is cut off here; each chore may be.
}
