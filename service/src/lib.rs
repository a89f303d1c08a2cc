//! Every rule and use case of Muster, one module for each thing that a school would name.
//! Knows neither the web, GraphQL, the queue's transport nor the models; all SQL is here.

pub mod access;
pub mod accounts;
pub mod attendance;
pub mod audit;
pub mod backup;
pub mod change;
pub mod classes;
pub mod clock;
pub mod db;
pub mod duty;
pub mod error;
pub mod events;
pub mod feedback;
pub mod follow;
pub mod health;
pub mod housekeeping;
pub mod id;
pub mod idempotency;
pub mod keys;
pub mod mail;
pub mod measure;
pub mod media;
pub mod organizations;
pub mod page;
pub mod people;
pub mod queue;
pub mod rates;
pub mod recognition;
pub mod reports;
pub mod scope;
pub mod seed;
pub mod sessions;
pub mod statistics;
mod text;
pub mod trace;
pub mod venues;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel, ModelTrait};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;
use uuid::Uuid;

use clock::{Clock, Entropy};
use db::Db;
pub use entity::kinds;
pub use error::{Error, Result, RowError};
use events::{Announcer, Hub, Topic};
use keys::KeyRing;
use kinds::JobKind;
use queue::{Timings, Wake, WakeUp};
pub use scope::{Scope, Viewer};

/// What a process gives to the service: each part is made by the command line or by a test.
#[derive(Debug)]
pub struct Parts {
    pub db: Db,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub keys: KeyRing,
    pub media: media::Store,
    pub announcer: Arc<dyn Announcer>,
    pub wake: Arc<dyn Wake>,
    pub mailer: mail::Mailer,
    /// Where clients reach the api, without a slash at the end.
    pub public_url: String,
    /// How a password is hashed; tests take the cheapest.
    pub password_cost: accounts::PasswordCost,
    /// Whether strangers may found organizations.
    pub open_registration: bool,
    /// Keeps the counts of what is limited by `rates`.
    pub limiter: Arc<dyn rates::Limiter>,
    pub rates: rates::Rates,
    /// How long entries of the audit log are kept.
    pub audit_kept: TimeDelta,
}

/// The use cases' way to the parts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Service(Arc<Inner>);

#[derive(Debug)]
pub struct Inner {
    pub parts: Parts,
    hub: Hub,
    /// Bounds the work that fills a core, such as pictures drawn for a viewer.
    cores: Arc<Semaphore>,
    hashing: accounts::Hashing,
    galleries: recognition::kept::Cache,
    turns: rates::Turns,
    measured: measure::Kept,
    seen: health::Kept,
}

impl Deref for Service {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0.parts
    }
}

impl Service {
    pub fn new(parts: Parts) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Inner {
            hub: Hub::default(),
            cores: Arc::new(Semaphore::new(cores)),
            hashing: accounts::Hashing::new(cores),
            galleries: recognition::kept::Cache::default(),
            turns: rates::Turns::default(),
            measured: measure::Kept::default(),
            seen: health::Kept::default(),
            parts,
        }))
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.0.hub
    }

    pub(crate) fn hashing(&self) -> &accounts::Hashing {
        &self.0.hashing
    }

    /// Password hashes computed so far, as [`Db::statements`] counts statements.
    pub fn password_hashes(&self) -> u64 {
        self.hashing().runs()
    }

    pub(crate) fn galleries(&self) -> &recognition::kept::Cache {
        &self.0.galleries
    }

    pub(crate) fn seen(&self) -> &health::Kept {
        &self.0.seen
    }

    pub(crate) fn measured(&self) -> &measure::Kept {
        &self.0.measured
    }

    pub(crate) fn turns(&self) -> &rates::Turns {
        &self.0.turns
    }

    /// A fresh `UUIDv7` by the Clock and the Entropy.
    pub fn new_id(&self) -> Uuid {
        let mut random = [0; 10];
        self.entropy.fill(&mut random);
        let millis = u64::try_from(self.now().timestamp_millis()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    /// A core to fill, for work that needs memory too: take it before the memory. UNAVAILABLE
    /// where none becomes free in time.
    pub(crate) async fn core(&self) -> Result<Core> {
        const PATIENCE: Duration = Duration::from_secs(10);
        let permit = tokio::time::timeout(PATIENCE, self.0.cores.clone().acquire_owned()).await;
        permit
            .map_err(|_| Error::Unavailable("A free processor"))?
            .map(|permit| Core { _permit: permit })
            .map_err(Error::internal)
    }

    /// Runs what fills a core on a blocking thread, at most as many at once as there are cores.
    pub(crate) async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        self.core().await?.run(work).await
    }

    pub(crate) async fn begin(&self) -> Result<Tx<'_>> {
        Ok(Tx {
            inner: self.db.begin().await?,
            service: self,
            topics: Vec::new(),
            wake_ups: Vec::new(),
            ended: None,
            weeks: attendance::weeks::Moved::default(),
        })
    }
}

/// The right to fill a core.
pub(crate) struct Core {
    _permit: OwnedSemaphorePermit,
}

impl Core {
    /// The right ends with the work, not with whoever waits for it: a client that goes does not
    /// make room for another while its work still runs.
    pub async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let span = tracing::Span::current();
        Ok(tokio::task::spawn_blocking(move || {
            let _core = self;
            span.in_scope(work)
        })
        .await?)
    }
}

/// A transaction, with what is to be told once it is committed: a row first, a push second.
pub(crate) struct Tx<'s> {
    inner: DatabaseTransaction,
    service: &'s Service,
    topics: Vec<Topic>,
    wake_ups: Vec<WakeUp>,
    /// The job that succeeds by this, and where its time went.
    ended: Option<(JobKind, Timings)>,
    weeks: attendance::weeks::Moved,
}

impl Deref for Tx<'_> {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        &self.inner
    }
}

/// Rows of one `INSERT`: the widest table times this stays under what a statement can bind.
const ROWS: usize = 500;

impl Tx<'_> {
    /// Inserts whole rows. The error is the database's, so that a caller can tell a duplicate.
    pub async fn insert<M>(&self, rows: Vec<M>) -> std::result::Result<(), DbErr>
    where
        M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
    {
        let mut rows = rows.into_iter().map(M::into_active_model).peekable();
        while rows.peek().is_some() {
            M::Entity::insert_many(rows.by_ref().take(ROWS))
                .exec_without_returning(&self.inner)
                .await?;
        }
        Ok(())
    }

    pub fn announce(&mut self, topic: Topic) {
        self.topics.push(topic);
    }

    pub fn wake(&mut self, wake_up: WakeUp) {
        self.wake_ups.push(wake_up);
    }

    /// A commit whose answer is lost may have happened: the error is [`Error::Unavailable`], and
    /// whoever gets it must leave everything as it would be afterwards.
    pub async fn commit(self) -> Result<()> {
        self.commit_and_tell().instrument(tracing::info_span!("commit")).await
    }

    async fn commit_and_tell(mut self) -> Result<()> {
        attendance::weeks::write(&mut self).await?;
        self.inner.commit().await.map_err(|error| {
            tracing::warn!(%error, "a commit was not confirmed");
            Error::Unavailable("The database")
        })?;
        if let Some((kind, timings)) = &self.ended {
            measure::succeeded(*kind, timings);
        }
        tracing::info_span!("announce").in_scope(|| self.service.announcer.announce(&self.topics));
        for wake_up in self.wake_ups {
            queue::send(&self.service.wake, wake_up);
        }
        Ok(())
    }
}
