//! Retention and an erasure let the same pictures go at the same time: one waits for the other, and not both.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DatabaseTransaction, Statement, TransactionTrait};
use serde_json::{Value, json};
use tests::client::{Client, data};
use tests::fake::photo;
use tests::school::{School, now};
use tests::world::{Mode, PASSWORD, Setup, World};

use crate::scan::query;

async fn tell(tx: &DatabaseTransaction, sql: &str, values: Vec<sea_orm::Value>) -> Vec<sea_orm::QueryResult> {
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
    tx.query_all_raw(statement).await.unwrap()
}

/// Asks for this while retention is at the photos: its rows are locked, and nothing is noted yet.
async fn meet(world: &World, client: &Client, ask: &'static str, variables: Value) -> Value {
    let tx = world.service.db.writer().begin().await.unwrap();
    let sql = "SELECT media_key AS k FROM photo WHERE media_key IS NOT NULL FOR NO KEY UPDATE";
    let keys: Vec<String> = tell(&tx, sql, vec![])
        .await
        .iter()
        .map(|row| row.try_get("", "k").unwrap())
        .collect();
    assert_eq!(keys.len(), 1);
    let client = client.anew();
    let asked = tokio::spawn(async move { client.raw(ask, variables).await });
    let waits = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let begun = Instant::now();
    while query(world, waits, vec![]).await.is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20), "nobody waits");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let note = "INSERT INTO discarded (media_key, created_at) VALUES ($1, $2) ON CONFLICT (media_key) DO NOTHING";
    tell(&tx, note, vec![keys[0].clone().into(), now().into()]).await;
    tell(&tx, "UPDATE photo SET media_key = NULL", vec![]).await;
    tx.commit().await.unwrap();
    data(asked.await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_and_erasing_wait_for_each_other_in_turn() {
    let setup = Setup {
        workers: 0,
        ..Setup::new(Mode::Processes)
    };
    let Some(world) = setup.build().await else { return };
    let (_, admin) = world.organization("Here").await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    school.submit(&session, photo(&[])).await;
    let delete = "mutation($id: ID!) { deleteClass(id: $id) { deletedId } }";
    let answer = meet(&world, &admin, delete, json!({ "id": school.class })).await;
    assert_eq!(answer["deleteClass"]["deletedId"], school.class);

    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    school.submit(&session, photo(&[])).await;
    let erase = "mutation($password: String!) { \
         deleteAccount(password: $password, eraseOrganization: true) { erasedPhotos } }";
    let answer = meet(&world, &admin, erase, json!({ "password": PASSWORD })).await;
    assert_eq!(answer["deleteAccount"]["erasedPhotos"], 1);
    assert!(query(&world, "SELECT id FROM photo", vec![]).await.is_empty());
}
