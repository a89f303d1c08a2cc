//! What faces are compared with: never what it was before, and never who is not in it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod calibrate;
mod real;

use serde_json::{Value, json};
use tests::both;
use tests::client::{Client, data};
use tests::fake::{Colour, person, photo};
use tests::school::{ENROLMENT, School, ended, enrol};
use tests::world::World;

/// The decision on the one face of a photo among all of the organization, and whom it names.
async fn identify(admin: &Client, colour: Colour) -> (String, Value) {
    let asked = admin
        .upload_raw(
            "mutation($photo: PhotoInput!) { identifyFaces(photo: $photo) { job { id } } }",
            json!({ "photo": { "upload": null } }),
            &[("photo.upload", photo(&[colour]))],
        )
        .await;
    let job = data(asked)["identifyFaces"]["job"]["id"].as_str().unwrap().to_owned();
    ended(admin, &job).await;
    let found = admin
        .query(
            "query($id: ID!) { job(id: $id) { faces { decision student { id } } } }",
            json!({ "id": job }),
        )
        .await;
    let face = &found["job"]["faces"][0];
    (
        face["decision"].as_str().unwrap().to_owned(),
        face["student"]["id"].clone(),
    )
}

/// The same worker is asked again after each change.
async fn is_kept_right(world: World) {
    let (_, admin) = world.organization("Here").await;
    let unknown = ("UNKNOWN".to_owned(), Value::Null);
    assert_eq!(identify(&admin, person(0)).await, unknown);

    let school = School::enrolled(&admin, 2).await;
    let matched = |n: usize| ("MATCHED".to_owned(), json!(school.students[n]));
    assert_eq!(identify(&admin, person(0)).await, matched(0));

    let update =
        "mutation($least: Int!) { updateOrganization(input: { minEnrolmentPhotos: $least }) { organization { id } } }";
    for least in [ENROLMENT + 1, ENROLMENT] {
        admin.query(update, json!({ "least": least })).await;
        let expected = if least > ENROLMENT { unknown.clone() } else { matched(1) };
        assert_eq!(identify(&admin, person(1)).await, expected, "{least} photos are needed");
    }

    admin
        .query(
            "mutation($id: ID!) { deleteUser(id: $id) { deletedId } }",
            json!({ "id": school.students[0] }),
        )
        .await;
    assert_eq!(identify(&admin, person(0)).await, unknown);
    assert_eq!(identify(&admin, person(1)).await, matched(1));

    let (_, other) = world.organization("There").await;
    assert_eq!(identify(&other, person(1)).await, unknown);
}

both!(the_gallery_of_an_organization_is_kept_right, is_kept_right);

/// A student is who their photos show together: one that shows somebody else does not make that
/// other person them.
async fn is_fused(world: World) {
    let (_, admin) = world.organization("Here").await;
    let school = School::with_students(&admin, 1).await;
    let photos = [person(0), person(0), person(0), person(0), person(5)].map(|colour| photo(&[colour]));
    let job = enrol(&admin, &school.students[0], &photos).await;
    assert_eq!(ended(&admin, &job).await["status"], "SUCCEEDED");
    // Somebody says that the stray is theirs as well.
    let waiting = "{ faceTemplates(status: PENDING) { nodes { id } } }";
    let waiting = admin.query(waiting, json!({})).await["faceTemplates"]["nodes"].clone();
    let accept = "mutation($id: ID!) { reviewFaceTemplate(id: $id, accept: true) { template { status } } }";
    for template in waiting.as_array().unwrap() {
        admin.query(accept, json!({ "id": template["id"] })).await;
    }
    let accepted = "{ faceTemplates(status: ACCEPTED) { totalCount } }";
    assert_eq!(admin.query(accepted, json!({})).await["faceTemplates"]["totalCount"], 5);
    let session = school.open_session().await;
    let job = school.submit(&session, photo(&[person(5)])).await;
    ended(&admin, &job).await;
    assert!(school.marked(&session, "PRESENT").await.is_empty());
    let job = school.submit(&session, photo(&[person(0)])).await;
    ended(&admin, &job).await;
    assert_eq!(school.marked(&session, "PRESENT").await.len(), 1);
}

both!(one_template_alone_draws_nobody, is_fused);
