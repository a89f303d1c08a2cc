//! Lines of the log: each tells of which request, or of which job it is, and what a client was told leads to them.

use std::path::Path;

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tests::fake::{PANIC, person, photo};
use tests::process::Process;
use tests::school::{School, ended};
use tests::world::{Mode, Setup};

use crate::{empty, settings, until};

fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    let parsed = text.lines().map(serde_json::from_str);
    let mut lines: Vec<Value> = parsed
        .collect::<Result<_, _>>()
        .unwrap_or_else(|_| panic!("not JSON:\n{text}"));
    // What the driver says of a slow database is of no request and no job.
    lines.retain(|line| !line["target"].as_str().unwrap().starts_with("sqlx"));
    lines
}

/// What the spans around a line say by this name.
fn said<'l>(line: &'l Value, span: &str, field: &str) -> Option<&'l Value> {
    let spans = line["spans"].as_array()?;
    spans.iter().find(|s| s["name"] == span)?.get(field)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_tells_of_which_request_it_is() {
    let Some(mut world) = empty(Setup::new(Mode::Processes)).await else {
        return;
    };
    let log = world.folder.path().join("api.log");
    let more = [
        ("MUSTER_LOG", "warn"),
        ("MUSTER_LOG_FORMAT", "json"),
        ("MUSTER_TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let api = Process::start_logged("api", &settings(&world, &more), &log).await;
    world.bases.push(api.base.clone());
    let (_, admin) = world.organization("School").await;
    let http = reqwest::Client::new();
    let ask = async |id: Option<&str>| {
        let mut request = http
            .post(format!("{}/graphql", api.base))
            .bearer_auth(admin.token.as_ref().unwrap());
        if let Some(id) = id {
            request = request.header("x-request-id", id);
        }
        let answer = request
            .json(&json!({ "query": "{ venues { nodes { id } } }" }))
            .send()
            .await
            .unwrap();
        let told = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        (told, answer.json::<Value>().await.unwrap())
    };
    let (first, fine) = ask(None).await;
    let (second, _) = ask(None).await;
    assert!(fine["errors"].is_null(), "{fine}");
    assert_ne!(first, second);
    // A proxy's own stands, what can't be one doesn't.
    assert_eq!(ask(Some("proxy-1.2_3")).await.0, "proxy-1.2_3");
    for odd in ["a b", "a\"b", &"a".repeat(65)] {
        assert_ne!(ask(Some(odd)).await.0, odd);
    }

    let db = world.service.db.writer();
    db.execute_unprepared("ALTER TABLE venue RENAME TO elsewhere")
        .await
        .unwrap();
    for id in [None, Some("of-the-proxy")] {
        let (told, answer) = ask(id).await;
        let extensions = &answer["errors"][0]["extensions"];
        assert_eq!(extensions["code"], "INTERNAL", "{answer}");
        // One id: in the answer's head, in what the client is told, and in the line.
        assert_eq!(extensions["correlationId"], told);
        let mut of_it = lines(&log);
        of_it.retain(|line| said(line, "request", "request_id") == Some(&json!(told)));
        assert_eq!(of_it.len(), 1, "{of_it:?}");
        assert_eq!(
            (&of_it[0]["level"], &of_it[0]["correlation_id"]),
            (&json!("ERROR"), &json!(told))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_tells_of_which_job_it_is() {
    let Some(mut world) = empty(Setup::new(Mode::Processes)).await else {
        return;
    };
    let log = world.folder.path().join("worker.log");
    crate::api(&mut world, &[]).await;
    let more = [("MUSTER_LOG", "warn"), ("MUSTER_LOG_FORMAT", "json")];
    let _worker = Process::start_logged("worker", &settings(&world, &more), &log).await;
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 1).await;
    let session = school.open_session().await;
    let job = school.submit(&session, photo(&[PANIC])).await;
    let fine = school.submit(&session, photo(&[person(0)])).await;
    assert_eq!(ended(&admin, &job).await["status"], "FAILED");
    assert_eq!(ended(&admin, &fine).await["status"], "SUCCEEDED");
    let id = uuid::Uuid::parse_str(job.trim_start_matches("job_"))
        .unwrap()
        .to_string();
    // Of each attempt the panic, on a thread of its own, and that the job failed.
    until("six lines", async || lines(&log).len() >= 6).await;
    let mut told = Vec::new();
    for line in lines(&log) {
        assert_eq!(said(&line, "job", "job_id"), Some(&json!(id)), "{line}");
        assert_eq!(said(&line, "job", "kind"), Some(&json!("RECOGNIZE")), "{line}");
        told.push((
            said(&line, "job", "attempt").unwrap().as_i64().unwrap(),
            line["message"].as_str().unwrap().to_owned(),
        ));
    }
    told.sort();
    let attempts: Vec<i64> = told.iter().map(|(attempt, _)| *attempt).collect();
    assert_eq!(attempts, [1, 1, 2, 2, 3, 3], "{told:?}");
    let failed = told.iter().filter(|(_, message)| message == "the job failed");
    assert_eq!(failed.count(), 3, "{told:?}");
}
