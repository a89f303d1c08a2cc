//! An organization goes with everything of it, and takes nothing of another.

use std::time::Duration;

use serde_json::json;
use service::kinds::Role;
use tests::both;
use tests::client::code;
use tests::school::{ended, enrol};
use tests::socket::{Got, Socket};
use tests::world::{PASSWORD, World};

use crate::people::{Land, Student, Teacher};
use crate::scan::{Kept, needle, query};

const DELETE: &str = "mutation($password: String!, $all: Boolean!) { \
     deleteAccount(password: $password, eraseOrganization: $all) { erasedTemplates erasedPhotos } }";

async fn all_of_it(world: World) {
    let land = Land::of(world).await;
    let (there, their_admin) = land.world.organization("There").await;
    let (_, their_teacher) = land.world.member(there, "Uma Untouched", Role::Teacher).await;
    let theirs = tests::school::School::enrolled(&their_teacher, 1).await;
    let student = Student::of(&land).await;
    let needles = student.needles.clone();
    let hidden = Teacher::of(&land).await;
    land.admin
        .query(
            "mutation { inviteUser(input: { fullName: \"Ivo Invited\", email: \"ivo@example.org\", role: TEACHER }) { \
             user { id } } }",
            json!({}),
        )
        .await;
    land.admin
        .query(
            "mutation { createVenue(input: { name: \"Aula Quisquilia\" }) { venue { id } } }",
            json!({}),
        )
        .await;
    land.admin
        .query(
            "mutation { updateOrganization(input: { name: \"Quisquilian School\", minEnrolmentPhotos: 2 }) { \
             organization { id } } }",
            json!({}),
        )
        .await;
    // Still running when the organization goes.
    let slow = vec![tests::fake::photo(&[tests::fake::SLOW, tests::fake::person(0)])];
    enrol(&land.admin, &land.school.students[0], &slow).await;

    let count = "SELECT COUNT(*) AS n FROM face_template UNION ALL SELECT COUNT(*) FROM photo \
                 UNION ALL SELECT COUNT(*) FROM person";
    let before = query(&land.world, count, vec![]).await.len();
    assert_eq!(before, 3);
    let mut needles = needles;
    needles.extend([
        needle("the organization's name", "Quisquilian School"),
        needle("a venue", "Aula Quisquilia"),
        needle("a teacher", "Tess Teacher"),
        needle("a student", "Student 000"),
        needle("who was invited", "ivo@example.org"),
    ]);
    let kept = Kept::of(&land.world).await;
    kept.assert_all_here(&needles[7..]);
    let wide = kept.columns_with(land.organization.0).len();
    assert!(wide > 12, "the organization is in {wide} columns alone");
    // A student of the other one is called so too.
    let needles: Vec<_> = needles.into_iter().filter(|(what, _)| what != "a student").collect();

    let refused = land
        .admin
        .raw(DELETE, json!({ "password": PASSWORD, "all": false }))
        .await;
    assert_eq!(code(&refused), "CONFLICT");
    assert_eq!(refused["errors"][0]["extensions"]["reason"], "LAST_ADMIN");
    let wrong = land
        .admin
        .raw(DELETE, json!({ "password": "not the password", "all": true }))
        .await;
    assert!(wrong["errors"].is_array());
    let refused = land
        .school
        .teacher
        .raw(DELETE, json!({ "password": PASSWORD, "all": true }))
        .await;
    assert_eq!(refused["errors"][0]["extensions"]["reason"], "NOT_LAST_ADMIN");

    let mut sockets = Vec::new();
    for client in [
        &land.admin,
        &land.school.teacher,
        &student.who.client,
        &hidden.who.client,
    ] {
        sockets.push(Socket::open(client).await);
    }
    let mut their_socket = Socket::open(&their_teacher).await;
    let erased = land
        .admin
        .query(DELETE, json!({ "password": PASSWORD, "all": true }))
        .await;
    assert!(erased["deleteAccount"]["erasedTemplates"].as_i64().unwrap() >= 16);
    assert!(erased["deleteAccount"]["erasedPhotos"].as_i64().unwrap() >= 18);

    for socket in &mut sockets {
        assert_eq!(socket.within(Duration::from_secs(10)).await, Some(Got::Closed(4401)));
    }
    for client in [
        &land.admin,
        &land.school.teacher,
        &student.who.client,
        &hidden.who.client,
    ] {
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
    let noted = query(&land.world, "SELECT media_key FROM discarded", vec![]).await;
    assert!(noted.is_empty());

    // The other organization is as it was, and every object in the store is its own.
    assert_eq!(their_socket.within(Duration::from_millis(200)).await, None);
    let people = their_admin
        .query("{ users { totalCount } organization { name } }", json!({}))
        .await;
    assert_eq!(
        people,
        json!({ "users": { "totalCount": 3 }, "organization": { "name": "There" } })
    );
    let keys = "SELECT media_key AS k FROM photo WHERE media_key IS NOT NULL UNION ALL \
                SELECT crop_key FROM face WHERE crop_key IS NOT NULL UNION ALL \
                SELECT crop_key FROM face_template WHERE crop_key IS NOT NULL";
    let named = query(&land.world, keys, vec![]).await.len();
    assert_eq!(crate::scan::files(&land.world.folder.path().join("media")).len(), named);
    let session = theirs.open_session().await;
    let job = theirs
        .submit(&session, tests::fake::photo(&[tests::fake::person(0)]))
        .await;
    assert_eq!(ended(&their_teacher, &job).await["marks"].as_array().unwrap().len(), 1);
}

both!(an_organization_goes_with_all_that_is_its_own, all_of_it);
