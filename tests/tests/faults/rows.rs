//! What the database holds, read beside the API: what a job is at this moment, how many rows there
//! are of each kind.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};
use service::clock::{Clock, SystemClock};
use tests::world::World;
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub status: String,
    pub stage: String,
    pub attempts: i32,
    pub fence: i64,
    pub revision: i64,
    pub was_started: bool,
}

impl Job {
    /// Someone holds it, and the models look at its photo.
    pub fn is_in_the_middle(&self) -> bool {
        self.status == "RUNNING" && matches!(self.stage.as_str(), "DECODING" | "DETECTING" | "EMBEDDING")
    }
}

/// The row's id in an id of the API.
pub fn uuid(id: &str) -> Uuid {
    let (_, uuid) = id.split_once('_').unwrap();
    Uuid::parse_str(uuid).unwrap()
}

async fn query(world: &World, sql: &str, values: Vec<Value>) -> Vec<QueryResult> {
    let db = world.service.db.reader();
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    db.query_all_raw(statement).await.unwrap()
}

pub async fn job(world: &World, id: &str) -> Job {
    let sql =
        "SELECT status, stage, attempts, fence, revision, started_at IS NOT NULL AS was_started FROM job WHERE id = $1";
    let rows = query(world, sql, vec![uuid(id).into()]).await;
    let row = rows.first().expect("the job is there");
    Job {
        status: row.try_get("", "status").unwrap(),
        stage: row.try_get("", "stage").unwrap(),
        attempts: row.try_get("", "attempts").unwrap(),
        fence: row.try_get("", "fence").unwrap(),
        revision: row.try_get("", "revision").unwrap(),
        was_started: row.try_get("", "was_started").unwrap(),
    }
}

/// Looks until the job is so.
pub async fn until(world: &World, id: &str, so: impl Fn(&Job) -> bool) -> Job {
    let begun = Instant::now();
    loop {
        let job = job(world, id).await;
        if so(&job) {
            return job;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "still {job:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The job for so long a while, which it has to spend in the queue.
pub async fn stays_queued(world: &World, id: &str, span: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < span {
        let job = job(world, id).await;
        assert_eq!((job.status.as_str(), job.attempts), ("QUEUED", 0));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn number(world: &World, sql: &str, values: Vec<Value>) -> i64 {
    query(world, sql, values).await[0].try_get("", "n").unwrap()
}

/// Faces, marks, changes of marks and the number of the last event of a session.
pub async fn of_session(world: &World, session: &str) -> [i64; 4] {
    let session = uuid(session);
    let mut counts = [0; 4];
    for (count, sql) in counts.iter_mut().zip([
        "SELECT COUNT(*) AS n FROM face WHERE session_id = $1",
        "SELECT COUNT(*) AS n FROM mark WHERE session_id = $1",
        "SELECT COUNT(*) AS n FROM mark_change WHERE session_id = $1",
        "SELECT event_seq AS n FROM session WHERE id = $1",
    ]) {
        *count = number(world, sql, vec![session.into()]).await;
    }
    counts
}

/// All that jobs write anywhere, in numbers.
pub async fn all(world: &World) -> [i64; 7] {
    let mut counts = [0; 7];
    for (count, sql) in counts.iter_mut().zip([
        "SELECT COUNT(*) AS n FROM face",
        "SELECT COUNT(*) AS n FROM mark",
        "SELECT COUNT(*) AS n FROM mark_change",
        "SELECT COUNT(*) AS n FROM face_template",
        "SELECT COUNT(*) AS n FROM photo WHERE width IS NOT NULL",
        "SELECT CAST(SUM(event_seq + present + late) AS BIGINT) AS n FROM session",
        "SELECT CAST(SUM(gallery_version) AS BIGINT) AS n FROM class",
    ]) {
        *count = number(world, sql, vec![]).await;
    }
    counts
}

/// Whether a photo has been decoded, as its row says.
pub async fn is_decoded(world: &World, job: &str) -> bool {
    let sql = "SELECT COUNT(*) AS n FROM photo WHERE job_id = $1 AND (width IS NOT NULL OR height IS NOT NULL)";
    number(world, sql, vec![uuid(job).into()]).await > 0
}

/// The worker of a job has not been heard of for longer than its lease.
pub async fn expire(world: &World, job: &str) {
    let past = SystemClock.now() - chrono::TimeDelta::minutes(1);
    let db = world.service.db.writer();
    let statement = Statement::from_sql_and_values(
        db.get_database_backend(),
        "UPDATE job SET lease_until = $1 WHERE id = $2",
        [past.into(), uuid(job).into()],
    );
    assert_eq!(db.execute_raw(statement).await.unwrap().rows_affected(), 1);
}

/// Waits until so many workers have said that they are able to work.
pub async fn workers(world: &World, count: i64) {
    let begun = Instant::now();
    while number(world, "SELECT COUNT(*) AS n FROM worker_node WHERE slots > 0", vec![]).await < count {
        assert!(begun.elapsed() < Duration::from_mins(1), "not {count} workers");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Nobody has left without a word.
pub async fn workers_left(world: &World) {
    assert_eq!(number(world, "SELECT COUNT(*) AS n FROM worker_node", vec![]).await, 0);
}

/// Waits until somebody in this world's database (`PostgreSQL`) waits for a session, to write marks.
pub async fn somebody_waits(world: &World) {
    let sql = "SELECT COUNT(*) AS n FROM pg_stat_activity \
               WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE OF s'";
    let begun = Instant::now();
    while number(world, sql, vec![]).await == 0 {
        assert!(begun.elapsed() < Duration::from_mins(1), "nobody waits");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
