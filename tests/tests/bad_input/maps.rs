//! Multipart requests whose map lies about their files, or whose parts are not those that must be.

use serde_json::json;
use tests::both;
use tests::fake::{person, photo};
use tests::school::School;
use tests::world::{Setup, World};

use crate::wire::{FORM, form, post};
use crate::{ENROL, SUBMIT, State, refusal, untouched};

const GOOD: &str = r#"{"0":["variables.photo.upload"]}"#;

/// Of one photo: name, map and the files that come.
const OF_ONE: [(&str, &str, &[&str]); 14] = [
    ("a file that does not come", GOOD, &[]),
    ("a file that the map does not name", GOOD, &["0", "1"]),
    ("another file than the map names", GOOD, &["1"]),
    ("a file that comes twice", GOOD, &["0", "0"]),
    ("a map of nothing", "{}", &["0"]),
    ("a file without a place", r#"{"0":[]}"#, &["0"]),
    (
        "a place that is not there",
        r#"{"0":["variables.picture.upload"]}"#,
        &["0"],
    ),
    ("a place outside of the variables", r#"{"0":["query"]}"#, &["0"]),
    ("a place in what is no list", r#"{"0":["variables.photo.0"]}"#, &["0"]),
    ("a place below null", r#"{"0":["variables.photo.upload.x"]}"#, &["0"]),
    ("a place that is no leaf", r#"{"0":["variables.photo"]}"#, &["0"]),
    (
        "a place twice",
        r#"{"0":["variables.photo.upload"],"1":["variables.photo.upload"]}"#,
        &["0", "1"],
    ),
    ("a map that is a list", r#"["variables.photo.upload"]"#, &["0"]),
    ("a map that is no JSON", "{", &["0"]),
];

/// The same of two.
const OF_TWO: [(&str, &str, &[&str]); 5] = [
    (
        "one of two that does not come",
        r#"{"0":["variables.photos.0.upload"],"1":["variables.photos.1.upload"]}"#,
        &["0"],
    ),
    (
        "an index out of range",
        r#"{"0":["variables.photos.2.upload"]}"#,
        &["0"],
    ),
    ("an index below none", r#"{"0":["variables.photos.-1.upload"]}"#, &["0"]),
    (
        "an index out of the world",
        r#"{"0":["variables.photos.18446744073709551616.upload"]}"#,
        &["0"],
    ),
    (
        "a file twice in the map",
        r#"{"0":["variables.photos.0.upload"],"0":["variables.photos.1.upload"]}"#,
        &["0"],
    ),
];

async fn a_map_that_lies_is_refused(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    let one = |upload: serde_json::Value| {
        let variables = json!({ "session": session, "photo": { "upload": upload } });
        json!({ "query": SUBMIT, "variables": variables }).to_string()
    };
    let submit = one(json!(null));
    let two = json!({ "user": school.students[0], "photos": [{ "upload": null }, { "upload": null }] });
    let enrol = json!({ "query": ENROL, "variables": two }).to_string();
    let face = photo(&[person(0)]);
    let sent = |operations: &str, map: &str, names: &[&str]| {
        let mut parts = vec![("operations", operations.as_bytes()), ("map", map.as_bytes())];
        parts.extend(names.iter().map(|name| (*name, &face[..])));
        form(&parts)
    };
    let good = sent(&submit, GOOD, &["0"]);
    let (operations, map) = (("operations", submit.as_bytes()), ("map", GOOD.as_bytes()));
    let file = ("0", &face[..]);
    let mut cases = vec![
        ("a place that is taken", sent(&one(json!("x")), GOOD, &["0"])),
        ("a list of operations", sent(&format!("[{submit}]"), GOOD, &["0"])),
        ("operations that are no JSON", sent("{", GOOD, &["0"])),
        ("no map", form(&[operations, file])),
        ("the map first", form(&[map, operations, file])),
        ("the file first", form(&[file, operations, map])),
        ("no end", good[..good.len() - 8].to_vec()),
    ];
    for (table, operation) in [(&OF_ONE[..], &submit), (&OF_TWO[..], &enrol)] {
        cases.extend(
            table
                .iter()
                .map(|(case, map, names)| (*case, sent(operation, map, names))),
        );
    }
    let before = State::of(&world).await;
    for (case, body) in cases {
        let (status, answer) = post(&admin, FORM, body).await;
        assert_eq!(
            (status, refusal(&answer, case).0.as_str()),
            (400, "BAD_REQUEST"),
            "{case}"
        );
        untouched(&world, &before, &admin, case).await;
    }
    // The same with a map that says the truth.
    let (status, answer) = post(&admin, FORM, good).await;
    let job = &answer["data"]["submitClassPhoto"]["job"];
    assert_eq!((status, &job["status"]), (200, &json!("QUEUED")), "{answer}");
}

both!(lies, a_map_that_lies_is_refused, |setup| Setup { workers: 0, ..setup });
