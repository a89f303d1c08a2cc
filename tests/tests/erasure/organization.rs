//! An organization goes with everything of it, and takes nothing of another.

use std::time::Duration;

use serde_json::{Value, json};
use service::kinds::Role;
use tests::both;
use tests::client::{Client, code};
use tests::fake::{SLOW, person, photo};
use tests::school::{School, ended, enrol};
use tests::socket::{Got, Socket};
use tests::world::{PASSWORD, World};

use crate::people::{Land, Student, Teacher};
use crate::scan::{Kept, Needle, needle, query};

const DELETE: &str = "mutation($password: String!, $all: Boolean!) { \
     deleteAccount(password: $password, eraseOrganization: $all) { erasedTemplates erasedPhotos } }";

/// Adds what only an organization has, and answers what tells of it.
async fn fill(land: &Land, student: &Student) -> Vec<Needle> {
    for mutation in [
        "mutation { inviteUser(input: { fullName: \"Ivo Invited\", email: \"ivo@example.org\", role: TEACHER }) { \
         user { id } } }",
        "mutation { createVenue(input: { name: \"Aula Quisquilia\" }) { venue { id } } }",
        "mutation { updateOrganization(input: { name: \"Quisquilian School\", minEnrolmentPhotos: 2 }) { \
         organization { id } } }",
    ] {
        land.admin.query(mutation, json!({})).await;
    }
    let mut needles = student.needles.clone();
    needles.extend([
        needle("the organization's name", "Quisquilian School"),
        needle("a venue", "Aula Quisquilia"),
        needle("a teacher", "Tess Teacher"),
        needle("who was invited", "ivo@example.org"),
    ]);
    needles
}

async fn refuses(client: &Client, password: &str, all: bool) -> Value {
    let answer = client.raw(DELETE, json!({ "password": password, "all": all })).await;
    answer["errors"][0]["extensions"].clone()
}

/// Every object of the store is named by a row.
async fn assert_all_named(world: &World) {
    let keys = "SELECT media_key AS k FROM photo WHERE media_key IS NOT NULL UNION ALL \
                SELECT crop_key FROM face WHERE crop_key IS NOT NULL UNION ALL \
                SELECT crop_key FROM face_template WHERE crop_key IS NOT NULL";
    let named = query(world, keys, vec![]).await.len();
    assert_eq!(world.media_files().len(), named);
    let noted = query(world, "SELECT media_key FROM discarded", vec![]).await;
    assert!(noted.is_empty());
}

async fn all_of_it(world: World) {
    let land = Land::of(world).await;
    let (there, their_admin) = land.world.organization("There").await;
    let (_, their_teacher) = land.world.member(there, "Uma Untouched", Role::Teacher).await;
    let theirs = School::enrolled(&their_teacher, 1).await;
    let student = Student::of(&land).await;
    let hidden = Teacher::of(&land).await;
    let needles = fill(&land, &student).await;
    let kept = Kept::of(&land.world).await;
    kept.assert_all_here(&needles);
    let wide = kept.columns_with(land.organization.0).len();
    assert!(wide > 12, "the organization is in {wide} columns alone");

    let conflict = refuses(&land.admin, PASSWORD, false).await;
    assert_eq!(
        (&conflict["code"], &conflict["reason"]),
        (&json!("CONFLICT"), &json!("LAST_ADMIN"))
    );
    assert_eq!(
        refuses(&land.admin, "not the password", true).await["field"],
        "password"
    );
    let conflict = refuses(&land.school.teacher, PASSWORD, true).await;
    assert_eq!(conflict["reason"], "NOT_LAST_ADMIN");

    // Still running when the organization goes.
    let slow = photo(&[SLOW, person(0)]);
    enrol(&land.admin, &land.school.students[0], &[slow]).await;
    let everybody = [
        &land.admin,
        &land.school.teacher,
        &student.who.client,
        &hidden.who.client,
    ];
    let mut sockets = Vec::new();
    for client in everybody {
        sockets.push(Socket::open(client).await);
    }
    let mut their_socket = Socket::open(&their_teacher).await;
    let erased = land
        .admin
        .query(DELETE, json!({ "password": PASSWORD, "all": true }))
        .await;
    let erased = &erased["deleteAccount"];
    // Five people of three portraits, and one of four.
    assert!(erased["erasedTemplates"].as_i64().unwrap() >= 16);
    assert!(erased["erasedPhotos"].as_i64().unwrap() >= 20);
    for (client, socket) in everybody.into_iter().zip(&mut sockets) {
        assert_eq!(socket.within(Duration::from_secs(10)).await, Some(Got::Closed(4401)));
        assert_eq!(
            code(&client.raw("{ viewer { id } }", json!({})).await),
            "UNAUTHENTICATED"
        );
    }
    // The photo that was being looked at comes to nothing.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let after = Kept::of(&land.world).await;
    after.assert_none_here(&needles);
    let columns = after.columns_with(land.organization.0);
    assert!(columns.is_empty(), "{columns:?}");
    assert_all_named(&land.world).await;

    // The other organization is as it was.
    assert_eq!(their_socket.within(Duration::from_millis(200)).await, None);
    let people = their_admin
        .query("{ users { totalCount } organization { name } }", json!({}))
        .await;
    let expected = json!({ "users": { "totalCount": 3 }, "organization": { "name": "There" } });
    assert_eq!(people, expected);
    let session = theirs.open_session().await;
    let job = theirs.submit(&session, photo(&[person(0)])).await;
    let job = ended(&their_teacher, &job).await;
    assert_eq!(job["marks"].as_array().unwrap().len(), 1);
}

both!(an_organization_goes_with_all_that_is_its_own, all_of_it);

/// What comes behind an erasure in the same request, or meanwhile, is told that all is gone.
async fn and_then(world: World) {
    let (_, admin) = world.organization("Here").await;
    let answer = admin
        .raw(
            "mutation($password: String!) { deleteAccount(password: $password, eraseOrganization: true) { erasedPhotos } \
             createDepartment(input: { name: \"D\", code: \"D\" }) { department { id } } }",
            json!({ "password": PASSWORD }),
        )
        .await;
    assert_eq!(answer["data"]["deleteAccount"]["erasedPhotos"], 0, "{answer}");
    assert_eq!(code(&answer), "CONFLICT", "{answer}");
}

both!(nothing_is_entered_behind_an_erasure, and_then);
