//! What each decision does to the face and to the marks.

use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use tests::both;
use tests::client::{code, data};
use tests::fake::{NOBODY, person, photo};
use tests::school::{ENROLMENT, School, ended, enrol, now};
use tests::world::World;

use super::{entry, faces, id, is, mark, reason, review};

async fn moves(world: World) {
    let (_, admin) = world.organization("Here").await;
    let school = School::enrolled(&admin, 3).await;
    let session = school.open_session().await;
    let job = school
        .submit(&session, photo(&[person(0), person(0), person(77)]))
        .await;
    let found = faces(&admin, &job).await;
    let [own, second, unknown] = [id(&found[0]), id(&found[1]), id(&found[2])];
    assert_eq!(found[0]["decision"], "MATCHED");
    assert_eq!(found[1]["reason"], "SECOND_CLAIM");
    assert_eq!(found[2]["decision"], "UNKNOWN");
    let [zero, one, two] = [&school.students[0], &school.students[1], &school.students[2]];

    let taken = review(&admin, second, "CONFIRM", None, None).await;
    assert_eq!((code(&taken), reason(&taken)), ("CONFLICT", "STUDENT_TAKEN"));
    let nobody = review(&admin, second, "REASSIGN", None, None).await;
    assert_eq!(code(&nobody), "INVALID_INPUT");
    let stranger = School::with_students(&admin, 1).await;
    let elsewhere = review(&admin, second, "REASSIGN", Some(&stranger.students[0]), None).await;
    assert_eq!(code(&elsewhere), "NOT_FOUND");

    let done = data(review(&admin, second, "REASSIGN", Some(one), Some("NEEDS_REVIEW")).await);
    assert_eq!(done["reviewFace"]["face"]["decision"], "REASSIGNED");
    assert_eq!(done["reviewFace"]["mark"]["student"]["id"], **one);
    assert_eq!(done["reviewFace"]["mark"]["face"]["id"], second);
    assert!(is(mark(&admin, &session, one).await.as_ref(), "PRESENT", "REVIEW"));
    let late = review(&admin, second, "DISMISS", None, Some("NEEDS_REVIEW")).await;
    assert_eq!((code(&late), reason(&late)), ("CONFLICT", "DECIDED"));

    // A face that was matched is somebody else's: the first loses the mark, and the history tells.
    data(review(&admin, own, "REASSIGN", Some(two), Some("MATCHED")).await);
    let line = entry(&admin, &session, zero).await;
    assert_eq!(line["mark"], Value::Null);
    let history = line["history"].as_array().unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(
        (&history[1]["from"], &history[1]["to"]),
        (&json!("PRESENT"), &Value::Null)
    );
    assert_eq!(history[1]["source"], "REVIEW");
    assert!(is(mark(&admin, &session, two).await.as_ref(), "PRESENT", "REVIEW"));

    let gone = data(review(&admin, second, "DISMISS", None, None).await);
    assert_eq!(gone["reviewFace"]["mark"], Value::Null);
    assert_eq!(mark(&admin, &session, one).await, None);

    // What was marked by hand stays.
    data(school.mark(&session, two, "EXCUSED").await);
    data(review(&admin, own, "DISMISS", None, None).await);
    assert!(is(mark(&admin, &session, two).await.as_ref(), "EXCUSED", "MANUAL"));

    // Once it is closed everybody has a mark.
    school.set(&session, "closeSession").await;
    data(review(&admin, unknown, "REASSIGN", Some(one), None).await);
    assert!(is(mark(&admin, &session, one).await.as_ref(), "PRESENT", "REVIEW"));
    data(review(&admin, unknown, "DISMISS", None, None).await);
    assert!(is(mark(&admin, &session, one).await.as_ref(), "ABSENT", "AUTO"));
    let summary = admin
        .query(
            "query($id: ID!) { session(id: $id) { summary { expected present late excused absent unmarked } } }",
            json!({ "id": session }),
        )
        .await;
    assert_eq!(
        summary["session"]["summary"],
        json!({ "expected": 3, "present": 0, "late": 0, "excused": 1, "absent": 2, "unmarked": 0 })
    );
}

both!(decisions_set_move_and_withdraw_marks, moves);

/// Of several photos of a session one speaks for the student when another no longer does.
async fn falls_back(world: World) {
    let (_, admin) = world.organization("Here").await;
    let school = School::enrolled(&admin, 2).await;
    let session = school.open_session().await;
    let zero = &school.students[0];
    let mut seen = Vec::new();
    for _ in 0..2 {
        let job = school.submit(&session, photo(&[person(0)])).await;
        seen.push(faces(&admin, &job).await.remove(0));
    }
    data(review(&admin, id(&seen[0]), "DISMISS", None, None).await);
    let line = entry(&admin, &session, zero).await;
    assert_eq!(line["mark"]["source"], "RECOGNITION");
    assert_eq!(line["mark"]["face"]["id"], seen[1]["id"]);
    data(review(&admin, id(&seen[1]), "DISMISS", None, None).await);
    assert_eq!(mark(&admin, &session, zero).await, None);
    // And back: a dismissed face is confirmed for its first candidate.
    data(review(&admin, id(&seen[0]), "CONFIRM", None, Some("DISMISSED")).await);
    assert!(is(mark(&admin, &session, zero).await.as_ref(), "PRESENT", "REVIEW"));
}

