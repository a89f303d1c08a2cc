//! The main job from outside: a session's life, what a photo marks, which mark stands, and what
//! happens when the same thing is sent twice.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use service::clock::{Clock, ManualClock};
use service::kinds::Role;
use tests::both;
use tests::client::{code, data, error};
use tests::fake::{NOBODY, SLOW, TINY, person, photo};
use tests::school::{self, ENROLMENT, School, ended, enrol};
use tests::world::{Mode, Setup, World};

async fn a_photo_marks_who_is_in_it(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 4).await;
    let session = school.open_session().await;
    // The first twice, the second, a stranger, a face too small, and nobody.
    let people = [person(0), person(1), person(99), TINY, NOBODY, person(0)];
    let job = ended(&admin, &school.submit(&session, photo(&people)).await).await;
    assert_eq!((&job["status"], &job["stage"]), (&json!("SUCCEEDED"), &json!("DONE")));
    let mut faces: Vec<(String, Value, Value)> = job["faces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| {
            (
                f["decision"].as_str().unwrap().to_owned(),
                f["reason"].clone(),
                f["student"]["fullName"].clone(),
            )
        })
        .collect();
    faces.sort_by_key(|face| format!("{face:?}"));
    assert_eq!(
        faces,
        [
            ("MATCHED".into(), Value::Null, json!("Student 000")),
            ("MATCHED".into(), Value::Null, json!("Student 001")),
            ("NEEDS_REVIEW".into(), json!("SECOND_CLAIM"), json!("Student 000")),
            ("UNKNOWN".into(), json!("BELOW_THRESHOLD"), Value::Null),
            ("UNKNOWN".into(), json!("TOO_SMALL"), Value::Null),
        ]
    );
    assert_eq!(school.marked(&session, "PRESENT").await, ["Student 000", "Student 001"]);
    let summary = admin
        .query(
            "query($id: ID!) { session(id: $id) { summary { sessions expected present unmarked rate } photos { width faces { id } } \
             jobs { id } class { studentCount unenrolledStudents { id } } } }",
            json!({ "id": session }),
        )
        .await;
    assert_eq!(
        summary["session"]["summary"],
        json!({ "sessions": 1, "expected": 4, "present": 2, "unmarked": 2, "rate": 1.0 })
    );
    assert_eq!(summary["session"]["photos"][0]["faces"].as_array().unwrap().len(), 5);
    assert_eq!(summary["session"]["jobs"][0]["id"], job["id"]);
    assert_eq!(
        summary["session"]["class"],
        json!({ "studentCount": 4, "unenrolledStudents": [] })
    );

    // Another photo: the same person again changes nothing, another is added.
    let job = ended(&admin, &school.submit(&session, photo(&[person(0), person(2)])).await).await;
    assert_eq!(job["marks"].as_array().unwrap().len(), 1);
    let history = admin
        .query(
            "query($id: ID!) { session(id: $id) { roll { nodes { student { fullName } history { to source } } } } }",
            json!({ "id": session }),
        )
        .await;
    let lengths: Vec<usize> = history["session"]["roll"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n["history"].as_array().unwrap().len())
        .collect();
    assert_eq!(lengths, [1, 1, 1, 0]);
}

both!(marks, a_photo_marks_who_is_in_it);

async fn closing_marks_the_rest_and_reopening_takes_it_back(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 3).await;
    let early = school.session(school::now() + TimeDelta::hours(2)).await;
    let refused = error(admin.raw(OPEN, json!({ "id": early })).await);
    assert_eq!(refused["extensions"]["reason"], "TOO_EARLY");
    let refused = school.submit_raw(&early, photo(&[person(0)]), None).await;
    assert_eq!(code(&refused), "CONFLICT");

    let session = school.open_session().await;
    data(school.mark(&session, &school.students[2], "EXCUSED").await);
    // Taken in before the close, processed after it: it counts.
    let job = school.submit(&session, photo(&[SLOW, person(0)])).await;
    school.set(&session, "closeSession").await;
    let marks = |roll: Vec<(String, Value)>| -> Vec<(Value, Value)> {
        roll.into_iter()
            .map(|(_, m)| (m["status"].clone(), m["source"].clone()))
            .collect()
    };
    let closed = marks(school.roll(&session).await);
    assert_eq!(closed[1], (json!("ABSENT"), json!("AUTO")));
    assert_eq!(closed[2], (json!("EXCUSED"), json!("MANUAL")));
    ended(&admin, &job).await;
    let after = marks(school.roll(&session).await);
    assert_eq!(after[0], (json!("PRESENT"), json!("RECOGNITION")));
    let refused = school.submit_raw(&session, photo(&[person(1)]), None).await;
    assert_eq!(refused["errors"][0]["extensions"]["reason"], "NOT_OPEN");

    school.set(&session, "openSession").await;
    let open = marks(school.roll(&session).await);
    assert_eq!(open[1], (Value::Null, Value::Null));
    assert_eq!(open[0].0, "PRESENT");
    assert_eq!(code(&admin.raw(OPEN, json!({ "id": session })).await), "CONFLICT");
}

