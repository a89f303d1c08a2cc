//! What the pages say of the inside is compared with the inside: a page that has fallen behind fails.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The rows of the page's table that begins with this column: what is in backticks in the first cell, and the cells.
fn table(page: &str, first: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let head = format!("\n| {first} |");
    let mut tables = page.split(&head);
    tables.next();
    let rows: Vec<_> = tables
        .flat_map(|table| table.lines().skip(2).take_while(|line| line.starts_with('|')))
        .map(|line| {
            let cells = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
            let cells: Vec<String> = cells.collect();
            (quoted(&cells[0]), cells)
        })
        .collect();
    assert!(!rows.is_empty(), "no table of {first}");
    rows
}

fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn names(page: &str, first: &str) -> BTreeSet<String> {
    table(page, first).into_iter().flat_map(|(names, _)| names).collect()
}

fn metadata() -> Value {
    let manifest = root().join("Cargo.toml");
    let out = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
            "--manifest-path",
        ])
        .arg(manifest)
        .output()
        .unwrap();
    serde_json::from_slice(&out.stdout).unwrap()
}

#[test]
fn the_page_has_every_crate_and_its_arrows() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeSet<&str> = packages.iter().map(|p| p["name"].as_str().unwrap()).collect();
    let mut arrows: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in packages {
        let used = package["dependencies"].as_array().unwrap().iter();
        let used = used.filter(|d| d["kind"] != "dev").map(|d| d["name"].as_str().unwrap());
        let used = used.filter(|name| names.contains(name)).map(str::to_owned);
        // The root package lies in `src`.
        let name = package["name"].as_str().unwrap();
        arrows.insert(if name == "muster" { "src" } else { name }, used.collect());
    }
    let page = text("docs/architecture.md");
    let rows = table(&page, "folder");
    assert_eq!(rows.len(), arrows.len());
    for (folder, cells) in rows {
        let used = &arrows[folder[0].as_str()];
        if !cells[2].starts_with("all") {
            assert_eq!(used, &quoted(&cells[2]).into_iter().collect(), "{folder:?}");
        }
    }
}

#[test]
fn the_page_has_every_room_of_service() {
    let lib = text("service/src/lib.rs");
    let modules = lib
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "));
    let modules: BTreeSet<String> = modules.map(|name| name.trim_end_matches(';').to_owned()).collect();
    assert_eq!(names(&text("docs/architecture.md"), "module"), modules);
}

#[test]
fn the_page_has_every_process() {
    let page = text("docs/architecture.md");
    let help = tests::process::command(&["--help"], &[]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let known = tests::process::variables();
    for (command, cells) in table(&page, "command") {
        assert!(
            help.contains(&format!("\n  {} ", command[0])),
            "{command:?} is no command"
        );
        for setting in quoted(&cells[2]) {
            assert!(known.contains(&setting), "{setting} is no setting");
        }
    }
    let file: Value = serde_saphyr::from_str(&text("docker-compose.yml")).unwrap();
    let services: BTreeSet<String> = file["services"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names(&page, "service of `docker-compose.yml`"), services);
}

/// Nothing is kept of people that the page on privacy does not name.
#[test]
fn the_page_on_privacy_has_every_table() {
    let mut tables = BTreeSet::new();
    for file in std::fs::read_dir(root().join("migration/src")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|end| end == "sql") {
            let sql = std::fs::read_to_string(path).unwrap();
            let made = sql.lines().filter_map(|line| line.strip_prefix("CREATE TABLE "));
            tables.extend(made.map(|rest| rest.split([' ', '(']).next().unwrap().to_owned()));
        }
    }
    assert!(tables.len() > 20, "{tables:?}");
    let named = names(&text("docs/privacy.md"), "table");
    assert_eq!(named, tables);
}

/// A link within the pages leads to a page, and to a heading of it.
#[test]
fn links_lead_somewhere() {
    let mut pages: Vec<PathBuf> = std::fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect();
    pages.push(root().join("README.md"));
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") || link.contains(' ') {
                continue;
            }
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() {
                page.clone()
            } else {
                page.parent().unwrap().join(path)
            };
            assert!(target.exists(), "{}: {link}", page.display());
            if !heading.is_empty() {
                let headings = std::fs::read_to_string(&target).unwrap();
                let mut headings = headings.lines().filter(|line| line.starts_with('#')).map(anchor);
                assert!(headings.any(|anchor| anchor == heading), "{}: {link}", page.display());
            }
        }
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches(['#', ' ']).to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