both!(a_mark_falls_back_to_what_else_speaks_for_it, falls_back);

/// Two students whom the embedder cannot tell apart: it marks neither.
async fn twins(world: World) {
    let (_, admin) = world.organization("Here").await;
    let school = School::with_students(&admin, 2).await;
    for student in &school.students {
        let job = enrol(&admin, student, &vec![photo(&[person(0)]); ENROLMENT]).await;
        assert_eq!(ended(&admin, &job).await["status"], "SUCCEEDED");
    }
    // The second resembles the first, and a person says that it is right so.
    let waiting = admin
        .query("{ faceTemplates(status: PENDING) { nodes { id } } }", json!({}))
        .await;
    let waiting = waiting["faceTemplates"]["nodes"].as_array().unwrap();
    assert_eq!(waiting.len(), ENROLMENT);
    for template in waiting {
        let accept = "mutation($id: ID!) { reviewFaceTemplate(id: $id, accept: true) { template { status } } }";
        admin.query(accept, json!({ "id": template["id"] })).await;
    }
    let session = school.open_session().await;
    let job = school.submit(&session, photo(&[person(0)])).await;
    let found = faces(&admin, &job).await;
    assert_eq!(found[0]["decision"], "NEEDS_REVIEW");
    assert_eq!(found[0]["reason"], "AMBIGUOUS");
    for student in &school.students {
        assert_eq!(mark(&admin, &session, student).await, None);
    }
    data(review(&admin, id(&found[0]), "REASSIGN", Some(&school.students[1]), None).await);
    assert!(is(
        mark(&admin, &session, &school.students[1]).await.as_ref(),
        "PRESENT",
        "REVIEW"
    ));
    assert_eq!(mark(&admin, &session, &school.students[0]).await, None);
}

both!(twins_are_told_apart_by_a_person, twins);

/// Whoever is marked already, by hand too, is still recognized: nobody else takes their face.
async fn stays_known(world: World) {
    let (_, admin) = world.organization("Here").await;
    let school = School::enrolled(&admin, 2).await;
    let session = school.open_session().await;
    let zero = &school.students[0];
    data(school.mark(&session, zero, "EXCUSED").await);
    let job = school.submit(&session, photo(&[person(0)])).await;
    let found = faces(&admin, &job).await;
    assert_eq!(found[0]["decision"], "MATCHED");
    assert_eq!(found[0]["student"]["id"], **zero);
    assert!(is(mark(&admin, &session, zero).await.as_ref(), "EXCUSED", "MANUAL"));
    assert_eq!(mark(&admin, &session, &school.students[1]).await, None);
}

both!(who_is_marked_stays_known, stays_known);

/// The earliest photo decides PRESENT or LATE only as long as it shows the student.
async fn time_taken_back(world: World) {
    let (_, admin) = world.organization("Here").await;
    let school = School::enrolled(&admin, 2).await;
    let starts = now() - TimeDelta::minutes(20);
    let session = school.session(starts).await;
    school.set(&session, "openSession").await;
    let [zero, one] = [&school.students[0], &school.students[1]];
    let first = school.submit(&session, photo(&[person(0)])).await;
    let first = faces(&admin, &first).await.remove(0);
    // As if it had been sent soon after the start.
    let db = world.service.db.writer();
    let early = "UPDATE photo SET submitted_at = $1 WHERE session_id IS NOT NULL";
    let early = Statement::from_sql_and_values(
        db.get_database_backend(),
        early,
        [(starts + TimeDelta::minutes(2)).into()],
    );
    db.execute_raw(early).await.unwrap();
    let second = school.submit(&session, photo(&[person(0), NOBODY])).await;
    let second = faces(&admin, &second).await.remove(0);
    data(review(&admin, id(&second), "CONFIRM", None, None).await);
    assert!(is(mark(&admin, &session, zero).await.as_ref(), "PRESENT", "REVIEW"));
    data(review(&admin, id(&first), "REASSIGN", Some(one), None).await);
    assert!(is(mark(&admin, &session, one).await.as_ref(), "PRESENT", "REVIEW"));
    assert!(is(mark(&admin, &session, zero).await.as_ref(), "LATE", "REVIEW"));
}

both!(a_face_takes_its_time_with_it, time_taken_back);

/// Whoever was in time when the photo came stays so when the rule is made stricter.
async fn stricter(world: World) {
    let (_, admin) = world.organization("Here").await;
    let school = School::enrolled(&admin, 1).await;
    let session = school.session(now() - TimeDelta::minutes(7)).await;
    school.set(&session, "openSession").await;
    let zero = &school.students[0];
    let job = school.submit(&session, photo(&[person(0)])).await;
    let face = faces(&admin, &job).await.remove(0);
    assert!(is(
        mark(&admin, &session, zero).await.as_ref(),
        "PRESENT",
        "RECOGNITION"
    ));
    let stricter = "mutation { updateOrganization(input: { lateAfterMinutes: 3 }) { organization { id } } }";
    admin.query(stricter, json!({})).await;
    data(review(&admin, id(&face), "CONFIRM", None, None).await);
    assert!(is(mark(&admin, &session, zero).await.as_ref(), "PRESENT", "REVIEW"));
}

both!(a_stricter_rule_makes_nobody_late_afterwards, stricter);
