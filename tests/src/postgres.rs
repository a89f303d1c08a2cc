//! A fresh database on the server of `TEST_DATABASE_URL`, dropped at the end.

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, Database};
use service::db::Db;

/// The server's address, where the environment names one.
pub fn server() -> Option<String> {
    std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty())
}

#[derive(Debug)]
pub struct TestDatabase {
    pub url: String,
    server: String,
    name: String,
}

impl TestDatabase {
    /// An empty database with the current schema.
    pub async fn create(server: &str) -> Self {
        let name = format!("muster_test_{}", uuid::Uuid::new_v4().simple());
        let admin = Database::connect(server).await.expect("TEST_DATABASE_URL answers");
        admin
            .execute_unprepared(&format!("CREATE DATABASE {name}"))
            .await
            .unwrap();
        admin.close().await.unwrap();
        let (base, _) = server.rsplit_once('/').expect("a url with a database");
        let url = format!("{base}/{name}");
        let db = Db::connect(&url).await.unwrap();
        Migrator::up(db.writer(), None).await.unwrap();
        Self {
            url,
            server: server.to_owned(),
            name,
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A runtime of its own: the test's may be ending.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                if let Ok(admin) = Database::connect(&server).await {
                    let _ = admin
                        .execute_unprepared(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
                        .await;
                }
            });
        });
        let _ = dropped.join();
    }
}
