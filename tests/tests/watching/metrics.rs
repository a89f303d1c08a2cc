//! Numbers at an address of their own, with labels of closed sets alone.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::client::code;
use tests::fake::{person, photo};
use tests::process::free_port;
use tests::school::{School, ended};
use tests::socket::Socket;
use tests::world::{Mode, Setup, World};

use crate::{PATIENCE, api, empty, until, worker};

const OPERATING: &str = include_str!("../../../docs/operating.md");

async fn scrape(listen: &str) -> String {
    let answer = reqwest::get(format!("http://{listen}/metrics")).await;
    let Ok(answer) = answer else { return String::new() };
    assert_eq!(answer.status(), 200);
    let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(
        content_type.starts_with("application/openmetrics-text"),
        "{content_type}"
    );
    answer.text().await.unwrap()
}

/// The value of a series, by its name with its labels.
fn value(text: &str, series: &str) -> Option<f64> {
    let mut values = text
        .lines()
        .filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let value = values.next()?.parse().unwrap();
    assert_eq!(values.next(), None, "{series} comes twice");
    Some(value)
}

/// Looks until these series have these values: what a client was told is counted a moment later. Answers the text.
async fn shows(listen: &str, wanted: &[(&str, f64)]) -> String {
    let begun = Instant::now();
    loop {
        let text = scrape(listen).await;
        let odd = wanted
            .iter()
            .find(|(series, wanted)| value(&text, series).is_none_or(|found| (found - wanted).abs() > 1e-9));
        let Some((series, wanted)) = odd else { return text };
        assert!(
            begun.elapsed() < PATIENCE,
            "{series} is {:?}, not {wanted}, in\n{text}",
            value(&text, series)
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

struct Scene {
    world: World,
    api: String,
    worker: String,
}

async fn scene() -> Option<Scene> {
    let address = || format!("127.0.0.1:{}", free_port());
    let (at_api, at_worker) = (address(), address());
    let mut world = empty(Setup::new(Mode::Processes)).await?;
    api(&mut world, &[("MUSTER_METRICS_LISTEN", &at_api)]).await;
    worker(&mut world, &[("MUSTER_METRICS_LISTEN", &at_worker)]).await;
    Some(Scene {
        world,
        api: at_api,
        worker: at_worker,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_by_what_the_schema_calls_them() {
    let Some(Scene { world, api, .. }) = scene().await else {
        return;
    };
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let session = school.session(tests::school::now()).await;
    let asked =
        "query Zanzibar($id: ID!) { zebra: session(id: $id) { id } ...Zoo } fragment Zoo on Query { viewer { id } }";
    admin.query(asked, json!({ "id": session })).await;
    admin
        .query("query Zanzibar { zebra: viewer { id fullName email } }", json!({}))
        .await;
    for invalid in ["query Zanzibar { zanzibar }", "{ viewer { zebra } }", "{"] {
        assert_eq!(code(&admin.raw(invalid, json!({})).await), "BAD_REQUEST");
    }
    let stranger = world.stranger();
    assert_eq!(
        code(&stranger.raw("{ users { totalCount } }", json!({})).await),
        "UNAUTHENTICATED"
    );
    let plain = reqwest::Client::new().post(format!("{}/graphql", stranger.base));
    assert_eq!(plain.body("zanzibar").send().await.unwrap().status(), 415);

    let text = shows(
        &api,
        &[
            (
                r#"muster_requests_total{kind="mutation",operation="createSession",code="OK"}"#,
                1.0,
            ),
            (
                r#"muster_requests_total{kind="query",operation="several",code="OK"}"#,
                1.0,
            ),
            (
                r#"muster_requests_total{kind="query",operation="viewer",code="OK"}"#,
                1.0,
            ),
            (
                r#"muster_requests_total{kind="query",operation="users",code="UNAUTHENTICATED"}"#,
                1.0,
            ),
            (
                r#"muster_requests_total{kind="none",operation="invalid",code="BAD_REQUEST"}"#,
                3.0,
            ),
            (
                r#"muster_requests_total{kind="none",operation="refused",code="UNSUPPORTED_MEDIA"}"#,
                1.0,
            ),
            (
                r#"muster_request_duration_seconds_count{kind="query",operation="viewer"}"#,
                1.0,
            ),
        ],
    )
    .await;
    // Nothing that a client wrote, and nobody.
    for word in [
        "anzibar",
        "zebra",
        "Zoo",
        "Student 0",
        "example.org",
        session.trim_start_matches("ses_"),
    ] {
        assert!(!text.contains(word), "{word} is in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_and_subscribers_are_those_that_there_are() {
    let Some(Scene { world, api, .. }) = scene().await else {
        return;
    };
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let session = school.session(tests::school::now()).await;
    let mut socket = Socket::open(&admin).await;
    let query = "subscription Mine($id: ID!) { attendance(sessionId: $id) { __typename } }";
    socket.subscribe("1", query, json!({ "id": session })).await;
    let are = |count: f64| {
        [
            ("muster_sockets", count),
            (r#"muster_subscribers{operation="attendance"}"#, count),
        ]
    };
    shows(&api, &are(1.0)).await;
    drop(socket);
    shows(&api, &are(0.0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_measured_and_so_is_what_waits() {
    let Some(mut scene) = scene().await else { return };
    let (_, admin) = scene.world.organization("School").await;
    let school = School::enrolled(&admin, 1).await;
    let session = school.open_session().await;
    let job = school.submit(&session, photo(&[person(0)])).await;
    assert_eq!(ended(&admin, &job).await["status"], "SUCCEEDED");
    // Not the photo's fault alone that it is FAILED.
    let broken = school.submit(&session, cut_short()).await;
    assert_eq!(ended(&admin, &broken).await["status"], "FAILED");

    let text = shows(
        &scene.worker,
        &[
            (r#"muster_jobs_ended_total{kind="RECOGNIZE",outcome="SUCCEEDED"}"#, 1.0),
            (r#"muster_jobs_ended_total{kind="RECOGNIZE",outcome="FAILED"}"#, 1.0),
            (r#"muster_jobs_ended_total{kind="ENROL",outcome="SUCCEEDED"}"#, 1.0),
            (
                r#"muster_job_stage_seconds_count{kind="RECOGNIZE",stage="queued"}"#,
                1.0,
            ),
            (r#"muster_job_stage_seconds_count{kind="RECOGNIZE",stage="match"}"#, 1.0),
            (r#"muster_job_stage_seconds_count{kind="RECOGNIZE",stage="write"}"#, 1.0),
            ("muster_worker_slots", 2.0),
            ("muster_worker_slots_busy", 0.0),
            (r#"muster_database_connections{pool="postgres",state="most"}"#, 16.0),
        ],
    )
    .await;
    assert!(value(&text, "muster_database_statements_total").unwrap() > 0.0);

    // Nobody works: what is submitted waits.
    assert!(scene.world.workers[0].stop().await.success());
    let queued = r#"muster_queue_jobs{kind="RECOGNIZE",status="QUEUED"}"#;
    let oldest = r#"muster_queue_oldest_seconds{kind="RECOGNIZE"}"#;
    shows(&scene.api, &[(queued, 0.0), (oldest, 0.0)]).await;
    school.submit(&session, photo(&[person(0)])).await;
    let text = shows(&scene.api, &[(queued, 1.0)]).await;
    assert!(value(&text, oldest).unwrap() > 0.0, "{text}");
    // Paused, it waits for nobody.
    let pause = "mutation { pauseQueue(kind: RECOGNIZE) { queue { paused } } }";
    admin.query(pause, json!({})).await;
    shows(&scene.api, &[(queued, 1.0), (oldest, 0.0)]).await;
}

/// A picture whose header is whole.
fn cut_short() -> bytes::Bytes {
    let whole = photo(&[person(0); 64]);
    whole.slice(..whole.len() - 24)
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_often_costs_the_database_nothing() {
    let Some(Scene { world: _world, api, .. }) = scene().await else {
        return;
    };
    let statements = async || value(&scrape(&api).await, "muster_database_statements_total").unwrap();
    let before = statements().await;
    for _ in 0..50 {
        scrape(&api).await;
    }
    let after = statements().await;
    assert!(after - before <= 5.0, "{} statements", after - before);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_shown_numbers_who_was_not_meant_to_be() {
    let Some(Scene { world, worker, .. }) = scene().await else {
        return;
    };
    let base = &world.bases[0];
    assert_eq!(reqwest::get(format!("{base}/metrics")).await.unwrap().status(), 404);
    // What is told there besides: whether a worker, which serves nothing else, is well.
    until("a worker that is ready", async || {
        let ready = reqwest::get(format!("http://{worker}/health/ready")).await;
        ready.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    let graphql = reqwest::Client::new()
        .post(format!("http://{worker}/graphql"))
        .send()
        .await;
    assert_eq!(graphql.unwrap().status(), 404);
    // Without the setting there is no such address, and no process is started on one that is taken.
    let plain = world.start("api").await;
    let taken = tests::process::command(
        &["worker"],
        &crate::settings(&world, &[("MUSTER_METRICS_LISTEN", &worker)]),
    );
    let mut taken = taken;
    let refused = tokio::task::spawn_blocking(move || taken.output().unwrap())
        .await
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("MUSTER_METRICS_LISTEN: cannot serve at"), "{said}");
    drop(plain);
}

/// The page says what each number is.
#[tokio::test(flavor = "multi_thread")]
async fn every_number_is_on_the_operators_page() {
    let Some(scene) = scene().await else { return };
    let (_, admin) = scene.world.organization("School").await;
    School::enrolled(&admin, 1).await;
    let mut names = 0;
    for listen in [&scene.api, &scene.worker] {
        let text = scrape(listen).await;
        assert!(text.ends_with("# EOF\n"), "{text}");
        for name in text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        {
            assert!(
                OPERATING.contains(&format!("`{name}")),
                "{name} is not in docs/operating.md"
            );
            names += 1;
        }
    }
    assert!(names > 15, "{names}");
}
