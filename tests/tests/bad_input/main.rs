//! Bad input: each kind is refused with its code or fails with its reason, nothing of it stays,
//! nothing that was there is lost, and the server answers the next request as ever.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod bodies;
mod files;
mod ids;
mod maps;
mod memory;
mod operations;
mod pictures;
mod refused;
mod upright;
mod vision;
mod wire;

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use tests::client::Client;
use tests::world::World;

const SUBMIT: &str = "mutation($session: ID!, $photo: PhotoInput!, $key: String) { \
     submitClassPhoto(sessionId: $session, photo: $photo, idempotencyKey: $key) { job { id status } } }";
const ENROL: &str = "mutation($user: ID!, $photos: [PhotoInput!]!, $key: String) { \
     enrolFaces(userId: $user, photos: $photos, idempotencyKey: $key) { job { id } } }";
const IDENTIFY: &str =
    "mutation($photo: PhotoInput!, $class: ID) { identifyFaces(photo: $photo, classId: $class) { job { id } } }";

/// Every table that a request could leave something in, and the numbers that move when a row is
/// changed in place.
const STATE: [(&str, &str); 15] = [
    ("job", "COUNT(*)"),
    ("job", "COALESCE(SUM(revision), 0)"),
    ("photo", "COUNT(*)"),
    ("face", "COUNT(*)"),
    ("face_template", "COUNT(*)"),
    ("mark", "COUNT(*)"),
    ("mark_change", "COUNT(*)"),
    ("session", "COUNT(*)"),
    ("session", "COALESCE(SUM(event_seq), 0)"),
    ("class", "COALESCE(SUM(gallery_version), 0)"),
    ("person", "COUNT(*)"),
    ("membership", "COUNT(*)"),
    ("venue", "COUNT(*)"),
    ("idempotency", "COUNT(*)"),
    ("audit", "COUNT(*)"),
];

/// What is in the database and in the media folder.
#[derive(Debug, PartialEq)]
struct State {
    rows: Vec<String>,
    objects: BTreeSet<String>,
}

impl State {
    async fn of(world: &World) -> Self {
        let db = world.service.db.reader();
        let mut rows = Vec::new();
        for (table, what) in STATE {
            let sql = format!("SELECT CAST({what} AS BIGINT) AS n FROM {table}");
            let statement = Statement::from_string(db.get_database_backend(), sql);
            let row = db.query_one_raw(statement).await.unwrap().unwrap();
            rows.push(format!("{table} {what}: {}", row.try_get::<i64>("", "n").unwrap()));
        }
        Self {
            rows,
            objects: world.media_files(),
        }
    }
}

/// A refusal's check: nothing has changed since, and the server answers.
async fn untouched(world: &World, before: &State, client: &Client, case: &str) {
    assert_eq!(State::of(world).await, *before, "{case} left something behind");
    let answer = client.raw("{ viewer { id } }", json!({})).await;
    assert!(answer["data"]["viewer"]["id"].is_string(), "after {case}: {answer:#}");
}

/// The first error's code and, where it has one, what it is about.
fn refusal(answer: &Value, case: &str) -> (String, Option<String>) {
    let extensions = &answer["errors"][0]["extensions"];
    let text = |name: &str| extensions[name].as_str().map(str::to_owned);
    let code = text("code").unwrap_or_else(|| panic!("{case} was not refused: {answer:#}"));
    assert!(
        answer["data"]
            .as_object()
            .is_none_or(|data| data.values().all(Value::is_null)),
        "{case} was answered besides: {answer:#}"
    );
    (code, text("field").or_else(|| text("reason")))
}
