//! The timetable: classes, venues, sessions and whole terms as they are changed, and the clock
//! that opens and closes what was planned.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod classes;
mod clock;
mod joining;
mod races;
mod sessions;
mod terms;
mod venues;
mod wrong;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use service::id::PersonId;
use tests::client::{Client, code, data};

const SCHEDULE: &str = "mutation($input: ScheduleInput!) { scheduleSessions(input: $input) { \
     sessions { id startsAt endsAt state title venue { id } summary { expected } } } }";
const UPDATE_SESSION: &str = "mutation($id: ID!, $input: UpdateSessionInput!) { updateSession(id: $id, input: $input) { \
     session { id startsAt endsAt state title venue { id } summary { sessions expected present absent } } } }";
const CREATE_SESSION: &str =
    "mutation($input: SessionInput!) { createSession(input: $input) { session { id startsAt title } } }";
const UPDATE_CLASS: &str = "mutation($id: ID!, $input: UpdateClassInput!) { updateClass(id: $id, input: $input) { \
     class { id name code department { id } teachers { id } } } }";
const UPDATE_VENUE: &str = "mutation($id: ID!, $input: UpdateVenueInput!) { updateVenue(id: $id, input: $input) { \
     venue { id name building capacity location { latitude longitude } } } }";
const REMOVE: &str = "mutation($class: ID!, $students: [ID!]!, $from: Date) { \
     removeStudents(classId: $class, studentIds: $students, from: $from) { class { studentCount } } }";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn global(id: PersonId) -> Value {
    json!(format!("usr_{}", id.0.simple()))
}

/// The code of a refusal and what it is about.
fn refusal(answer: &Value) -> (String, Option<String>) {
    let extensions = &answer["errors"][0]["extensions"];
    let text = |name: &str| extensions[name].as_str().map(str::to_owned);
    (code(answer).to_owned(), text("field").or_else(|| text("reason")))
}

fn invalid(field: &str) -> (String, Option<String>) {
    ("INVALID_INPUT".to_owned(), Some(field.to_owned()))
}

fn conflict(reason: &str) -> (String, Option<String>) {
    ("CONFLICT".to_owned(), Some(reason.to_owned()))
}

fn unknown() -> (String, Option<String>) {
    ("NOT_FOUND".to_owned(), None)
}

async fn by_id(client: &Client, mutation: &str, id: &str) -> Value {
    let fields = if mutation.starts_with("delete") {
        "deletedId"
    } else {
        "session { id state summary { sessions expected present } }"
    };
    let query = format!("mutation($id: ID!) {{ {mutation}(id: $id) {{ {fields} }} }}");
    client.raw(&query, json!({ "id": id })).await
}

async fn new_venue(admin: &Client, name: &str) -> String {
    let made = admin
        .query(
            "mutation($name: String!) { createVenue(input: { name: $name }) { venue { id } } }",
            json!({ "name": name }),
        )
        .await;
    made["createVenue"]["venue"]["id"].as_str().unwrap().to_owned()
}

async fn state(client: &Client, session: &str) -> String {
    let found = client
        .query(
            "query($id: ID!) { session(id: $id) { state } }",
            json!({ "id": session }),
        )
        .await;
    found["session"]["state"].as_str().unwrap().to_owned()
}

/// Creates a session and answers its id.
async fn planned(client: &Client, input: Value) -> String {
    let made = data(client.raw(CREATE_SESSION, json!({ "input": input })).await);
    made["createSession"]["session"]["id"].as_str().unwrap().to_owned()
}

async fn count(client: &Client, class: &str) -> Value {
    let found = client
        .query(
            "query($id: ID!) { class(id: $id) { sessions { totalCount } } }",
            json!({ "id": class }),
        )
        .await;
    found["class"]["sessions"]["totalCount"].clone()
}
