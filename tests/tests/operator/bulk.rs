//! `muster enrol`: a class from a folder, beside servers that run; ended in the middle and begun again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::client::Client;
use tests::fake::{DEADLY, NOBODY, person, photo};
use tests::world::PASSWORD;

use super::site::{EMAIL, Site};

const STUDENTS: usize = 12;
const PHOTOS: usize = 3;

/// Roll numbers 0 to 11, and the class's id.
async fn class(admin: &Client) -> String {
    let made = admin
        .query(
            "mutation { createClass(input: { name: \"Physics\", code: \"P\" }) { class { id } } }",
            json!({}),
        )
        .await;
    let class = made["createClass"]["class"]["id"].as_str().unwrap().to_owned();
    let rows: Vec<Value> = (0..STUDENTS)
        .map(|n| json!({ "fullName": format!("Student {n}"), "rollNumber": n.to_string() }))
        .collect();
    admin
        .query(
            "mutation($class: ID!, $rows: [StudentInput!]!) { addStudents(classId: $class, students: $rows) { \
             results { error { message } } } }",
            json!({ "class": class, "rows": rows }),
        )
        .await;
    class
}

/// A file of its own for each photo of a face: what follows a picture's end is not of the picture.
fn put(folder: &Path, student: usize, number: usize, bytes: &[u8]) {
    let folder = folder.join(student.to_string());
    fs::create_dir_all(&folder).unwrap();
    let mut bytes = bytes.to_vec();
    bytes.extend(number.to_string().bytes());
    fs::write(folder.join(format!("{number}.png")), bytes).unwrap();
}

fn fill(folder: &Path) {
    for student in 0..STUDENTS {
        for number in 0..PHOTOS {
            put(folder, student, number, &photo(&[person(student)]));
        }
    }
}

/// How many templates of each status a student has, by roll number.
async fn templates(admin: &Client, class: &str) -> BTreeMap<String, Vec<String>> {
    let found = admin
        .query(
            "query($class: ID!) { class(id: $class) { students(first: 100) { nodes { rollNumber \
             faceTemplates { status } } } } }",
            json!({ "class": class }),
        )
        .await;
    let students = found["class"]["students"]["nodes"].as_array().unwrap();
    let statuses = |student: &Value| {
        let all = student["faceTemplates"].as_array().unwrap().iter();
        all.map(|t| t["status"].as_str().unwrap().to_owned()).collect()
    };
    students
        .iter()
        .map(|s| (s["rollNumber"].as_str().unwrap().to_owned(), statuses(s)))
        .collect()
}

async fn enrolment(mut site: Site) {
    site.found();
    site.start().await;
    let admin = Client::new(site.base()).login(EMAIL, PASSWORD).await;
    let class = class(&admin).await;
    let folder = TempDir::new().unwrap();
    fill(folder.path());
    let at = folder.path().display().to_string();
    let words = ["enrol", "--class", &class, "--as", EMAIL, &at];

    // Ended in the middle, over and over.
    for pause in [150, 400, 800] {
        let mut run = site.begin(&words);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let _ = run.kill();
        run.wait().unwrap();
    }
    let said = site.muster(&words, "").ok();
    assert_eq!(
        said.lines().filter(|l| l.contains(": ACCEPTED")).count(),
        STUDENTS * PHOTOS,
        "{said}"
    );
    let all: BTreeMap<String, Vec<String>> = (0..STUDENTS)
        .map(|n| (n.to_string(), vec!["ACCEPTED".to_owned(); PHOTOS]))
        .collect();
    assert_eq!(templates(&admin, &class).await, all);
    // Once more: nothing happens.
    let said = site.muster(&words, "").ok();
    assert!(
        said.ends_with("0 photos accepted, 0 wait for a person, 0 rejected; 36 were enrolled before.\n"),
        "{said}"
    );
    assert_eq!(templates(&admin, &class).await, all);

    // Whatever is wrong has its line, and the rest is done.
    put(folder.path(), 0, 7, &photo(&[NOBODY]));
    put(folder.path(), 1, 7, &photo(&[person(2)]));
    put(folder.path(), 99, 0, &photo(&[person(99)]));
    fs::write(folder.path().join("2/notes.txt"), "no picture").unwrap();
    fs::create_dir(folder.path().join("3/folder.png")).unwrap();
    fs::copy(folder.path().join("4/0.png"), folder.path().join("4/again.png")).unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    for file in fs::read_dir(folder.path().join("5")).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    let (said, complaint) = site.muster(&words, "").both(1);
    for line in [
        "0/7.png: REJECTED (NO_FACE)",
        "1/7.png: PENDING (RESEMBLES_ANOTHER, UNLIKE_THE_OTHERS)",
        "99: PROBLEM: nobody in the class has this roll number",
        "empty: PROBLEM: nobody in the class has this roll number",
        "5: PROBLEM: there are no photos in the folder",
        "4/again.png: ACCEPTED, enrolled before",
    ] {
        assert!(said.lines().any(|l| l == line), "{line}: {said}");
    }
    for name in ["2/notes.txt: PROBLEM: ", "3/folder.png: PROBLEM: "] {
        assert!(said.lines().any(|l| l.starts_with(name)), "{name}: {said}");
    }
    assert_eq!(complaint, "error: there were 5 problems; see above\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_is_enrolled_embedded() {
    enrolment(Site::embedded()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_is_enrolled_on_many_machines() {
    if let Some(site) = Site::many().await {
        enrolment(site).await;
    }
}

/// Without a worker the operator is told, and a wrong word is a line.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_enrolled_is_told() {
    let site = Site::embedded();
    site.found();
    let folder = TempDir::new().unwrap();
    let at = folder.path().display().to_string();
    let unknown = format!("cls_{}", uuid::Uuid::new_v4().simple());
    for (class, acting, begins) in [("Physics", EMAIL, "error: --class: "), (&unknown, EMAIL, "error: ")] {
        let ended = site.muster(&["enrol", "--class", class, "--as", acting, &at], "");
        let (_, complaint) = ended.both(if class == "Physics" { 2 } else { 1 });
        assert!(
            complaint.starts_with(begins) && complaint.lines().count() == 1,
            "{complaint}"
        );
    }
    put(folder.path(), 0, 0, &photo(&[DEADLY]));
    for (class, acting, begins) in [
        (&unknown, EMAIL, "error: --class: this person has no such class"),
        (&unknown, "nobody@example.org", "error: --as: "),
    ] {
        let (_, complaint) = site
            .muster(&["enrol", "--class", class, "--as", acting, &at], "")
            .both(1);
        assert!(
            complaint.starts_with(begins) && complaint.lines().count() == 1,
            "{complaint}"
        );
    }
}
