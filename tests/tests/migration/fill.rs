//! Rows for every table of a schema that the test doesn't know: an organization with one row of everything, whose
//! references hold.

use std::collections::BTreeMap;

use chrono::{TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbErr, Statement, TransactionTrait, Value};
use service::db::Db;
use tests::school::now;
use uuid::Uuid;

use crate::catalog::{Catalog, Column};

pub struct Filler {
    seed: u64,
    rows: u64,
}

/// The row of a table, column by column.
type Row = BTreeMap<String, Value>;

/// The words that columns hold which are read as one of a few, and not as any text.
fn word(column: &str, row: u64) -> Option<String> {
    let words: &[&str] = match column {
        "timezone" => &["Europe/Madrid"],
        "role" => &["STUDENT"],
        "status" => &["ACTIVE"],
        "state" => &["OPEN"],
        "decision" => &["MATCHED"],
        "source" => &["RECOGNITION"],
        _ => return None,
    };
    Some(words[usize::try_from(row).unwrap() % words.len()].to_owned())
}

impl Filler {
    /// What two of another seed write is never the same.
    pub fn new(seed: u64) -> Self {
        Self { seed, rows: 0 }
    }

    /// A row in each table, in one transaction; an error where no connection became free for it.
    pub async fn organization(&mut self, db: &Db, catalog: &Catalog) -> Result<(), DbErr> {
        let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
        let tx = db.writer().begin().await?;
        for table in catalog.in_order() {
            self.rows += 1;
            let mut row = Row::new();
            for column in catalog.columns(table) {
                row.insert(column.name.clone(), self.value(column));
            }
            for reference in catalog.references(table) {
                for (here, there) in &reference.columns {
                    let value = rows.get(reference.to.as_str()).map(|row| row[there].clone());
                    // What is behind it in the order is null.
                    let null = || none(catalog.columns(table).iter().find(|c| c.name == *here).unwrap());
                    if here != "organization_id" || value.is_some() {
                        row.insert(here.clone(), value.unwrap_or_else(null));
                    }
                }
            }
            let names: Vec<&str> = row.keys().map(String::as_str).collect();
            let places: Vec<String> = (1..=row.len()).map(|n| format!("${n}")).collect();
            let sql = format!(
                "INSERT INTO {table} ({}) VALUES ({})",
                names.join(", "),
                places.join(", ")
            );
            let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, row.values().cloned());
            tx.execute_raw(statement)
                .await
                .unwrap_or_else(|error| panic!("{table}: {error}"));
            rows.insert(table, row);
        }
        tx.commit().await.unwrap();
        Ok(())
    }

    fn value(&self, column: &Column) -> Value {
        let number = self.seed * 1_000_000 + self.rows;
        let name = column.name.as_str();
        let instant = now() - TimeDelta::days(i64::try_from(number % 300).unwrap());
        match kind(column) {
            Kind::Uuid => Uuid::new_v4().into(),
            // Intervals end after they begin.
            Kind::Instant if name == "left_at" => (instant + TimeDelta::days(400)).into(),
            Kind::Instant => instant.into(),
            Kind::Bytes => number.to_be_bytes().to_vec().into(),
            Kind::Json => serde_json::json!({ "number": number, "ö": [true, null] }).into(),
            Kind::Number => i32::try_from(number % 1000).unwrap().into(),
            Kind::Large => i64::try_from(number).unwrap().into(),
            Kind::Fraction => 0.125_f64.into(),
            Kind::Flag => number.is_multiple_of(2).into(),
            Kind::Text => word(name, self.rows)
                .unwrap_or_else(|| format!("Zoë's {name} {number}"))
                .into(),
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Uuid,
    Instant,
    Bytes,
    Json,
    Number,
    Large,
    Fraction,
    Flag,
    Text,
}

fn kind(column: &Column) -> Kind {
    let name = column.name.as_str();
    let (is_instant, is_json) = (
        name == "at" || name == "until" || name.ends_with("_at") || name == "lease_until",
        ["payload", "timings", "quality", "candidates", "rejections", "answer"].contains(&name),
    );
    match column.kind.as_str() {
        "uuid" => Kind::Uuid,
        "timestamp with time zone" => Kind::Instant,
        "jsonb" => Kind::Json,
        "bigint" => Kind::Large,
        "integer" => Kind::Number,
        "double precision" | "real" => Kind::Fraction,
        "boolean" => Kind::Flag,
        // SQLite keeps ids as bytes, instants and JSON as text.
        "blob"
            if name == "id" || name == "holder" || name == "run" || name.ends_with("_id") || name.ends_with("_by") =>
        {
            Kind::Uuid
        }
        "bytea" | "blob" => Kind::Bytes,
        "text" if is_instant => Kind::Instant,
        "text" if is_json => Kind::Json,
        "text" => Kind::Text,
        other => panic!("a column of type {other}: {name}"),
    }
}

fn none(column: &Column) -> Value {
    match kind(column) {
        Kind::Uuid => None::<Uuid>.into(),
        Kind::Instant => None::<chrono::DateTime<Utc>>.into(),
        Kind::Bytes => None::<Vec<u8>>.into(),
        Kind::Json => None::<serde_json::Value>.into(),
        Kind::Number => None::<i32>.into(),
        Kind::Large => None::<i64>.into(),
        Kind::Fraction => None::<f64>.into(),
        Kind::Flag => None::<bool>.into(),
        Kind::Text => None::<String>.into(),
    }
}