const OPEN: &str = "mutation($id: ID!) { openSession(id: $id) { session { id } } }";

both!(closing, closing_marks_the_rest_and_reopening_takes_it_back);

async fn a_person_stands_over_a_machine(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 2).await;
    let session = school.open_session().await;
    data(school.mark(&session, &school.students[0], "ABSENT").await);
    ended(&admin, &school.submit(&session, photo(&[person(0), person(1)])).await).await;
    let roll = school.roll(&session).await;
    assert_eq!(
        (&roll[0].1["status"], &roll[0].1["source"]),
        (&json!("ABSENT"), &json!("MANUAL"))
    );
    assert_eq!(
        (&roll[1].1["status"], &roll[1].1["source"]),
        (&json!("PRESENT"), &json!("RECOGNITION"))
    );
    let changed = data(school.mark(&session, &school.students[1], "LATE").await);
    assert_eq!(changed["markAttendance"]["mark"]["source"], "MANUAL");
}

both!(precedence, a_person_stands_over_a_machine);

async fn sent_twice_it_has_its_effects_once(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 2).await;
    let session = school.open_session().await;
    let (a, b) = (photo(&[person(0)]), photo(&[person(1)]));
    let submits = (0..6).map(|_| school.submit_raw(&session, a.clone(), Some("phone-1")));
    let jobs: Vec<Value> = futures_util::future::join_all(submits)
        .await
        .into_iter()
        .map(|answer| data(answer)["submitClassPhoto"]["job"]["id"].clone())
        .collect();
    assert!(jobs.iter().all(|job| *job == jobs[0]), "{jobs:?}");
    let refused = school.submit_raw(&session, b.clone(), Some("phone-1")).await;
    assert_eq!(refused["errors"][0]["extensions"]["reason"], "IDEMPOTENCY_KEY_REUSED");
    let other = data(school.submit_raw(&session, b, Some("phone-2")).await);
    assert_ne!(other["submitClassPhoto"]["job"]["id"], jobs[0]);
    let listed = admin
        .query(
            "query($id: ID!) { jobs(filter: { sessionId: $id }) { totalCount } }",
            json!({ "id": session }),
        )
        .await;
    assert_eq!(listed["jobs"]["totalCount"], 2);
    let mut objects = 0;
    for entry in std::fs::read_dir(world.folder.path().join("media/photos")).unwrap() {
        objects += usize::from(entry.unwrap().path().is_file());
    }
    assert_eq!(
        objects,
        2 * ENROLMENT + 2,
        "photos that belong to nothing were left behind"
    );
}

both!(idempotency, sent_twice_it_has_its_effects_once, |setup| Setup {
    apis: 2,
    ..setup
});

async fn identification_marks_nobody(world: World) {
    let (organization, admin) = world.organization("School").await;
    let (_, teacher) = world.member(organization, "Tina Teacher", Role::Teacher).await;
    let school = School::enrolled(&teacher, 2).await;
    let other = School::with_students(&admin, 0).await;
    let identify =
        "mutation($photo: PhotoInput!, $class: ID) { identifyFaces(photo: $photo, classId: $class) { job { id } } }";
    let send = async |client: &tests::client::Client, class: Option<&str>| {
        let variables = json!({ "photo": { "upload": null }, "class": class });
        client
            .upload_raw(identify, variables, &[("photo.upload", photo(&[person(1)]))])
            .await
    };
    for (client, class, name) in [
        (&teacher, Some(school.class.as_str()), json!("Student 001")),
        (&admin, None, json!("Student 001")),
        (&admin, Some(other.class.as_str()), Value::Null),
    ] {
        let job = data(send(client, class).await)["identifyFaces"]["job"]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let job = ended(client, &job).await;
        assert_eq!(job["faces"][0]["student"]["fullName"], name, "{job:#}");
        assert_eq!(job["marks"], json!([]));
    }
    assert_eq!(code(&send(&teacher, None).await), "FORBIDDEN");
    assert_eq!(code(&send(&teacher, Some(&other.class)).await), "NOT_FOUND");
}

