//! The house's arrows run one way: read from `cargo metadata`, not from good intentions.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// Every package of the workspace and all of the others that it may use.
const ARROWS: &[(&str, &[&str])] = &[
    ("muster", &["api", "migration", "models", "service", "worker"]),
    ("api", &["service"]),
    ("worker", &["models", "service"]),
    ("service", &["entity", "picture"]),
    ("models", &["picture"]),
    ("entity", &[]),
    ("migration", &[]),
    ("picture", &[]),
];

/// What must not be known in a room.
const STRANGERS: &[(&str, &[&str])] = &[
    (
        "api",
        &["sea-orm", "entity", "apalis", "ort", "image", "picture", "models"],
    ),
    (
        "service",
        &["poem", "async-graphql", "apalis", "apalis-redis", "ort", "models"],
    ),
    ("worker", &["sea-orm", "entity", "poem", "async-graphql", "ort"]),
    ("models", &["sea-orm", "poem", "async-graphql", "apalis", "tokio"]),
    ("entity", &["tokio", "chrono-tz"]),
    ("picture", &["sea-orm", "ort", "tokio"]),
];

fn dependencies() -> BTreeMap<String, Vec<String>> {
    let out = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
            "--manifest-path",
        ])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let metadata: Value = serde_json::from_slice(&out.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let used = package["dependencies"].as_array().unwrap().iter();
            // What tests alone use does not reach the product.
            let used = used
                .filter(|d| d["kind"] != "dev")
                .map(|d| d["name"].as_str().unwrap().to_owned());
            (package["name"].as_str().unwrap().to_owned(), used.collect())
        })
        .collect()
}

#[test]
fn arrows_run_one_way() {
    let all = dependencies();
    for (name, used) in &all {
        if ["tests", "bench"].contains(&name.as_str()) {
            continue;
        }
        let allowed = ARROWS.iter().find(|(n, _)| n == name).map(|(_, a)| *a);
        let allowed = allowed.unwrap_or_else(|| panic!("{name} is not in the table"));
        for other in used.iter().filter(|u| all.contains_key(*u)) {
            assert!(allowed.contains(&other.as_str()), "{name} must not use {other}");
        }
    }
}

#[test]
fn no_room_knows_what_it_should_not() {
    let all = dependencies();
    for (name, strangers) in STRANGERS {
        for stranger in *strangers {
            assert!(
                !all[*name].iter().any(|u| u == stranger),
                "{name} must not know {stranger}"
            );
        }
    }
}
