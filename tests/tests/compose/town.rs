//! The services' processes. A name of the file is a loopback address here, and so is what a container calls
//! itself: `127.0.0.1` and `0.0.0.0` are each service's own. Secrets and volumes lie in one folder.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tests::process::program;

use crate::file::{environment, image_environment, read, root, words};

/// Long enough for busy cores.
const HEALTHY: Duration = Duration::from_mins(2);
/// The services of the file, and the last number of the address of the first of each.
const NAMES: [(&str, u8); 8] = [
    ("postgres", 2),
    ("redis", 3),
    ("storage", 4),
    ("mail", 5),
    ("proxy", 6),
    ("migrate", 7),
    ("api", 11),
    ("worker", 21),
];

pub struct Town {
    pub file: Value,
    pub folder: TempDir,
    /// The first two numbers of all addresses after 127.
    block: (u8, u8),
    children: Vec<(String, Child)>,
}

impl Drop for Town {
    fn drop(&mut self) {
        for (_, child) in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Town {
    pub fn new(variables: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let [.., a, b] = std::process::id().to_be_bytes();
        let town = Self {
            file: read(variables),
            folder,
            block: (a | 128, b),
            children: Vec::new(),
        };
        // As the file's head says.
        let made = Command::new(root().join("packaging/make-secrets"))
            .arg(town.folder.path())
            .status();
        assert!(made.unwrap().success());
        // What PostgreSQL's own user reads lies where others may pass.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(town.folder.path(), open).unwrap();
        std::fs::set_permissions(
            town.path("secrets"),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        std::fs::create_dir(town.path("told")).unwrap();
        for name in town.file["secrets"].as_object().unwrap().keys() {
            let secret = std::fs::read_to_string(town.path("secrets").join(name)).unwrap();
            std::fs::write(town.path("told").join(name), town.translate(&secret, "", 0)).unwrap();
        }
        town
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn address(&self, service: &str, number: u8) -> String {
        let (_, first) = NAMES.iter().find(|(name, _)| *name == service).expect(service);
        format!("127.{}.{}.{}", self.block.0, self.block.1, first + number)
    }

    /// What stands in the file, as it is here for this service.
    fn translate(&self, text: &str, service: &str, number: u8) -> String {
        let mut text = text.to_owned();
        for (name, _) in NAMES {
            let address = self.address(name, 0);
            for before in ["://", "@", "="] {
                for after in [":", "/", "\n", ""] {
                    let named = format!("{before}{name}{after}");
                    if after.is_empty() {
                        if let Some(start) = text.strip_suffix(&named) {
                            text = format!("{start}{before}{address}");
                        }
                    } else {
                        text = text.replace(&named, &format!("{before}{address}{after}"));
                    }
                }
            }
        }
        if !service.is_empty() {
            let own = self.address(service, number);
            text = text.replace("127.0.0.1:", &format!("{own}:")).replace("0.0.0.0", &own);
            text = text.replace("=127.0.0.1", &format!("={own}"));
            if text == "127.0.0.1" {
                text = own;
            }
        }
        // Whoever connects within this machine comes from there, and the proxy alone connects to the API.
        let front = self.file["networks"]["front"]["ipam"]["config"][0]["subnet"]
            .as_str()
            .unwrap();
        text = text.replace(front, "127.0.0.1/32");
        text = text.replace("/run/secrets/", &format!("{}/", self.path("told").display()));
        // Each mount is a folder of the service's own, whichever process of it.
        for mount in [
            "/data",
            "/models",
            "/etc/caddy",
            "/var/lib/postgresql/data",
            "/usr/local/lib/onnxruntime",
        ] {
            if text == mount || text.ends_with(&format!("={mount}")) || text.starts_with(&format!("{mount}/")) {
                let place = self.place(service, mount);
                text = text.replacen(mount, &place.display().to_string(), 1);
            }
        }
        text
    }

    /// Where a path of the service's container lies.
    pub fn place(&self, service: &str, path: &str) -> PathBuf {
        let place = self.path("volumes").join(service).join(path.trim_start_matches('/'));
        std::fs::create_dir_all(&place).unwrap();
        place
    }

    /// Its program and words, by the file, with the image's where the file says none.
    fn command(&self, service: &str, number: u8, words: &[String]) -> Command {
        let translated = words.iter().map(|word| self.translate(word, service, number));
        let mut translated: Vec<String> = translated.collect();
        let muster = self.file["services"][service]["build"].is_object();
        let mut command = if muster {
            Command::new(program())
        } else {
            Command::new(translated.remove(0))
        };
        let mut set: BTreeMap<String, String> = if muster { image_environment() } else { BTreeMap::new() };
        set.extend(environment(&self.file["services"][service]));
        command.args(translated).env_clear().stdin(Stdio::null());
        for name in ["PATH", "HOME"] {
            command.env(name, std::env::var_os(name).unwrap_or_default());
        }
        for (name, value) in set {
            command.env(name, self.translate(&value, service, number));
        }
        if muster {
            // A library must be there, though the stand-in for the models does not look at it.
            let library = self
                .place(service, "/usr/local/lib/onnxruntime")
                .join("libonnxruntime.so");
            File::create(library).unwrap();
            command.env("MUSTER_TEST_VISION", "fake");
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log(service, number))
            .unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        command
    }

    fn log(&self, service: &str, number: u8) -> PathBuf {
        self.path(&format!("{service}-{number}.log"))
    }

    pub fn said(&self, service: &str, number: u8) -> String {
        std::fs::read_to_string(self.log(service, number)).unwrap_or_default()
    }

    /// Its command as the file gives it, and these words besides.
    pub fn given(&self, service: &str, number: u8, besides: &[&str]) -> Command {
        let service_file = &self.file["services"][service];
        // The image's own entrypoint hands all that it is told on to the program.
        let mut words: Vec<String> = words(&service_file["entrypoint"])
            .into_iter()
            .map(|word| word.replace("/entrypoint.sh", "weed"))
            .chain(words(&service_file["command"]))
            .collect();
        words.extend(besides.iter().map(ToString::to_string));
        self.command(service, number, &words)
    }

    /// A command of Muster's in place of the service's own, as `docker compose run` does.
    pub fn instead(&self, service: &str, words: &[&str]) -> Command {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        self.command(service, 0, &words)
    }

    pub fn start(&mut self, service: &str, number: u8, mut command: Command) {
        let child = command.spawn().unwrap_or_else(|error| panic!("{service}: {error}"));
        self.children.push((format!("{service}-{number}"), child));
    }

    /// By the file's own health check.
    pub async fn healthy(&mut self, service: &str, number: u8) {
        let test = words(&self.file["services"][service]["healthcheck"]["test"]);
        assert_eq!(test[0], "CMD", "{service}");
        let muster = usize::from(test[1] == "muster");
        let begun = Instant::now();
        while begun.elapsed() < HEALTHY {
            let mut asked = self.command(service, number, &test[1 + muster..]);
            if muster == 0 {
                asked.env("PATH", programs());
            }
            if tokio::task::spawn_blocking(move || asked.status().is_ok_and(|s| s.success()))
                .await
                .unwrap()
            {
                return;
            }
            let name = format!("{service}-{number}");
            let child = self.children.iter_mut().find(|(n, _)| *n == name);
            let ended = child.and_then(|(_, child)| child.try_wait().unwrap());
            assert!(ended.is_none(), "{name} ended: {}", self.said(service, number));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("{service} is not healthy: {}", self.said(service, number));
    }

    /// SIGKILL.
    pub fn kill(&mut self, service: &str, number: u8) {
        let name = format!("{service}-{number}");
        let at = self.children.iter().position(|(n, _)| *n == name).unwrap();
        let (_, mut child) = self.children.remove(at);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM to all of a service: each ends well within its grace.
    pub fn stop(&mut self, service: &str) {
        let (ours, others) = std::mem::take(&mut self.children)
            .into_iter()
            .partition(|(name, _)| name.rsplit_once('-').unwrap().0 == service);
        self.children = others;
        let ours: Vec<(String, Child)> = ours;
        assert!(!ours.is_empty());
        for (name, mut child) in ours {
            assert!(
                Command::new("kill")
                    .arg(child.id().to_string())
                    .status()
                    .unwrap()
                    .success()
            );
            assert!(child.wait().unwrap().success(), "{name}");
        }
    }

    /// What the image of PostgreSQL does at its first start.
    pub fn make_cluster(&self) -> PathBuf {
        let data = self.place("postgres", "/var/lib/postgresql/data");
        let environment = environment(&self.file["services"]["postgres"]);
        let as_postgres = as_postgres();
        if !as_postgres.is_empty() {
            assert!(
                Command::new("chown")
                    .arg("postgres")
                    .arg(&data)
                    .status()
                    .unwrap()
                    .success()
            );
        }
        let user = &environment["POSTGRES_USER"];
        let password = self.translate(&environment["POSTGRES_PASSWORD_FILE"], "postgres", 0);
        let initdb = format!(
            "initdb --auth=scram-sha-256 --username={user} --pwfile={password} -D {}",
            data.display()
        );
        run_as(&as_postgres, &initdb);
        data
    }
}

/// It refuses to run as root.
pub fn as_postgres() -> Vec<&'static str> {
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if root {
        vec![
            "setpriv",
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
            "--",
        ]
    } else {
        Vec::new()
    }
}

fn run_as(user: &[&str], line: &str) {
    let all: Vec<&str> = user.iter().copied().chain(line.split(' ')).collect();
    let out = Command::new(all[0])
        .args(&all[1..])
        .env("PATH", programs())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// PostgreSQL's own programs are where no path leads on some systems.
pub fn programs() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let installed = std::fs::read_dir("/usr/lib/postgresql").ok();
    let newest = installed.and_then(|all| all.flatten().map(|entry| entry.path()).max());
    match newest {
        Some(version) => format!("{}:{path}", version.join("bin").display()),
        None => path,
    }
}

pub fn is_here(program: &str) -> bool {
    programs()
        .split(':')
        .any(|folder| Path::new(folder).join(program).is_file())
}
