//! People, their accounts and their organization: who may join, what is known of somebody and who
//! changes it, and what the organization sets for everybody.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod admins;
mod codes;
mod departments;
mod fields;
mod invitations;
mod lists;
mod log;
mod mailed;
mod organization;
mod own;
mod passwords;
mod races;
mod registering;
mod roles;
mod status;

use sea_orm::{ConnectionTrait, QueryResult, Statement};
use serde_json::{Value, json};
use service::id::PersonId;
use tests::client::{Client, code, data};
use tests::world::World;

/// Good, and not the one with which members come into a world.
const OTHER_PASSWORD: &str = "wide grey elephants walk";

const USER: &str = "id fullName email hasLogin rollNumber role status department { id }";

/// The code of a refusal, with the field or the reason that it names.
fn refusal(answer: &Value) -> (String, Value) {
    let extensions = &answer["errors"][0]["extensions"];
    let about = match code(answer) {
        "CONFLICT" => "reason",
        "RATE_LIMITED" => "retryAfterSeconds",
        _ => "field",
    };
    (code(answer).to_owned(), extensions[about].clone())
}

fn invalid(field: &str) -> (String, Value) {
    ("INVALID_INPUT".into(), json!(field))
}

fn conflict(reason: &str) -> (String, Value) {
    ("CONFLICT".into(), json!(reason))
}

fn unknown() -> (String, Value) {
    ("NOT_FOUND".into(), Value::Null)
}

/// Enters somebody; answers all of them.
async fn create(admin: &Client, input: Value) -> Value {
    data(create_raw(admin, input).await)["createUser"]["user"].clone()
}

async fn create_raw(admin: &Client, input: Value) -> Value {
    let query = format!("mutation($input: CreateUserInput!) {{ createUser(input: $input) {{ user {{ {USER} }} }} }}");
    admin.raw(&query, json!({ "input": input })).await
}

async fn update_raw(admin: &Client, id: &Value, input: Value) -> Value {
    let query = format!(
        "mutation($id: ID!, $input: UpdateUserInput!) {{ updateUser(id: $id, input: $input) {{ user {{ {USER} }} }} }}"
    );
    admin.raw(&query, json!({ "id": id, "input": input })).await
}

async fn update(admin: &Client, id: &Value, input: Value) -> Value {
    data(update_raw(admin, id, input).await)["updateUser"]["user"].clone()
}

async fn set_status(admin: &Client, id: &Value, status: &str) -> Value {
    admin
        .raw(
            "mutation($id: ID!, $status: UserStatus!) { setUserStatus(id: $id, status: $status) { user { status } } }",
            json!({ "id": id, "status": status }),
        )
        .await
}

async fn delete(admin: &Client, id: &Value) -> Value {
    admin
        .raw(
            "mutation($id: ID!) { deleteUser(id: $id) { deletedId } }",
            json!({ "id": id }),
        )
        .await
}

fn global(id: PersonId) -> Value {
    json!(format!("usr_{}", id.0.simple()))
}

async fn me(client: &Client) -> Value {
    let query = format!("{{ viewer {{ {USER} }} }}");
    client.query(&query, json!({})).await["viewer"].clone()
}

async fn rows(world: &World, sql: &str, values: Vec<sea_orm::Value>) -> Vec<QueryResult> {
    let db = world.service.db.reader();
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    db.query_all_raw(statement).await.unwrap()
}

async fn login_raw(stranger: &Client, email: &str, password: &str) -> Value {
    stranger
        .raw(
            "mutation($email: String!, $password: String!) { login(email: $email, password: $password) { \
             accessToken refreshToken user { id } } }",
            json!({ "email": email, "password": password }),
        )
        .await
}

async fn works(client: &Client) -> bool {
    let answer = client.raw("{ viewer { id } }", json!({})).await;
    answer["data"]["viewer"]["id"].is_string()
}
