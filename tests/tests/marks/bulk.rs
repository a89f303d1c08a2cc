//! Lists of marks: each row has its own result, and sent twice they count once.

use serde_json::{Value, json};
use service::kinds::Role;
use tests::both;
use tests::client::{Client, code};
use tests::school::School;
use tests::world::World;

const BULK: &str = "mutation($rows: [MarkInput!]!, $key: String) { markAttendanceBulk(inputs: $rows, idempotencyKey: $key) { \
     results { index mark { id status source remark student { id } session { id } history { from to } } \
     error { code message field } } } }";

fn row(session: &str, student: &str, status: &str) -> Value {
    json!({ "sessionId": session, "studentId": student, "status": status })
}

async fn send(client: &Client, rows: &[Value], key: Option<&str>) -> Vec<Value> {
    let data = client.query(BULK, json!({ "rows": rows, "key": key })).await;
    data["markAttendanceBulk"]["results"].as_array().unwrap().clone()
}

async fn each_row_has_its_result(world: World) {
    let (organization, admin) = world.organization("School").await;
    let (_, foreign) = world.organization("Elsewhere").await;
    let elsewhere = School::with_students(&foreign, 1).await;
    let theirs = elsewhere.open_session().await;
    let school = School::with_students(&admin, 100).await;
    let sessions = [school.open_session().await, school.open_session().await];
    let scheduled = school.session(tests::school::now() + chrono::TimeDelta::hours(3)).await;
    let other = School::with_students(&admin, 1).await;
    let mut rows: Vec<Value> = (0..990)
        .map(|n| {
            row(
                &sessions[n % 2],
                &school.students[n % 100],
                ["PRESENT", "EXCUSED"][n % 2],
            )
        })
        .collect();
    let long = "x".repeat(10_000);
    let bad = [
        (row(&theirs, &elsewhere.students[0], "PRESENT"), "NOT_FOUND"),
        (row(&theirs, &school.students[0], "PRESENT"), "NOT_FOUND"),
        (row("nonsense", &school.students[0], "PRESENT"), "NOT_FOUND"),
        (row(&sessions[0], "nonsense", "PRESENT"), "NOT_FOUND"),
        (row(&sessions[0], &other.students[0], "PRESENT"), "NOT_FOUND"),
        (row(&sessions[0], &elsewhere.students[0], "PRESENT"), "NOT_FOUND"),
        (row(&scheduled, &school.students[0], "PRESENT"), "CONFLICT"),
        (row(&scheduled, &school.students[0], "LATE"), "CONFLICT"),
        (
            json!({ "sessionId": sessions[0], "studentId": school.students[3], "status": "LATE", "remark": long }),
            "INVALID_INPUT",
        ),
        (row(&school.class, &school.students[0], "PRESENT"), "NOT_FOUND"),
    ];
    for (n, (bad, _)) in bad.iter().enumerate() {
        rows.insert(n * 100, bad.clone());
    }
    assert_eq!(rows.len(), 1000);
    let results = send(&admin, &rows, None).await;
    assert_eq!(results.len(), 1000);
    for (n, (result, row)) in results.iter().zip(&rows).enumerate() {
        assert_eq!(result["index"], n);
        if n % 100 == 0 {
            assert_eq!(result["error"]["code"], bad[n / 100].1, "{n}: {result}");
            assert_eq!(result["mark"], Value::Null);
        } else {
            assert_eq!(result["error"], Value::Null, "{n}: {result}");
            assert_eq!(result["mark"]["status"], row["status"]);
            assert_eq!(result["mark"]["student"]["id"], row["studentId"]);
            assert_eq!(result["mark"]["source"], "MANUAL");
        }
    }
    assert_eq!(results[800]["error"]["field"], "remark");
    assert_eq!(school.marked(&sessions[0], "PRESENT").await.len(), 50);
    assert_eq!(school.marked(&sessions[1], "EXCUSED").await.len(), 50);
    assert_eq!(
        school
            .roll(&scheduled)
            .await
            .iter()
            .filter(|(_, mark)| !mark.is_null())
            .count(),
        0
    );

    let too_many: Vec<Value> = rows.iter().chain(&rows[..1]).cloned().collect();
    let refused = admin.raw(BULK, json!({ "rows": too_many, "key": null })).await;
    assert_eq!(
        (code(&refused), &refused["errors"][0]["extensions"]["field"]),
        ("INVALID_INPUT", &json!("inputs"))
    );
    let (_, student) = world.member(organization, "Sam", Role::Student).await;
    let (_, teacher) = world.member(organization, "Tom", Role::Teacher).await;
    assert_eq!(
        code(&student.raw(BULK, json!({ "rows": rows[1..3], "key": null })).await),
        "FORBIDDEN"
    );
    let stranger_here = send(&teacher, &rows[1..3], None).await;
    assert!(stranger_here.iter().all(|row| row["error"]["code"] == "NOT_FOUND"));
}

both!(a_thousand_rows_of_which_ten_are_bad, each_row_has_its_result);

async fn later_row_counts(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 2).await;
    let session = school.open_session().await;
    let [ann, bob] = [&school.students[0], &school.students[1]];
    let rows = [
        row(&session, ann, "PRESENT"),
        row(&session, bob, "ABSENT"),
        row(&session, ann, "LATE"),
        row(&session, ann, "EXCUSED"),
    ];
    let results = send(&admin, &rows, None).await;
    assert!(results.iter().all(|r| r["error"].is_null()), "{results:?}");
    let history: Vec<Value> = ["PRESENT", "LATE", "EXCUSED"].iter().map(|s| json!(s)).collect();
    let told: Vec<Value> = results[0]["mark"]["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["to"].clone())
        .collect();
    assert_eq!(told, history);
    assert_eq!(results[0]["mark"]["status"], "EXCUSED");
    assert_eq!(results[1]["mark"]["status"], "ABSENT");
}

