//! Reports as files: what is in them, who gets them, and when they go.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod long;

use std::io::Cursor;

use calamine::{Data, Reader, Xlsx};
use serde_json::{Value, json};
use service::kinds::Role;
use tests::both;
use tests::client::{Client, code};
use tests::fake::{person, photo};
use tests::school::{School, ended, now};
use tests::world::World;

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
    school.session(now() + chrono::TimeDelta::hours(5)).await;
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
