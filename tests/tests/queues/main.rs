//! What admins do about queues and staff about jobs, and whose turn it is.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod many;
mod stages;

use std::time::Duration;

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use service::id::OrganizationId;
use service::kinds::Role;
use service::queue::claims::{self, Failure};
use tests::both;
use tests::client::{Client, code, data};
use tests::fake::{NOBODY, person, photo};
use tests::school::{School, ended};
use tests::world::{Setup, World};

async fn queue(client: &Client, kind: &str) -> Value {
    let fields = "kind paused queued running failed oldestQueuedSeconds";
    let answer = client
        .query(
            &format!("{{ queues {{ {fields} }} dashboard {{ queues {{ {fields} }} }} }}"),
            json!({}),
        )
        .await;
    let find = |queues: &Value| {
        let mut found = queues.as_array().unwrap().iter().filter(|q| q["kind"] == kind);
        found.next().unwrap().clone()
    };
    let found = find(&answer["queues"]);
    let on_dashboard = find(&answer["dashboard"]["queues"]);
    for field in ["paused", "queued", "running", "failed"] {
        assert_eq!(found[field], on_dashboard[field]);
    }
    found
}

async fn set_paused(client: &Client, mutation: &str, kind: &str) -> Value {
    let text = format!("mutation($kind: JobKind!) {{ {mutation}(kind: $kind) {{ queue {{ kind paused queued }} }} }}");
    client.query(&text, json!({ "kind": kind })).await[mutation]["queue"].clone()
}

async fn change(client: &Client, mutation: &str, job: &str) -> Value {
    let text = format!(
        "mutation($id: ID!) {{ {mutation}(id: $id) {{ job {{ id status attempts progress error {{ code }} }} }} }}"
    );
    client.raw(&text, json!({ "id": job })).await
}

fn reason(answer: &Value) -> (&str, &str) {
    let reason = answer["errors"][0]["extensions"]["reason"].as_str();
    (code(answer), reason.unwrap_or_default())
}

async fn pausing(world: World) {
    let (_, admin) = world.organization("Here").await;
    let (_, their_admin) = world.organization("There").await;
    let (school, theirs) = (
        School::enrolled(&admin, 1).await,
        School::enrolled(&their_admin, 1).await,
    );
    let (session, their_session) = (school.open_session().await, theirs.open_session().await);

    let paused = set_paused(&admin, "pauseQueue", "RECOGNIZE").await;
    assert_eq!(paused, json!({ "kind": "RECOGNIZE", "paused": true, "queued": 0 }));
    // Twice says the same.
    assert_eq!(set_paused(&admin, "pauseQueue", "RECOGNIZE").await, paused);
    let job = school.submit(&session, photo(&[person(0)])).await;
    let theirs_job = theirs.submit(&their_session, photo(&[person(0)])).await;
    assert_eq!(ended(&their_admin, &theirs_job).await["status"], "SUCCEEDED");
    // Other kinds go on.
    let enrolled = tests::school::enrol(&admin, &school.students[0], &[photo(&[person(0)])]).await;
    assert_eq!(ended(&admin, &enrolled).await["status"], "SUCCEEDED");

    let waits = queue(&admin, "RECOGNIZE").await;
    assert_eq!(
        (&waits["paused"], &waits["queued"], &waits["running"], &waits["failed"]),
        (&json!(true), &json!(1), &json!(0), &json!(0)),
        "{waits}"
    );
    assert!(waits["oldestQueuedSeconds"].as_f64().unwrap() > 0.0);
    let theirs = queue(&their_admin, "RECOGNIZE").await;
    assert_eq!((&theirs["paused"], &theirs["queued"]), (&json!(false), &json!(0)));

    assert_eq!(set_paused(&admin, "resumeQueue", "RECOGNIZE").await["paused"], false);
    assert_eq!(ended(&admin, &job).await["status"], "SUCCEEDED");
    let empty = queue(&admin, "RECOGNIZE").await;
    assert_eq!(
        (&empty["queued"], &empty["oldestQueuedSeconds"]),
        (&json!(0), &json!(0.0))
    );
    let log = admin
        .query("{ auditLog(first: 20) { nodes { action summary } } }", json!({}))
        .await;
    for action in ["pauseQueue", "resumeQueue"] {
        let entry = json!({ "action": action, "summary": "RECOGNIZE" });
        assert!(log["auditLog"]["nodes"].as_array().unwrap().contains(&entry), "{log}");
    }
}

both!(paused_queues_wait, pausing);

/// The best job's claim, ended as it failed.
async fn fail_next(world: &World, code: &'static str, retryable: bool) -> OrganizationId {
    let claim = claims::claim(&world.service).await.unwrap().unwrap();
    let failure = Failure {
        code,
        message: "on purpose".into(),
        retryable,
    };
    claims::fail(&world.service, &claim, &failure).await.unwrap();
    claim.organization_id
}

