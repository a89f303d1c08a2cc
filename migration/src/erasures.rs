//! By what reports know that somebody was erased while they were made.

use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub struct Erasures;

impl MigrationName for Erasures {
    fn name(&self) -> &'static str {
        "m20261121_000004_erasures"
    }
}

#[async_trait::async_trait]
#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait counts a written one otherwise than the trait does"
)]
impl MigrationTrait for Erasures {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, include_str!("erasures.sql")).await
    }
}
