//! Keeps a job's lease while its worker works, and says when it was lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use service::Service;
use service::queue::claims::{self, Claim, LEASE};
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long what is running may go on after a shutdown was asked for.
const GRACE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    Yes,
    /// Another worker has the job.
    Lost,
    /// The database was away for longer than the lease: another worker may have the job.
    Away,
    /// The worker has to go.
    Leaving,
}

/// Renews until it is dropped.
#[derive(Debug)]
pub struct Lease {
    state: Arc<AtomicU8>,
    _guard: DropGuard,
}

impl Lease {
    pub fn keep(service: &Service, claim: &Claim, shutdown: &CancellationToken) -> Self {
        let state = Arc::new(AtomicU8::new(0));
        let done = CancellationToken::new();
        let keeper = keep(service.clone(), claim.clone(), shutdown.clone(), state.clone());
        let ended = done.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = ended.cancelled() => {}
                () = keeper => {}
            }
        });
        Self {
            state,
            _guard: done.drop_guard(),
        }
    }

    /// A look that may be taken from any thread.
    pub fn watch(&self) -> impl Fn() -> Held + Clone + Send + Sync + use<> {
        let state = self.state.clone();
        move || match state.load(Ordering::Relaxed) {
            0 => Held::Yes,
            1 => Held::Lost,
            2 => Held::Leaving,
            _ => Held::Away,
        }
    }
}

async fn keep(service: Service, claim: Claim, shutdown: CancellationToken, state: Arc<AtomicU8>) {
    let mut renewed = Instant::now();
    let leave = async {
        shutdown.cancelled().await;
        sleep(GRACE).await;
    };
    tokio::pin!(leave);
    loop {
        tokio::select! {
            () = &mut leave => {
                state.store(2, Ordering::Relaxed);
                return;
            }
            () = sleep(LEASE / 4) => {}
        }
        let asked = Instant::now();
        match claims::renew(&service, &claim).await {
            Ok(true) => renewed = asked,
            // The database is away: the lease may still be ours for the rest of its time.
            Err(_) if renewed.elapsed() < LEASE => {}
            Err(_) => {
                state.store(3, Ordering::Relaxed);
                return;
            }
            Ok(false) => {
                state.store(1, Ordering::Relaxed);
                return;
            }
        }
    }
}
