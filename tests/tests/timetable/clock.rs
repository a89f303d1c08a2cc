//! Sessions open and close by the clock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;
use service::clock::ManualClock;
use service::{Service, sessions};
use tests::both;
use tests::client::data;
use tests::school::{School, now};
use tests::world::{Setup, World};

use crate::{by_id, conflict, planned, refusal, state};

/// A server of this world at its own time.
fn server(world: &World, at: DateTime<Utc>) -> (Service, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(at));
    let service = world.twin(|parts| parts.clock = clock.clone());
    (service, clock)
}

async fn by_itself(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 2).await;
    let (service, clock) = server(&world, now());
    let starts = now() + TimeDelta::hours(2);
    let session = school.session(starts).await;
    let until = async |at: DateTime<Utc>| {
        let ahead = at - service.now();
        clock.advance(ahead);
        sessions::tick(&service).await.unwrap()
    };
    assert_eq!(until(starts - TimeDelta::seconds(1)).await, 0);
    assert_eq!(state(&admin, &session).await, "SCHEDULED");
    assert_eq!(until(starts).await, 1);
    assert_eq!(state(&admin, &session).await, "OPEN");
    // Whoever opens it by hand at the same moment is not refused, and whoever does so again is.
    school.set(&session, "openSession").await;
    assert_eq!(
        refusal(&by_id(&admin, "openSession", &session).await),
        conflict("ALREADY_OPEN")
    );
    data(school.mark(&session, &school.students[0], "PRESENT").await);
    // The photo taken at the bell still counts.
    let closes = starts + TimeDelta::minutes(60 + 15);
    assert_eq!(until(closes - TimeDelta::seconds(1)).await, 0);
    assert_eq!(until(closes).await, 1);
    assert_eq!(state(&admin, &session).await, "CLOSED");
    assert_eq!(school.marked(&session, "ABSENT").await, ["Student 001"]);
    assert_eq!(until(closes + TimeDelta::days(1)).await, 0);
    let log = admin
        .query(
            "{ auditLog(first: 2) { nodes { action actor { id } summary } } }",
            json!({}),
        )
        .await;
    let nodes = log["auditLog"]["nodes"].as_array().unwrap();
    let ended: Vec<_> = nodes.iter().filter(|n| n["summary"] == "closed by the clock").collect();
    assert_eq!(ended.len(), 1, "{log}");
    assert!(ended[0]["actor"].is_null());
}

both!(a_session_opens_and_closes_by_itself, by_itself, |s| Setup {
    workers: 0,
    ..s
});

/// No worker ran the whole day: what should have been opened and closed is both.
async fn late(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 2).await;
    let session = school.session(now() + TimeDelta::hours(1)).await;
    let (service, _) = server(&world, now() + TimeDelta::days(1));
    assert_eq!(sessions::tick(&service).await.unwrap(), 2);
    assert_eq!(state(&admin, &session).await, "CLOSED");
    assert_eq!(school.marked(&session, "ABSENT").await.len(), 2);
    assert_eq!(sessions::tick(&service).await.unwrap(), 0);
}

both!(what_was_missed_opens_and_closes, late, |s| Setup { workers: 0, ..s });

/// One that is opened again by hand stays open for the usual while; so does one that was entered
/// after it was over.
async fn again(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 0).await;
    let day = (now() - TimeDelta::days(7)).format("%Y-%m-%d").to_string();
    let added = admin
        .query(
            "mutation($class: ID!, $day: Date) { addStudents(classId: $class, students: [{ fullName: \"Sam\" }], \
             from: $day) { results { student { id } } } }",
            json!({ "class": school.class, "day": day }),
        )
        .await;
    let student = added["addStudents"]["results"][0]["student"]["id"].as_str().unwrap();
    let session = school.session(now() - TimeDelta::days(1)).await;
    let (service, clock) = server(&world, now());
    assert_eq!(sessions::tick(&service).await.unwrap(), 1);
    assert_eq!(state(&admin, &session).await, "OPEN");
    clock.advance(TimeDelta::minutes(14));
    assert_eq!(sessions::tick(&service).await.unwrap(), 0);
    clock.advance(TimeDelta::minutes(2));
    assert_eq!(sessions::tick(&service).await.unwrap(), 1);
    assert_eq!(state(&admin, &session).await, "CLOSED");

    // By hand, at the time of the api's own clock; a mark meanwhile makes it no longer.
    school.set(&session, "openSession").await;
    let (service, clock) = server(&world, now());
    assert_eq!(sessions::tick(&service).await.unwrap(), 0);
    clock.advance(TimeDelta::minutes(14));
    data(school.mark(&session, student, "PRESENT").await);
    assert_eq!(sessions::tick(&service).await.unwrap(), 0);
    assert_eq!(state(&admin, &session).await, "OPEN");
    clock.advance(TimeDelta::minutes(2));
    assert_eq!(sessions::tick(&service).await.unwrap(), 1);
    assert_eq!(state(&admin, &session).await, "CLOSED");
}

