//! What queues are administered by.

use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub struct Queues;

impl MigrationName for Queues {
    fn name(&self) -> &'static str {
        "m20261121_000006_queues"
    }
}

#[async_trait::async_trait]
#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait counts a written one otherwise than the trait does"
)]
impl MigrationTrait for Queues {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, include_str!("queues.sql")).await
    }
}
