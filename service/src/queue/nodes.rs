//! Living workers, and the one dispatcher that wakes the idle ones for work they were not told
//! of: so whatever carries wake-ups may be emptied, stopped or cut off, and nothing is lost.

use std::time::Duration;

use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::WakeUp;
use super::claims::{claimable, earlier, fail_exhausted, later, now};
use crate::Service;
use crate::db::{Scalar, Sql, Values};
use crate::error::Result;
use crate::housekeeping::Turn;
use crate::kinds::JobKind;

/// How often a worker says that it lives, and the dispatcher looks.
pub const BEAT: Duration = Duration::from_secs(2);
/// A worker that was not heard of for so long is gone.
pub const ALIVE: Duration = Duration::from_secs(10);
const FORGOTTEN: Duration = Duration::from_hours(1);
/// Whoever had their turn so long ago comes no later than who never had one.
const OLD_TURN: Duration = Duration::from_hours(24);
const DUTY: &str = "dispatcher";

/// Says that a worker lives with so many slots, none while its models are missing, and whether it
/// tells living people from pictures of them.
pub async fn beat(service: &Service, node: Uuid, slots: usize, tells_liveness: bool) -> Result<()> {
    let mut values = Values::default();
    let (node, slots) = (values.push(node), values.push(i32::try_from(slots).unwrap_or(i32::MAX)));
    let lively = values.push(tells_liveness);
    let now = now(service, &mut values);
    let sql = format!(
        "INSERT INTO worker_node (id, slots, tells_liveness, seen_at) VALUES ({node}, {slots}, {lively}, {now}) \
         ON CONFLICT (id) DO UPDATE SET slots = excluded.slots, tells_liveness = excluded.tells_liveness, \
         seen_at = excluded.seen_at"
    );
    service.db.writer().run(&sql, values.done()).await?;
    Ok(())
}

/// Whether there are living workers, and whether all of them tell living people from pictures: whichever
/// takes a job must be able to do it.
pub(crate) async fn all_tell_liveness(service: &Service) -> Result<bool> {
    let mut values = Values::default();
    let since = earlier(service, &mut values, ALIVE);
    let sql = format!(
        "SELECT COUNT(*) AS value FROM worker_node n WHERE n.seen_at >= {since} AND n.slots > 0 AND n.tells_liveness \
         AND NOT EXISTS (SELECT 1 FROM worker_node o WHERE o.seen_at >= {since} AND o.slots > 0 AND NOT o.tells_liveness)"
    );
    let found: Option<Scalar> = service.db.reader().one(&sql, values.done()).await?;
    Ok(found.is_some_and(|f| f.value > 0))
}

/// Whether any worker lives and has its models.
pub async fn any_lives(service: &Service) -> Result<bool> {
    let mut values = Values::default();
    let since = earlier(service, &mut values, ALIVE);
    let sql = format!("SELECT COUNT(*) AS value FROM worker_node WHERE seen_at >= {since} AND slots > 0");
    let found: Option<Scalar> = service.db.reader().one(&sql, values.done()).await?;
    Ok(found.is_some_and(|f| f.value > 0))
}

pub async fn leave(service: &Service, node: Uuid) -> Result<()> {
    let db = service.db.writer();
    db.run("DELETE FROM worker_node WHERE id = $1", vec![node.into()])
        .await?;
    db.run(
        "DELETE FROM lease WHERE name = $1 AND holder = $2",
        vec![DUTY.into(), node.into()],
    )
    .await?;
    Ok(())
}

/// Whether the duty is this node's for the next while.
async fn hold(service: &Service, node: Uuid) -> Result<bool> {
    let mut values = Values::default();
    let (name, holder) = (values.push(DUTY), values.push(node));
    let now = now(service, &mut values);
    let until = later(service, &mut values, ALIVE);
    let sql = format!(
        "INSERT INTO lease (name, holder, until) VALUES ({name}, {holder}, {until}) \
         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until \
         WHERE lease.holder = excluded.holder OR lease.until < {now}"
    );
    Ok(service.db.writer().run(&sql, values.done()).await? > 0)
}

/// One look: fails what is beyond help and wakes at most one idle slot for each waiting job.
/// Does nothing where another process has the duty. Answers how many were woken.
pub async fn dispatch(service: &Service, node: Uuid) -> Result<usize> {
    if !hold(service, node).await? {
        return Ok(0);
    }
    fail_exhausted(service).await?;
    let db = service.db.reader();
    let mut values = Values::default();
    let now = now(service, &mut values);
    let sql = format!(
        "SELECT j.kind, COUNT(*) AS jobs FROM job j WHERE j.status IN ('QUEUED', 'RUNNING') AND {} GROUP BY j.kind",
        claimable("j", &now)
    );
    let waiting: Vec<Waiting> = db.all(&sql, values.done()).await?;
    if waiting.is_empty() {
        return Ok(0);
    }
    let mut values = Values::default();
    let since = earlier(service, &mut values, ALIVE);
    let now = super::claims::now(service, &mut values);
    let sql = format!(
        "SELECT (SELECT CAST(COALESCE(SUM(slots), 0) AS BIGINT) FROM worker_node WHERE seen_at > {since}) - \
         (SELECT COUNT(*) FROM job WHERE status = 'RUNNING' AND lease_until >= {now}) AS value"
    );
    let idle: Option<Scalar> = db.one(&sql, values.done()).await?;
    let idle = usize::try_from(idle.map_or(0, |i| i.value)).unwrap_or(0);
    let each = waiting
        .iter()
        .flat_map(|w| std::iter::repeat_n(w.kind, usize::try_from(w.jobs).unwrap_or(0)));
    let mut woken = 0;
    for kind in each.take(idle) {
        super::send(
            &service.wake,
            WakeUp {
                kind,
                job: None,
                trace: None,
            },
        );
        woken += 1;
    }
    Ok(woken)
}

#[derive(FromQueryResult)]
struct Waiting {
    kind: JobKind,
    jobs: i64,
}

#[derive(FromQueryResult)]
pub(crate) struct Living {
    pub slots: i32,
}

/// The workers that were heard of lately.
pub(crate) async fn living(service: &Service) -> Result<Vec<Living>> {
    let mut values = Values::default();
    let since = earlier(service, &mut values, ALIVE);
    let sql = format!("SELECT slots FROM worker_node WHERE seen_at > {since}");
    service.db.reader().all(&sql, values.done()).await
}

/// Removes the rows of workers that were not heard of for an hour, of duties that nobody took up again
/// and of turns so old that they are as good as none; answers how many.
pub(crate) async fn forget_the_gone(service: &Service, turn: &Turn<'_>) -> Result<u64> {
    let before = |column: &'static str, age: Duration| {
        move |values: &mut Values| format!("{column} < {}", earlier(service, values, age))
    };
    let workers = turn.clear("worker_node", "id", before("seen_at", FORGOTTEN)).await?;
    let duties = turn.clear("lease", "name", before("until", FORGOTTEN)).await?;
    let turns = turn
        .clear("queue_turn", "organization_id", before("claimed_at", OLD_TURN))
        .await?;
    Ok(workers + duties + turns)
}
