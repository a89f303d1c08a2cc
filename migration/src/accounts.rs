//! Departments, invitations, codes, the mail that waits, settings by embedder, feedback, and what
//! is to be erased from the media store.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(Debug)]
pub struct Accounts;

impl MigrationName for Accounts {
    fn name(&self) -> &'static str {
        "m20261121_000002_accounts"
    }
}

/// A department is of the same organization. `SQLite` adds no composite reference to a table that
/// is there, so a trigger stands in for it.
fn same_organization(backend: DbBackend, table: &str) -> Vec<String> {
    match backend {
        DbBackend::Postgres => vec![format!(
            "ALTER TABLE {table} ADD CONSTRAINT {table}_department FOREIGN KEY (organization_id, department_id) \
             REFERENCES department (organization_id, id)"
        )],
        _ => ["INSERT", "UPDATE"]
            .map(|change| {
                format!(
                    "CREATE TRIGGER {table}_department_{} BEFORE {change} ON {table} \
                     WHEN NEW.department_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM department d \
                     WHERE d.id = NEW.department_id AND d.organization_id = NEW.organization_id) \
                     BEGIN SELECT RAISE(ABORT, 'FOREIGN KEY constraint failed'); END",
                    change.to_lowercase()
                )
            })
            .into(),
    }
}

#[async_trait::async_trait]
#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait counts a written one otherwise than the trait does"
)]
impl MigrationTrait for Accounts {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, include_str!("accounts.sql")).await?;
        for table in ["person", "class"] {
            for statement in same_organization(manager.get_database_backend(), table) {
                manager.get_connection().execute_unprepared(&statement).await?;
            }
        }
        Ok(())
    }
}
