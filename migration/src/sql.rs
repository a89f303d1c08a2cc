//! Schemas written as SQL: composite references, partial indexes and collations read better there
//! than through a builder, and one text serves both databases.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

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

/// Runs a text of statements that end with `;`, with its types in the database's own words.
pub(crate) async fn run(manager: &SchemaManager<'_>, text: &str) -> Result<(), DbErr> {
    let mut sql: String = text
        .lines()
        .filter(|line| !line.starts_with("--"))
        .collect::<Vec<_>>()
        .join("\n");
    for (word, own) in dialect(manager.get_database_backend()) {
        sql = sql.replace(word, own);
    }
    for statement in sql.split(';').map(str::trim).filter(|s| !s.is_empty()) {
        manager.get_connection().execute_unprepared(statement).await?;
    }
    Ok(())
}
