//! On PostgreSQL no statement of the statistics reads the whole table of marks, where another way
//! is possible at all: with sequential scans discouraged, not one is counted.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Database, Statement};
use serde_json::json;
use tests::world::{Mode, PASSWORD, Setup, World};

use crate::{PAGE, questions, seeded};

async fn run(world: &World, sql: &str) {
    world.service.db.writer().execute_unprepared(sql).await.unwrap();
}

/// Scans of all marks that the server has heard of; its processes tell when they go.
async fn scans(world: &World) -> i64 {
    tokio::time::sleep(Duration::from_secs(1)).await;
    let db = world.service.db.reader();
    let sql = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'mark'";
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get("", "seq_scan").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_reads_all_marks() {
    let setup = Setup {
        workers: 0,
        ..Setup::new(Mode::Processes)
    };
    let Some(world) = setup.build().await else { return };
    let (_, email, last) = seeded(&world).await;
    run(
        &world,
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET enable_seqscan = off', current_database()); END $$",
    )
    .await;
    let ask = async |and_all: bool| {
        let before = scans(&world).await;
        let mut api = world.start("api").await;
        let client = tests::client::Client::new(&api.base).login(&email, PASSWORD).await;
        for (_, query, variables) in questions(last) {
            client.query(&query, variables).await;
        }
        client.query(PAGE, json!({ "after": null })).await;
        let student = client
            .query(
                "{ users(filter: { role: STUDENT }, first: 1) { nodes { id } } }",
                json!({}),
            )
            .await;
        let student = &student["users"]["nodes"][0]["id"];
        client
            .query(
                "query($id: ID!, $filter: StatisticsFilter!) { user(id: $id) { statistics { rate } marks { nodes { id } } \
                 sessions(state: MISSED) { nodes { state } } } attendanceSummary(filter: $filter) { rate } \
                 studentStatistics(filter: $filter, first: 50) { nodes { summary { rate } } } }",
                json!({ "id": student, "filter": { "range": { "from": "2026-01-01", "to": last }, "studentId": student } }),
            )
            .await;
        client
            .query(
                "query($range: DateRange!) { departmentStatistics(range: $range) { summary { rate } } }",
                json!({ "range": { "from": "2026-01-01", "to": last } }),
            )
            .await;
        assert!(api.stop().await.success());
        if and_all {
            let all = Statement::from_string(
                sea_orm::DbBackend::Postgres,
                "SELECT count(*) FROM mark WHERE remark = 'x'",
            );
            let (_, url) = world.settings.iter().find(|(name, _)| name == "DATABASE_URL").unwrap();
            let own = Database::connect(url).await.unwrap();
            own.query_all_raw(all).await.unwrap();
            own.close().await.unwrap();
        }
        scans(&world).await - before
    };
    assert_eq!(ask(false).await, 0, "a statement reads all marks");
    // And one that does is seen.
    assert!(ask(true).await > 0, "the server does not count");
}
