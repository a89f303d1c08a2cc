//! An installation as its operator has it: settings, processes to start and stop, a command line.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Output, Stdio};

use tempfile::TempDir;
use tests::process::{Process, command};
use tests::world::{Mode, PASSWORD, Setup, World};

pub const EMAIL: &str = "zoe.zebra@example.org";

pub struct Site {
    pub settings: Vec<(String, String)>,
    roles: &'static [&'static str],
    pub processes: Vec<Process>,
    folder: TempDir,
    /// Keeps the database.
    _world: Option<World>,
}

/// How a command ended.
pub struct Ended(Output);

impl Ended {
    /// What it answered, where it did what it should.
    pub fn ok(self) -> String {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        assert!(self.0.status.success(), "{}", text(self.0.stderr));
        text(self.0.stdout)
    }

    /// What it answered and what it complained of, where it ended so.
    pub fn both(self, code: i32) -> (String, String) {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(self.0.stdout), text(self.0.stderr));
        assert_eq!(self.0.status.code(), Some(code), "{out}{err}");
        (out, err)
    }

    /// What it complained of, where it ended so.
    pub fn failed(self, code: i32) -> String {
        assert_eq!(self.0.status.code(), Some(code));
        assert!(self.0.stdout.is_empty(), "{}", String::from_utf8_lossy(&self.0.stdout));
        String::from_utf8(self.0.stderr).unwrap()
    }
}

impl Site {
    /// Everything in one process, the secret in the data folder.
    pub fn embedded() -> Self {
        let folder = TempDir::new().unwrap();
        let settings = [
            ("MUSTER_DATA_DIR", folder.path().display().to_string()),
            ("MUSTER_TEST_VISION", "fake".to_owned()),
            ("MUSTER_LOG", "warn".to_owned()),
        ];
        Self {
            settings: settings.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            roles: &["up"],
            processes: Vec::new(),
            folder,
            _world: None,
        }
    }

    /// One process a role, the secret from the environment.
    pub async fn many() -> Option<Self> {
        let setup = Setup {
            apis: 0,
            workers: 0,
            ..Setup::new(Mode::Processes)
        };
        let world = setup.build().await?;
        let mut site = Self {
            settings: world.settings.clone(),
            roles: &["api", "worker"],
            processes: Vec::new(),
            folder: TempDir::new().unwrap(),
            _world: Some(world),
        };
        // The tests' own has a comma.
        site.set("MUSTER_SECRET_KEY", Some(&"7".repeat(64)));
        Some(site)
    }

    fn settings(&self) -> Vec<(&str, &str)> {
        self.settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect()
    }

    pub fn set(&mut self, name: &str, value: Option<&str>) {
        self.settings.retain(|(known, _)| known != name);
        if let Some(value) = value {
            self.settings.push((name.to_owned(), value.to_owned()));
        }
    }

    pub async fn start(&mut self) {
        for role in self.roles {
            let process = Process::start(role, &self.settings()).await;
            self.processes.push(process);
        }
    }

    pub async fn restart(&mut self) {
        for mut process in self.processes.drain(..) {
            assert!(process.stop().await.success());
        }
        self.start().await;
    }

    /// Where the API is; a restart moves it.
    pub fn base(&self) -> &str {
        &self.processes[0].base
    }

    /// The data folder.
    pub fn folder(&self) -> PathBuf {
        let (_, folder) = self
            .settings
            .iter()
            .find(|(name, _)| name == "MUSTER_DATA_DIR")
            .unwrap();
        folder.into()
    }

    /// Where the secret is kept, on the embedded default.
    pub fn secret_file(&self) -> PathBuf {
        self.folder.path().join("secret.key")
    }

    /// `muster admin …` with this on its standard input.
    pub fn admin(&self, words: &[&str], input: &str) -> Ended {
        self.muster(&[&["admin"], words].concat(), input)
    }

    /// `muster …`, to be ended by the test.
    pub fn begin(&self, words: &[&str]) -> Child {
        command(words, &self.settings())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// `muster …` with this on its standard input.
    pub fn muster(&self, words: &[&str], input: &str) -> Ended {
        let mut child = command(words, &self.settings())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads nothing may have ended.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Ended(child.wait_with_output().unwrap())
    }

    pub fn found(&self) {
        let words = [
            "create",
            "--organization",
            "Zoo",
            "--name",
            "Zoe Zebra",
            "--email",
            EMAIL,
            "--password-stdin",
        ];
        self.admin(&words, PASSWORD).ok();
    }
}
