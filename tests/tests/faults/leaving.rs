//! SIGTERM finishes what is running and exits 0; what takes too long is put back.

use std::time::Duration;

use serde_json::json;
use tests::client::data;
use tests::fake::{SLOW, person, photo};
use tests::school::{School, ended};
use tests::socket::{Got, Socket};
use tests::world::{Mode, Setup, World};

use crate::alone::Alone;
use crate::rows;

async fn one_worker() -> Option<(World, School)> {
    let world = Setup {
        slots: 1,
        ..Setup::new(Mode::Processes)
    }
    .build()
    .await?;
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 1).await;
    Some((world, school))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_finishes_its_photo() {
    let Some((mut world, school)) = one_worker().await else {
        return;
    };
    let session = school.open_session().await;
    let job = school.submit(&session, photo(&[SLOW, person(0)])).await;
    let next = school.submit(&session, photo(&[person(0)])).await;
    rows::until(&world, &job, rows::Job::is_in_the_middle).await;
    assert_eq!(world.workers[0].stop().await.code(), Some(0));
    // Nobody else is there who could have finished it.
    let done = rows::job(&world, &job).await;
    assert_eq!((done.status.as_str(), done.attempts), ("SUCCEEDED", 1));
    assert_eq!(school.marked(&session, "PRESENT").await.len(), 1);
    let waiting = rows::job(&world, &next).await;
    assert_eq!(
        (waiting.status.as_str(), waiting.attempts),
        ("QUEUED", 0),
        "took more while leaving"
    );
    rows::workers_left(&world).await;

    world.workers.clear();
    world.hire().await;
    assert_eq!(ended(&school.teacher, &next).await["status"], "SUCCEEDED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_that_takes_too_long_is_put_back() {
    let Some((mut world, school)) = one_worker().await else {
        return;
    };
    let session = school.open_session().await;
    // Half a minute; a worker that has to go waits twenty seconds.
    let job = school.submit(&session, photo(&[SLOW; 10])).await;
    rows::until(&world, &job, rows::Job::is_in_the_middle).await;
    assert_eq!(world.workers[0].stop().await.code(), Some(0));
    let back = rows::job(&world, &job).await;
    assert_eq!(
        (back.status.as_str(), back.attempts),
        ("QUEUED", 0),
        "the attempt is given back"
    );
    assert_eq!(rows::of_session(&world, &session).await, [0; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_takes_leave_of_its_sockets() {
    let setup = Setup {
        workers: 0,
        ..Setup::new(Mode::Processes)
    };
    let Some(mut world) = setup.build().await else { return };
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    data(school.mark(&session, &school.students[0], "PRESENT").await);
    let mut socket = Socket::open(&admin).await;
    let events = "subscription($session: ID!) { attendance(sessionId: $session) { replayed } }";
    socket.subscribe("1", events, json!({ "session": session })).await;
    socket.next().await;
    let mut idle = Socket::open(&admin).await;
    world.apis[0].signal("TERM");
    for socket in [&mut socket, &mut idle] {
        let end = loop {
            match socket.within(Duration::from_secs(20)).await {
                Some(Got::Complete) => {}
                end => break end,
            }
        };
        assert_eq!(end, Some(Got::Closed(1001)));
    }
    assert_eq!(world.apis[0].ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_in_one_finishes_its_photo() {
    let mut alone = Alone::start(&[("MUSTER_TEST_VISION", "fake")]).await;
    let mut admin = alone.admin().await;
    for (n, signal) in ["TERM", "INT"].into_iter().enumerate() {
        let school = School::enrolled_from(&admin, n, 1).await;
        let session = school.open_session().await;
        let job = school.submit(&session, photo(&[SLOW, person(n)])).await;
        let running = "query($id: ID!) { job(id: $id) { stage } }";
        while admin.query(running, json!({ "id": job })).await["job"]["stage"] != "DETECTING" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        alone.process.signal(signal);
        assert_eq!(alone.process.ended().await.code(), Some(0), "SIG{signal}");
        alone.start_again(&[]).await;
        admin = admin.at(&alone.process.base);
        let school = School {
            teacher: admin.clone(),
            ..school
        };
        let job = ended(&admin, &job).await;
        assert_eq!((&job["status"], &job["attempts"]), (&json!("SUCCEEDED"), &json!(1)));
        assert_eq!(school.marked(&session, "PRESENT").await.len(), 1);
    }
}
