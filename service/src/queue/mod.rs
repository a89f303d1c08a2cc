//! Jobs: the truth of the queue is a table. A wake-up says only "look, there is work".

pub mod administration;
pub mod claims;
pub(crate) mod depth;
pub mod nodes;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};
use tracing::{Instrument, Span};
use uuid::Uuid;

use crate::db::{Sql, Values};
use crate::error::Result;
use crate::events::Topic;
use crate::follow::{self, Followed, Looks};
use crate::id::{ClassId, JobId, OrganizationId, PersonId, SessionId};
use crate::kinds::{JobKind, JobStage, JobStatus};
use crate::page::{self, KeyKind, Order, Page, PageRequest, Placed, SortKey};
use crate::scope::Scope;
use crate::{Service, Tx, access, trace};

/// Told to workers after a commit: there is work. What it was about is for the trace alone, for the
/// worker takes whatever is best.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WakeUp {
    pub kind: JobKind,
    pub job: Option<JobId>,
    pub trace: Option<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("no worker could be woken: {0}")]
pub struct WakeError(pub String);

/// Carries wake-ups to workers; may lose them, since the dispatcher looks again.
#[async_trait::async_trait]
pub trait Wake: Send + Sync + std::fmt::Debug {
    async fn wake(&self, wake_up: WakeUp) -> Result<(), WakeError>;
}

/// Sends without making anybody wait: a lost wake-up is the dispatcher's to repeat.
pub(crate) fn send(wake: &Arc<dyn Wake>, wake_up: WakeUp) {
    const LIMIT: Duration = Duration::from_secs(3);
    let wake = wake.clone();
    let sent = async move {
        match tokio::time::timeout(LIMIT, wake.wake(wake_up)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a wake-up was lost"),
            Err(_) => tracing::debug!("a wake-up was lost: no answer in time"),
        }
    };
    tokio::spawn(sent.in_current_span());
}

#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct Job {
    pub id: JobId,
    pub organization_id: OrganizationId,
    pub kind: JobKind,
    pub status: JobStatus,
    pub stage: JobStage,
    pub progress: f64,
    pub attempts: i32,
    pub revision: i64,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
    pub error_retryable: bool,
    pub submitted_by: Option<PersonId>,
    pub session_id: Option<SessionId>,
    pub class_id: Option<ClassId>,
    pub person_id: Option<PersonId>,
    pub timings: Option<serde_json::Value>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

impl Job {
    pub fn has_ended(&self) -> bool {
        !matches!(self.status, JobStatus::Queued | JobStatus::Running)
    }

    pub fn timings(&self) -> Option<Timings> {
        self.timings
            .as_ref()
            .and_then(|t| serde_json::from_value(t.clone()).ok())
    }
}

impl Placed for Job {
    fn place(&self) -> (SortKey, Uuid) {
        (SortKey::Time(self.created_at), self.id.0)
    }
}

/// Milliseconds that each part of a job took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timings {
    pub queued: f64,
    pub decode: f64,
    pub detect: f64,
    pub embed: f64,
    pub r#match: f64,
    pub write: f64,
    pub total: f64,
}

const COLUMNS: &str = "j.id, j.organization_id, j.kind, j.status, j.stage, j.progress, j.attempts, j.revision, \
     j.error_code, j.error_message, j.error_retryable, j.submitted_by, j.session_id, j.class_id, j.person_id, \
     j.timings, j.created_at, j.started_at, j.finished_at";
const ORDER: Order = Order {
    key: "j.created_at",
    id: "j.id",
    kind: KeyKind::Time,
    descending: true,
};
const PAYLOAD_VERSION: i32 = 1;

#[derive(Debug)]
pub(crate) struct NewJob {
    pub kind: JobKind,
    pub organization: OrganizationId,
    pub submitted_by: PersonId,
    pub session: Option<SessionId>,
    pub class: Option<ClassId>,
    pub person: Option<PersonId>,
    /// What the kind needs besides, in a shape of its own.
    pub payload: serde_json::Value,
}

/// Someone waits before the screen for an identification, a class for its roll; enrolment and reports can wait,
/// and what may take hours lets all of them pass.
const fn priority(kind: JobKind) -> i32 {
    match kind {
        JobKind::Identify => 10,
        JobKind::CheckIn => 15,
        JobKind::Recognize => 20,
        JobKind::Enrol => 30,
        JobKind::Export => 40,
        JobKind::Reembed => 50,
    }
}

/// Has whoever follows these jobs look again.
pub(crate) fn announce_all(tx: &mut Tx<'_>, jobs: impl Iterator<Item = JobId>) {
    jobs.for_each(|job| tx.announce(Topic::Job(job)));
}

