//! A new secret: what was made with the old one stays good across the restart, what is made behind
//! it needs the new one alone.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use tests::client::{Client, code};
use tests::fake::{person, photo};
use tests::school::{ENROLMENT, School, ended, enrol};
use tests::world::PASSWORD;

use crate::site::{EMAIL, Site};

/// Who is recognized in a photo of both students; and an address of that photo, without its server.
async fn seen(school: &School) -> (BTreeSet<String>, String) {
    let session = school.open_session().await;
    let job = school.submit(&session, photo(&[person(0), person(1)])).await;
    let job = ended(&school.teacher, &job).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job}");
    let marks = job["marks"].as_array().unwrap();
    let names = marks
        .iter()
        .map(|m| m["student"]["fullName"].as_str().unwrap().to_owned());
    let url = job["photos"][0]["url"].as_str().unwrap();
    let path = url.find("/media/").unwrap();
    (names.collect(), url[path..].to_owned())
}

async fn opens(client: &Client, path: &str) -> bool {
    let status = client.get(&format!("{}{path}", client.base)).await.status();
    assert!(status == 200 || status == 404, "{status}");
    status == 200
}

async fn enrolled(school: &School, n: usize) {
    let photos = vec![photo(&[person(n)]); ENROLMENT];
    let job = enrol(&school.teacher, &school.students[n], &photos).await;
    assert_eq!(ended(&school.teacher, &job).await["status"], "SUCCEEDED");
}

async fn works(client: &Client) -> bool {
    let answer = client.raw("{ viewer { id } }", json!({})).await;
    if answer["errors"] != Value::Null {
        assert_eq!(code(&answer), "UNAUTHENTICATED");
        return false;
    }
    true
}

/// `rotate` makes the new secret and sets it, `forget` takes the old one away.
async fn rotation(mut site: Site, rotate: fn(&mut Site), forget: fn(&mut Site)) {
    site.found();
    site.start().await;
    let before = Client::new(site.base()).login(EMAIL, PASSWORD).await;
    let mut school = School::with_students(&before, 2).await;
    enrolled(&school, 0).await;
    let (names, old_link) = seen(&school).await;
    assert_eq!(names, BTreeSet::from(["Student 000".to_owned()]));

    rotate(&mut site);
    // A server that runs goes on with what it has.
    assert!(works(&before).await);
    site.restart().await;
    let before = before.at(site.base());
    assert!(works(&before).await, "a token from before");
    assert!(opens(&before, &old_link).await, "an address from before");
    school.teacher = before.clone();
    enrolled(&school, 1).await;
    let (names, new_link) = seen(&school).await;
    assert_eq!(
        names.len(),
        2,
        "a template from before and one from behind it: {names:?}"
    );
    let after = Client::new(site.base()).login(EMAIL, PASSWORD).await;

    forget(&mut site);
    site.restart().await;
    let (before, after) = (before.at(site.base()), after.at(site.base()));
    assert!(!works(&before).await && works(&after).await);
    assert!(!opens(&after, &old_link).await && opens(&after, &new_link).await);
    school.teacher = after;
    let (names, _) = seen(&school).await;
    assert_eq!(
        names,
        BTreeSet::from(["Student 001".to_owned()]),
        "sealed with the new one"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_of_the_data_folder_is_rotated() {
    let rotate = |site: &mut Site| {
        let before = std::fs::read_to_string(site.secret_file()).unwrap();
        let said = site.admin(&["rotate-key"], "").ok();
        assert!(said.contains("restart"), "{said}");
        let file = std::fs::read_to_string(site.secret_file()).unwrap();
        let lines: Vec<&str> = file.lines().collect();
        assert_eq!((lines.len(), lines[1]), (2, before.trim()));
        assert!(lines[0].len() == 64 && lines[0] != lines[1]);
        for line in lines {
            assert!(!said.contains(line), "a secret is shown");
        }
        let mode = std::fs::metadata(site.secret_file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let drafts = std::fs::read_dir(site.secret_file().parent().unwrap()).unwrap();
        let drafts = drafts.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".tmp"));
        assert_eq!(drafts.count(), 0);
    };
    let forget = |site: &mut Site| {
        let file = std::fs::read_to_string(site.secret_file()).unwrap();
        std::fs::write(site.secret_file(), file.lines().next().unwrap()).unwrap();
    };
    rotation(Site::embedded(), rotate, forget).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_from_outside_is_rotated() {
    let Some(site) = Site::many().await else { return };
    let rotate = |site: &mut Site| {
        let said = site.admin(&["rotate-key"], "").ok();
        for name in ["MUSTER_SECRET_KEY", "MUSTER_SECRET_KEYS_OLD"] {
            let start = format!("{name}=");
            let value = said.lines().find_map(|line| line.strip_prefix(&start)).unwrap();
            site.set(name, Some(value));
        }
    };
    rotation(site, rotate, |site| site.set("MUSTER_SECRET_KEYS_OLD", None)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cannot_be_carried_is_kept() {
    let mut site = Site::embedded();
    site.set(
        "MUSTER_SECRET_KEY",
        Some("a secret, with a comma and enough characters"),
    );
    let said = site.admin(&["rotate-key"], "").failed(2);
    assert!(
        said.starts_with("error: MUSTER_SECRET_KEY: ") && said.contains("comma"),
        "{said}"
    );
    assert!(!said.contains("enough characters"), "a secret is shown");
}

/// Rotations at the same time: each of their secrets is kept.
#[tokio::test(flavor = "multi_thread")]
async fn rotations_do_not_lose_each_other() {
    let site = Site::embedded();
    site.found();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| site.admin(&["rotate-key"], "").ok());
        }
    });
    let file = std::fs::read_to_string(site.secret_file()).unwrap();
    assert_eq!(file.lines().collect::<BTreeSet<_>>().len(), 5);
    assert!(site.admin(&["list"], "").ok().contains(EMAIL));
}
