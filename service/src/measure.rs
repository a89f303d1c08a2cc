//! What is measured of jobs, their queue and the database. Labels are words of closed sets: no id, name or text of
//! anybody is among them.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::sync::Mutex;

use crate::Service;
use crate::kinds::{JobKind, JobStatus};
use crate::queue::{Timings, depth};

/// Seconds: from a match among a class to a re-embedding.
const BOUNDS: [f64; 14] = [
    0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0,
];
/// So long one look at the queue serves, however often it is asked.
const FRESH: Duration = Duration::from_secs(5);
/// A database that has not answered by then is away.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stage {
    kind: &'static str,
    stage: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PutBack {
    kind: &'static str,
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Queued {
    kind: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Connections {
    pool: &'static str,
    state: &'static str,
}

type Seconds = Gauge<f64, AtomicU64>;

static STAGES: LazyLock<Family<Stage, Histogram>> =
    LazyLock::new(|| Family::new_with_constructor(|| Histogram::new(BOUNDS)));
static ENDED: LazyLock<Family<Ended, Counter>> = LazyLock::new(Family::default);
static PUT_BACK: LazyLock<Family<PutBack, Counter>> = LazyLock::new(Family::default);
static QUEUE: LazyLock<Family<Queued, Gauge>> = LazyLock::new(Family::default);
static OLDEST: LazyLock<Family<Kind, Seconds>> = LazyLock::new(Family::default);
static CONNECTIONS: LazyLock<Family<Connections, Gauge>> = LazyLock::new(Family::default);
static STATEMENTS: LazyLock<Counter> = LazyLock::new(Counter::default);

/// Adds what this process measures of its jobs and its database.
pub fn register(registry: &mut Registry) {
    registry.register(
        "job_stage_seconds",
        "Time of a part of a job that succeeded",
        STAGES.clone(),
    );
    registry.register("jobs_ended", "Jobs that ended here", ENDED.clone());
    registry.register(
        "jobs_put_back",
        "Jobs that were put back to be tried again",
        PUT_BACK.clone(),
    );
    registry.register(
        "queue_jobs",
        "Jobs of the installation that have not ended",
        QUEUE.clone(),
    );
    registry.register(
        "queue_oldest_seconds",
        "How long the oldest job waits that a worker may take",
        OLDEST.clone(),
    );
    registry.register(
        "database_connections",
        "Connections to the database, and how many there may be",
        CONNECTIONS.clone(),
    );
    registry.register(
        "database_statements",
        "Statements sent to the database",
        STATEMENTS.clone(),
    );
}

pub(crate) fn ended(kind: JobKind, status: JobStatus) {
    let (kind, outcome) = (kind.word(), status.word());
    ENDED.get_or_create(&Ended { kind, outcome }).inc();
}

/// A job's result was committed.
pub(crate) fn succeeded(kind: JobKind, timings: &Timings) {
    ended(kind, JobStatus::Succeeded);
    let kind = kind.word();
    let stages = [
        ("queued", timings.queued),
        ("decode", timings.decode),
        ("detect", timings.detect),
        ("embed", timings.embed),
        ("match", timings.r#match),
        ("write", timings.write),
    ];
    for (stage, milliseconds) in stages {
        // What a report or a re-embedding has no such part of, it didn't do in no time.
        if milliseconds > 0.0 {
            STAGES
                .get_or_create(&Stage { kind, stage })
                .observe(milliseconds / 1000.0);
        }
    }
}

/// `blameless`: the worker was leaving, or something that it needs was away.
pub(crate) fn put_back(kind: JobKind, blameless: bool) {
    let cause = if blameless { "outage" } else { "failure" };
    let kind = kind.word();
    PUT_BACK.get_or_create(&PutBack { kind, cause }).inc();
}

/// When the queue was last looked at.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Option<Instant>>);

/// Brings up to date what is read when it is asked for: the queue, at most every few seconds, and the connections.
pub async fn refresh(service: &Service) {
    let db = &service.db;
    for pool in db.pools() {
        let states = [
            ("idle", pool.idle),
            ("in_use", pool.open - pool.idle),
            ("most", pool.most),
        ];
        for (state, connections) in states {
            let of = Connections { pool: pool.name, state };
            CONNECTIONS.get_or_create(&of).set(connections.into());
        }
    }
    STATEMENTS.inner().store(db.statements(), Ordering::Relaxed);

    let mut looked = service.measured().0.lock().await;
    if looked.is_some_and(|at| at.elapsed() < FRESH) {
        return;
    }
    let depths = tokio::time::timeout(PATIENCE, depth::read(service)).await;
    *looked = Some(Instant::now());
    let Ok(Ok(depths)) = depths else {
        // A number that nobody knows is not told.
        QUEUE.clear();
        OLDEST.clear();
        return;
    };
    for depth in depths {
        let kind = depth.kind.word();
        for (status, jobs) in [(JobStatus::Queued, depth.queued), (JobStatus::Running, depth.running)] {
            let status = status.word();
            QUEUE.get_or_create(&Queued { kind, status }).set(jobs);
        }
        OLDEST.get_or_create(&Kind { kind }).set(depth.oldest_seconds);
    }
}
