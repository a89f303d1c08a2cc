//! With a role goes what came with it.

use std::time::Duration;

use serde_json::{Value, json};
use service::kinds::Role;
use tests::both;
use tests::client::{code, data};
use tests::school::School;
use tests::socket::{Got, Socket};
use tests::world::{Setup, World};

use crate::{global, invalid, refusal, update};

async fn effects(world: World) {
    let (organization, admin) = world.organization("School").await;
    let (tess_id, tess) = world.member(organization, "Tess", Role::Teacher).await;
    let (sam_id, sam) = world.member(organization, "Sam", Role::Student).await;
    let (tess_id, sam_id) = (global(tess_id), global(sam_id));
    let school = School::with_students(&tess, 1).await;
    let add = "mutation($class: ID!, $id: ID!) { addStudents(classId: $class, students: [{ id: $id }]) { results { error { code } } } }";
    tess.query(add, json!({ "class": school.class, "id": sam_id })).await;
    let session = school.open_session().await;
    data(school.mark(&session, sam_id.as_str().unwrap(), "PRESENT").await);
    let department = admin
        .query(
            "mutation($head: ID!) { createDepartment(input: { name: \"D\", code: \"D\", headId: $head }) { department { id } } }",
            json!({ "head": tess_id }),
        )
        .await["createDepartment"]["department"]["id"]
        .clone();

    // A student becomes a teacher: they leave their classes, and their marks stay.
    update(&admin, &sam_id, json!({ "role": "TEACHER" })).await;
    assert_eq!(school.marked(&session, "PRESENT").await, ["Sam"]);
    let class = "query($id: ID!) { class(id: $id) { studentCount } }";
    let seen = admin.query(class, json!({ "id": school.class })).await;
    assert_eq!(seen["class"]["studentCount"], 1);
    assert_eq!(
        sam.query(class, json!({ "id": school.class })).await["class"],
        Value::Null
    );
    data(sam.raw("{ users { totalCount } }", json!({})).await);
    let later = school.open_session().await;
    assert_eq!(school.roll(&later).await.len(), 1);

    // A teacher becomes a student: somebody else has to teach and to lead.
    let mut socket = Socket::open(&tess).await;
    socket
        .subscribe(
            "1",
            "subscription($id: ID!) { attendance(sessionId: $id) { student { fullName } mark { status } } }",
            json!({ "id": session }),
        )
        .await;
    assert_eq!(socket.next().await["attendance"]["student"]["fullName"], "Sam");
    update(&admin, &tess_id, json!({ "role": "STUDENT" })).await;
    // The socket looks again at who is behind it when it is told, which takes no second.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let by_admin = School {
        teacher: admin.clone(),
        ..school.clone()
    };
    data(by_admin.mark(&session, &school.students[0], "ABSENT").await);
    match socket.within(Duration::from_secs(20)).await {
        Some(Got::Error(error)) => assert_eq!(error["extensions"]["code"], "FORBIDDEN", "{error}"),
        other => panic!("the socket of who teaches no longer goes on: {other:?}"),
    }
    assert_eq!(
        tess.query(class, json!({ "id": school.class })).await["class"],
        Value::Null
    );
    assert_eq!(
        code(&tess.raw("{ users { totalCount } }", json!({})).await),
        "FORBIDDEN"
    );
    let teachers = admin
        .query(
            "query($id: ID!, $department: ID!) { class(id: $id) { teachers { id } } \
             node(id: $department) { ... on Department { head { id } } } }",
            json!({ "id": school.class, "department": department }),
        )
        .await;
    assert_eq!(teachers["class"]["teachers"], json!([]));
    assert_eq!(teachers["node"]["head"], Value::Null);
    // Nor can a student be made the head again.
    let answer = admin
        .raw(
            "mutation($id: ID!, $head: ID) { updateDepartment(id: $id, input: { headId: $head }) { department { id } } }",
            json!({ "id": department, "head": tess_id }),
        )
        .await;
    assert_eq!(refusal(&answer), invalid("headId"));

    // A teacher who becomes an admin goes on teaching.
    let (tom_id, tom) = world.member(organization, "Tom", Role::Teacher).await;
    let own = School::with_students(&tom, 0).await;
    update(&admin, &global(tom_id), json!({ "role": "ADMIN" })).await;
    let classes = tom
        .query("{ viewer { role classes { nodes { id } } } }", json!({}))
        .await;
    assert_eq!(
        classes["viewer"],
        json!({ "role": "ADMIN", "classes": { "nodes": [{ "id": own.class }] } })
    );
}

both!(with_a_role_goes_what_came_with_it, effects, |s| Setup {
    workers: 0,
    ..s
});
