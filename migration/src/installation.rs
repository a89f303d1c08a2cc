//! By what a media store is known to be this database's own.

use sea_orm_migration::prelude::*;

#[derive(Debug)]
pub struct Installation;

impl MigrationName for Installation {
    fn name(&self) -> &'static str {
        "m20261121_000009_installation"
    }
}

#[async_trait::async_trait]
#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait counts a written one otherwise than the trait does"
)]
impl MigrationTrait for Installation {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, include_str!("installation.sql")).await
    }
}
