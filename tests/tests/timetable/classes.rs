//! Classes are changed, archived and deleted; students leave them.

use std::time::Duration;

use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use service::housekeeping::Chore;
use service::kinds::Role;
use tests::both;
use tests::client::{code, data};
use tests::fake::{person, photo};
use tests::school::{School, ended, now};
use tests::socket::{Got, Socket};
use tests::world::{Setup, World};

use crate::{REMOVE, UPDATE_CLASS, by_id, conflict, count, global, invalid, planned, refusal, unknown};

async fn changed(world: World) {
    let (organization, admin) = world.organization("School").await;
    let (tess_id, tess) = world.member(organization, "Tess", Role::Teacher).await;
    let (tom_id, tom) = world.member(organization, "Tom", Role::Teacher).await;
    let (sam_id, _) = world.member(organization, "Sam", Role::Student).await;
    let school = School::with_students(&tess, 0).await;
    let other = School::with_students(&tess, 0).await;
    let department = admin
        .query(
            "mutation { createDepartment(input: { name: \"D\", code: \"D\" }) { department { id } } }",
            json!({}),
        )
        .await["createDepartment"]["department"]["id"]
        .clone();
    let update = async |client: &tests::client::Client, input: Value| {
        client
            .raw(UPDATE_CLASS, json!({ "id": school.class, "input": input }))
            .await
    };
    let class = async |input: Value| data(update(&tess, input).await)["updateClass"]["class"].clone();

    let got = class(json!({ "name": "  فيزياء 物理 🧲 e\u{301} ", "code": "X-1", "departmentId": department })).await;
    assert_eq!(
        (&got["name"], &got["code"]),
        (&json!("فيزياء 物理 🧲 e\u{301}"), &json!("X-1"))
    );
    assert_eq!(got["department"]["id"], department);
    let got = class(json!({ "departmentId": null })).await;
    assert_eq!((&got["department"], &got["code"]), (&Value::Null, &json!("X-1")));
    class(json!({ "code": "X-1" })).await;
    class(json!({})).await;

    for (input, problem) in [
        (json!({ "name": null }), invalid("name")),
        (json!({ "name": " \u{3000} " }), invalid("name")),
        (json!({ "name": "x".repeat(201) }), invalid("name")),
        (json!({ "name": "a\tb" }), invalid("name")),
        (json!({ "code": null }), invalid("code")),
        (json!({ "code": "" }), invalid("code")),
        (json!({ "teacherIds": null }), invalid("teacherIds")),
        (json!({ "teacherIds": [] }), invalid("teacherIds")),
        (
            json!({ "teacherIds": [global(tess_id), global(sam_id)] }),
            invalid("teacherIds"),
        ),
        (json!({ "teacherIds": ["usr_x"] }), unknown()),
        (json!({ "departmentId": "dep_x" }), unknown()),
    ] {
        assert_eq!(refusal(&update(&tess, input.clone()).await), problem, "{input}");
    }
    data(
        admin
            .raw(UPDATE_CLASS, json!({ "id": other.class, "input": { "code": "X-2" } }))
            .await,
    );
    assert_eq!(
        refusal(&update(&tess, json!({ "code": "X-2" })).await),
        conflict("CODE_TAKEN")
    );

    // Tess hands the class over and has no part in it any more.
    let got = class(json!({ "teacherIds": [global(tom_id), global(tom_id)] })).await;
    assert_eq!(got["id"], school.class);
    assert_eq!(refusal(&update(&tess, json!({ "name": "Mine" })).await), unknown());
    let seen = data(update(&tom, json!({ "name": "His" })).await)["updateClass"]["class"].clone();
    assert_eq!(seen["teachers"], json!([{ "id": global(tom_id) }]));
    // An admin may leave it without a teacher.
    let seen = data(update(&admin, json!({ "teacherIds": [] })).await)["updateClass"]["class"].clone();
    assert_eq!(seen["teachers"], json!([]));
    assert_eq!(refusal(&update(&tom, json!({ "name": "His" })).await), unknown());
}

both!(a_class_is_changed, changed, |s| Setup { workers: 0, ..s });

