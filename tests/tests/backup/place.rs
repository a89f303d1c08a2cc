//! An installation of its own: a data folder, and the command line over it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use sea_orm::{ConnectionTrait, Statement};
use service::db::Db;
use tempfile::TempDir;
use tests::process::{Process, command};
use tests::world::PASSWORD;

pub const EMAIL: &str = "zoe.zebra@example.org";

pub struct Place {
    folder: TempDir,
    process: Option<Process>,
    pub settings: Vec<(String, String)>,
}

impl Place {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data").display().to_string();
        let settings = [
            ("MUSTER_DATA_DIR", data.as_str()),
            ("MUSTER_TEST_VISION", "fake"),
            ("MUSTER_UPLOADS_PER_MINUTE", "1000000"),
            ("MUSTER_LOG", "warn"),
        ];
        let backups = folder.path().join("backups");
        std::fs::create_dir(&backups).unwrap();
        Self {
            settings: settings
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            folder,
            process: None,
        }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder for archives.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("backups")
    }

    pub fn secret_file(&self) -> PathBuf {
        self.data().join("secret.key")
    }

    fn settings(&self) -> Vec<(&str, &str)> {
        self.settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect()
    }

    pub async fn start(&mut self) {
        self.process = Some(Process::start("up", &self.settings()).await);
    }

    pub fn base(&self) -> &str {
        &self.process.as_ref().unwrap().base
    }

    /// `muster …`: what it answered; or its exit code and what it complained of.
    pub fn muster(&self, words: &[&str]) -> Result<String, (i32, String)> {
        self.muster_with(words, "")
    }

    fn muster_with(&self, words: &[&str], input: &str) -> Result<String, (i32, String)> {
        let mut child = command(words, &self.settings())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads nothing may have ended.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let ended = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if ended.status.success() {
            Ok(text(ended.stdout))
        } else {
            Err((ended.status.code().unwrap(), text(ended.stderr)))
        }
    }

    pub fn found(&self) {
        let words = [
            "admin",
            "create",
            "--organization",
            "Zoo",
            "--name",
            "Zoe",
            "--email",
            EMAIL,
            "--password-stdin",
        ];
        self.muster_with(&words, PASSWORD).unwrap();
    }

    /// The objects that its database names.
    pub async fn keys(&self) -> Vec<String> {
        let db = open(&self.data().join("muster.db")).await;
        let keys = keys(&db).await;
        db.close().await.unwrap();
        keys
    }
}

pub async fn open(file: &Path) -> Db {
    Db::connect(&format!("sqlite://{}", file.display())).await.unwrap()
}

pub async fn keys(db: &Db) -> Vec<String> {
    let sql = "SELECT media_key AS k FROM photo WHERE media_key IS NOT NULL \
         UNION SELECT crop_key FROM face WHERE crop_key IS NOT NULL \
         UNION SELECT crop_key FROM face_template WHERE crop_key IS NOT NULL \
         UNION SELECT media_key FROM export WHERE media_key IS NOT NULL";
    let statement = Statement::from_string(db.reader().get_database_backend(), sql);
    let rows = db.reader().query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| row.try_get("", "k").unwrap()).collect()
}
