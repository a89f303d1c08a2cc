//! Reports as files: what is in them, who gets them, and when they go.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod long;

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use calamine::{Data, Reader, Xlsx};
use chrono::TimeDelta;
use serde_json::{Value, json};
use service::clock::ManualClock;
use service::housekeeping::{self, Chore, Occasion};
use service::kinds::Role;
use service::queue::claims;
use service::reports;
use tests::both;
use tests::client::{Client, code};
use tests::fake::{person, photo};
use tests::school::{School, ended, now};
use tests::world::{Mode, Setup, World};

const EXPORT: &str = "mutation($input: ExportInput!) { exportAttendance(input: $input) { job { id status } } }";
const FILE: &str =
    "query($id: ID!) { job(id: $id) { status kind error { message } export { url expiresAt rows byteSize } } }";

fn today() -> Value {
    let today = now().date_naive();
    json!({ "from": today - chrono::Days::new(2), "to": today + chrono::Days::new(2) })
}

/// The job of a report, once it has ended.
pub async fn export(client: &Client, input: Value) -> Value {
    let made = client.query(EXPORT, json!({ "input": input })).await;
    let job = made["exportAttendance"]["job"]["id"].as_str().unwrap().to_owned();
    assert_eq!(ended(client, &job).await["status"], "SUCCEEDED");
    let mut found = client.query(FILE, json!({ "id": job })).await["job"].clone();
    found["id"] = json!(job);
    found
}

async fn fetched(client: &Client, job: &Value) -> Vec<u8> {
    let answer = client.get(job["export"]["url"].as_str().unwrap()).await;
    assert_eq!(answer.status(), 200);
    let disposition = answer.headers()["content-disposition"].to_str().unwrap().to_owned();
    assert!(
        disposition.starts_with("attachment; filename=\"attendance-"),
        "{disposition}"
    );
    let bytes = answer.bytes().await.unwrap().to_vec();
    assert_eq!(job["export"]["byteSize"], bytes.len());
    bytes
}

/// Rows without the header, each cell as text.
fn csv_rows(bytes: &[u8]) -> Vec<Vec<String>> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").expect("a byte order mark");
    let mut reader = csv::ReaderBuilder::new().has_headers(true).from_reader(text);
    let rows = reader
        .records()
        .map(|row| row.unwrap().iter().map(ToOwned::to_owned).collect());
    rows.collect()
}

fn xlsx_rows(bytes: Vec<u8>) -> Vec<Vec<String>> {
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).unwrap();
    let names = book.sheet_names();
    let sheet = book.worksheet_range(&names[0]).unwrap();
    assert!(book.worksheet_formula(&names[0]).unwrap().is_empty(), "a formula");
    let cell = |cell: &Data| match cell {
        Data::Float(number) => format!("{number:.4}"),
        other => other.to_string(),
    };
    sheet
        .rows()
        .skip(1)
        .map(|row| {
            let mut row: Vec<String> = row.iter().map(cell).collect();
            row.resize(10, String::new());
            row
        })
        .collect()
}

/// As the sheet says it: what CSV must hide from a spreadsheet stands bare there.
fn bare(rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let bare = |cell: String| cell.strip_prefix('\'').map(ToOwned::to_owned).unwrap_or(cell);
    rows.into_iter()
        .map(|row| row.into_iter().map(bare).collect())
        .collect()
}

