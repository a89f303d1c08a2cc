//! Keeps the queue in Redis in order, by scripts of our own in apalis's keys.
//!
//! apalis removes neither finished tasks nor the metadata of ended workers, and its `vacuum` reads
//! the whole data hash at once and leaves the set of done ids. The names of all workers are kept in a
//! sorted set of ours, by time, because those that were killed can be found nowhere else but by going
//! through all keys of the server.

use std::convert::Infallible;
use std::time::Duration;

use apalis::prelude::WorkerContext;
use apalis_redis::Config;
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Script};
use tokio::time::sleep;

/// Tasks removed in one call: short enough not to be felt by Redis's other users.
const BATCH: usize = 500;
const EVERY: Duration = Duration::from_secs(10);
/// apalis strikes a silent worker off after five minutes; a name is looked at later than that.
const NAME_AGE: Duration = Duration::from_mins(10);

/// The scripts, for one queue.
#[derive(Clone, Debug)]
pub(super) struct Upkeep {
    config: Config,
    promote: Script,
    retire: Script,
    sweep: Script,
}

impl Upkeep {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            promote: Script::new(include_str!("promote.lua")),
            retire: Script::new(include_str!("retire.lua")),
            sweep: Script::new(include_str!("sweep.lua")),
        }
    }

    fn names(&self) -> String {
        format!("{}:names", self.config.queue.as_ref())
    }

    fn metadata_prefix(&self) -> String {
        format!("{}:workers:metadata", self.config.queue.as_ref())
    }

    /// How many wake-ups nobody has fetched.
    pub(super) async fn waiting(&self, connection: &mut MultiplexedConnection) -> RedisResult<usize> {
        let (active, scheduled): (usize, usize) = redis::pipe()
            .cmd("LLEN")
            .arg(self.config.active_jobs_list())
            .cmd("ZCARD")
            .arg(self.config.scheduled_jobs_set())
            .query_async(connection)
            .await?;
        Ok(active + scheduled)
    }

    /// Makes what was pushed fetchable at once.
    ///
    /// apalis-redis schedules every push for the second in which it is made, so one by a machine
    /// whose clock is ahead waits for the workers' clocks; and its fetch, which moves what is due,
    /// fails for ever once some 8,000 are (more than Lua unpacks). So nothing may stay there.
    pub(super) async fn promote(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        self.promote
            .key(self.config.scheduled_jobs_set())
            .key(self.config.active_jobs_list())
            .key(self.config.signal_list())
            .invoke_async::<usize>(connection)
            .await
            .map(drop)
    }

    /// Notes the name of a worker that is about to register. By the clock of Redis, as all here:
    /// those of the machines may differ.
    pub(super) async fn note(&self, connection: &mut MultiplexedConnection, name: &str) -> RedisResult<()> {
        let (seconds, _micros): (u64, u64) = redis::cmd("TIME").query_async(connection).await?;
        redis::cmd("ZADD")
            .arg(self.names())
            .arg(seconds)
            .arg(name)
            .query_async(connection)
            .await
    }

    /// Strikes an ended worker off; tasks that it fetched and didn't acknowledge come once more.
    pub(super) async fn retire(&self, connection: &mut MultiplexedConnection, name: &str) -> RedisResult<()> {
        let worker = WorkerContext::new(name);
        let given_back: usize = self
            .retire
            .key(self.config.workers_set())
            .key(self.config.inflight_set_for(&worker))
            .key(self.config.active_jobs_list())
            .key(self.config.signal_list())
            .key(self.config.job_data_hash())
            .key(self.config.job_meta_hash())
            .key(self.config.worker_metadata_key(&worker))
            .key(self.names())
            .arg(name)
            .invoke_async(connection)
            .await?;
        if given_back > 0 {
            tracing::debug!(given_back, "gave back the wake-ups of an ended worker");
        }
        Ok(())
    }

    /// One sweep, down to the last finished task.
    pub(super) async fn sweep(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        loop {
            let removed: usize = self
                .sweep
                .key(self.config.done_jobs_set())
                .key(self.config.dead_jobs_set())
                .key(self.config.job_data_hash())
                .key(self.config.job_meta_hash())
                .key(self.config.workers_set())
                .key(self.names())
                .key(self.metadata_prefix())
                .arg(BATCH)
                .arg(NAME_AGE.as_secs())
                .invoke_async(connection)
                .await?;
            if removed < BATCH {
                return Ok(());
            }
        }
    }

    /// Sweeps again and again. All workers do: it costs next to nothing when there is nothing to
    /// remove, and less than agreeing on who does it.
    pub(super) async fn sweep_for_ever(&self, mut connection: MultiplexedConnection) -> Infallible {
        loop {
            sleep(EVERY.mul_f64(rand::random_range(0.5..=1.0))).await;
            if let Err(error) = self.sweep(&mut connection).await {
                // The worker on the same connection notices too, and ends.
                tracing::debug!(%error, "could not sweep the queue of wake-ups");
            }
        }
    }
}
