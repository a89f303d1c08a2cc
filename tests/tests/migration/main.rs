//! From the schema before to this one: every row stays as it was, while others write, and servers of the
//! version before go on.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod catalog;
mod fill;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use catalog::{Catalog, Column};
use fill::Filler;
use migration::{CONTRACTS, Migrator, MigratorTrait, Standing};
use sea_orm::{ConnectionTrait, DbErr, Statement};
use service::db::Db;
use tempfile::TempDir;
use tests::postgres::{self, TestDatabase};
use tests::process::command;

/// A database with no schema yet.
struct Empty {
    db: Db,
    url: String,
    _folder: Option<TempDir>,
    _database: Option<TestDatabase>,
}

async fn sqlite() -> Empty {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("muster.db").display());
    Empty {
        db: Db::connect(&url).await.unwrap(),
        url,
        _folder: Some(folder),
        _database: None,
    }
}

async fn postgresql() -> Option<Empty> {
    let Some(server) = postgres::server() else {
        eprintln!("skipped: TEST_DATABASE_URL is not set");
        return None;
    };
    let database = TestDatabase::empty(&server).await;
    Some(Empty {
        db: Db::connect(&database.url).await.unwrap(),
        url: database.url.clone(),
        _folder: None,
        _database: Some(database),
    })
}

fn steps() -> u32 {
    u32::try_from(Migrator::migrations().len()).unwrap()
}

/// All rows of all tables, each as text, column by column.
type Rows = BTreeMap<String, Vec<BTreeMap<String, Option<String>>>>;

async fn rows(db: &Db, catalog: &Catalog) -> Rows {
    let mut all = Rows::new();
    for table in catalog.tables() {
        let columns: Vec<String> = catalog.columns(table).iter().map(Column::as_text).collect();
        let sql = format!("SELECT {} FROM {table}", columns.join(", "));
        let statement = Statement::from_string(db.writer().get_database_backend(), sql);
        let mut found: Vec<_> = db
            .writer()
            .query_all_raw(statement)
            .await
            .unwrap()
            .iter()
            .map(|row| {
                let one = |column: &Column| (column.name.clone(), row.try_get("", &column.name).unwrap());
                catalog.columns(table).iter().map(one).collect::<BTreeMap<_, _>>()
            })
            .collect();
        found.sort();
        all.insert(table.clone(), found);
    }
    all
}

/// What there was, in what there is: the columns that were there, and as many rows.
fn only_old(now: &Rows, before: &Rows) -> Rows {
    let mut old = Rows::new();
    for (table, lines) in before {
        let known: Vec<&String> = lines.first().map(|line| line.keys().collect()).unwrap_or_default();
        let mut kept: Vec<BTreeMap<String, Option<String>>> = now[table]
            .iter()
            .map(|line| {
                let mut line = line.clone();
                line.retain(|column, _| known.contains(&column));
                line
            })
            .collect();
        kept.sort();
        old.insert(table.clone(), kept);
    }
    old
}

/// Every step from the first schema on: rows in every table, of two organizations, before each of them.
async fn keeps(empty: Empty) {
    let db = &empty.db;
    for step in 1..=steps() {
        let earlier = Catalog::of(db).await;
        if step > 1 {
            let mut filler = Filler::new(u64::from(step));
            for _ in 0..2 {
                filler.organization(db, &earlier).await.unwrap();
            }
        }
        let before = rows(db, &earlier).await;
        let name = Migrator::migrations()[step as usize - 1].name().to_owned();
        Migrator::up(db.writer(), Some(1)).await.unwrap();
        let later = Catalog::of(db).await;
        let now = rows(db, &later).await;
        assert_eq!(only_old(&now, &before), before, "{name} changed what was there");
        if step > 1 {
            let full = before.values().all(|lines| lines.len() >= 2);
            assert!(full, "the test has tables without rows");
        }
        if !name.contains(CONTRACTS) {
            only_adds(&name, &earlier, &later);
        }
    }
    assert_eq!(Standing::of(db.writer()).await.unwrap().missing, Vec::<String>::new());
}

