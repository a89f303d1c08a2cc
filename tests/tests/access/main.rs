//! Who sees and does what: invariant 5. A table of (operation, role, own class / other class /
//! other organization) that covers every field of the schema, and a field that is missing from
//! the table fails the test.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod accounts;
mod administration;
mod changes;
mod cover;
mod looks;
mod media;
mod objects;
mod offices;
mod place;
mod review;
mod statistics;
mod table;
mod timetable;

use chrono::{DateTime, Utc};
use place::{Land, join};
use serde_json::{Value, json};
use service::kinds::Role;
use tests::both;
use tests::client::{code, data};
use tests::fake::{person, photo};
use tests::school::{School, ended};
use tests::socket::Socket;
use tests::world::{Mode, Setup, World};

async fn look(world: World) {
    let land = Land::of(world).await;
    for rows in [
        looks::QUERIES,
        looks::NODES,
        objects::PEOPLE,
        objects::OBJECTS,
        offices::OFFICES,
        statistics::STATISTICS,
        looks::SUBSCRIPTIONS,
        review::REVIEWS,
    ] {
        table::check(&land, rows).await;
    }
}

both!(everybody_sees_what_is_theirs, look);

async fn change(world: World) {
    let land = Land::of(world).await;
    changes::check(&land).await;
    changes::no_names_in_the_log(&land.world).await;
}

both!(everybody_does_what_is_theirs_and_the_log_tells, change);

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_the_schema_is_in_the_table() {
    let world = Setup {
        workers: 0,
        ..Setup::new(Mode::Embedded)
    }
    .build()
    .await
    .unwrap();
    cover::check(&world.stranger()).await;
}

/// An id that is none at all is as unknown as another organization's.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_id_is_unknown() {
    let world = Setup {
        workers: 0,
        ..Setup::new(Mode::Embedded)
    }
    .build()
    .await
    .unwrap();
    let (_, admin) = world.organization("Here").await;
    let class = School::with_students(&admin, 0).await.class;
    let crossed = class.replace("cls_", "ses_");
    for id in [
        "",
        "x",
        "cls_",
        &crossed,
        &class.to_uppercase(),
        "cls_00000000000000000000000000000000",
    ] {
        for root in ["class", "session", "user", "job", "venue", "node"] {
            let answer = admin
                .query(
                    &format!("query($id: ID!) {{ {root}(id: $id) {{ id }} }}"),
                    json!({ "id": id }),
                )
                .await;
            assert_eq!(answer[root], Value::Null, "{root} {id}");
        }
        let answer = admin
            .raw(
                "mutation($id: ID!) { openSession(id: $id) { session { id } } }",
                json!({ "id": id }),
            )
            .await;
        assert_eq!(code(&answer), "NOT_FOUND", "{id}");
    }
}

/// Of one class with two teachers: what one asked who is in a picture is not the other's to read.
async fn two_teachers(world: World) {
    let (here, admin) = world.organization("Here").await;
    let (_, tess) = world.member(here, "Tess", Role::Teacher).await;
    let (tom_id, tom) = world.member(here, "Tom", Role::Teacher).await;
    let made = tess
        .query(
            "mutation($ids: [ID!]!) { createClass(input: { name: \"Two\", code: \"2\", teacherIds: $ids }) { \
             class { id teachers { fullName } } } }",
            json!({ "ids": [format!("usr_{}", tom_id.0.simple())] }),
        )
        .await;
    let class = made["createClass"]["class"]["id"].as_str().unwrap().to_owned();
    assert_eq!(made["createClass"]["class"]["teachers"].as_array().unwrap().len(), 2);
    let school = School {
        teacher: tess.clone(),
        class: class.clone(),
        students: Vec::new(),
    };
    let session = school.open_session().await;
    let shared = school.submit(&session, photo(&[person(1)])).await;
    ended(&tom, &shared).await;
    let asked = tess
        .upload(
            "mutation($photo: PhotoInput!, $class: ID!) { identifyFaces(photo: $photo, classId: $class) { job { id } } }",
            json!({ "photo": { "upload": null }, "class": class }),
            &[("photo.upload", photo(&[person(1)]))],
        )
        .await;
    let job = asked["identifyFaces"]["job"]["id"].as_str().unwrap();
    let faces = ended(&tess, job).await["faces"].clone();
    assert_eq!(faces.as_array().unwrap().len(), 1);
    ended(&admin, job).await;
    let found = tom
        .query(
            "query($id: ID!) { job(id: $id) { id } jobs { nodes { id } } }",
            json!({ "id": job }),
        )
        .await;
    assert_eq!(found["job"], Value::Null);
    assert_eq!(found["jobs"]["nodes"], json!([{ "id": shared }]));
}

