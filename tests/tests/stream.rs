//! Subscribers of a session see every event once and in order: when announcements work, when they
//! are cut off, after a reconnection, at another server, and while many write at once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

use std::time::Duration;

use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use tests::both;
use tests::client::{Client, data};
use tests::redis::OwnRedis;
use tests::school::School;
use tests::socket::{Got, Socket};
use tests::world::{Mode, Setup, World};

const EVENTS: &str = "subscription($session: ID!, $after: String) { attendance(sessionId: $session, after: $after) { \
     cursor replayed student { id fullName } mark { status student { id } } change { from to source } \
     summary { expected present unmarked } } }";
const STATUSES: [&str; 3] = ["PRESENT", "EXCUSED", "ABSENT"];

/// (student's id, new status) in the order of commits, as the table has them.
async fn table(world: &World) -> Vec<(String, String)> {
    let db = world.service.db.reader();
    let statement = Statement::from_string(
        db.get_database_backend(),
        "SELECT student_id, to_status FROM mark_change ORDER BY session_id, seq",
    );
    let rows = db.query_all_raw(statement).await.unwrap();
    rows.iter()
        .map(|row| {
            let student: uuid::Uuid = row.try_get("", "student_id").unwrap();
            (
                format!("usr_{}", student.simple()),
                row.try_get("", "to_status").unwrap(),
            )
        })
        .collect()
}

fn line(event: &Value) -> (String, String) {
    let event = &event["attendance"];
    (
        event["student"]["id"].as_str().unwrap().to_owned(),
        event["change"]["to"].as_str().unwrap().to_owned(),
    )
}

async fn subscribe(client: &Client, session: &str, after: Option<&str>) -> Socket {
    let mut socket = Socket::open(client).await;
    socket
        .subscribe("1", EVENTS, json!({ "session": session, "after": after }))
        .await;
    socket
}

/// A subscriber of whom it is certain that it listens: it has seen the state.
async fn listen(client: &Client, session: &str) -> Socket {
    let mut socket = subscribe(client, session, None).await;
    assert_eq!(socket.next().await["attendance"]["replayed"], true);
    socket
}

async fn read(socket: &mut Socket, count: usize) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    while seen.len() < count {
        seen.push(line(&socket.next().await));
    }
    seen
}

/// Nothing more comes: long enough for two looks.
async fn quiet(socket: &mut Socket) {
    let got = socket.within(Duration::from_millis(2500)).await;
    assert_eq!(got, None);
}

async fn mark_all(school: &School, session: &str, status: &str) {
    for student in &school.students {
        data(school.mark(session, student, status).await);
    }
}

async fn once_and_in_order(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 8).await;
    let session = school.open_session().await;
    data(school.mark(&session, &school.students[0], "LATE").await);
    let mut sockets = Vec::new();
    for base in &world.bases {
        sockets.push(listen(&admin.at(base), &session).await);
    }
    for status in STATUSES {
        mark_all(&school, &session, status).await;
    }
    let expected = table(&world).await.split_off(1);
    assert_eq!(expected.len(), 24);
    for socket in &mut sockets {
        assert_eq!(read(socket, 24).await, expected);
        quiet(socket).await;
    }
}

both!(announced, once_and_in_order, |setup| Setup {
    apis: 2,
    workers: 0,
    ..setup
});

