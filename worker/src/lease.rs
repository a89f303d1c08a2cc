//! Keeps a job's lease while its worker works, and says when it was lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use service::Service;
use service::queue::claims::{self, Claim, LEASE};
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument;

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
    /// The job has taken longer than its kind may.
    Late,
}

const HELD: u8 = 0;
const LOST: u8 = 1;
const LEAVING: u8 = 2;
const AWAY: u8 = 3;
const LATE: u8 = 4;

/// Renews until it is dropped.
#[derive(Debug)]
pub struct Lease {
    state: Arc<AtomicU8>,
    begun: CancellationToken,
    _guard: DropGuard,
}

impl Lease {
    /// `limit` is how long the job may take from the start of its clock on.
    pub fn keep(service: &Service, claim: &Claim, limit: Duration, shutdown: &CancellationToken) -> Self {
        let state = Arc::new(AtomicU8::new(HELD));
        let done = CancellationToken::new();
        let keeper = keep(service.clone(), claim.clone(), shutdown.clone(), state.clone());
        let begun = CancellationToken::new();
        let late = {
            let (begun, state) = (begun.clone(), state.clone());
            async move {
                begun.cancelled().await;
                sleep(limit).await;
                // What was lost before stays lost.
                let _ = state.compare_exchange(HELD, LATE, Ordering::Relaxed, Ordering::Relaxed);
                std::future::pending::<()>().await;
            }
        };
        let ended = done.clone();
        let kept = async move {
            // It is still this worker's until it has stopped.
            tokio::select! {
                () = ended.cancelled() => {}
                () = keeper => {}
                () = late => {}
            }
        };
        tokio::spawn(kept.in_current_span());
        Self {
            state,
            begun,
            _guard: done.drop_guard(),
        }
    }

    /// A look that may be taken from any thread.
    pub fn watch(&self) -> impl Fn() -> Held + Clone + Send + Sync + use<> {
        let state = self.state.clone();
        move || match state.load(Ordering::Relaxed) {
            HELD => Held::Yes,
            LOST => Held::Lost,
            LEAVING => Held::Leaving,
            LATE => Held::Late,
            _ => Held::Away,
        }
    }

    /// To be told that the work itself begins, behind whatever had to be fetched for it.
    pub fn clock(&self) -> impl Fn() + Clone + Send + Sync + use<> {
        let begun = self.begun.clone();
        move || begun.cancel()
    }

    /// Ends so long after the clock was started.
    pub fn runs_out(&self, after: Duration) -> impl Future<Output = ()> + use<> {
        let begun = self.begun.clone();
        async move {
            begun.cancelled().await;
            sleep(after).await;
        }
    }

    /// To be told that the job is another's, or nobody's any more, before the next renewal shows it.
    pub fn loser(&self) -> impl Fn() + Clone + Send + Sync + use<> {
        let state = self.state.clone();
        move || state.store(LOST, Ordering::Relaxed)
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
                state.store(LEAVING, Ordering::Relaxed);
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
                state.store(AWAY, Ordering::Relaxed);
                return;
            }
            Ok(false) => {
                state.store(LOST, Ordering::Relaxed);
                return;
            }
        }
    }
}
