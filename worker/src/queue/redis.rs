//! Wake-ups through Redis, with apalis-redis.

use std::fmt;
use std::time::Duration;

use apalis::prelude::{BackendExt, TaskSink, WorkerBuilder, WorkerContext};
use apalis_redis::{Config, RedisStorage};
use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client};
use service::queue::{Wake, WakeError, WakeUp};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::OpenError;
use super::envelope::Envelope;
use super::poll::Steadily;
use super::slots::Taker;
use super::supervise::{Running, Workers};
use super::upkeep::Upkeep;

/// Whoever wakes has a request to answer and the dispatcher behind it.
const WAKE_LIMIT: Duration = Duration::from_millis(1800);
const WAKE_STEP: Duration = Duration::from_millis(700);
/// A worker has time, and is thrown away at the first failure: redis-rs's own 500 ms are too few.
const WORKER_CONNECT: Duration = Duration::from_secs(2);
const WORKER_ANSWER: Duration = Duration::from_secs(5);
/// For striking off an ended worker at once; else it is done with the next connection.
const RETIRE_LIMIT: Duration = Duration::from_millis(500);
/// An idle worker looks so often: half of it is the usual delay of a wake-up.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// Wake-ups that may wait; further ones would tell the workers nothing new.
pub(super) const WAITING: usize = 10_000;

/// The half that wakes. Not a `ConnectionManager`: after an outage that gives the first caller the
/// error of the last attempt, and only then tries again.
pub(super) struct Bell {
    client: Client,
    config: Config,
    upkeep: Upkeep,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    connection: Option<MultiplexedConnection>,
    /// Counts connections, so that only the one that failed is dropped.
    number: u64,
}

/// The half that is woken.
pub(super) struct Queue {
    client: Client,
    config: Config,
    upkeep: Upkeep,
    /// The connection of the latest worker.
    connection: Option<MultiplexedConnection>,
    /// Ended workers that Redis has not been told of.
    ended: Vec<String>,
}

pub(super) fn pair(url: &str, namespace: &str) -> Result<(Bell, Queue), OpenError> {
    if namespace.is_empty() || namespace.contains(':') {
        return Err(OpenError::Namespace);
    }
    pair_with(url, config(namespace))
}

pub(super) fn pair_with(url: &str, config: Config) -> Result<(Bell, Queue), OpenError> {
    let client = Client::open(url).map_err(|_| OpenError::Url)?;
    let bell = Bell {
        client: client.clone(),
        upkeep: Upkeep::new(config.clone()),
        config: config.clone(),
        line: Mutex::default(),
    };
    let queue = Queue {
        client,
        upkeep: Upkeep::new(config.clone()),
        config,
        connection: None,
        ended: Vec::new(),
    };
    Ok((bell, queue))
}

pub(super) fn config(namespace: &str) -> Config {
    Config::default()
        .queue(namespace)
        // What a worker has fetched and not begun is out of the others' reach.
        .batch_size(1)
        // The orphans' 300 s. Compared by the machines' clocks: shorter, and a machine whose clock
        // is ahead would strike off the others' workers.
        .heartbeat_interval(Duration::from_secs(30))
        .missed_heartbeats(10)
        // A lock is one more script a task, and guards nothing: the database does.
        .lock_tasks(false)
        .emit_events(false)
}

impl Bell {
    /// Looks for Redis once, for the log's sake.
    pub(super) async fn try_connect(&self) {
        if let Err(error) = self.connection().await {
            tracing::warn!(%error, "Redis is away; wake-ups wait for the dispatcher until it is back");
        }
    }

    async fn push(&self, wake_up: WakeUp) -> Result<(), String> {
        let envelope = Envelope(Some(wake_up));
        loop {
            let (connection, number, fresh) = self.connection().await?;
            match self.push_on(connection, envelope.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    self.hang_up(number).await;
                    // An old connection may have died long ago, unnoticed; a new one has not.
                    if fresh {
                        return Err(error);
                    }
                }
            }
        }
    }

    async fn push_on(&self, mut connection: MultiplexedConnection, envelope: Envelope) -> Result<(), String> {
        let waiting = self.upkeep.waiting(&mut connection).await;
        if waiting.map_err(|error| error.to_string())? >= WAITING {
            tracing::debug!("dropped a wake-up: enough are waiting");
            return Ok(());
        }
        // Without a task id: apalis-redis makes one, and drops a task whose id it has seen.
        RedisStorage::new(connection.clone())
            .with_config(self.config.clone())
            .push(envelope)
            .await
            .map_err(|error| error.to_string())?;
        let promoted = self.upkeep.promote(&mut connection).await;
        promoted.map_err(|error| error.to_string())
    }

    /// The connection in use or, if there is none, a new one; its number; whether it is new.
    async fn connection(&self) -> Result<(MultiplexedConnection, u64, bool), String> {
        let mut line = self.line.lock().await;
        if let Some(connection) = &line.connection {
            return Ok((connection.clone(), line.number, false));
        }
        let connection = connect(&self.client, WAKE_STEP, WAKE_STEP).await?;
        line.connection = Some(connection.clone());
        line.number += 1;
        Ok((connection, line.number, true))
    }

    async fn hang_up(&self, number: u64) {
        let mut line = self.line.lock().await;
        if line.number == number {
            line.connection = None;
        }
    }
}

#[async_trait]
impl Wake for Bell {
    async fn wake(&self, wake_up: WakeUp) -> Result<(), WakeError> {
        match timeout(WAKE_LIMIT, self.push(wake_up)).await {
            Ok(pushed) => pushed.map_err(WakeError),
            Err(_) => Err(WakeError("Redis did not answer in time".into())),
        }
    }
}

impl Workers for Queue {
    async fn build(&mut self, context: WorkerContext, taker: Taker) -> Result<Running, String> {
        // A connection for each worker: that of the one before is what failed, or lost its place.
        let mut connection = connect(&self.client, WORKER_CONNECT, WORKER_ANSWER).await?;
        while let Some(name) = self.ended.last() {
            let retired = self.upkeep.retire(&mut connection, name).await;
            retired.map_err(|error| error.to_string())?;
            self.ended.pop();
        }
        let promoted = self.upkeep.promote(&mut connection).await;
        promoted.map_err(|error| error.to_string())?;
        let noted = self.upkeep.note(&mut connection, context.name()).await;
        noted.map_err(|error| error.to_string())?;
        let backend = RedisStorage::<Envelope, _>::new(connection.clone())
            .with_config(self.config.clone())
            .poll_with_strategy(Steadily::every(LOOK_EVERY));
        let worker = WorkerBuilder::new(context).backend(backend).build(taker);
        self.connection = Some(connection.clone());
        let upkeep = self.upkeep.clone();
        Ok(Box::pin(async move {
            tokio::select! {
                ended = worker.run() => ended,
                never = upkeep.sweep_for_ever(connection) => match never {},
            }
        }))
    }

    async fn ended(&mut self, name: &str) {
        if let Some(mut connection) = self.connection.take() {
            let retire = self.upkeep.retire(&mut connection, name);
            if let Ok(Ok(())) = timeout(RETIRE_LIMIT, retire).await {
                return;
            }
        }
        self.ended.push(name.to_owned());
    }
}

async fn connect(client: &Client, connect: Duration, answer: Duration) -> Result<MultiplexedConnection, String> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(connect))
        .set_response_timeout(Some(answer));
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
        .map_err(|error| error.to_string())
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the client: it knows the password.
        f.debug_struct("Bell")
            .field("queue", &self.config.queue)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("queue", &self.config.queue)
            .finish_non_exhaustive()
    }
}
