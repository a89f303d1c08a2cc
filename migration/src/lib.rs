//! The schema of the database, one migration after another. Never imports `entity`: a migration
//! must go on meaning what it meant when it was written.

mod accounts;
mod erasures;
mod first;
mod queues;
mod recognition;
mod roll;
mod sql;

use sea_orm_migration::prelude::*;

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
        ]
    }
}

pub use sea_orm_migration::MigratorTrait;
