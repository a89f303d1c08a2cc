//! The queue as a list and as it changes.

use std::time::Duration;

use serde_json::{Value, json};
use service::kinds::Role;
use tests::both;
use tests::client::data;
use tests::fake::{person, photo};
use tests::school::{School, ended};
use tests::socket::{Got, Socket};
use tests::world::World;

use super::{faces, id, review};

const FOLLOW: &str = "subscription($class: ID) { reviewQueue(classId: $class) { change face { id } queueLength } }";

async fn waiting(school: &School) -> (Vec<Value>, Value) {
    let found = school
        .teacher
        .query(
            "query($class: ID) { reviewQueue(classId: $class) { nodes { id } totalCount } }",
            json!({ "class": school.class }),
        )
        .await;
    let queue = &found["reviewQueue"];
    (queue["nodes"].as_array().unwrap().clone(), queue["totalCount"].clone())
}

fn event(got: &Value) -> (&str, &str, i64) {
    let event = &got["reviewQueue"];
    (
        event["change"].as_str().unwrap(),
        id(&event["face"]),
        event["queueLength"].as_i64().unwrap(),
    )
}

async fn follows(world: World) {
    let (_, admin) = world.organization("Here").await;
    let school = School::enrolled(&admin, 2).await;
    let other = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    let submit = async |who: usize| {
        let job = school.submit(&session, photo(&[person(who), person(who)])).await;
        faces(&admin, &job).await.remove(1)
    };
    let first = submit(0).await;
    let mut socket = Socket::open(&admin).await;
    socket.subscribe("1", FOLLOW, json!({ "class": school.class })).await;
    assert_eq!(event(&socket.next().await), ("ENTERED", id(&first), 1));
    let mut elsewhere = Socket::open(&admin).await;
    elsewhere.subscribe("1", FOLLOW, json!({ "class": other.class })).await;

    let second = submit(1).await;
    assert_eq!(event(&socket.next().await), ("ENTERED", id(&second), 2));
    let (nodes, total) = waiting(&school).await;
    assert_eq!(nodes, [json!({ "id": first["id"] }), json!({ "id": second["id"] })]);
    assert_eq!(total, 2);
    assert_eq!(waiting(&other).await.1, 0);

    data(review(&admin, id(&first), "DISMISS", None, None).await);
    assert_eq!(event(&socket.next().await), ("LEFT", id(&first), 1));

    // Who is erased is asked about no more.
    admin
        .query(
            "mutation($id: ID!) { deleteUser(id: $id) { deletedId } }",
            json!({ "id": school.students[1] }),
        )
        .await;
    assert_eq!(event(&socket.next().await), ("LEFT", id(&second), 0));
    assert_eq!(waiting(&school).await.1, 0);
    assert_eq!(elsewhere.within(Duration::from_millis(300)).await, None);
}

both!(the_queue_is_followed_as_it_changes, follows);

/// Page by page it is the same queue, oldest first.
async fn pages(world: World) {
    let (_, admin) = world.organization("Here").await;
    let school = School::enrolled(&admin, 1).await;
    let session = school.open_session().await;
    let job = school.submit(&session, photo(&[person(0); 8])).await;
    ended(&admin, &job).await;
    let (all, total) = waiting(&school).await;
    assert_eq!((all.len(), total), (7, json!(7)));
    let mut paged = Vec::new();
    let mut after = Value::Null;
    loop {
        let found = admin
            .query(
                "query($after: String) { reviewQueue(first: 3, after: $after) { nodes { id } \
                 pageInfo { hasNextPage endCursor } } }",
                json!({ "after": after }),
            )
            .await;
        paged.extend(found["reviewQueue"]["nodes"].as_array().unwrap().clone());
        if found["reviewQueue"]["pageInfo"]["hasNextPage"] != true {
            break;
        }
        after = found["reviewQueue"]["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(paged, all);
}

both!(the_queue_is_read_in_pages, pages);

/// Who teaches the class no longer hears nothing of it, and sees nothing of it.
async fn class_lost(world: World) {
    let (organization, admin) = world.organization("Here").await;
    let school = School::enrolled(&admin, 2).await;
    let (teacher, client) = world.member(organization, "Tom Teacher", Role::Teacher).await;
    let teachers = async |ids: &[String]| {
        admin
            .query(
                "mutation($class: ID!, $ids: [ID!]!) { updateClass(id: $class, input: { teacherIds: $ids }) { class { id } } }",
                json!({ "class": school.class, "ids": ids }),
            )
            .await
    };
    teachers(&[format!("usr_{}", teacher.0.simple())]).await;
    let session = school.open_session().await;
    let submit = async |who: usize| {
        let job = school.submit(&session, photo(&[person(who), person(who)])).await;
        faces(&admin, &job).await.remove(1)
    };
    let (mut socket, mut of_class) = (Socket::open(&client).await, Socket::open(&client).await);
    socket.subscribe("1", FOLLOW, json!({})).await;
    of_class.subscribe("1", FOLLOW, json!({ "class": school.class })).await;
    let first = submit(0).await;
    assert_eq!(event(&socket.next().await), ("ENTERED", id(&first), 1));
    assert_eq!(event(&of_class.next().await), ("ENTERED", id(&first), 1));
    teachers(&[]).await;
    assert_eq!(of_class.within(Duration::from_secs(10)).await, Some(Got::Complete));
    submit(1).await;
    assert_eq!(socket.within(Duration::from_secs(3)).await, None);
    let seen = client.query("{ reviewQueue { totalCount } }", json!({})).await;
    assert_eq!(seen["reviewQueue"]["totalCount"], 0);
}

both!(who_lost_the_class_hears_nothing, class_lost);

/// What cannot be decided does not wait: the dashboard counts what the queue lists.
async fn cancelled(world: World) {
    let (_, admin) = world.organization("Here").await;
    let school = School::enrolled(&admin, 1).await;
    let session = school.open_session().await;
    let job = school.submit(&session, photo(&[person(0), person(0)])).await;
    ended(&admin, &job).await;
    let lengths = async || {
        let found = admin
            .query(
                "{ dashboard { reviewQueueLength } reviewQueue { totalCount } }",
                json!({}),
            )
            .await;
        (
            found["dashboard"]["reviewQueueLength"].clone(),
            found["reviewQueue"]["totalCount"].clone(),
        )
    };
    assert_eq!(lengths().await, (json!(1), json!(1)));
    school.set(&session, "cancelSession").await;
    assert_eq!(lengths().await, (json!(0), json!(0)));
}

both!(faces_of_a_cancelled_session_do_not_wait, cancelled);
