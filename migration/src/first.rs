//! The first schema. Written as SQL: composite references, partial indexes and collations read
//! better there than through a builder, and one text serves both databases.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(Debug)]
pub struct First;

impl MigrationName for First {
    fn name(&self) -> &'static str {
        "m20261121_000001_first"
    }
}

/// The types of the SQL text in the words of each database, longest names first.
fn dialect(backend: DbBackend) -> &'static [(&'static str, &'static str)] {
    match backend {
        DbBackend::Postgres => &[
            (" JSONTEXT", " JSONB"),
            (" INSTANT", " TIMESTAMPTZ"),
            (" DOUBLE", " DOUBLE PRECISION"),
            (" BYTES", " BYTEA"),
            (" NAMES", " COLLATE \"C\""),
        ],
        _ => &[
            (" JSONTEXT", " TEXT"),
            (" INSTANT", " TEXT"),
            (" DOUBLE", " REAL"),
            (" BYTES", " BLOB"),
            (" UUID", " BLOB"),
            (" NAMES", ""),
        ],
    }
}

#[async_trait::async_trait]
#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait counts a written one otherwise than the trait does"
)]
impl MigrationTrait for First {
    /// All or nothing, on both databases: what is cut off begins anew.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let mut sql: String = include_str!("first.sql")
            .lines()
            .filter(|line| !line.starts_with("--"))
            .collect::<Vec<_>>()
            .join("\n");
        for (word, own) in dialect(manager.get_database_backend()) {
            sql = sql.replace(word, own);
        }
        for statement in sql.split(';').map(str::trim).filter(|s| !s.is_empty()) {
            connection.execute_unprepared(statement).await?;
        }
        Ok(())
    }
}
