//! Muster as a process of its own.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Long enough for two busy cores to start a debug build.
const STARTS: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub struct Process {
    child: Option<Child>,
    pub base: String,
}

/// The program under test, which cargo built beside this program, or above it where this is a test.
pub fn program() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let mut places = exe
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("muster-under-test"));
    let program = places.find(|place| place.is_file());
    program.unwrap_or_else(|| {
        panic!(
            "muster-under-test is not built beside {}: cargo build -p tests --bins",
            exe.display()
        )
    })
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The program with a clean environment, so that the developer's own settings change nothing.
pub fn command(words: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program());
    command.args(words).env_clear().stdin(Stdio::null());
    for name in [
        "PATH",
        "HOME",
        "SSL_CERT_FILE",
        "PIP_INDEX_URL",
        "PIP_FIND_LINKS",
        "PIP_CERT",
        "RUST_BACKTRACE",
    ] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(settings.iter().copied());
    command
}

/// Has a process give way to others, as one does that was started by `nice`.
pub fn give_way(process: u32) {
    let mut command = Command::new("renice");
    command
        .args(["-n", "10", "-p", &process.to_string()])
        .stdout(Stdio::null());
    assert!(command.status().unwrap().success());
}

/// The environment variables that the program's help names.
pub fn variables() -> BTreeSet<String> {
    let help = command(&["--help"], &[]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let words = help.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let variables = words.filter(|word| word.contains('_') && !word.contains(|c: char| c.is_ascii_lowercase()));
    variables.map(str::to_owned).collect()
}

impl Process {
    /// Starts a role and, where it serves, waits until it is ready.
    pub async fn start(role: &str, settings: &[(&str, &str)]) -> Self {
        let mut command = command(&[role], settings);
        if std::env::var_os("MUSTER_TEST_LOGS").is_none() {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        }
        Self::launch(role, command, None).await
    }

    /// The same where it is to serve at this address, as one that died did.
    pub async fn start_at(base: &str, role: &str, settings: &[(&str, &str)]) -> Self {
        let mut command = command(&[role], settings);
        if std::env::var_os("MUSTER_TEST_LOGS").is_none() {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        }
        Self::launch(role, command, base.strip_prefix("http://")).await
    }

    /// The same with all that it says in a file.
    pub async fn start_logged(role: &str, settings: &[(&str, &str)], log: &Path) -> Self {
        let file = File::create(log).unwrap();
        let mut command = command(&[role], settings);
        command.stdout(file.try_clone().unwrap()).stderr(file);
        Self::launch(role, command, None).await
    }

    async fn launch(role: &str, mut command: Command, listen: Option<&str>) -> Self {
        let listen = listen.map_or_else(|| format!("127.0.0.1:{}", free_port()), ToOwned::to_owned);
        command.env("MUSTER_LISTEN", &listen);
        let mut process = Self {
            child: Some(command.spawn().unwrap()),
            base: format!("http://{listen}"),
        };
        if role != "worker" {
            process.ready().await;
        }
        process
    }

    async fn ready(&mut self) {
        let begun = Instant::now();
        while begun.elapsed() < STARTS {
            let answer = reqwest::get(format!("{}/health/ready", self.base)).await;
            if answer.is_ok_and(|a| a.status().is_success()) {
                return;
            }
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                panic!("the server ended with {status}; set MUSTER_TEST_LOGS=1 to read why");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the server is not ready after {STARTS:?}");
    }

    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// A signal by name, such as TERM.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// SIGTERM, and how it ended.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Waits for its end, which something else has brought about.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        tokio::task::spawn_blocking(move || child.wait().unwrap())
            .await
            .unwrap()
    }

    /// Whether it runs still.
    pub fn lives(&mut self) -> bool {
        self.child.as_mut().is_some_and(|c| c.try_wait().unwrap().is_none())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
