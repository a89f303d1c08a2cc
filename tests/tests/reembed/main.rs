//! A new embedder beside the old: the marks are right before, after and on the way back, and nobody who
//! was enrolled meanwhile is lost.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod forth;
mod killed;
mod nothing;
mod steps;

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, QueryResult, Statement, Value as Bound};
use serde_json::{Value, json};
use service::organizations;
use service::recognition::Embedder;
use tests::client::Client;
use tests::fake::{Colour, photo};
use tests::school::{School, ended};
use tests::world::World;
use uuid::Uuid;

const OLD: &str = "fake";
const NEW: &str = "fake-2";

/// The row's id in an id of the API.
fn uuid(id: &str) -> Uuid {
    let (_, uuid) = id.split_once('_').unwrap();
    Uuid::parse_str(uuid).unwrap()
}

async fn query(world: &World, sql: &str, values: Vec<Bound>) -> Vec<QueryResult> {
    let db = world.service.db.writer();
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    db.query_all_raw(statement).await.unwrap()
}

async fn run(world: &World, sql: &str, values: Vec<Bound>) {
    let db = world.service.db.writer();
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    db.execute_raw(statement).await.unwrap();
}

/// How many templates of an embedder have numbers, and how many there are.
async fn templates(world: &World, model: &str) -> (i64, i64) {
    let sql = "SELECT COUNT(embedding) AS sealed, COUNT(*) AS n FROM face_template WHERE model = $1";
    let row = query(world, sql, vec![model.into()]).await.remove(0);
    (row.try_get("", "sealed").unwrap(), row.try_get("", "n").unwrap())
}

/// The crops of a student's photos under the old embedder, in the order of the photos.
async fn crops(world: &World, student: &str) -> Vec<String> {
    let sql = "SELECT crop_key FROM face_template WHERE person_id = $1 AND model = $2 ORDER BY photo_index";
    let rows = query(world, sql, vec![uuid(student).into(), OLD.into()]).await;
    rows.iter().map(|row| row.try_get("", "crop_key").unwrap()).collect()
}

/// Puts other pixels in a crop's place.
async fn overwrite(world: &World, crop: &str, pixels: &[Colour]) {
    world.service.media.put(crop, photo(pixels)).await.unwrap();
}

/// A worker says that it runs with this embedder now.
async fn announce(world: &World, model: &str) {
    let embedder = Embedder {
        name: model.into(),
        match_threshold: 0.9,
        review_threshold: 0.8,
    };
    organizations::announce_embedder(&world.service, &embedder)
        .await
        .unwrap();
}

/// Has every worker go, and one come that was started with this embedder.
async fn restart_with(world: &mut World, model: &str) {
    world.dismiss().await;
    world.hire_with(model).await;
    let begun = Instant::now();
    loop {
        let last = query(world, "SELECT name FROM embedder ORDER BY seen_at DESC LIMIT 1", vec![]).await;
        if last[0].try_get::<String>("", "name").unwrap() == model {
            return;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "no worker has started");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Asks for the re-embedding and answers the job's id.
async fn reembed(admin: &Client) -> String {
    let asked = admin
        .query("mutation { reembedGallery { job { id } } }", json!({}))
        .await;
    asked["reembedGallery"]["job"]["id"].as_str().unwrap().to_owned()
}

async fn switch(admin: &Client, model: &str) -> Value {
    admin
        .raw(
            "mutation($model: String!) { switchGallery(model: $model) { organization { id } } }",
            json!({ "model": model }),
        )
        .await
}

/// The embedders, statuses and rejections of somebody's templates, and whether they are enrolled.
async fn enrolled(admin: &Client, student: &str) -> (Vec<(String, String, Value)>, bool) {
    let found = admin
        .query(
            "query($id: ID!) { user(id: $id) { enrolled faceTemplates { model status rejections } } }",
            json!({ "id": student }),
        )
        .await;
    let text = |of: &Value| of.as_str().unwrap().to_owned();
    let templates = found["user"]["faceTemplates"].as_array().unwrap();
    let templates = templates
        .iter()
        .map(|t| (text(&t["model"]), text(&t["status"]), t["rejections"].clone()))
        .collect();
    (templates, found["user"]["enrolled"].as_bool().unwrap())
}

/// The embedder that all of somebody's templates are of, each accepted.
async fn model_of(admin: &Client, student: &str) -> String {
    let (templates, enrolled) = enrolled(admin, student).await;
    assert!(enrolled);
    let model = templates[0].0.clone();
    for template in &templates {
        assert_eq!(template, &(model.clone(), "ACCEPTED".into(), json!([])));
    }
    model
}

/// Who is marked by a photo of these, in a session of its own.
async fn marked(school: &School, people: &[Colour]) -> Vec<String> {
    let session = school.open_session().await;
    let job = ended(&school.teacher, &school.submit(&session, photo(people)).await).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    school.marked(&session, "PRESENT").await
}

fn reason(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["reason"]
        .as_str()
        .unwrap_or_else(|| panic!("no reason in {answer:#}"))
}
