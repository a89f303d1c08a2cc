//! What housekeeping goes by.

use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub struct Chores;

impl MigrationName for Chores {
    fn name(&self) -> &'static str {
        "m20261121_000007_chores"
    }
}

#[async_trait::async_trait]
#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait counts a written one otherwise than the trait does"
)]
impl MigrationTrait for Chores {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, include_str!("chores.sql")).await
    }
}
