//! Models that answer NaN, and an embedder that cannot be had: the job fails and says so, and nothing is
//! written.

use bytes::Bytes;
use serde_json::{Value, json};
use service::kinds::Role;
use tests::both;
use tests::client::Client;
use tests::fake::{NAN, person, photo};
use tests::school::{School, ended, enrol};
use tests::world::{Setup, World};

use super::{NEW, OLD, crops, marked, model_of, overwrite, query, reembed, restart_with, run, templates};

/// All that jobs of a school write.
async fn rows(world: &World) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in ["face", "mark", "mark_change", "face_template"] {
        let row = query(world, &format!("SELECT COUNT(*) AS n FROM {table}"), vec![])
            .await
            .remove(0);
        counts.push(row.try_get("", "n").unwrap());
    }
    counts
}

async fn asked(client: &Client, query: &str, variables: Value, photo: (&str, Bytes)) -> String {
    let answer = client.upload(query, variables, &[photo]).await;
    let payload = answer.as_object().unwrap().values().next().unwrap();
    payload["job"]["id"].as_str().unwrap().to_owned()
}

fn assert_failed(job: &Value) {
    assert_eq!(
        (&job["status"], &job["attempts"]),
        (&json!("FAILED"), &json!(3)),
        "{job:#}"
    );
    assert_eq!(job["error"]["code"], "MODEL_UNAVAILABLE");
    assert_eq!(job["error"]["retryable"], true);
    assert!(!job["error"]["message"].as_str().unwrap().contains("NaN"));
}

async fn not_a_number(mut world: World) {
    world.hire().await;
    let (here, admin) = world.organization("Here").await;
    let school = School::enrolled(&admin, 1).await;
    // The student who checks in is one of the class, with a login.
    let (sam, student) = world.member(here, "Sam", Role::Student).await;
    let sam = format!("usr_{}", sam.0.simple());
    let add = "mutation($class: ID!, $id: ID!) { addStudents(classId: $class, students: [{ id: $id }]) { \
               results { error { message } } } }";
    admin.query(add, json!({ "class": school.class, "id": sam })).await;
    ended(&admin, &enrol(&admin, &sam, &vec![photo(&[person(7)]); 3]).await).await;
    let session = school.open_session().await;
    let found = admin
        .query(
            "query($id: ID!) { session(id: $id) { checkInCode { code } } }",
            json!({ "id": session }),
        )
        .await;
    let shown = &found["session"]["checkInCode"]["code"];
    let before = rows(&world).await;

    let nan = || photo(&[person(0), NAN]);
    let identify = "mutation($photo: PhotoInput!) { identifyFaces(photo: $photo) { job { id } } }";
    let check_in = "mutation($session: ID!, $code: String!, $photo: PhotoInput!) { checkIn(input: { \
                    sessionId: $session, code: $code, selfie: $photo }) { job { id } } }";
    let jobs = [
        school.submit(&session, nan()).await,
        enrol(&admin, &school.students[0], &[photo(&[person(0)]), nan()]).await,
        asked(
            &admin,
            identify,
            json!({ "photo": { "upload": null } }),
            ("photo.upload", nan()),
        )
        .await,
        asked(
            &student,
            check_in,
            json!({ "session": session, "code": shown, "photo": { "upload": null } }),
            ("photo.upload", nan()),
        )
        .await,
    ];
    for job in jobs {
        assert_failed(&ended(&admin, &job).await);
    }
    assert_eq!(rows(&world).await, before);

    overwrite(&world, &crops(&world, &school.students[0]).await[1], &[NAN]).await;
    restart_with(&mut world, NEW).await;
    assert_failed(&ended(&admin, &reembed(&admin).await).await);
    assert_eq!(templates(&world, NEW).await, (0, 0));
    assert_eq!(rows(&world).await, before);
    assert_eq!(model_of(&admin, &school.students[0]).await, OLD);
    assert_eq!(marked(&school, &[person(0)]).await, ["Student 000"]);
}

both!(models_that_answer_no_number, not_a_number, |setup| Setup {
    workers: 0,
    ..setup
});

async fn not_at_hand(mut world: World) {
    world.hire().await;
    let (here, admin) = world.organization("Here").await;
    let school = School::enrolled(&admin, 1).await;
    let sql = "UPDATE gallery SET model = 'gone' WHERE organization_id = $1";
    run(&world, sql, vec![here.0.into()]).await;
    let session = school.open_session().await;
    let job = ended(&admin, &school.submit(&session, photo(&[person(0)])).await).await;
    assert_failed(&job);
    assert!(job["error"]["message"].as_str().unwrap().contains("gone"), "{job:#}");
    assert_eq!(job["faces"], json!([]));
}

both!(an_embedder_that_cannot_be_had, not_at_hand, |setup| Setup {
    workers: 0,
    ..setup
});