both!(of_two_rows_about_one_student_the_later_counts, later_row_counts);

/// Changes that the database holds of a session.
async fn changes(client: &Client, session: &str) -> usize {
    let data = client
        .query(
            "query($id: ID!) { session(id: $id) { roll(first: 100) { nodes { history { to } } } } }",
            json!({ "id": session }),
        )
        .await;
    let nodes = data["session"]["roll"]["nodes"].as_array().unwrap().clone();
    nodes.iter().map(|node| node["history"].as_array().unwrap().len()).sum()
}

async fn twice(world: World) {
    let (organization, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 20).await;
    let session = school.open_session().await;
    let mut rows: Vec<Value> = school.students.iter().map(|s| row(&session, s, "PRESENT")).collect();
    rows.push(row("nonsense", &school.students[0], "PRESENT"));
    let first = send(&admin, &rows, Some("phone-1")).await;
    // Meanwhile somebody corrects one of them: sending the list again does not undo it.
    school.mark(&session, &school.students[0], "EXCUSED").await;
    let again = send(&admin, &rows, Some("phone-1")).await;
    let ids = |rows: &[Value]| -> Vec<Value> { rows.iter().map(|r| r["mark"]["id"].clone()).collect() };
    assert_eq!(ids(&first), ids(&again));
    assert_eq!(again[20]["error"]["code"], "NOT_FOUND");
    assert_eq!(again[0]["mark"]["status"], "EXCUSED");
    assert_eq!(changes(&admin, &session).await, 21);

    let other = admin.raw(BULK, json!({ "rows": rows[..3], "key": "phone-1" })).await;
    assert_eq!(code(&other), "CONFLICT");
    assert_eq!(other["errors"][0]["extensions"]["reason"], "IDEMPOTENCY_KEY_REUSED");
    // A key is its user's own.
    let (_, colleague) = world.member(organization, "Col", Role::Admin).await;
    assert!(
        send(&colleague, &rows[..3], Some("phone-1"))
            .await
            .iter()
            .all(|r| r["error"].is_null())
    );

    // Ten times at once.
    let fresh = school.open_session().await;
    let rows: Vec<Value> = school.students.iter().map(|s| row(&fresh, s, "LATE")).collect();
    let mut sent = Vec::new();
    for _ in 0..10 {
        let (admin, rows) = (admin.clone(), rows.clone());
        sent.push(tokio::spawn(async move { send(&admin, &rows, Some("phone-2")).await }));
    }
    let mut answers = Vec::new();
    for one in sent {
        answers.push(ids(&one.await.unwrap()));
    }
    assert!(
        answers
            .iter()
            .all(|answer| *answer == answers[0] && !answer[0].is_null())
    );
    assert_eq!(changes(&admin, &fresh).await, 20);
}

both!(a_list_that_is_sent_twice_counts_once, twice);

/// Several lists about the same sessions in both orders, at once: nobody waits in a circle.
async fn crossed(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 10).await;
    let mut sessions = Vec::new();
    for _ in 0..5 {
        sessions.push(school.open_session().await);
    }
    let mut sent = Vec::new();
    for n in 0..12 {
        let status = ["PRESENT", "LATE", "EXCUSED", "ABSENT"][n % 4];
        let mut rows: Vec<Value> = sessions
            .iter()
            .flat_map(|session| school.students.iter().map(move |student| row(session, student, status)))
            .collect();
        if n % 2 == 0 {
            rows.reverse();
        }
        let admin = admin.clone();
        sent.push(tokio::spawn(async move {
            for _ in 0..5 {
                let results = send(&admin, &rows, None).await;
                assert!(results.iter().all(|r| r["error"].is_null()), "{results:?}");
            }
        }));
    }
    for one in sent {
        one.await.unwrap();
    }
    for session in &sessions {
        let roll = school.roll(session).await;
        assert_eq!(roll.iter().filter(|(_, mark)| !mark.is_null()).count(), 10);
    }
}

both!(lists_that_cross_each_other_all_arrive, crossed);

/// A row that says nothing of the remark leaves it, one that says null takes it.
async fn remarks(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    let student = &school.students[0];
    let with = |status: &str, remark: Value| {
        let mut row = row(&session, student, status);
        row["remark"] = remark;
        row
    };
    let said = async |rows: &[Value]| send(&admin, rows, None).await.pop().unwrap()["mark"]["remark"].clone();
    assert_eq!(said(&[with("EXCUSED", json!("ill"))]).await, "ill");
    assert_eq!(said(&[row(&session, student, "EXCUSED")]).await, "ill");
    assert_eq!(said(&[row(&session, student, "ABSENT")]).await, "ill");
    assert_eq!(
        said(&[with("ABSENT", json!("away")), row(&session, student, "EXCUSED")]).await,
        "away"
    );
    assert_eq!(said(&[with("EXCUSED", Value::Null)]).await, Value::Null);
    assert_eq!(said(&[row(&session, student, "EXCUSED")]).await, Value::Null);
}

both!(a_remark_stays_until_it_is_taken, remarks);
