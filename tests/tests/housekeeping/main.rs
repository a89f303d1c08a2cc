//! What housekeeping clears away, and what it leaves: each chore takes what is past its time and nothing else,
//! changes nothing when it is done again, and two at once do no harm.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod media;
mod retention;
mod rows;
mod slow;
mod turns;
mod whose;

use std::path::PathBuf;
use std::sync::Arc;

use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};
use serde_json::json;
use service::Service;
use service::clock::ManualClock;
use service::housekeeping::{self, Chore, Occasion};
use tests::fake::{person, photo};
use tests::school::{School, ended, now};
use tests::world::World;
use uuid::Uuid;

async fn query(world: &World, sql: &str, values: Vec<Value>) -> Vec<QueryResult> {
    let db = world.service.db.writer();
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    db.query_all_raw(statement).await.unwrap()
}

async fn count(world: &World, which: &str) -> i64 {
    let rows = query(world, &format!("SELECT COUNT(*) AS n FROM {which}"), vec![]).await;
    rows[0].try_get("", "n").unwrap()
}

/// The row's id in an id of the API.
fn uuid(id: &str) -> Uuid {
    let (_, uuid) = id.split_once('_').unwrap();
    Uuid::parse_str(uuid).unwrap()
}

/// The same installation some time from now.
fn after(world: &World, time: TimeDelta) -> Service {
    world.twin(|parts| parts.clock = Arc::new(ManualClock::at(now() + time)))
}

/// What a chore that nobody else is at dealt with.
async fn done(service: &Service, chore: Chore) -> u64 {
    let ran = housekeeping::run(service, chore, Occasion::Asked).await.unwrap();
    ran.expect("nobody else is at it").done.unwrap()
}

/// What each of two processes dealt with that came to a chore at the same time: one alone where it came while
/// the other was at it, both where the first had ended.
async fn each_of_two(world: &World, time: TimeDelta, chore: Chore) -> Vec<u64> {
    let (one, other) = (after(world, time), after(world, time));
    let (one, other) = tokio::join!(
        housekeeping::run(&one, chore, Occasion::Asked),
        housekeeping::run(&other, chore, Occasion::Asked)
    );
    let ran = [one.unwrap(), other.unwrap()];
    ran.into_iter().flatten().map(|ran| ran.done.unwrap()).collect()
}

/// What two processes dealt with together that came to a chore at the same time.
async fn done_by_two(world: &World, time: TimeDelta, chore: Chore) -> u64 {
    each_of_two(world, time, chore).await.into_iter().sum()
}

fn media_folder(world: &World) -> PathBuf {
    world.folder.path().join("media")
}

/// A school with an object of every kind.
async fn school(world: &mut World) -> School {
    let (_, admin) = world.organization("Here").await;
    world.hire().await;
    let school = School::enrolled(&admin, 1).await;
    let session = school.open_session().await;
    let job = school.submit(&session, photo(&[person(0), person(5)])).await;
    assert_eq!(ended(&admin, &job).await["status"], "SUCCEEDED");
    let report = admin
        .query(
            "mutation($from: Date!) { exportAttendance(input: { format: CSV, range: { from: $from, to: $from } }) { job { id } } }",
            json!({ "from": now().date_naive().to_string() }),
        )
        .await;
    let report = report["exportAttendance"]["job"]["id"].as_str().unwrap();
    assert_eq!(ended(&admin, report).await["status"], "SUCCEEDED");
    world.dismiss().await;
    school
}

/// As if a photo had been sent in at that time from now.
async fn newest(world: &World, time: TimeDelta) {
    let sql = "UPDATE photo SET submitted_at = $1 WHERE id = (SELECT id FROM photo ORDER BY id DESC LIMIT 1)";
    query(world, sql, vec![(now() + time).into()]).await;
}
