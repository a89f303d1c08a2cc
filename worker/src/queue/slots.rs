//! The slots that handlers run in, counted across apalis workers.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use apalis::prelude::Task;
use futures_util::future::BoxFuture;
use service::queue::WakeUp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use super::envelope::Envelope;

type Handler = dyn Fn(WakeUp) -> BoxFuture<'static, ()> + Send + Sync;

/// A handler and how often it may run at once.
///
/// apalis drops a worker's concurrency limit and its running futures together when the backend
/// fails; here both outlive it, so the next worker finds the slots that are really free.
#[derive(Clone)]
pub(super) struct Slots {
    handler: Arc<Handler>,
    free: Arc<Semaphore>,
    running: TaskTracker,
}

impl Slots {
    pub(super) fn new<H>(count: usize, handler: H) -> Self
    where
        H: Fn(WakeUp) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    {
        Self {
            handler: Arc::new(handler),
            free: Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS))),
            running: TaskTracker::new(),
        }
    }

    /// The service of one apalis worker.
    pub(super) fn taker(&self) -> Taker {
        Taker {
            slots: self.clone(),
            free: PollSemaphore::new(Arc::clone(&self.free)),
            permit: None,
        }
    }

    /// Waits until no handler runs.
    pub(super) async fn idle(&self) {
        self.running.close();
        self.running.wait().await;
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots")
            .field("free", &self.free.available_permits())
            .field("running", &self.running.len())
            .finish_non_exhaustive()
    }
}

/// Takes a task from apalis only once a slot is free for it, so that a wake-up never waits here
/// while another machine is idle.
#[derive(Debug)]
pub(super) struct Taker {
    slots: Slots,
    free: PollSemaphore,
    permit: Option<OwnedSemaphorePermit>,
}

impl Service<Task<Envelope>> for Taker {
    type Response = ();
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<(), Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.permit.is_none() {
            // Nobody closes the semaphore, so this is never ready without a permit.
            self.permit = ready!(self.free.poll_acquire(cx));
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, task: Task<Envelope>) -> Self::Future {
        let permit = self.permit.take();
        let Some(wake_up) = task.args.0 else {
            tracing::warn!("dropped a wake-up that this version cannot read");
            return Box::pin(async { Ok(()) });
        };
        let (kind, job) = (wake_up.kind, wake_up.job);
        let handler = Arc::clone(&self.slots.handler);
        // Spawned here, not by apalis: its futures are dropped when the backend fails.
        let run = self.slots.running.spawn(async move {
            let _permit = permit;
            handler(wake_up).await;
        });
        Box::pin(async move {
            // A panic must not reach apalis: it would count as a failure and be tried again, but
            // the job's own row says whether and when it is.
            if run.await.is_err() {
                tracing::error!(?kind, ?job, "the handler of a wake-up panicked");
            }
            Ok(())
        })
    }
}