async fn again(mut world: World) {
    let (organization, admin) = world.organization("School").await;
    let (_, their_admin) = world.organization("There").await;
    let (_, other) = world.member(organization, "Otto Other", Role::Teacher).await;
    world.hire().await;
    let school = School::enrolled(&admin, 1).await;
    world.dismiss().await;
    let session = school.open_session().await;
    let submit = || school.submit(&session, photo(&[person(0)]));
    let (bad, good, third) = (submit().await, submit().await, submit().await);
    assert_eq!(
        reason(&change(&admin, "retryJob", &good).await),
        ("CONFLICT", "NOT_FAILED")
    );
    fail_next(&world, "UNREADABLE_IMAGE", false).await;
    for _ in 0..2 {
        fail_next(&world, "MODEL_UNAVAILABLE", true).await;
    }
    assert_eq!(queue(&admin, "RECOGNIZE").await["failed"], 3);

    assert_eq!(
        reason(&change(&admin, "retryJob", &bad).await),
        ("CONFLICT", "NOT_RETRYABLE")
    );
    assert_eq!(reason(&change(&admin, "cancelJob", &bad).await), ("CONFLICT", "ENDED"));
    for stranger in [&other, &their_admin] {
        assert_eq!(reason(&change(stranger, "retryJob", &good).await).0, "NOT_FOUND");
        assert_eq!(reason(&change(stranger, "cancelJob", &good).await).0, "NOT_FOUND");
    }
    let sent = data(change(&admin, "retryJob", &good).await)["retryJob"]["job"].clone();
    assert_eq!(
        (&sent["status"], &sent["attempts"], &sent["progress"], &sent["error"]),
        (&json!("QUEUED"), &json!(0), &json!(0.0), &Value::Null)
    );
    // Who teaches the student elsewhere sees their check-ins, and has no say in them.
    let elsewhere = School::with_students(&other, 0).await;
    let add = "mutation($class: ID!, $id: ID!) { addStudents(classId: $class, students: [{ id: $id }]) { results { error { code } } } }";
    let added = other
        .query(add, json!({ "class": elsewhere.class, "id": school.students[0] }))
        .await;
    assert_eq!(added["addStudents"]["results"][0]["error"], Value::Null, "{added}");
    let check_in = "UPDATE job SET kind = 'CHECK_IN', person_id = (SELECT person_id FROM face_template LIMIT 1) \
                    WHERE kind = 'RECOGNIZE' AND status = 'QUEUED'";
    let and_back = "UPDATE job SET kind = 'RECOGNIZE', person_id = NULL WHERE kind = 'CHECK_IN'";
    let db = world.service.db.writer();
    db.execute_unprepared(check_in).await.unwrap();
    let seen = other
        .query("query($id: ID!) { job(id: $id) { kind } }", json!({ "id": good }))
        .await;
    assert_eq!(seen["job"]["kind"], "CHECK_IN");
    assert_eq!(reason(&change(&other, "cancelJob", &good).await).0, "NOT_FOUND");
    db.execute_unprepared(and_back).await.unwrap();

    let retry_all = "mutation($kind: JobKind) { retryFailedJobs(kind: $kind) { retried } }";
    let retried = async |client: &Client, kind: Value| {
        client.query(retry_all, json!({ "kind": kind })).await["retryFailedJobs"]["retried"].clone()
    };
    assert_eq!(retried(&their_admin, Value::Null).await, 0);
    assert_eq!(retried(&admin, json!("ENROL")).await, 0);
    assert_eq!(retried(&admin, json!("RECOGNIZE")).await, 1);
    assert_eq!(retried(&admin, Value::Null).await, 0);

    // One alone waits from now on, of many each lets pass what comes later.
    let fresh = submit().await;
    let mut claimed = Vec::new();
    for job in [&good, &fresh, &third] {
        let claim = claims::claim(&world.service).await.unwrap().unwrap();
        assert!(
            job.ends_with(&claim.id.0.simple().to_string()),
            "{job} and not {claim:?}"
        );
        claimed.push(claim);
    }
    for claim in &claimed {
        claims::release(&world.service, claim, Duration::ZERO, true)
            .await
            .unwrap();
    }

    world.hire().await;
    for job in [&good, &third, &fresh] {
        assert_eq!(ended(&admin, job).await["status"], "SUCCEEDED");
    }
    assert_eq!(ended(&admin, &bad).await["status"], "FAILED");
    assert_eq!(school.marked(&session, "PRESENT").await.len(), 1);
}

both!(failed_jobs_are_sent_again, again, |setup| Setup { workers: 0, ..setup });

/// One with a thousand photos waits for one with a single photo, not the other way round.
async fn turns(world: World) {
    const MANY: usize = 12;
    let mut schools = Vec::new();
    for name in ["Many", "Few", "One"] {
        let (organization, admin) = world.organization(name).await;
        let school = School::with_students(&admin, 1).await;
        schools.push((organization, school));
    }
    for ((_, school), count) in schools.iter().zip([MANY, 2, 1]) {
        let session = school.open_session().await;
        for _ in 0..count {
            school.submit(&session, photo(&[NOBODY])).await;
        }
    }
    let mut order = Vec::new();
    for _ in 0..MANY + 3 {
        let organization = fail_next(&world, "INTERNAL", true).await;
        order.push(schools.iter().position(|(id, _)| *id == organization).unwrap());
    }
    assert_eq!(order[..6], [0, 1, 2, 0, 1, 0], "{order:?}");

    // Whoever comes now is next, however many wait.
    let (_, many) = &schools[0];
    let session = many.open_session().await;
    for _ in 0..3 {
        many.submit(&session, photo(&[NOBODY])).await;
    }
    assert_eq!(fail_next(&world, "INTERNAL", true).await, schools[0].0);
    let (one, school) = &schools[2];
    school.submit(&school.open_session().await, photo(&[NOBODY])).await;
    assert_eq!(fail_next(&world, "INTERNAL", true).await, *one);
}

both!(organizations_take_turns, turns, |setup| Setup { workers: 0, ..setup });