#[tokio::test(flavor = "multi_thread")]
async fn looked_for_every_second_where_nothing_is_announced() {
    let setup = Setup {
        announcements: false,
        workers: 0,
        ..Setup::new(Mode::Embedded)
    };
    once_and_in_order(setup.build().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn looked_for_every_second_where_redis_is_gone() {
    let mut redis = OwnRedis::start().await;
    let setup = Setup {
        apis: 2,
        workers: 0,
        redis: Some(redis.url()),
        ..Setup::new(Mode::Processes)
    };
    let Some(world) = setup.build().await else { return };
    redis.kill();
    once_and_in_order(world).await;
}

async fn resumed_with_a_cursor(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 6).await;
    let session = school.open_session().await;
    data(school.mark(&session, &school.students[0], "LATE").await);
    let mut socket = listen(&admin, &session).await;
    mark_all(&school, &session, "PRESENT").await;
    let mut seen = Vec::new();
    let mut cursor = String::new();
    for _ in 0..4 {
        let event = socket.next().await;
        event["attendance"]["cursor"].as_str().unwrap().clone_into(&mut cursor);
        assert_eq!(event["attendance"]["replayed"], false);
        seen.push(line(&event));
    }
    drop(socket);
    mark_all(&school, &session, "EXCUSED").await;
    // At the last of the servers, while more is written.
    let other = admin.at(world.bases.last().unwrap());
    let mut socket = subscribe(&other, &session, Some(&cursor)).await;
    mark_all(&school, &session, "ABSENT").await;
    seen.extend(read(&mut socket, 14).await);
    assert_eq!(seen, table(&world).await[1..]);
    quiet(&mut socket).await;

    // Without a cursor: each student's latest change, then what comes.
    let mut socket = subscribe(&other, &session, None).await;
    let mut state = Vec::new();
    for _ in 0..6 {
        let event = socket.next().await;
        assert_eq!(event["attendance"]["replayed"], true);
        assert_eq!(
            event["attendance"]["summary"],
            json!({ "expected": 6, "present": 0, "unmarked": 0 })
        );
        state.push(line(&event));
    }
    assert_eq!(state, table(&world).await[13..]);
    data(school.mark(&session, &school.students[0], "PRESENT").await);
    let event = socket.next().await;
    assert_eq!(event["attendance"]["replayed"], false);
    assert_eq!(
        event["attendance"]["change"],
        json!({ "from": "ABSENT", "to": "PRESENT", "source": "MANUAL" })
    );
}

both!(resumed, resumed_with_a_cursor, |setup| Setup {
    apis: 2,
    workers: 0,
    ..setup
});

async fn bad_cursors_are_refused(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let (session, other) = (school.open_session().await, school.open_session().await);
    data(school.mark(&session, &school.students[0], "PRESENT").await);
    let mut socket = subscribe(&admin, &session, None).await;
    let cursor = socket.next().await["attendance"]["cursor"].as_str().unwrap().to_owned();
    for (session, cursor) in [(&other, cursor.as_str()), (&session, "nonsense"), (&session, "")] {
        let mut socket = subscribe(&admin, session, Some(cursor)).await;
        let Some(Got::Error(error)) = socket.within(Duration::from_secs(10)).await else {
            panic!("no error for {cursor}");
        };
        assert_eq!(error["extensions"]["code"], "INVALID_INPUT");
        assert_eq!(error["extensions"]["field"], "after");
    }
}

both!(bad_cursors, bad_cursors_are_refused, |setup| Setup {
    workers: 0,
    ..setup
});

async fn many_writers(world: World) {
    const WRITERS: usize = 16;
    const EACH: usize = 12;
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 20).await;
    let session = school.open_session().await;
    let steady: Vec<_> = world
        .bases
        .iter()
        .map(|base| tokio::spawn(follow(admin.at(base), session.clone(), usize::MAX)))
        .collect();
    // This one reconnects every few events, each time at another server.
    let bases = world.bases.clone();
    let (restless_admin, restless_session) = (admin.clone(), session.clone());
    let restless = tokio::spawn(async move {
        let (mut seen, mut cursor) = (Vec::new(), None::<String>);
        for turn in 0.. {
            let client = restless_admin.at(&bases[turn % bases.len()]);
            let mut socket = subscribe(&client, &restless_session, cursor.as_deref()).await;
            for _ in 0..7 {
                let Some(got) = socket.within(Duration::from_secs(8)).await else {
                    return seen;
                };
                let Got::Next(event) = got else { panic!("{got:?}") };
                // What was there before the first subscription comes as state; nothing was.
                cursor = Some(event["attendance"]["cursor"].as_str().unwrap().to_owned());
                seen.push(line(&event));
            }
        }
        seen
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let school = School {
                teacher: admin.at(&world.bases[writer % world.bases.len()]),
                ..school.clone()
            };
            let session = session.clone();
            tokio::spawn(async move {
                for turn in 0..EACH {
                    let student = &school.students[(writer * 7 + turn * 3) % school.students.len()];
                    data(school.mark(&session, student, STATUSES[(writer + turn) % 3]).await);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let expected = table(&world).await;
    assert!(expected.len() > WRITERS * EACH / 2, "{}", expected.len());
    for reader in steady {
        assert_eq!(reader.await.unwrap(), expected);
    }
    assert_eq!(restless.await.unwrap(), expected);
    let tally = admin
        .query(
            "query($id: ID!) { session(id: $id) { summary { present excused absent expected } } }",
            json!({ "id": session }),
        )
        .await;
    let roll = school.roll(&session).await;
    for (status, field) in [("PRESENT", "present"), ("EXCUSED", "excused"), ("ABSENT", "absent")] {
        let marks = roll.iter().filter(|(_, mark)| mark["status"] == status).count();
        assert_eq!(tally["session"]["summary"][field], marks, "{status}");
    }
}

/// Reads until nothing has come for a while.
async fn follow(client: Client, session: String, most: usize) -> Vec<(String, String)> {
    let mut socket = subscribe(&client, &session, None).await;
    let mut seen = Vec::new();
    while seen.len() < most {
        match socket.within(Duration::from_secs(8)).await {
            Some(Got::Next(event)) => seen.push(line(&event)),
            None => return seen,
            Some(other) => panic!("{other:?}"),
        }
    }
    seen
}

both!(sixteen_writers, many_writers, |setup| Setup {
    apis: 2,
    workers: 0,
    ..setup
});

async fn a_job_is_watched_to_its_end(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 2).await;
    let session = school.open_session().await;
    let photo = tests::fake::photo(&[tests::fake::person(0), tests::fake::person(1)]);
    let job = school.submit(&session, photo).await;
    let client = admin.at(world.bases.last().unwrap());
    let mut socket = Socket::open(&client).await;
    let query = "subscription($id: ID!) { job(id: $id) { status stage progress marks { student { id } } } }";
    socket.subscribe("1", query, json!({ "id": job })).await;
    let (mut last, mut progress) = (Value::Null, 0.0);
    loop {
        match socket.within(Duration::from_secs(20)).await {
            Some(Got::Next(event)) => {
                last = event["job"].clone();
                let now = last["progress"].as_f64().unwrap();
                assert!(now >= progress, "{now} after {progress}");
                progress = now;
            }
            Some(Got::Complete) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((&last["status"], &last["stage"]), (&json!("SUCCEEDED"), &json!("DONE")));
    assert_eq!(last["marks"].as_array().unwrap().len(), 2);
}

both!(job_watched, a_job_is_watched_to_its_end, |setup| Setup {
    apis: 2,
    ..setup
});
