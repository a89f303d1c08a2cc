//! The labelled faces and the weights beside the checkout, for tests of vision.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::json;

use crate::client::Client;
use crate::school::{self, School, ended};

fn shared() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared")
}

/// Where downloaded weights and the runtime are kept from run to run.
pub fn models_dir() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    exe.ancestors().nth(3).unwrap().join("tmp/models")
}

/// The folder of weights.
pub fn mirror() -> PathBuf {
    std::env::var_os("MUSTER_MODELS_MIRROR").map_or_else(|| shared().join("models"), PathBuf::from)
}

/// Whether tests of vision can run; where they must, their absence is a failure.
pub fn present() -> bool {
    let here = mirror().is_dir() && shared().join("faces").is_dir();
    if !here {
        assert!(
            std::env::var_os("MUSTER_REQUIRE_MODELS").is_none_or(|set| set != "1"),
            "MUSTER_REQUIRE_MODELS=1, but weights or faces are missing beside the checkout"
        );
        eprintln!("skipped: no weights or faces beside the checkout");
    }
    here
}

/// The students' names, each with their portraits.
pub fn students() -> Vec<(String, Vec<Bytes>)> {
    sorted(&shared().join("faces/students"))
        .into_iter()
        .map(|folder| {
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            (name, sorted(&folder).iter().map(|p| read(p)).collect())
        })
        .collect()
}

/// The group photos, each with the names of those in it.
pub fn group_photos() -> Vec<(Bytes, BTreeSet<String>)> {
    let folder = shared().join("faces/class");
    let labels: serde_json::Value = serde_json::from_slice(&read(&folder.join("labels.json"))).unwrap();
    labels
        .as_object()
        .unwrap()
        .iter()
        .map(|(file, names)| {
            let names = names.as_array().unwrap();
            let names = names.iter().map(|n| n.as_str().unwrap().to_owned()).collect();
            (read(&folder.join(file)), names)
        })
        .collect()
}

/// A class of the students, each enrolled by the portraits.
pub async fn school(teacher: &Client) -> School {
    let mut school = School::with_students(teacher, 0).await;
    let students = students();
    let rows: Vec<_> = students
        .iter()
        .map(|(name, _)| json!({ "fullName": name, "rollNumber": name }))
        .collect();
    let added = teacher
        .query(
            "mutation($class: ID!, $rows: [StudentInput!]!) { addStudents(classId: $class, students: $rows) { \
             results { student { id } } } }",
            json!({ "class": school.class, "rows": rows }),
        )
        .await;
    for (n, (name, portraits)) in students.iter().enumerate() {
        let id = added["addStudents"]["results"][n]["student"]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let job = ended(teacher, &school::enrol(teacher, &id, portraits).await).await;
        let accepted = job["templates"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|t| t["status"] == "ACCEPTED")
            .count();
        // A portrait may be refused by principle: one that looks away, say.
        assert!(accepted >= school::ENROLMENT, "{name}: {job:#}");
        school.students.push(id);
    }
    school
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    all
}

fn read(path: &Path) -> Bytes {
    std::fs::read(path).unwrap().into()
}