/// Who is taken off a class hears no more of it, on a socket that is open too.
async fn deaf(world: World) {
    let (organization, admin) = world.organization("School").await;
    let (tess_id, tess) = world.member(organization, "Tess", Role::Teacher).await;
    let (tom_id, tom) = world.member(organization, "Tom", Role::Teacher).await;
    let school = School::with_students(&tess, 2).await;
    let session = school.open_session().await;
    let both_teach = json!({ "teacherIds": [global(tess_id), global(tom_id)] });
    data(
        admin
            .raw(UPDATE_CLASS, json!({ "id": school.class, "input": both_teach }))
            .await,
    );
    let mut sockets = [Socket::open(&tess).await, Socket::open(&tom).await];
    for socket in &mut sockets {
        let query = "subscription($id: ID!) { attendance(sessionId: $id) { mark { status } } }";
        socket.subscribe("1", query, json!({ "id": session })).await;
    }
    data(school.mark(&session, &school.students[0], "PRESENT").await);
    for socket in &mut sockets {
        assert_eq!(socket.next().await["attendance"]["mark"]["status"], "PRESENT");
    }
    let one_teaches = json!({ "teacherIds": [global(tess_id)] });
    data(
        admin
            .raw(UPDATE_CLASS, json!({ "id": school.class, "input": one_teaches }))
            .await,
    );
    let [hers, his] = &mut sockets;
    assert_eq!(his.within(Duration::from_secs(10)).await, Some(Got::Complete));
    data(school.mark(&session, &school.students[1], "EXCUSED").await);
    assert_eq!(hers.next().await["attendance"]["mark"]["status"], "EXCUSED");
    assert_eq!(his.within(Duration::from_secs(2)).await, None);
    // The socket is still his.
    his.subscribe(
        "2",
        "subscription($id: ID!) { attendance(sessionId: $id) { cursor } }",
        json!({ "id": session }),
    )
    .await;
    assert!(matches!(his.within(Duration::from_secs(10)).await, Some(Got::Error(_))));
}

both!(who_is_taken_off_a_class_hears_no_more_of_it, deaf, |s| Setup {
    workers: 0,
    ..s
});

const ARCHIVE: &str =
    "mutation($id: ID!, $archived: Boolean!) { archiveClass(id: $id, archived: $archived) { class { archived } } }";

async fn archived(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    for _ in 0..2 {
        let got = admin
            .query(ARCHIVE, json!({ "id": school.class, "archived": true }))
            .await;
        assert_eq!(got["archiveClass"]["class"]["archived"], true);
    }
    let times =
        json!({ "classId": school.class, "startsAt": "2027-01-04T08:00:00Z", "endsAt": "2027-01-04T09:00:00Z" });
    let refused = admin.raw(crate::CREATE_SESSION, json!({ "input": times })).await;
    assert_eq!(refusal(&refused), conflict("ARCHIVED"));
    let term = json!({ "classId": school.class, "weekdays": ["MONDAY"], "startTime": "09:00", "endTime": "10:00",
        "from": "2027-01-04", "to": "2027-01-17" });
    let refused = admin.raw(crate::SCHEDULE, json!({ "input": term })).await;
    assert_eq!(refusal(&refused), conflict("ARCHIVED"));
    // What there is stays.
    assert_eq!(count(&admin, &school.class).await, 1);
    data(school.mark(&session, &school.students[0], "PRESENT").await);
    admin
        .query(ARCHIVE, json!({ "id": school.class, "archived": false }))
        .await;
    planned(&admin, times).await;
}

both!(an_archived_class_takes_no_new_sessions, archived, |s| Setup {
    workers: 0,
    ..s
});

async fn rows(world: &World, sql: &str) -> i64 {
    let db = world.service.db.reader();
    let sql = format!("SELECT CAST(COUNT(*) AS BIGINT) AS n FROM {sql}");
    let row = db
        .query_one_raw(Statement::from_string(db.get_database_backend(), sql))
        .await
        .unwrap();
    row.unwrap().try_get("", "n").unwrap()
}

