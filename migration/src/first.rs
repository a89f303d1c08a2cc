//! The first schema: organizations, people, classes, sessions, jobs, photos, marks.

use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub struct First;

impl MigrationName for First {
    fn name(&self) -> &'static str {
        "m20261121_000001_first"
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
        crate::sql::run(manager, include_str!("first.sql")).await
    }
}
