//! kill -9 of a worker in the middle of a photo: another finishes it, and what comes of it is what
//! comes of an undisturbed one.

use bytes::Bytes;
use sea_orm::{ConnectionTrait, Statement, TransactionTrait};
use serde_json::{Value, json};
use tests::fake::{SLOW, person, photo};
use tests::school::{School, ended};
use tests::world::{Mode, Setup, World};
use tests::{big, faces};

use crate::rows;

async fn two_workers(real_vision: bool) -> Option<World> {
    let setup = Setup {
        workers: 2,
        slots: 1,
        real_vision,
        ..Setup::new(Mode::Processes)
    };
    let world = setup.build().await?;
    rows::workers(&world, 2).await;
    Some(world)
}

/// All that a photo came to, without the ids and the times that each has of its own.
async fn outcome(school: &School, session: &str, job: &str) -> Value {
    let job = ended(&school.teacher, job).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    let history = school
        .teacher
        .query(
            "query($id: ID!) { session(id: $id) { summary { expected present unmarked } roll(first: 100) { nodes { \
             student { fullName } mark { status source similarity } history { from to source } } } } }",
            json!({ "id": session }),
        )
        .await;
    let mut marks = job["marks"].as_array().unwrap().clone();
    // Those of one moment are in the order of their ids, which are random.
    marks.sort_by_key(Value::to_string);
    json!({ "faces": job["faces"], "marks": marks, "session": history["session"] })
}

/// Has one worker killed in the middle of the photo, and compares with the same photo left alone.
async fn is_finished_by_another(mut world: World, school: School, photo: Bytes, present: usize) {
    let calm = school.open_session().await;
    let job = school.submit(&calm, photo.clone()).await;
    let expected = outcome(&school, &calm, &job).await;
    assert_eq!(expected["marks"].as_array().unwrap().len(), present);
    let expected_rows = rows::of_session(&world, &calm).await;

    let session = school.open_session().await;
    // The other sleeps, so that it is certain who has the photo.
    let (victim, other) = (0, 1);
    world.workers[other].signal("STOP");
    let job = school.submit(&session, photo).await;
    let middle = rows::until(&world, &job, rows::Job::is_in_the_middle).await;
    assert_eq!(middle.attempts, 1);
    world.workers[victim].kill();
    world.workers[other].signal("CONT");
    // It was in the middle indeed.
    let left = rows::job(&world, &job).await;
    assert_eq!((left.status.as_str(), left.attempts), ("RUNNING", 1));
    assert_eq!(rows::of_session(&world, &session).await, [0; 4]);

    let came = outcome(&school, &session, &job).await;
    for part in ["faces", "marks", "session"] {
        assert_eq!(came[part], expected[part], "{part}");
    }
    assert_eq!(rows::of_session(&world, &session).await, expected_rows);
    let done = rows::job(&world, &job).await;
    assert_eq!((done.attempts, done.fence), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_models_look() {
    let Some(world) = two_workers(false).await else { return };
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 3).await;
    let photo = photo(&[person(0), person(1), SLOW, person(99), person(0)]);
    is_finished_by_another(world, school, photo, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_real_models_look() {
    if !faces::present() {
        return;
    }
    let Some(world) = two_workers(true).await else { return };
    let (_, admin) = world.organization("Caltech").await;
    let school = faces::school(&admin).await;
    let (photo, names) = faces::group_photos().into_iter().next().unwrap();
    // Large, so that there is a middle.
    is_finished_by_another(world, school, big::tiled(&photo, 3), names.len()).await;
}

/// The worst moment: everything is written and nothing committed.
#[tokio::test(flavor = "multi_thread")]
async fn before_the_commit() {
    let Some(mut world) = two_workers(false).await else {
        return;
    };
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 2).await;
    let session = school.open_session().await;
    world.workers[1].signal("STOP");
    // The photo of a session that somebody else holds stops in its last transaction.
    let db = world.service.db.writer().clone();
    let hold = |what: &str| {
        let statement = Statement::from_sql_and_values(db.get_database_backend(), what, [rows::uuid(&session).into()]);
        let db = db.clone();
        async move {
            let tx = db.begin().await.unwrap();
            tx.query_one_raw(statement).await.unwrap().unwrap();
            tx
        }
    };
    // Submission locks the session too: the worker's look is slow enough to come after it.
    let job = school.submit(&session, photo(&[person(0), SLOW, person(1)])).await;
    let session_lock = hold("SELECT id FROM session WHERE id = $1 FOR UPDATE").await;
    rows::somebody_waits(&world).await;
    world.workers[0].kill();
    session_lock.rollback().await.unwrap();
    world.workers[1].signal("CONT");

    let job_end = ended(&admin, &job).await;
    assert_eq!(
        (&job_end["status"], &job_end["attempts"]),
        (&json!("SUCCEEDED"), &json!(2))
    );
    assert_eq!(rows::of_session(&world, &session).await, [2, 2, 2, 2]);
    assert_eq!(school.marked(&session, "PRESENT").await.len(), 2);
}
