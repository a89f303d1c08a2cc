//! `PostgreSQL` for tests: a fresh database on the server of `TEST_DATABASE_URL`, dropped at the end; and a server of
//! their own for those that stop it.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, Database};
use service::db::Db;
use tempfile::TempDir;

use crate::process::free_port;

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
        let database = Self::empty(server).await;
        let db = Db::connect(&database.url).await.unwrap();
        Migrator::up(db.writer(), None).await.unwrap();
        database
    }

    /// A database without any schema.
    pub async fn empty(server: &str) -> Self {
        let name = format!("muster_test_{}", uuid::Uuid::new_v4().simple());
        let admin = Database::connect(server).await.expect("TEST_DATABASE_URL answers");
        admin
            .execute_unprepared(&format!("CREATE DATABASE {name}"))
            .await
            .unwrap();
        admin.close().await.unwrap();
        let (base, _) = server.rsplit_once('/').expect("a url with a database");
        Self {
            url: format!("{base}/{name}"),
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

/// A `PostgreSQL` of the test's own, to be stopped and started as it likes.
#[derive(Debug)]
pub struct OwnPostgres {
    port: u16,
    /// Of its programs.
    programs: PathBuf,
    folder: TempDir,
}

impl OwnPostgres {
    /// None where it is not installed, unless `MUSTER_REQUIRE_SERVERS` is 1.
    pub async fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            let required = std::env::var("MUSTER_REQUIRE_SERVERS").is_ok_and(|value| value == "1");
            assert!(
                !required,
                "PostgreSQL's initdb is not installed, but servers are required"
            );
            eprintln!("skipped: PostgreSQL's initdb is not installed");
            return None;
        };
        let folder = TempDir::new().unwrap();
        if is_root() {
            // It refuses to run as root, and its own user has to reach the folder.
            std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
            let made = Command::new("install")
                .args(["-d", "-o", "postgres"])
                .arg(folder.path().join("own"))
                .status();
            assert!(made.unwrap().success());
        } else {
            std::fs::create_dir(folder.path().join("own")).unwrap();
        }
        let postgres = Self {
            port: free_port(),
            programs,
            folder,
        };
        tokio::task::spawn_blocking(move || {
            postgres.run("initdb", &["-A", "trust", "-U", "postgres", "-E", "UTF8"]);
            postgres.launch();
            Some(postgres)
        })
        .await
        .unwrap()
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Restarts it: `fast`, with every connection cut off, or `immediate`, as after a crash. Blocks until it answers.
    pub fn restart(&self, how: &str) {
        self.run(
            "pg_ctl",
            &[
                "-l",
                &format!("{}/log", self.own().display()),
                "-m",
                how,
                "-w",
                "restart",
            ],
        );
    }

    /// Ends it, with every connection cut off. Blocks until it has ended.
    pub fn stop(&self) {
        self.run("pg_ctl", &["-m", "fast", "-w", "stop"]);
    }

    /// Starts it again with what it keeps. Blocks until it answers.
    pub fn launch(&self) {
        let own = self.own().display().to_string();
        let options = format!(
            "-p {} -k {own} -c listen_addresses=127.0.0.1 -c max_connections=200",
            self.port
        );
        self.run("pg_ctl", &["-l", &format!("{own}/log"), "-w", "-o", &options, "start"]);
    }

    fn own(&self) -> PathBuf {
        self.folder.path().join("own")
    }

    fn run(&self, program: &str, words: &[&str]) {
        let said = self.folder.path().join("said");
        let ran = self.command(program, words, &said).status().unwrap();
        assert!(ran.success(), "{program}: {}", std::fs::read_to_string(said).unwrap());
    }

    /// A program on the data folder, as the user whom it likes.
    fn command(&self, program: &str, words: &[&str], said: &Path) -> Command {
        let path = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        // Not a pipe: the server that it starts would hold it open.
        let said = File::create(said).unwrap();
        command
            .arg("-D")
            .arg(self.own().join("db"))
            .args(words)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said);
        command
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        let said = self.folder.path().join("said");
        let _ = self
            .command("pg_ctl", &["-m", "immediate", "-w", "stop"], &said)
            .status();
    }
}

/// The folder of initdb and its like: the PATH's, or the newest that the system has beside it.
fn programs() -> Option<PathBuf> {
    let has = |folder: &PathBuf| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file();
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(folder) = std::env::split_paths(&path).find(has) {
        return Some(folder);
    }
    let version = |folder: &PathBuf| -> u32 {
        let name = folder.parent().and_then(|v| v.file_name()?.to_str()?.parse().ok());
        name.unwrap_or_default()
    };
    std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(has)
        .max_by_key(version)
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|out| out.stdout.trim_ascii() == b"0")
}
