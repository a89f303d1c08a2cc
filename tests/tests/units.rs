//! The systemd units: systemd takes them, they are shut in, and what they start and set exists; and what an
//! operator does beside them is done on the same installation.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tests::process::{command, program, variables};

/// Each unit's name and text, as an instance has it.
fn units() -> Vec<(String, String)> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd");
    let mut units: Vec<(String, String)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "service"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().replace('@', "@8081");
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect();
    units.sort();
    assert_eq!(units.len(), 4);
    units
}

fn values<'t>(unit: &'t str, key: &str) -> Vec<&'t str> {
    let key = format!("{key}=");
    unit.lines().filter_map(|line| line.strip_prefix(&key)).collect()
}

#[test]
fn what_a_unit_starts_and_sets_is_there() {
    let known = variables();
    for (name, unit) in units() {
        let starts = values(&unit, "ExecStart");
        let words: Vec<&str> = starts[0].split(' ').collect();
        assert_eq!((starts.len(), words[0]), (1, "/usr/local/bin/muster"), "{name}");
        let mut asked = words[1..].to_vec();
        asked.push("--help");
        let taken = command(&asked, &[]).output().unwrap();
        assert!(
            taken.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&taken.stderr)
        );
        for pair in values(&unit, "Environment").iter().flat_map(|line| line.split(' ')) {
            let (variable, value) = pair.split_once('=').unwrap();
            assert!(known.contains(variable), "{name}: {variable}");
            // A credential that is read is one that is given.
            if let Some(credential) = value.strip_prefix("%d/") {
                let given = values(&unit, "LoadCredential");
                assert!(
                    given.iter().any(|line| line.starts_with(&format!("{credential}:"))),
                    "{name}: {pair}"
                );
            }
        }
        let state = values(&unit, "StateDirectory")[0];
        assert!(unit.contains(&format!("MUSTER_DATA_DIR=%S/{state}")), "{name}");
        for shut in [
            "DynamicUser=yes",
            "ProtectSystem=strict",
            "NoNewPrivileges=yes",
            "CapabilityBoundingSet=",
            "UMask=0077",
        ] {
            assert!(unit.lines().any(|line| line == shut), "{name}: {shut}");
        }
    }
}

#[test]
fn systemd_takes_the_units() {
    let folder = TempDir::new().unwrap();
    let mut files = Vec::new();
    for (name, unit) in units() {
        let file = folder.path().join(name);
        let here = program().display().to_string();
        fs::write(&file, unit.replace("/usr/local/bin/muster", &here)).unwrap();
        files.push(file);
    }
    let Ok(out) = Command::new("systemd-analyze").arg("verify").args(&files).output() else {
        eprintln!("skipped: there is no systemd-analyze");
        return;
    };
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && said.is_empty(), "{said}");
    for file in &files {
        // Of ten, ten being open to everything.
        let out = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--threshold=20"])
            .arg(file)
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    }
}

/// Stands for the one whom systemd runs a unit as.
const NOBODYS: u32 = 61_234;

#[test]
fn muster_ctl_works_on_what_the_units_run() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        eprintln!("skipped: an operator is root");
        return;
    }
    let folder = TempDir::new().unwrap();
    // Where others than root reach it.
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    let place = |name: &str| folder.path().join(name);
    fs::copy(program(), place("muster")).unwrap();
    let ctl = |words: &[&str], input: &str| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd/muster-ctl");
        let mut running = Command::new(script)
            .args(words)
            .current_dir(&folder)
            .env_clear()
            .envs([("PATH", std::env::var("PATH").unwrap())])
            .envs([("MUSTER_CTL_ETC", place("etc")), ("MUSTER_CTL_DATA", place("data"))])
            .envs([("MUSTER_CTL_PROGRAM", place("muster"))])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = running.stdin.take().unwrap().write_all(input.as_bytes());
        let out = running.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
        (out.status.success(), said)
    };
    let create = "admin create --organization Here --name Zoe --email zoe@example.org --password-stdin";
    let create: Vec<&str> = create.split(' ').collect();
    let (done, said) = ctl(&create, "correct horse battery\n");
    assert!(!done && said.contains("start muster.service"), "{said}");

    fs::create_dir(place("etc")).unwrap();
    fs::create_dir(place("data")).unwrap();
    chown(place("data"), Some(NOBODYS), Some(NOBODYS)).unwrap();
    let settings = "# of the units\n\nMUSTER_MAIL_FROM=\"Muster <muster@example.org>\"\nMUSTER_LOG=warn";
    fs::write(place("etc/muster.env"), settings).unwrap();
    let (done, said) = ctl(&create, "correct horse battery\n");
    assert!(done, "{said}");
    for entry in fs::read_dir(place("data")).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().uid(), NOBODYS, "{:?}", entry.path());
    }
    assert!(place("data/muster.db").exists() && !place("data/data").exists());

    // The parts: what is in the files counts, and the folder of the other isn't looked at.
    fs::write(place("etc/database_url"), "postgres://nobody@127.0.0.1:1/none").unwrap();
    for secret in ["secret_key", "storage_secret", "smtp_url"] {
        fs::write(place("etc").join(secret), "something").unwrap();
    }
    fs::write(place("etc/secret_key"), "k".repeat(64)).unwrap();
    fs::write(place("etc/smtp_url"), "smtp://127.0.0.1:1").unwrap();
    let (done, said) = ctl(&["admin", "list"], "");
    assert!(!done && said.contains("database") && !said.contains("Zoe"), "{said}");
}
