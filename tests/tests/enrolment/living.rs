//! Where an organization wants living people, a print enrols nobody and checks nobody in.

use serde_json::{Value, json};
use service::kinds::Role;
use tests::both;
use tests::client::{Client, code, data};
use tests::fake::{person, photo_showing, shown};
use tests::school::{ENROLMENT, School, ended};
use tests::world::World;

use crate::{became, enrolled};

async fn require(admin: &Client, required: bool) -> Value {
    admin
        .raw(
            "mutation($required: Boolean!) { updateOrganization(input: { requireLiveness: $required }) { \
             organization { settings { requireLiveness } } } }",
            json!({ "required": required }),
        )
        .await
}

async fn required_once_a_worker_can_tell(admin: &Client) {
    for _ in 0..200 {
        let answer = require(admin, true).await;
        if answer.get("errors").is_none() {
            assert_eq!(
                answer["data"]["updateOrganization"]["organization"]["settings"]["requireLiveness"],
                true
            );
            return;
        }
        // Its first beat may be to come.
        assert_eq!(code(&answer), "INVALID_INPUT");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("no worker tells that it can tell");
}

async fn prints(world: World) {
    let (organization, admin) = world.organization("School").await;
    let (sam_id, sam) = world.member(organization, "Sam Student", Role::Student).await;
    let sam_id = format!("usr_{}", sam_id.0.simple());
    let school = School::with_students(&admin, 0).await;
    admin
        .query(
            "mutation($class: ID!, $id: ID!) { addStudents(classId: $class, students: [{ id: $id }]) { class { id } } }",
            json!({ "class": school.class, "id": sam_id }),
        )
        .await;
    let (print, face) = (
        photo_showing(&[(person(3), shown::PRINTED)]),
        photo_showing(&[(person(3), 0)]),
    );
    // Where nobody asked for living people, nobody looks.
    assert_eq!(
        enrolled(&admin, &sam_id, std::slice::from_ref(&print)).await,
        [became("ACCEPTED", &[])]
    );
    required_once_a_worker_can_tell(&admin).await;
    assert_eq!(
        enrolled(&admin, &sam_id, &[print.clone(), face.clone()]).await,
        [became("REJECTED", &["NOT_LIVE"]), became("ACCEPTED", &[])]
    );
    enrolled(&admin, &sam_id, &vec![face.clone(); ENROLMENT]).await;

    let session = school.open_session().await;
    let check_in = async |selfie: &bytes::Bytes| {
        let shown = admin
            .query(
                "query($id: ID!) { session(id: $id) { checkInCode { code } } }",
                json!({ "id": session }),
            )
            .await;
        let input = json!({ "sessionId": session, "code": shown["session"]["checkInCode"]["code"],
            "selfie": { "upload": null } });
        let answer = sam
            .upload_raw(
                "mutation($input: CheckInInput!) { checkIn(input: $input) { job { id } } }",
                json!({ "input": input }),
                &[("input.selfie.upload", selfie.clone())],
            )
            .await;
        let job = data(answer)["checkIn"]["job"]["id"].as_str().unwrap().to_owned();
        ended(&sam, &job).await
    };
    let job = check_in(&print).await;
    assert_eq!(
        (&job["status"], &job["error"]["code"]),
        (&json!("FAILED"), &json!("NOT_LIVE"))
    );
    assert_eq!(school.marked(&session, "PRESENT").await, [""; 0]);
    let job = check_in(&face).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    assert_eq!(school.marked(&session, "PRESENT").await, ["Sam Student"]);
    // Photos of the class are of whoever is in them.
    let session = school.open_session().await;
    ended(&admin, &school.submit(&session, print.clone()).await).await;
    assert_eq!(school.marked(&session, "PRESENT").await, ["Sam Student"]);
    data(require(&admin, false).await);
    assert_eq!(enrolled(&admin, &sam_id, &[print]).await, [became("ACCEPTED", &[])]);
}

both!(prints_are_nobody, prints);

async fn without_workers(world: World) {
    let (_, admin) = world.organization("School").await;
    let refused = require(&admin, true).await;
    assert_eq!(code(&refused), "INVALID_INPUT");
    assert_eq!(refused["errors"][0]["extensions"]["field"], "requireLiveness");
}

both!(nobody_can_tell, without_workers, |setup| tests::world::Setup {
    workers: 0,
    ..setup
});
