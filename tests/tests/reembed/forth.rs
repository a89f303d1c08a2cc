//! Over to the new embedder and back, as an admin sees it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::both;
use tests::client::{Client, code};
use tests::fake::{NOBODY, SLOW, person, photo};
use tests::school::{ENROLMENT, School, ended, enrol};
use tests::world::{Setup, World};

use super::{NEW, OLD, crops, enrolled, marked, model_of, overwrite, reason, reembed, restart_with, switch, templates};

async fn forth_and_back(mut world: World) {
    world.hire().await;
    let (_, admin) = world.organization("Here").await;
    let (_, their_admin) = world.organization("There").await;
    let school = School::enrolled(&admin, 2).await;
    let theirs = School::enrolled(&their_admin, 1).await;
    let set = "mutation($at: Float) { updateOrganization(input: { matchThreshold: $at }) { \
               organization { settings { matchThreshold } } } }";
    admin.query(set, json!({ "at": 0.95 })).await;
    let photographed = [person(0), person(99), person(1)];
    let names = ["Student 000", "Student 001"];

    // The workers are another's, the gallery is the old one's still.
    restart_with(&mut world, NEW).await;
    assert_eq!(marked(&school, &photographed).await, names);
    let threshold = "{ organization { settings { matchThreshold } } }";
    let at = |answer: Value| answer["organization"]["settings"]["matchThreshold"].clone();
    assert_eq!(at(admin.query(threshold, json!({})).await), 0.95);
    assert_eq!(reason(&switch(&admin, NEW).await), "INCOMPLETE");
    // What PostgreSQL holds in no text is as unknown as any other.
    for unknown in ["unknown", "unknown\0", "fake\n"] {
        let answer = switch(&admin, unknown).await;
        assert_eq!(
            (code(&answer), &answer["errors"][0]["extensions"]["field"]),
            ("INVALID_INPUT", &json!("model"))
        );
    }

    let job = ended(&admin, &reembed(&admin).await).await;
    assert_eq!(
        (&job["kind"], &job["status"], &job["stage"], &job["progress"]),
        (&json!("REEMBED"), &json!("SUCCEEDED"), &json!("DONE"), &json!(1.0)),
        "{job:#}"
    );
    assert_eq!(model_of(&admin, &school.students[1]).await, NEW);
    assert_eq!(at(admin.query(threshold, json!({})).await), Value::Null);
    assert_eq!(marked(&school, &photographed).await, names);
    let again = admin.raw("mutation { reembedGallery { job { id } } }", json!({})).await;
    assert_eq!(reason(&again), "NOTHING_TO_DO");

    // Back, and forth again: nothing is recomputed.
    for model in [OLD, NEW] {
        assert!(switch(&admin, model).await["errors"].is_null());
        assert_eq!(model_of(&admin, &school.students[0]).await, model);
        assert_eq!(marked(&school, &photographed).await, names);
    }
    let log = admin
        .query("{ auditLog(first: 100) { nodes { action summary } } }", json!({}))
        .await;
    let of = |action: &str, summary: &str| {
        let wanted = json!({ "action": action, "summary": summary });
        log["auditLog"]["nodes"].as_array().unwrap().contains(&wanted)
    };
    assert!(of("reembedGallery", "fake to fake-2, queued") && of("reembedGallery", "fake to fake-2, done"));
    assert!(of("switchGallery", "fake-2 to fake") && of("switchGallery", "fake to fake-2"));

    // What is enrolled now has no counterpart, so that there is no way back without one.
    let photos = vec![photo(&[person(5)]); ENROLMENT];
    let job = ended(&admin, &enrol(&admin, &school.students[0], &photos).await).await;
    assert!(
        job["templates"].as_array().unwrap().iter().all(|t| t["model"] == NEW),
        "{job:#}"
    );
    let back = switch(&admin, OLD).await;
    assert_eq!(reason(&back), "INCOMPLETE");
    assert!(
        back["errors"][0]["message"]
            .as_str()
            .unwrap()
            .starts_with("3 enrolled photos")
    );

    // The other organization never noticed.
    assert_eq!(model_of(&their_admin, &theirs.students[0]).await, OLD);
    assert_eq!(marked(&theirs, &photographed).await, ["Student 000"]);
}