both!(what_was_opened_again_has_a_while, again, |s| Setup { workers: 0, ..s });

async fn not_these(world: World) {
    let (_, admin) = world.organization("School").await;
    let (school, archived) = (
        School::with_students(&admin, 1).await,
        School::with_students(&admin, 1).await,
    );
    let cancelled = school.session(now() + TimeDelta::hours(1)).await;
    school.set(&cancelled, "cancelSession").await;
    let put_away = archived.session(now() + TimeDelta::hours(1)).await;
    let to_come = archived.session(now() + TimeDelta::days(2)).await;
    let held = archived.open_session().await;
    let archive =
        "mutation($id: ID!, $archived: Boolean!) { archiveClass(id: $id, archived: $archived) { class { id } } }";
    admin
        .query(archive, json!({ "id": archived.class, "archived": true }))
        .await;
    let (service, _) = server(&world, now() + TimeDelta::days(1));
    // What was open closes as ever.
    assert_eq!(sessions::tick(&service).await.unwrap(), 1);
    assert_eq!(state(&admin, &held).await, "CLOSED");
    assert_eq!(state(&admin, &cancelled).await, "CANCELLED");
    assert_eq!(state(&admin, &put_away).await, "SCHEDULED");

    // Out of the archive: what is over by then was not held, what comes is.
    put_back(&world, &put_away).await;
    admin
        .query(archive, json!({ "id": archived.class, "archived": false }))
        .await;
    assert_eq!(state(&admin, &put_away).await, "CANCELLED");
    assert_eq!(state(&admin, &to_come).await, "SCHEDULED");
}

/// Lets a session have been yesterday.
async fn put_back(world: &World, session: &str) {
    let db = world.service.db.writer();
    let id: uuid::Uuid = session.trim_start_matches("ses_").parse().unwrap();
    let (from, to) = (now() - TimeDelta::days(1), now() - TimeDelta::hours(23));
    let statement = Statement::from_sql_and_values(
        db.get_database_backend(),
        "UPDATE session SET starts_at = $1, ends_at = $2 WHERE id = $3",
        [from.into(), to.into(), id.into()],
    );
    assert_eq!(db.execute_raw(statement).await.unwrap().rows_affected(), 1);
}

both!(neither_cancelled_nor_archived_ones_open, not_these, |s| Setup {
    workers: 0,
    ..s
});

/// Two workers at once, more sessions than a round takes: each is opened and closed once.
async fn together(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 2).await;
    for n in 0..130 {
        planned(
            &admin,
            json!({ "classId": school.class, "startsAt": (now() + TimeDelta::minutes(10 + n)).to_rfc3339(),
                "endsAt": (now() + TimeDelta::minutes(11 + n)).to_rfc3339(), "allowOverlap": true }),
        )
        .await;
    }
    let (one, _) = server(&world, now() + TimeDelta::days(1));
    let (two, _) = server(&world, now() + TimeDelta::days(1));
    let mut steps = 0;
    for _ in 0..2 {
        let (a, b) = tokio::join!(sessions::tick(&one), sessions::tick(&two));
        steps += a.unwrap() + b.unwrap();
    }
    assert_eq!(steps, 260);
    let db = world.service.db.reader();
    for (sql, expected) in [
        ("session WHERE state = 'CLOSED' AND absent = 2 AND event_seq = 2", 130),
        ("mark", 260),
        ("audit WHERE action = 'openSession' AND actor_id IS NULL", 130),
        ("audit WHERE action = 'closeSession' AND actor_id IS NULL", 130),
    ] {
        let sql = format!("SELECT CAST(COUNT(*) AS BIGINT) AS n FROM {sql}");
        let row = db
            .query_one_raw(Statement::from_string(db.get_database_backend(), &sql))
            .await
            .unwrap();
        assert_eq!(row.unwrap().try_get::<i64>("", "n").unwrap(), expected, "{sql}");
    }
}

both!(two_workers_ring_one_bell, together, |s| Setup { workers: 0, ..s });

/// Where nothing is due it is one statement, by an index.
async fn cheap(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    school.session(now() + TimeDelta::hours(1)).await;
    let (service, _) = server(&world, now());
    let before = service.db.statements();
    assert_eq!(sessions::tick(&service).await.unwrap(), 0);
    assert_eq!(service.db.statements() - before, 1);
}

both!(a_quiet_second_costs_one_statement, cheap, |s| Setup { workers: 0, ..s });

/// The workers do it, within a few seconds.
async fn workers(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let session = school.session(now() + TimeDelta::seconds(1)).await;
    let begun = Instant::now();
    while state(&admin, &session).await != "OPEN" {
        assert!(begun.elapsed() < Duration::from_secs(20), "no worker opened it");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

both!(workers_ring_the_bell, workers);
