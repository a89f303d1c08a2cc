//! `muster up` as a process, with an admin whom the command line made: the embedded default as it is
//! used.

use std::io::Write;
use std::process::Stdio;

use tempfile::TempDir;
use tests::client::Client;
use tests::process::{self, Process};

const EMAIL: &str = "ada@example.org";
const PASSWORD: &str = "correct horse battery";

pub struct Alone {
    pub process: Process,
    settings: Vec<(String, String)>,
    _folder: TempDir,
}

impl Alone {
    /// A new one with these settings besides the usual.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut all = vec![
            ("MUSTER_DATA_DIR".to_owned(), folder.path().display().to_string()),
            ("MUSTER_WORKERS".to_owned(), "1".to_owned()),
            ("MUSTER_LOG".to_owned(), "warn".to_owned()),
        ];
        all.extend(
            settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let settings = all;
        let made = {
            let mut words = vec!["admin", "create", "--organization", "School", "--name", "Ada Admin"];
            words.extend(["--email", EMAIL, "--password-stdin"]);
            let mut command = process::command(&words, &borrowed(&settings));
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
            writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();
            child.wait().unwrap()
        };
        assert!(made.success());
        let process = Process::start("up", &borrowed(&settings)).await;
        Self {
            process,
            settings,
            _folder: folder,
        }
    }

    /// Starts again what has ended, on the same data, with these settings changed.
    pub async fn start_again(&mut self, changed: &[(&str, &str)]) {
        self.settings.extend(
            changed
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        self.process = Process::start("up", &borrowed(&self.settings)).await;
    }

    pub async fn admin(&self) -> Client {
        Client::new(&self.process.base).login(EMAIL, PASSWORD).await
    }
}

/// Of two settings with one name the later counts.
fn borrowed(settings: &[(String, String)]) -> Vec<(&str, &str)> {
    settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}