both!(to_a_new_embedder_and_back, forth_and_back, |setup| Setup {
    workers: 0,
    ..setup
});

/// Who could be recognized can be afterwards, or the gallery stays what it is.
async fn lost_crops(mut world: World) {
    world.hire().await;
    let (_, admin) = world.organization("Here").await;
    let school = School::enrolled(&admin, 2).await;
    let photos = vec![photo(&[person(1)]); 2];
    ended(&admin, &enrol(&admin, &school.students[1], &photos).await).await;
    let both = [person(0), person(1)];

    // One has two photos more than are needed, the other none.
    let [first, second] = &school.students[..] else {
        panic!()
    };
    let of_second = crops(&world, second).await;
    world.service.media.remove(&of_second[0]).await.unwrap();
    overwrite(&world, &of_second[2], &[NOBODY]).await;
    overwrite(&world, &crops(&world, first).await[0], &[NOBODY]).await;
    restart_with(&mut world, NEW).await;
    let failed = ended(&admin, &reembed(&admin).await).await;
    assert_eq!(
        (&failed["status"], &failed["error"]["code"]),
        (&json!("FAILED"), &json!("NO_FACE"))
    );
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("1 enrolled students would not be recognized"),
        "{message}"
    );
    assert_eq!(model_of(&admin, first).await, OLD);
    assert_eq!(marked(&school, &both).await, ["Student 000", "Student 001"]);
    assert_eq!(templates(&world, NEW).await, (5, 8));

    // With one photo more it goes on from there.
    let photos = vec![photo(&[person(0)])];
    ended(&admin, &enrol(&admin, first, &photos).await).await;
    assert_eq!(ended(&admin, &reembed(&admin).await).await["status"], "SUCCEEDED");
    assert_eq!(templates(&world, NEW).await, (6, 9));
    let (of_second, recognized) = enrolled(&admin, second).await;
    assert!(recognized);
    let mut rejections: Vec<String> = of_second
        .iter()
        .filter(|t| t.1 == "REJECTED")
        .map(|t| t.2[0].as_str().unwrap().to_owned())
        .collect();
    rejections.sort();
    assert_eq!(rejections, ["NO_FACE", "UNREADABLE_IMAGE"]);
    assert_eq!(marked(&school, &both).await, ["Student 000", "Student 001"]);
}

both!(crops_that_show_nobody_any_more, lost_crops, |setup| Setup {
    workers: 0,
    ..setup
});

async fn state(admin: &Client, job: &str) -> Value {
    let query = "query($id: ID!) { job(id: $id) { status } }";
    admin.query(query, json!({ "id": job })).await["job"]["status"].clone()
}

/// A class that waits for its marks comes before what takes hours.
async fn gives_way(mut world: World) {
    world.hire().await;
    let (_, admin) = world.organization("Here").await;
    let school = School::enrolled(&admin, 1).await;
    let student = &school.students[0];
    let photos = vec![photo(&[person(0)]); 20];
    ended(&admin, &enrol(&admin, student, &photos).await).await;
    let crops = crops(&world, student).await;
    for crop in [&crops[0], &crops[22]] {
        overwrite(&world, crop, &[SLOW, person(0)]).await;
    }
    let session = school.open_session().await;
    restart_with(&mut world, NEW).await;
    let long = reembed(&admin).await;
    let begun = Instant::now();
    while state(&admin, &long).await != "RUNNING" {
        assert!(begun.elapsed() < Duration::from_mins(1), "nobody takes it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Both slots are the re-embedding's and a slow photo's while the last one is submitted.
    school.submit(&session, photo(&[SLOW, SLOW, SLOW])).await;
    let urgent = school.submit(&session, photo(&[person(0)])).await;
    ended(&admin, &urgent).await;
    assert_ne!(state(&admin, &long).await, "SUCCEEDED", "it kept its slot to the end");
    let long = ended(&admin, &long).await;
    // What gave way is to blame for nothing.
    assert_eq!(
        (&long["status"], &long["attempts"]),
        (&json!("SUCCEEDED"), &json!(1)),
        "{long:#}"
    );
    assert_eq!(model_of(&admin, student).await, NEW);
}

both!(what_is_urgent_goes_first, gives_way, |setup| Setup {
    workers: 0,
    ..setup
});
