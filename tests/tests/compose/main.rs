//! docker-compose.yml: sound in itself, and what it has its services do is done here without containers, each
//! service a process at an address of its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod file;
mod runs;
mod town;

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use file::{environment, read, root, text, words};

fn services(file: &Value) -> impl Iterator<Item = (&String, &Value)> {
    file["services"].as_object().unwrap().iter()
}

/// docker's own reader is asked too, where it is here.
#[test]
fn docker_takes_the_file() {
    let compose = |words: &[&str]| {
        Command::new("docker")
            .arg("compose")
            .args(words)
            .current_dir(root())
            .output()
    };
    if !compose(&["version"]).is_ok_and(|out| out.status.success()) {
        eprintln!("skipped: there is no docker compose");
        return;
    }
    let out = compose(&["--profile", "*", "config", "--quiet"]).unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn what_a_service_names_is_there() {
    let file = read(&[]);
    let kept = |kind: &str, name: &str| name == "default" || file[kind].get(name).is_some();
    for (name, service) in services(&file) {
        for secret in words(&service["secrets"]) {
            assert!(kept("secrets", &secret), "{name}: {secret}");
        }
        for network in words(&service["networks"]) {
            assert!(kept("networks", &network), "{name}: {network}");
        }
        for volume in words(&service["volumes"]) {
            let (source, _) = volume.split_once(':').unwrap();
            let there = source.strip_prefix("./").map(|path| root().join(path).exists());
            assert!(there.unwrap_or_else(|| kept("volumes", source)), "{name}: {volume}");
        }
        for (other, how) in service["depends_on"].as_object().into_iter().flatten() {
            let other = &file["services"][other];
            assert!(other.is_object(), "{name}: {how}");
            if how["condition"] == "service_healthy" {
                assert!(other["healthcheck"]["test"].is_array(), "{name}: {how}");
            }
        }
        // A file of secrets reaches a service as /run/secrets/NAME.
        let given: BTreeSet<String> = words(&service["secrets"]).into_iter().collect();
        let mut read = environment(service).into_values().chain(words(&service["entrypoint"]));
        assert!(read.all(|text| {
            let mut named = text.split("/run/secrets/").skip(1);
            named.all(|rest| given.iter().any(|secret| rest.starts_with(secret.as_str())))
        }));
    }
}

/// Whoever starts it twice starts the same, and nobody starts it with a password that is in the file.
#[test]
fn images_are_pinned_and_secrets_are_files() {
    let file = read(&[]);
    let made = text("packaging/make-secrets");
    for (name, secret) in file["secrets"].as_object().unwrap() {
        assert_eq!(secret["file"], format!("./secrets/{name}"));
        assert!(made.contains(&format!("\nsecret {name} ")), "{name} is not made");
    }
    for (name, service) in services(&file) {
        let own = service["build"].is_object();
        let image = service["image"].as_str().unwrap();
        let tag = image.split_once(':').map_or("", |(_, tag)| tag);
        assert!(own || tag.bytes().any(|b| b.is_ascii_digit()), "{name}: {image}");
        for (variable, value) in environment(service) {
            let secret = ["PASSWORD", "SECRET", "SECRET_KEY", "ACCESS_KEY", "TOKEN"];
            let secret = secret.iter().any(|end| variable.ends_with(end));
            assert!(!secret, "{name}: {variable}");
            let address = value.split_once("://").map_or("", |(_, rest)| rest);
            assert!(!address.contains('@'), "{name}: {variable} has a password in it");
        }
    }
}

/// A variable that nobody reads is one that was misspelt.
#[test]
fn every_setting_is_one() {
    let known = tests::process::variables();
    let file = read(&[]);
    for (name, service) in services(&file).filter(|(_, service)| service["build"].is_object()) {
        for variable in environment(service).keys().chain(file::image_environment().keys()) {
            assert!(known.contains(variable), "{name}: {variable}");
        }
    }
}

#[test]
fn there_are_two_of_what_must_not_fail_and_a_card_may_be_had() {
    let file = read(&[]);
    for name in ["api", "worker"] {
        assert_eq!(file["services"][name]["deploy"]["replicas"], 2, "{name}");
    }
    let gpu = &file["services"]["worker-gpu"];
    assert_eq!(words(&gpu["profiles"]), ["gpu"]);
    let device = &gpu["deploy"]["resources"]["reservations"]["devices"][0];
    assert_eq!(
        (&device["driver"], &device["capabilities"][0]),
        (&"nvidia".into(), &"gpu".into())
    );
    assert_eq!(
        (&gpu["command"][0], &gpu["environment"]["MUSTER_DEVICE"]),
        (&"worker".into(), &"cuda".into())
    );
    // Every stage that is asked for is one of the Dockerfile's.
    let dockerfile = text("Dockerfile");
    for (name, service) in services(&file).filter(|(_, service)| service["build"].is_object()) {
        let target = service["build"]["target"].as_str().unwrap();
        assert!(
            dockerfile.lines().any(|line| line.ends_with(&format!(" AS {target}"))),
            "{name}: {target}"
        );
    }
}

/// cargo reads the manifest of every member, whichever of them it builds.
#[test]
fn the_image_is_given_all_that_its_build_reads() {
    let ignored = text(".dockerignore");
    let manifest = text("Cargo.toml");
    let (_, members) = manifest.split_once("members = [").unwrap();
    let (members, _) = members.split_once(']').unwrap();
    let members = members.split(',').map(|member| member.trim().trim_matches('"'));
    for path in members.chain(["Cargo.toml", "Cargo.lock", "src"]) {
        assert!(
            ignored.lines().any(|line| line == format!("!{path}")),
            "{path} is left out"
        );
    }
    assert!(
        ignored.lines().any(|line| line == "*"),
        "secrets would go into the image"
    );
}
