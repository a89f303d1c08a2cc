//! Students who join and leave while sessions of their class change: the number who are expected is
//! that of the roll.

use serde_json::json;
use tests::both;
use tests::client::{Client, data};
use tests::school::School;
use tests::world::{Setup, World};

use crate::{rounds, settled};

async fn join(client: &Client, class: &str, name: &str) {
    let query = "mutation($class: ID!, $rows: [StudentInput!]!) { addStudents(classId: $class, students: $rows) { \
         results { error { message } } } }";
    let rows = json!([{ "fullName": name }]);
    client.query(query, json!({ "class": class, "rows": rows })).await;
}

async fn joining(world: World) {
    let (_, admin) = world.organization("School").await;
    rounds(move |round| {
        let admin = admin.clone();
        async move {
            let school = School::with_students(&admin, 2).await;
            let session = school.open_session().await;
            let name = format!("New {round}");
            let joins = join(&admin, &school.class, &name);
            match round % 3 {
                0 => {
                    school.set(&session, "closeSession").await;
                    tokio::join!(joins, school.set(&session, "openSession"));
                }
                1 => {
                    let ((), marked) = tokio::join!(joins, school.mark(&session, &school.students[0], "LATE"));
                    data(marked);
                }
                _ => {
                    let leaves = "mutation($class: ID!, $ids: [ID!]!) { removeStudents(classId: $class, studentIds: $ids) { class { id } } }";
                    let leaves = admin.query(leaves, json!({ "class": school.class, "ids": [school.students[1]] }));
                    let (_, marked) = tokio::join!(leaves, school.mark(&session, &school.students[1], "EXCUSED"));
                    // Who has left before may no longer be marked.
                    let _ = marked;
                }
            }
            settled(&admin, &session).await;
        }
    })
    .await;
}

both!(joining_while_a_session_changes, joining, |setup| Setup {
    workers: 0,
    ..setup
});