both!(identify, identification_marks_nobody);

async fn who_enrols_themselves_waits(world: World) {
    let (organization, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 0).await;
    let (_, student) = world.member(organization, "Sam Student", Role::Student).await;
    let me = student.query("{ viewer { id } }", json!({})).await["viewer"]["id"].clone();
    let add = "mutation($class: ID!, $id: ID!) { addStudents(classId: $class, students: [{ id: $id }]) { results { error { code } } } }";
    admin.query(add, json!({ "class": school.class, "id": me })).await;
    let photos = vec![photo(&[person(0)]); ENROLMENT];
    let job = ended(&student, &enrol(&student, me.as_str().unwrap(), &photos).await).await;
    assert!(
        job["templates"]
            .as_array()
            .unwrap()
            .iter()
            .all(|t| t["status"] == "PENDING")
    );
    let session = school.open_session().await;
    let job = ended(&admin, &school.submit(&session, photo(&[person(0)])).await).await;
    assert_eq!(job["faces"][0]["decision"], "UNKNOWN");
}

both!(pending, who_enrols_themselves_waits);

/// The moment of submission decides present or late, in the order of submission.
#[tokio::test(flavor = "multi_thread")]
async fn late_is_when_it_was_submitted() {
    let clock = Arc::new(ManualClock::at(school::now()));
    let setup = Setup {
        clock: Some(clock.clone()),
        ..Setup::new(Mode::Embedded)
    };
    let world = setup.build().await.unwrap();
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 3).await;
    let session = school.session(clock.now()).await;
    school.set(&session, "openSession").await;
    ended(&admin, &school.submit(&session, photo(&[person(0)])).await).await;
    // Submitted in time, processed when it is late already.
    let slow = school.submit(&session, photo(&[SLOW, person(1)])).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    clock.advance(TimeDelta::minutes(10));
    let late = school.submit(&session, photo(&[person(0), person(1), person(2)])).await;
    ended(&admin, &late).await;
    ended(&admin, &slow).await;
    assert_eq!(school.marked(&session, "PRESENT").await, ["Student 000", "Student 001"]);
    assert_eq!(school.marked(&session, "LATE").await, ["Student 002"]);
}