async fn same_in_both(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 2).await;
    let names = [
        "=cmd|' /C calc'!A0",
        "+1",
        "-1",
        "@x",
        "a \"b\", c",
        "😀 عمر محمد",
        "李小龍",
    ];
    let rows: Vec<Value> = names.iter().map(|name| json!({ "fullName": name })).collect();
    let added = admin
        .query(
            "mutation($class: ID!, $rows: [StudentInput!]!) { addStudents(classId: $class, students: $rows) { \
             results { student { id } error { message } } } }",
            json!({ "class": school.class, "rows": rows }),
        )
        .await;
    let session = school.open_session().await;
    let job = school.submit(&session, photo(&[person(0), person(1)])).await;
    ended(&admin, &job).await;
    for (n, remark) in ["=1+1", "two\nlines, \"quoted\"", "-5"].iter().enumerate() {
        let student = &added["addStudents"]["results"][n]["student"]["id"];
        let input = json!({ "sessionId": session, "studentId": student, "status": "EXCUSED", "remark": remark });
        admin
            .query(
                "mutation($input: MarkInput!) { markAttendance(input: $input) { mark { id } } }",
                json!({ "input": input }),
            )
            .await;
    }
    // A session that is only planned has no lines.
    school.session(now() + TimeDelta::hours(5)).await;
    let csv = export(&admin, json!({ "range": today(), "format": "CSV" })).await;
    let xlsx = export(&admin, json!({ "range": today(), "format": "XLSX" })).await;
    assert_eq!(csv["export"]["rows"], 9);
    assert_eq!(xlsx["export"]["rows"], 9);
    let bytes = fetched(&admin, &csv).await;
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.starts_with("\u{feff}Date,Class,Session,Roll number,Name,Status,Time,Source,Similarity,Remark\r\n"));
    let lines = csv_rows(&bytes);
    for cell in lines.iter().flatten() {
        let number = cell.parse::<f64>().is_ok();
        assert!(number || !cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
    }
    let lines = bare(lines);
    assert_eq!(lines, xlsx_rows(fetched(&admin, &xlsx).await));
    let mut told: Vec<&str> = lines.iter().map(|line| line[4].as_str()).collect();
    told.sort_unstable();
    let mut wanted: Vec<&str> = names.iter().copied().chain(["Student 000", "Student 001"]).collect();
    wanted.sort_unstable();
    assert_eq!(told, wanted);
    let of = |name: &str| lines.iter().find(|line| line[4] == name).unwrap();
    assert_eq!(
        (of("Student 000")[5].as_str(), of("Student 000")[7].as_str()),
        ("PRESENT", "RECOGNITION")
    );
    assert_eq!(of("Student 000")[8], "1.0000");
    assert_eq!(of("+1")[9], "two\nlines, \"quoted\"");
    assert_eq!(of("李小龍")[5], "");

    // One student, and one class.
    let input = json!({ "range": today(), "studentId": school.students[0], "format": "CSV" });
    assert_eq!(export(&admin, input).await["export"]["rows"], 1);
    let other = School::with_students(&admin, 3).await;
    other.open_session().await;
    let input = json!({ "range": today(), "classId": other.class, "format": "XLSX" });
    assert_eq!(export(&admin, input).await["export"]["rows"], 3);
}

both!(both_formats_say_what_the_roll_says, same_in_both);

async fn for_whom(world: World) {
    let (organization, admin) = world.organization("School").await;
    let (_, tess) = world.member(organization, "Tess", Role::Teacher).await;
    let (_, tom) = world.member(organization, "Tom", Role::Teacher).await;
    let (_, foreign) = world.organization("Elsewhere").await;
    let own = School::with_students(&tess, 4).await;
    own.open_session().await;
    let others = School::with_students(&tom, 5).await;
    others.open_session().await;
    let mine = export(&tess, json!({ "range": today(), "format": "CSV" })).await;
    assert_eq!(mine["export"]["rows"], 4);
    assert_eq!(
        export(&admin, json!({ "range": today(), "format": "CSV" })).await["export"]["rows"],
        9
    );
    // The job is also the admins', its file is not.
    let seen = admin.query(FILE, json!({ "id": mine["id"] })).await;
    assert_eq!(
        (&seen["job"]["kind"], &seen["job"]["export"]),
        (&json!("EXPORT"), &Value::Null)
    );
    assert_eq!(tom.query(FILE, json!({ "id": mine["id"] })).await["job"], Value::Null);
    let edited = mine["export"]["url"].as_str().unwrap().replace("/media/", "/media/A");
    assert_eq!(tess.get(&edited).await.status(), 404);

    let ask = async |client: &Client, input: Value| client.raw(EXPORT, json!({ "input": input })).await;
    let theirs = json!({ "range": today(), "classId": others.class, "format": "CSV" });
    assert_eq!(code(&ask(&tess, theirs.clone()).await), "NOT_FOUND");
    assert_eq!(code(&ask(&foreign, theirs).await), "NOT_FOUND");
    let student = json!({ "range": today(), "studentId": others.students[0], "format": "CSV" });
    assert_eq!(code(&ask(&tess, student).await), "NOT_FOUND");
    for range in [
        json!({ "from": "2026-02-01", "to": "2026-01-01" }),
        json!({ "from": "1926-01-01", "to": "2026-01-01" }),
    ] {
        let refused = ask(&admin, json!({ "range": range, "format": "CSV" })).await;
        assert_eq!(
            (code(&refused), &refused["errors"][0]["extensions"]["field"]),
            ("INVALID_INPUT", &json!("range"))
        );
    }
}

both!(a_report_is_for_whoever_asked_for_it, for_whom);

