//! How a process that has made work tells the workers: wake-ups.
//!
//! The truth of a job is its row in the database; a wake-up only says "look, there is work of
//! this kind". So one may be lost, doubled or late without harm (the dispatcher looks too), and
//! everything here prefers dropping a wake-up to waiting. Never put anything in a wake-up that
//! somebody would miss.
//!
//! apalis carries them: in memory for one process, on Redis for many machines. Its Redis worker
//! ends at the first failure, so `supervise` builds another; its concurrency limit forgets the
//! handlers of the worker before, so `slots` counts instead; it keeps every finished task for ever,
//! so `upkeep` removes them.

mod envelope;
mod memory;
mod poll;
mod redis;
mod slots;
mod supervise;
mod upkeep;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use service::queue::{Wake, WakeUp};
use tokio_util::sync::CancellationToken;

use self::slots::Slots;

/// Where wake-ups travel.
#[derive(Clone)]
pub enum Transport {
    /// Inside this process.
    Memory,
    /// Through Redis.
    Redis {
        /// `redis://[user:password@]host[:port][/database]`, or `unix:` and a path.
        url: String,
        /// Prefix of every key; without colons, and not empty.
        namespace: String,
    },
}

/// The settings cannot be used, whatever the state of Redis.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the namespace of the queue must not be empty nor contain a colon")]
    Namespace,
    // Without its source: that may quote the address, and the address holds a password.
    #[error("the address of Redis cannot be read")]
    Url,
}

/// The half that takes wake-ups. It does nothing, not even connect, until [`Consumer::run`].
pub struct Consumer {
    source: Source,
}

enum Source {
    Memory(memory::Queue),
    Redis(Box<redis::Queue>),
}

impl Transport {
    /// Both halves of this transport.
    pub async fn open(&self) -> Result<(Arc<dyn Wake>, Consumer), OpenError> {
        match self {
            Self::Memory => Ok(memory()),
            Self::Redis { url, namespace } => redis(url, namespace).await,
        }
    }
}

/// Wake-ups within this process. When 1,024 wait already, further ones are dropped: those that
/// wait will look at the same jobs.
pub fn memory() -> (Arc<dyn Wake>, Consumer) {
    let (bell, queue) = memory::pair();
    let source = Source::Memory(queue);
    (Arc::new(bell), Consumer { source })
}

/// Wake-ups through Redis. Succeeds when Redis is away (it is looked for at each wake-up, and by
/// [`Consumer::run`] for ever); takes a second at most.
pub async fn redis(url: &str, namespace: &str) -> Result<(Arc<dyn Wake>, Consumer), OpenError> {
    let (bell, queue) = redis::pair(url, namespace)?;
    bell.try_connect().await;
    let source = Source::Redis(Box::new(queue));
    Ok((Arc::new(bell), Consumer { source }))
}

impl Consumer {
    /// Calls `handler` for each wake-up, at most `slots` (at least one) at once, until `shutdown`
    /// is cancelled. Then takes no more, waits for the handlers that run, and returns.
    ///
    /// Handlers run as tasks of their own for as long as they like: the state of Redis and the end
    /// of an apalis worker don't touch them, and one that panics frees its slot. They should listen to
    /// `shutdown` themselves. Dropping this future leaves them running.
    pub async fn run<F, Fut>(self, slots: usize, shutdown: CancellationToken, handler: F)
    where
        F: Fn(WakeUp) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let slots = Slots::new(slots.max(1), move |wake_up| Box::pin(handler(wake_up)));
        match self.source {
            Source::Memory(queue) => supervise::supervise(queue, slots, &shutdown).await,
            Source::Redis(queue) => supervise::supervise(*queue, slots, &shutdown).await,
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("Memory"),
            // The address may hold a password.
            Self::Redis { namespace, .. } => f
                .debug_struct("Redis")
                .field("namespace", namespace)
                .finish_non_exhaustive(),
        }
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.source {
            Source::Memory(_) => "memory",
            Source::Redis(_) => "redis",
        };
        f.debug_tuple("Consumer").field(&kind).finish()
    }
}
