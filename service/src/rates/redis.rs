//! Counts in Redis, shared by all processes: one script, one round trip. A Redis that is away or
//! slow holds nobody up and opens nothing: meanwhile each process counts for itself.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError, Script};
use tokio::time::{Instant, timeout};

use super::limiter::{Ask, Deed, Limiter};
use super::memory::MemoryLimiter;

/// For connection and answer together; a request waits no longer for its count.
const PATIENCE: Duration = Duration::from_millis(250);
/// For the same, where nobody's request waits for it.
const PROBE: Duration = Duration::from_secs(2);
/// A Redis that didn't answer is left alone for so long.
const RESPITE: Duration = Duration::from_secs(1);
/// Between two lines in the log about it.
const SILENCE: Duration = Duration::from_mins(1);

pub struct RedisLimiter {
    client: Client,
    prefix: String,
    script: Script,
    connection: tokio::sync::Mutex<Option<MultiplexedConnection>>,
    away: Mutex<Away>,
    /// Counts while Redis is away, and is kept from one time to the next: an attacker who could
    /// cut Redis off would gain one more limit from each process, once.
    meanwhile: MemoryLimiter,
}

#[derive(Default)]
struct Away {
    /// Not asked before then; none where it is well.
    until: Option<Instant>,
    told: Option<Instant>,
}

impl fmt::Debug for RedisLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the client: its address may hold a password.
        f.debug_struct("RedisLimiter")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl RedisLimiter {
    /// `prefix` keeps installations on one Redis apart. Does not need Redis to be there yet.
    pub fn new(url: &str, prefix: &str) -> Result<Self, RedisError> {
        Ok(Self {
            client: Client::open(url)?,
            prefix: prefix.to_owned(),
            script: Script::new(include_str!("count.lua")),
            connection: tokio::sync::Mutex::default(),
            away: Mutex::default(),
            meanwhile: MemoryLimiter::default(),
        })
    }

    async fn ask(&self, deed: Deed, asks: &[Ask]) -> Result<Duration, RedisError> {
        let mut connection = self.connection().await?;
        let mut call = self.script.prepare_invoke();
        call.arg(match deed {
            Deed::Admit => "admit",
            Deed::Check => "check",
            Deed::Count => "count",
            Deed::Forgive => "forgive",
        });
        for ask in asks {
            let subject = u128::from_be_bytes(ask.subject);
            call.key(format!("{}:{}:{subject:032x}", self.prefix, ask.bucket))
                .arg(ask.limit.step())
                .arg(ask.limit.room());
        }
        call.invoke_async(&mut connection).await.map(Duration::from_micros)
    }

    async fn connection(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut open = self.connection.lock().await;
        if let Some(connection) = &*open {
            return Ok(connection.clone());
        }
        let connection = self.client.get_multiplexed_async_connection().await?;
        Ok(open.insert(connection).clone())
    }

    /// Whether to ask now. After a failure one caller a second tries; the others don't wait for it.
    fn may_ask(&self) -> bool {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        match away.until {
            Some(until) if Instant::now() < until => false,
            Some(_) => {
                away.until = Some(Instant::now() + RESPITE);
                true
            }
            None => true,
        }
    }

    fn answered(&self) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        if away.until.take().is_some() {
            tracing::debug!("rates are counted in Redis again");
        }
    }

    fn failed(&self, why: &str) {
        // Taken: somebody is connecting, so there is none to drop.
        if let Ok(mut open) = self.connection.try_lock() {
            *open = None;
        }
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        away.until = Some(now + RESPITE);
        if away.told.is_none_or(|told| now - told >= SILENCE) {
            away.told = Some(now);
            tracing::warn!(
                why,
                "Redis does not count; each process counts rates for itself meanwhile"
            );
        }
    }
}

#[async_trait]
impl Limiter for RedisLimiter {
    async fn apply(&self, deed: Deed, now: DateTime<Utc>, asks: &[Ask]) -> Duration {
        if self.may_ask() {
            match timeout(PATIENCE, self.ask(deed, asks)).await {
                Ok(Ok(wait)) => {
                    self.answered();
                    return wait;
                }
                Ok(Err(error)) => self.failed(&error.to_string()),
                Err(_) => self.failed("no answer in time"),
            }
        }
        self.meanwhile.apply(deed, now, asks).await
    }

    fn has_server(&self) -> bool {
        true
    }

    async fn answers(&self) -> bool {
        let ping = async {
            let mut connection = self.connection().await?;
            redis::cmd("PING").exec_async(&mut connection).await
        };
        match timeout(PROBE, ping).await {
            Ok(Ok(())) => {
                self.answered();
                true
            }
            Ok(Err(error)) => {
                self.failed(&error.to_string());
                false
            }
            Err(_) => {
                self.failed("no answer in time");
                false
            }
        }
    }
}
