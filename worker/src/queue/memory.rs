//! Wake-ups within one process.

use std::sync::{Arc, Mutex, PoisonError};

use apalis::prelude::{MemorySink, MemoryStorage, MemoryStorageError, RandomId, Task, TaskBuilder};
use apalis::prelude::{TaskId, WorkerBuilder, WorkerContext};
use async_trait::async_trait;
use futures_util::{SinkExt, StreamExt, sink, stream};
use service::queue::{Wake, WakeError, WakeUp};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::envelope::Envelope;
use super::slots::Taker;
use super::supervise::{Running, Workers};

/// Wake-ups that may wait. A handler takes jobs until none is left, so more than a few are never
/// needed; the bound only keeps a burst from growing without end.
pub(super) const WAITING: usize = 1024;

/// The half that wakes.
#[derive(Debug)]
pub(super) struct Bell(Sender<WakeUp>);

/// The half that is woken.
#[derive(Debug)]
pub(super) struct Queue(Arc<Mutex<Receiver<WakeUp>>>);

pub(super) fn pair() -> (Bell, Queue) {
    let (sender, receiver) = channel(WAITING);
    (Bell(sender), Queue(Arc::new(Mutex::new(receiver))))
}

#[async_trait]
impl Wake for Bell {
    async fn wake(&self, wake_up: WakeUp) -> Result<(), WakeError> {
        match self.0.try_send(wake_up) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                tracing::debug!("dropped a wake-up: enough are waiting");
                Ok(())
            }
            Err(TrySendError::Closed(_)) => Err(WakeError("the workers of this process have ended".into())),
        }
    }
}

impl Workers for Queue {
    async fn build(&mut self, context: WorkerContext, taker: Taker) -> Result<Running, String> {
        let storage = storage(Arc::clone(&self.0));
        let worker = WorkerBuilder::new(context).backend(storage).build(taker);
        Ok(Box::pin(worker.run()))
    }

    async fn ended(&mut self, _: &str) {}
}

/// apalis's memory storage on our own channel. It waits for its sink's readiness before it takes
/// from the receiver, so a full bounded sink would lock it up; this sink is never full and never used.
fn storage(queue: Arc<Mutex<Receiver<WakeUp>>>) -> MemoryStorage<Envelope> {
    let unused = sink::drain().sink_map_err(|never| match never {});
    let unused: Box<dyn futures_util::Sink<Task<Envelope>, Error = MemoryStorageError> + Send + Sync + Unpin> =
        Box::new(unused);
    let unused = MemorySink::new(Arc::new(futures_util::lock::Mutex::new(unused)));
    let waiting = stream::poll_fn(move |cx| {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.poll_recv(cx)
    });
    let tasks = waiting.map(|wake_up| {
        let id = TaskId::from_string(RandomId::default());
        TaskBuilder::new(Envelope(Some(wake_up))).task_id(id).build()
    });
    MemoryStorage::new_with(unused, tasks.boxed())
}