both!(an_identification_is_for_its_submitter_and_admins, two_teachers);

/// A student of two classes: each teacher sees them in their own class alone, and another
/// organization's student can't be drawn into a class.
async fn two_classes(world: World) {
    let land = Land::of(world).await;
    let [own, other, foreign] = &land.places;
    let theirs = other.names["student"].as_str();
    join(&land.teacher, &own.school.class, theirs).await;
    let query = "query($id: ID!) { user(id: $id) { email classes { nodes { id } totalCount } } }";
    let classes = |answer: Value| answer["user"]["classes"]["nodes"].as_array().unwrap().len();
    assert_eq!(classes(land.teacher.query(query, json!({ "id": theirs })).await), 1);
    assert_eq!(classes(land.admin.query(query, json!({ "id": theirs })).await), 2);
    assert_eq!(classes(other.student.query(query, json!({ "id": theirs })).await), 2);

    let rows = json!([{ "id": foreign.names["student"] }, { "id": "usr_x" }, { "rollNumber": number(&foreign.student).await }]);
    let added = land
        .teacher
        .query(
            "mutation($class: ID!, $rows: [StudentInput!]!) { addStudents(classId: $class, students: $rows) { \
             results { student { id } error { code } } } }",
            json!({ "class": own.school.class, "rows": rows }),
        )
        .await;
    for result in added["addStudents"]["results"].as_array().unwrap() {
        assert_eq!(result, &json!({ "student": null, "error": { "code": "NOT_FOUND" } }));
    }
}

both!(a_student_of_two_classes_is_seen_in_each_by_its_teacher, two_classes);

async fn number(student: &tests::client::Client) -> Value {
    student.query("{ viewer { rollNumber } }", json!({})).await["viewer"]["rollNumber"].clone()
}

/// A student follows a session and hears of themselves alone, with numbers of themselves alone.
async fn own_events(world: World) {
    let land = Land::of(world).await;
    let own = &land.places[0];
    let session = own.school.open_session().await;
    let mut socket = Socket::open(&land.student).await;
    socket
        .subscribe(
            "1",
            "subscription($id: ID!) { attendance(sessionId: $id) { student { id email } mark { status } \
             change { to by { fullName email } at } summary { expected present unmarked absent } } }",
            json!({ "id": session }),
        )
        .await;
    for (student, status) in [
        ("mate", "PRESENT"),
        ("student", "EXCUSED"),
        ("mate", "ABSENT"),
        ("student", "PRESENT"),
    ] {
        data(own.school.mark(&session, &own.names[student], status).await);
    }
    let mut last: Option<DateTime<Utc>> = None;
    for status in ["EXCUSED", "PRESENT"] {
        let event = socket.next().await["attendance"].clone();
        assert_eq!(event["student"]["id"], own.names["student"]);
        assert_eq!(event["student"]["email"], own.names["email"]);
        assert_eq!(event["change"]["to"], status);
        assert_eq!(
            event["change"]["by"],
            json!({ "fullName": "Tess Teacher", "email": null })
        );
        assert_eq!(event["summary"]["expected"], 1);
        let at: DateTime<Utc> = event["change"]["at"].as_str().unwrap().parse().unwrap();
        assert!(last.is_none_or(|last| last < at));
        last = Some(at);
    }
}

both!(a_student_hears_of_themselves_alone, own_events);