/// Inserts the job in the caller's transaction and wakes a worker after its commit.
pub(crate) async fn insert(tx: &mut Tx<'_>, new: NewJob) -> Result<JobId> {
    let id = JobId(tx.service.new_id());
    let trace = trace::of(&Span::current());
    tx.insert(vec![entity::job::Model {
        id: id.0,
        organization_id: new.organization.0,
        kind: new.kind,
        status: JobStatus::Queued,
        stage: JobStage::Waiting,
        progress: 0.0,
        attempts: 0,
        priority: priority(new.kind),
        // Since ever: no difference between two machines' clocks makes a new job wait.
        available_at: DateTime::UNIX_EPOCH,
        fence: 0,
        lease_until: None,
        payload_version: PAYLOAD_VERSION,
        payload: new.payload,
        trace: trace.clone(),
        revision: 0,
        error_code: None,
        error_message: None,
        error_retryable: false,
        submitted_by: Some(new.submitted_by.0),
        session_id: new.session.map(|s| s.0),
        class_id: new.class.map(|c| c.0),
        person_id: new.person.map(|p| p.0),
        timings: None,
        created_at: tx.service.now(),
        started_at: None,
        finished_at: None,
    }])
    .await?;
    tx.announce(Topic::Job(id));
    tx.wake(WakeUp {
        kind: new.kind,
        job: Some(id),
        trace,
    });
    Ok(id)
}

pub async fn by_ids(service: &Service, scope: &Scope, ids: &[JobId]) -> Result<Vec<Job>> {
    let mut values = Values::default();
    let list = values.list(ids.iter().copied());
    let visible = access::job(scope, &mut values, "j");
    let sql = format!("SELECT {COLUMNS} FROM job j WHERE j.id IN {list} AND {visible}");
    service.db.reader().all(&sql, values.done()).await
}

/// For the hub, which reads once for all who watch and were let in.
pub(crate) async fn read(service: &Service, id: JobId) -> Result<Option<Job>> {
    Ok(by_ids(service, &Scope::System("hub"), &[id]).await?.pop())
}

/// The jobs of these sessions, newest first.
pub async fn of_sessions(service: &Service, scope: &Scope, ids: &[SessionId]) -> Result<Vec<Job>> {
    let mut values = Values::default();
    let list = values.list(ids.iter().copied());
    let visible = access::job(scope, &mut values, "j");
    let sql = format!(
        "SELECT {COLUMNS} FROM job j WHERE j.session_id IN {list} AND {visible} ORDER BY j.created_at DESC, j.id DESC"
    );
    service.db.reader().all(&sql, values.done()).await
}

#[derive(Clone, Copy, Debug, Default)]
pub struct JobFilter {
    pub kind: Option<JobKind>,
    pub status: Option<JobStatus>,
    pub session: Option<SessionId>,
}

pub async fn list(service: &Service, scope: &Scope, filter: JobFilter, page: &PageRequest) -> Result<Page<Job>> {
    scope.viewer()?;
    let body = |values: &mut Values| {
        let mut sql = format!("FROM job j WHERE {}", access::job(scope, values, "j"));
        if let Some(kind) = filter.kind {
            sql += &format!(" AND j.kind = {}", values.push(kind));
        }
        if let Some(status) = filter.status {
            sql += &format!(" AND j.status = {}", values.push(status));
        }
        if let Some(session) = filter.session {
            sql += &format!(" AND j.session_id = {}", values.push(session));
        }
        sql
    };
    page::fetch_long(service.db.reader(), page, ORDER, |_| COLUMNS.into(), body).await
}

/// The job as it is now, then as it changes, until it has ended.
pub async fn watch(
    service: &Service,
    scope: &Scope,
    id: JobId,
    again: Looks,
) -> Result<impl futures_util::Stream<Item = Arc<Job>> + Send + use<>> {
    // The seat first: what changes after the look is heard of.
    let seat = service.hub().job(service, id);
    let job = by_ids(service, scope, &[id])
        .await?
        .pop()
        .ok_or(crate::Error::NotFound("job"))?;
    let first = Some(Arc::new(job));
    let changes = futures_util::stream::unfold(
        (first, seat, -1, false),
        |(mut first, mut seat, seen, ended)| async move {
            if ended {
                return None;
            }
            loop {
                let job = if let Some(job) = first.take() {
                    job
                } else {
                    seat.receiver.changed().await.ok()?;
                    seat.receiver.borrow_and_update().clone()?
                };
                if job.revision > seen {
                    let ended = job.has_ended();
                    let seen = job.revision;
                    return Some((job, (None, seat, seen, ended)));
                }
            }
        },
    );
    Ok(follow::while_reached(changes, service, scope, Followed::Job(id), again))
}