async fn students_come_by_number_or_name(world: World) {
    let (_, admin) = world.organization("School").await;
    let (a, b) = (
        School::with_students(&admin, 2).await,
        School::with_students(&admin, 0).await,
    );
    let number = admin
        .query(
            "query($id: ID!) { user(id: $id) { rollNumber } }",
            json!({ "id": a.students[0] }),
        )
        .await["user"]["rollNumber"]
        .clone();
    let rows = json!([
        { "rollNumber": number },
        { "id": a.students[1] },
        { "fullName": "Nora New", "rollNumber": "N-1" },
        { "fullName": "Nils New", "rollNumber": "N-1" },
        { "rollNumber": "unknown" },
        { "rollNumber": number, "fullName": "Somebody Else" },
        { "fullName": " " },
        { "id": "usr_00000000000000000000000000000000" },
        { "fullName": "Bad Mail", "email": "nowhere" },
    ]);
    let query = "mutation($class: ID!, $rows: [StudentInput!]!) { addStudents(classId: $class, students: $rows) { \
         results { index student { fullName } error { code field } } class { studentCount } } }";
    let added = admin.query(query, json!({ "class": b.class, "rows": rows })).await;
    let codes: Vec<&Value> = added["addStudents"]["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["error"]["code"])
        .collect();
    assert_eq!(
        json!(codes),
        json!([
            null,
            null,
            null,
            "CONFLICT",
            "NOT_FOUND",
            "CONFLICT",
            "INVALID_INPUT",
            "NOT_FOUND",
            "INVALID_INPUT"
        ])
    );
    assert_eq!(added["addStudents"]["class"]["studentCount"], 3);
    // Again: nobody joins twice.
    let again = admin
        .query(query, json!({ "class": b.class, "rows": [{ "rollNumber": "N-1" }] }))
        .await;
    assert_eq!(again["addStudents"]["class"]["studentCount"], 3);
}

both!(adding, students_come_by_number_or_name, |setup| Setup {
    workers: 0,
    ..setup
});

async fn pages_walk_both_ways(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 23).await;
    let query = "query($id: ID!, $first: Int, $after: String, $last: Int, $before: String) { class(id: $id) { \
         students(first: $first, after: $after, last: $last, before: $before) { totalCount nodes { fullName } \
         edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }";
    let all: Vec<String> = (0..23).map(|n| format!("Student {n:03}")).collect();
    for forwards in [true, false] {
        let (mut seen, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let variables = if forwards {
                json!({ "id": school.class, "first": 5, "after": cursor })
            } else {
                json!({ "id": school.class, "last": 5, "before": cursor })
            };
            let data = admin.query(query, variables).await;
            let page = &data["class"]["students"];
            assert_eq!(page["totalCount"], 23);
            let names: Vec<String> = page["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|n| n["fullName"].as_str().unwrap().to_owned())
                .collect();
            let info = &page["pageInfo"];
            if forwards {
                seen.extend(names);
                cursor = info["endCursor"].clone();
            } else {
                seen.splice(0..0, names);
                cursor = info["startCursor"].clone();
            }
            if info[if forwards { "hasNextPage" } else { "hasPreviousPage" }] != true {
                break;
            }
        }
        assert_eq!(seen, all);
    }
    for bad in [
        json!({ "first": 101 }),
        json!({ "first": -1 }),
        json!({ "first": 1, "last": 1 }),
        json!({ "after": "x" }),
    ] {
        let mut variables = bad;
        variables["id"] = json!(school.class);
        assert_eq!(code(&admin.raw(query, variables).await), "INVALID_INPUT");
    }
}

both!(paging, pages_walk_both_ways, |setup| Setup { workers: 0, ..setup });

async fn overlaps_are_conflicts(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 0).await;
    let venue = admin
        .query(
            "mutation { createVenue(input: { name: \"Room 1\" }) { venue { id } } }",
            json!({}),
        )
        .await["createVenue"]["venue"]["id"]
        .clone();
    let start = school::now();
    let create = async |minutes: i64, venue: &Value, overlap: bool| {
        let at = start + TimeDelta::minutes(minutes);
        let input = json!({
            "classId": school.class, "venueId": venue, "startsAt": at.to_rfc3339(),
            "endsAt": (at + TimeDelta::hours(1)).to_rfc3339(), "allowOverlap": overlap,
        });
        admin
            .raw(
                "mutation($i: SessionInput!) { createSession(input: $i) { session { id } } }",
                json!({ "i": input }),
            )
            .await
    };
    data(create(0, &venue, false).await);
    assert_eq!(
        error(create(30, &venue, false).await)["extensions"]["reason"],
        "VENUE_TAKEN"
    );
    assert_eq!(
        error(create(30, &Value::Null, false).await)["extensions"]["reason"],
        "TEACHER_BUSY"
    );
    data(create(60, &venue, false).await);
    data(create(30, &venue, true).await);
    let backwards = json!({ "classId": school.class, "startsAt": start.to_rfc3339(), "endsAt": start.to_rfc3339() });
    let answer = admin
        .raw(
            "mutation($i: SessionInput!) { createSession(input: $i) { session { id } } }",
            json!({ "i": backwards }),
        )
        .await;
    assert_eq!(error(answer)["extensions"]["field"], "endsAt");
}

both!(overlaps, overlaps_are_conflicts, |setup| Setup { workers: 0, ..setup });

/// Health says what a teacher's photo would meet.
async fn health_tells_of_missing_workers(world: World) {
    let (_, admin) = world.organization("School").await;
    let public = world
        .stranger()
        .query("{ health { state version components { name } } }", json!({}))
        .await;
    assert_eq!(
        public["health"],
        json!({ "state": "DEGRADED", "version": null, "components": null })
    );
    let full = admin
        .query("{ health { state version components { name state } } }", json!({}))
        .await;
    assert!(full["health"]["version"].is_string());
    let parts = full["health"]["components"].as_array().unwrap();
    let of = |name: &str| parts.iter().find(|c| c["name"] == name).unwrap()["state"].clone();
    assert_eq!(
        (of("database"), of("media"), of("workers")),
        (json!("OK"), json!("OK"), json!("DEGRADED"))
    );
}

both!(health, health_tells_of_missing_workers, |setup| Setup {
    workers: 0,
    ..setup
});