/// Servers of the version before go on with what it leaves: a table and a column that they know is there, of the
/// same type, and rows that they insert need no column that they don't know.
fn only_adds(name: &str, earlier: &Catalog, later: &Catalog) {
    for table in earlier.tables() {
        for column in earlier.columns(table) {
            let now = later.columns(table).iter().find(|now| now.name == column.name);
            let now = now.unwrap_or_else(|| panic!("{name} takes {table}.{} away without saying so", column.name));
            assert_eq!(now.kind, column.kind, "{name} changes {table}.{}", column.name);
            assert!(
                column.required || !now.required,
                "{name} narrows {table}.{}",
                column.name
            );
        }
        for column in later.columns(table) {
            let is_new = !earlier.columns(table).iter().any(|old| old.name == column.name);
            assert!(
                !(is_new && column.required),
                "{name}: rows of the version before have no {table}.{}: give it a default, or leave it null",
                column.name
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_stays_on_sqlite() {
    keeps(sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_stays_on_postgresql() {
    if let Some(empty) = postgresql().await {
        keeps(empty).await;
    }
}

/// Writers that know the schema before write while the last steps are taken: all that was said to be written is there.
async fn under_load(empty: Empty) {
    // The schema before housekeeping had tables of its own, and what has come since.
    const BEFORE: u32 = 6;
    let db = empty.db.clone();
    Migrator::up(db.writer(), Some(BEFORE)).await.unwrap();
    let catalog = Arc::new(Catalog::of(&db).await);
    let over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|number| {
            let (db, catalog, over) = (db.clone(), catalog.clone(), over.clone());
            tokio::spawn(async move {
                let mut filler = Filler::new(1000 + number);
                let mut written = 0;
                while !over.load(Ordering::Relaxed) || written < 5 {
                    // Nothing was begun where no connection was free, on SQLite's one: tried again.
                    match filler.organization(&db, &catalog).await {
                        Err(DbErr::ConnectionAcquire(_)) => {}
                        other => {
                            other.unwrap();
                            written += 1;
                        }
                    }
                }
                written
            })
        })
        .collect();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    // As `muster migrate` does: what was cut off begins anew.
    let mut tries = 0;
    while let Err(error) = Migrator::up(db.writer(), None).await {
        tries += 1;
        assert!(tries < 20, "{error}");
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    over.store(true, Ordering::Relaxed);
    let mut written = 0;
    for writer in writers {
        written += writer.await.unwrap();
    }
    println!("organizations written with all their rows while the schema changed: {written}");
    for (table, lines) in rows(&db, &catalog).await {
        assert!(lines.len() >= written, "{table}: {} of {written}", lines.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn others_write_meanwhile_on_sqlite() {
    under_load(sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_write_meanwhile_on_postgresql() {
    if let Some(empty) = postgresql().await {
        under_load(empty).await;
    }
}

/// A program that finds migrations of a newer one goes on, unless one of them took something away.
async fn older_program(empty: Empty) {
    Migrator::up(empty.db.writer(), None).await.unwrap();
    let migrate = || {
        let settings = [
            ("DATABASE_URL", empty.url.as_str()),
            ("MUSTER_SECRET_KEY", tests::world::SECRET),
        ];
        command(&["migrate"], &settings).output().unwrap()
    };
    let newer = |name: &'static str| {
        let db = empty.db.writer();
        async move {
            let sql = format!("INSERT INTO seaql_migrations (version, applied_at) VALUES ('{name}', 0)");
            db.execute_unprepared(&sql).await.unwrap();
        }
    };
    newer("m20990101_000001_more").await;
    let said = migrate();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    assert!(String::from_utf8_lossy(&said.stdout).contains("migrations applied: 0"));
    newer("m20990101_000002_contract_less").await;
    let said = migrate();
    assert_eq!(said.status.code(), Some(1));
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("of a version that this one cannot work with"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_program_goes_on_where_it_can_on_sqlite() {
    older_program(sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_program_goes_on_where_it_can_on_postgresql() {
    if let Some(empty) = postgresql().await {
        older_program(empty).await;
    }
}
