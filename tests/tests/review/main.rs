//! Faces that people decide, students who check in, and what becomes of marks by that.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod check_in;
mod decisions;
mod queue;
mod races;

use serde_json::{Value, json};
use tests::client::Client;
use tests::school::ended;

const REVIEW: &str = "mutation($face: ID!, $decision: ReviewDecision!, $student: ID, $expected: FaceDecision) { \
     reviewFace(faceId: $face, decision: $decision, studentId: $student, expected: $expected) { \
     face { id decision reason student { id } decidedBy { id } } mark { status source similarity face { id } student { id } } } }";

/// The whole answer.
async fn review(client: &Client, face: &str, decision: &str, student: Option<&str>, expected: Option<&str>) -> Value {
    let variables = json!({ "face": face, "decision": decision, "student": student, "expected": expected });
    client.raw(REVIEW, variables).await
}

/// The faces of a job from left to right, once it has ended.
async fn faces(client: &Client, job: &str) -> Vec<Value> {
    assert_eq!(ended(client, job).await["status"], "SUCCEEDED");
    let found = client
        .query(
            "query($id: ID!) { job(id: $id) { faces { id decision reason student { id } } } }",
            json!({ "id": job }),
        )
        .await;
    found["job"]["faces"].as_array().unwrap().clone()
}

fn id(of: &Value) -> &str {
    of["id"].as_str().unwrap()
}

/// A student's line of a roll.
async fn entry(client: &Client, session: &str, student: &str) -> Value {
    let found = client
        .query(
            "query($id: ID!) { session(id: $id) { roll { nodes { student { id } mark { status source similarity face { id } } \
             history { from to source by { id } } } } } }",
            json!({ "id": session }),
        )
        .await;
    let roll = found["session"]["roll"]["nodes"].as_array().unwrap().clone();
    roll.into_iter()
        .find(|line| line["student"]["id"] == student)
        .unwrap_or(Value::Null)
}

/// Status and source of a student's mark.
async fn mark(client: &Client, session: &str, student: &str) -> Option<(String, String)> {
    let mark = entry(client, session, student).await["mark"].clone();
    let text = |of: &Value| of.as_str().map(str::to_owned);
    Some((text(&mark["status"])?, text(&mark["source"])?))
}

fn is(mark: Option<&(String, String)>, status: &str, source: &str) -> bool {
    mark.is_some_and(|mark| mark.0 == status && mark.1 == source)
}

fn reason(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["reason"]
        .as_str()
        .unwrap_or_else(|| panic!("no reason in {answer:#}"))
}
