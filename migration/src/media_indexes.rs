//! By what housekeeping finds the objects of the media store: by age within an organization, and by key.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(Debug)]
pub struct MediaIndexes;

impl MigrationName for MediaIndexes {
    fn name(&self) -> &'static str {
        "m20261121_000008_media_indexes"
    }
}

/// Only rows that have an object: retention takes it from most of them.
const INDEXES: [(&str, &str, &str, &str); 5] = [
    ("photo_by_age", "photo", "organization_id, submitted_at", "media_key"),
    ("face_by_age", "face", "organization_id, created_at", "crop_key"),
    ("photo_by_key", "photo", "media_key", "media_key"),
    ("face_by_key", "face", "crop_key", "crop_key"),
    ("face_template_by_key", "face_template", "crop_key", "crop_key"),
];

#[async_trait::async_trait]
#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait counts a written one otherwise than the trait does"
)]
impl MigrationTrait for MediaIndexes {
    /// `PostgreSQL` makes an index beside writers outside a transaction alone.
    fn use_transaction(&self) -> Option<bool> {
        Some(false)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let concurrently = match manager.get_database_backend() {
            DbBackend::Postgres => "CONCURRENTLY",
            _ => "",
        };
        let db = manager.get_connection();
        for (name, table, columns, key) in INDEXES {
            // One that was cut off half-made is there and serves nobody: it is made anew.
            db.execute_unprepared(&format!("DROP INDEX {concurrently} IF EXISTS {name}"))
                .await?;
            db.execute_unprepared(&format!(
                "CREATE INDEX {concurrently} {name} ON {table} ({columns}) WHERE {key} IS NOT NULL"
            ))
            .await?;
        }
        Ok(())
    }
}