async fn deleted(world: World) {
    let (_, admin) = world.organization("School").await;
    let marked = School::with_students(&admin, 1).await;
    let session = marked.open_session().await;
    data(marked.mark(&session, &marked.students[0], "PRESENT").await);
    assert_eq!(
        refusal(&by_id(&admin, "deleteClass", &marked.class).await),
        conflict("HAS_MARKS")
    );

    // Nobody knows these faces: a photo and jobs, but no marks.
    let school = School::with_students(&admin, 2).await;
    let session = school.open_session().await;
    let job = school.submit(&session, photo(&[person(3), person(4)])).await;
    ended(&admin, &job).await;
    let asked = admin
        .upload(
            "mutation($photo: PhotoInput!, $class: ID!) { identifyFaces(photo: $photo, classId: $class) { job { id } } }",
            json!({ "photo": { "upload": null }, "class": school.class }),
            &[("photo.upload", photo(&[person(1)]))],
        )
        .await;
    ended(&admin, asked["identifyFaces"]["job"]["id"].as_str().unwrap()).await;
    assert!(rows(&world, "photo").await >= 2);
    let answer = data(by_id(&admin, "deleteClass", &school.class).await);
    assert_eq!(answer["deleteClass"]["deletedId"], school.class);
    for table in ["photo", "face", "job"] {
        assert_eq!(rows(&world, table).await, 0, "{table}");
    }
    assert_eq!(rows(&world, "class").await, 1);
    assert_eq!(rows(&world, "session").await, 1);
    assert_eq!(rows(&world, "membership").await, 1);
    assert_eq!(rows(&world, "person WHERE role = 'STUDENT'").await, 3, "people stay");
    world.housekeep(Chore::DiscardedMedia).await;
    assert!(world.media_files().is_empty());
    assert_eq!(refusal(&by_id(&admin, "deleteClass", &school.class).await), unknown());
    assert_eq!(code(&by_id(&admin, "openSession", &session).await), "NOT_FOUND");
}

both!(a_class_without_marks_is_deleted, deleted);

async fn left(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 4).await;
    let later = school.session(now() + TimeDelta::days(3)).await;
    let remove = async |students: Value, from: Value| {
        let variables = json!({ "class": school.class, "students": students, "from": from });
        admin.raw(REMOVE, variables).await
    };
    let total = async |session: &str| {
        let query = "query($id: ID!) { session(id: $id) { roll { totalCount } } }";
        admin.query(query, json!({ "id": session })).await["session"]["roll"]["totalCount"].clone()
    };
    let [a, b, c, d] = [0, 1, 2, 3].map(|n| json!(school.students[n]));
    let open = school.open_session().await;

    // All or none.
    let stranger = School::with_students(&admin, 1).await.students[0].clone();
    for wrong in [
        json!(stranger),
        json!("usr_x"),
        json!("usr_00000000000000000000000000000000"),
    ] {
        assert_eq!(refusal(&remove(json!([a, wrong]), Value::Null).await), unknown());
    }
    assert_eq!(total(&later).await, 4);

    let got = data(remove(json!([a, a]), Value::Null).await);
    assert_eq!(got["removeStudents"]["class"]["studentCount"], 3);
    // Until now they belonged: of the session that is open they are, of the later one not.
    assert_eq!((total(&open).await, total(&later).await), (json!(4), json!(3)));
    assert_eq!(refusal(&remove(json!([a]), Value::Null).await), unknown());

    // From a day to come: until then they belong.
    let day = |days: i64| json!((now() + TimeDelta::days(days)).format("%Y-%m-%d").to_string());
    let got = data(remove(json!([b]), day(2)).await);
    assert_eq!(got["removeStudents"]["class"]["studentCount"], 3);
    assert_eq!(total(&later).await, 2);
    // From a day on which they did not belong yet: as if they never had.
    data(remove(json!([c]), day(-30)).await);
    assert_eq!((total(&open).await, total(&later).await), (json!(3), json!(1)));
    for (from, field) in [
        ("+262142-12-31", "from"),
        ("0001-01-01", "from"),
        ("9999-12-31", "from"),
    ] {
        assert_eq!(
            refusal(&remove(json!([d]), json!(from)).await),
            invalid(field),
            "{from}"
        );
    }
    let many = json!(vec![d.clone(); 1001]);
    assert_eq!(refusal(&remove(many, Value::Null).await), invalid("studentIds"));
    data(remove(json!([]), Value::Null).await);
    // Whoever left may come again.
    let added = admin
        .query(
            "mutation($class: ID!, $id: ID!) { addStudents(classId: $class, students: [{ id: $id }]) { \
             results { error { code } } class { studentCount } } }",
            json!({ "class": school.class, "id": a }),
        )
        .await;
    assert_eq!(added["addStudents"]["class"]["studentCount"], 3);
    assert_eq!(total(&later).await, 2);
}

both!(students_leave_a_class, left, |s| Setup { workers: 0, ..s });
