//! The schema of the database, one migration after another. Never imports `entity`: a migration
//! must go on meaning what it meant when it was written.

mod accounts;
mod chores;
mod erasures;
mod first;
mod installation;
mod media_indexes;
mod queues;
mod recognition;
mod roll;
mod sql;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::ConnectionTrait;

#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(first::First),
            Box::new(accounts::Accounts),
            Box::new(roll::Roll),
            Box::new(erasures::Erasures),
            Box::new(recognition::Recognition),
            Box::new(queues::Queues),
            Box::new(chores::Chores),
            Box::new(media_indexes::MediaIndexes),
            Box::new(installation::Installation),
        ]
    }
}

pub use sea_orm_migration::MigratorTrait;

/// What a database has behind it, compared with what this program knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// In their order.
    pub applied: Vec<String>,
    /// Known and not applied.
    pub missing: Vec<String>,
    /// Applied, and not known: by a newer program.
    pub unknown: Vec<String>,
}

impl Standing {
    pub async fn of(db: &impl ConnectionTrait) -> Result<Self, DbErr> {
        let rows = Migrator::get_migration_models(db).await?;
        Ok(Self::between(rows.into_iter().map(|row| row.version).collect()))
    }

    /// `applied`: the names of the migrations that a database has behind it.
    pub fn between(applied: Vec<String>) -> Self {
        let known: Vec<String> = Migrator::migrations().iter().map(|m| m.name().to_owned()).collect();
        let without = |these: &[String], those: &[String]| -> Vec<String> {
            these.iter().filter(|name| !those.contains(name)).cloned().collect()
        };
        Self {
            missing: without(&known, &applied),
            unknown: without(&applied, &known),
            applied,
        }
    }

    /// Whether a newer program took something away that this one needs: its migrations that only add leave this
    /// one working, and one that takes away says so in its name.
    pub fn is_out_of_reach(&self) -> bool {
        self.unknown.iter().any(|name| name.contains(CONTRACTS))
    }
}

/// Stands in the name of each migration that drops, renames or narrows what the version before it used.
pub const CONTRACTS: &str = "_contract_";