async fn erased(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 2).await;
    let session = school.open_session().await;
    school.set(&session, "closeSession").await;
    let before = export(&admin, json!({ "range": today(), "format": "CSV" })).await;
    assert!(
        String::from_utf8(fetched(&admin, &before).await)
            .unwrap()
            .contains("Student 000")
    );
    admin
        .query(
            "mutation($id: ID!) { deleteUser(id: $id) { deletedId } }",
            json!({ "id": school.students[0] }),
        )
        .await;
    let gone = admin.query(FILE, json!({ "id": before["id"] })).await;
    assert_eq!(gone["job"]["export"], Value::Null);
    assert_eq!(admin.get(before["export"]["url"].as_str().unwrap()).await.status(), 404);
    let after = export(&admin, json!({ "range": today(), "format": "CSV" })).await;
    let text = String::from_utf8(fetched(&admin, &after).await).unwrap();
    assert!(!text.contains("Student 000") && text.contains("Student 001"), "{text}");
    assert_eq!(after["export"]["rows"], 2, "the mark stays, without a name");
}

both!(an_erased_student_is_in_no_report, erased);

/// Whatever the moment of the erasure, no file that can be fetched afterwards has the name.
async fn erased_meanwhile(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 40).await;
    let session = school.open_session().await;
    school.set(&session, "closeSession").await;
    for (n, student) in school.students.iter().enumerate() {
        let input = json!({ "range": today(), "format": "CSV" });
        let erase = async {
            tokio::time::sleep(Duration::from_millis(n as u64 * 3 % 60)).await;
            let erase = "mutation($id: ID!) { deleteUser(id: $id) { deletedId } }";
            admin.query(erase, json!({ "id": student })).await
        };
        let (made, _) = tokio::join!(admin.query(EXPORT, json!({ "input": input })), erase);
        let job = &made["exportAttendance"]["job"]["id"];
        assert_eq!(ended(&admin, job.as_str().unwrap()).await["status"], "SUCCEEDED");
        let job = admin.query(FILE, json!({ "id": job })).await["job"].clone();
        if job["export"] != Value::Null {
            let text = String::from_utf8(fetched(&admin, &job).await).unwrap();
            assert!(
                !text.contains(&format!("Student {n:03}")),
                "the file of round {n} has the name"
            );
        }
    }
}

both!(no_file_names_who_was_erased_while_it_was_made, erased_meanwhile);

/// What a worker makes of a report whose asker may not read it any more; and how long a file stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_read_with_the_rights_of_then_and_kept_for_a_week() {
    let setup = Setup {
        workers: 0,
        ..Setup::new(Mode::Embedded)
    };
    let world = setup.build().await.unwrap();
    let (organization, admin) = world.organization("School").await;
    let (tess, client) = world.member(organization, "Tess", Role::Teacher).await;
    School::with_students(&client, 2).await.open_session().await;
    let clock = Arc::new(ManualClock::at(now()));
    let worker = world.twin(|parts| parts.clock = clock.clone());
    let asked = json!({ "input": { "range": today(), "format": "CSV" } });

    client.query(EXPORT, asked.clone()).await;
    let claim = claims::claim(&worker).await.unwrap().unwrap();
    assert_eq!(reports::export(&worker, &claim).await.unwrap(), None);
    client.query(EXPORT, asked).await;
    let suspend = "mutation($id: ID!) { setUserStatus(id: $id, status: SUSPENDED) { user { id } } }";
    let id = format!("usr_{}", tess.0.simple());
    admin.query(suspend, json!({ "id": id })).await;
    let claim = claims::claim(&worker).await.unwrap().unwrap();
    assert!(reports::export(&worker, &claim).await.unwrap().is_some());

    let media = world.folder.path().join("media/exports");
    let files = || {
        let count = |folder: &Path| walk(folder).count();
        count(&media)
    };
    assert_eq!(files(), 1);
    for (days, left) in [(6, 1), (2, 0)] {
        clock.advance(TimeDelta::days(days));
        for chore in [Chore::Reports, Chore::DiscardedMedia] {
            housekeeping::run(&worker, chore, Occasion::Asked).await.unwrap();
        }
        assert_eq!(files(), left, "after {days} more days");
    }
}

/// The files under a folder.
fn walk(folder: &Path) -> Box<dyn Iterator<Item = PathBuf>> {
    let entries = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path());
    Box::new(entries.flat_map(|path| {
        if path.is_dir() {
            walk(&path)
        } else {
            Box::new(std::iter::once(path))
        }
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_keeps_the_workers_busy_with_reports() {
    let setup = Setup {
        workers: 0,
        rates: true,
        ..Setup::new(Mode::Embedded)
    };
    let world = setup.build().await.unwrap();
    let (_, admin) = world.organization("School").await;
    let mut taken = 0;
    loop {
        let answer = admin
            .raw(EXPORT, json!({ "input": { "range": today(), "format": "CSV" } }))
            .await;
        if answer.get("errors").is_some() {
            assert_eq!(code(&answer), "RATE_LIMITED");
            break;
        }
        taken += 1;
    }
    assert!((10..200).contains(&taken), "{taken} reports");
}
