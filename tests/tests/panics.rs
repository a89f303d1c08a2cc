//! A panic anywhere is one INTERNAL answer with a correlation id, or one more attempt at a job, and never the end
//! of the process or of anything that it does in the background. Here whatever asks the time panics for a while,
//! which is nearly everything.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use service::clock::{Clock, SystemClock};
use tests::fake;
use tests::school::{School, ended, now};
use tests::socket::{Got, Socket};
use tests::world::{Mode, Setup, World};

/// Long enough for everything that looks every second, or every two, to meet it.
const BROKEN: Duration = Duration::from_secs(5);
const SOON: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct Fragile {
    broken: AtomicBool,
    panics: AtomicUsize,
}

impl Clock for Fragile {
    fn now(&self) -> DateTime<Utc> {
        if self.broken.load(Ordering::SeqCst) {
            self.panics.fetch_add(1, Ordering::SeqCst);
            panic!("the clock is broken");
        }
        SystemClock.now()
    }
}

#[track_caller]
fn internal(error: &Value) {
    assert_eq!(error["extensions"]["code"], "INTERNAL", "{error}");
    assert!(error["extensions"]["correlationId"].is_string(), "{error}");
    assert!(!error.to_string().contains("clock"), "{error}");
}

async fn soon(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !done().await {
        assert!(begun.elapsed() < SOON, "{what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn panics_pass() {
    let clock = Arc::new(Fragile::default());
    let setup = Setup {
        clock: Some(clock.clone()),
        ..Setup::new(Mode::Embedded)
    };
    let world = setup.build().await.unwrap();
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 2).await;
    let session = school.open_session().await;
    let bell = school.session(now() + TimeDelta::seconds(4)).await;
    let mut socket = Socket::open(&admin).await;
    let watch = "subscription($id: ID!) { attendance(sessionId: $id) { student { id } mark { status } } }";
    socket.subscribe("watch", watch, json!({ "id": session })).await;
    let first = school.submit(&session, fake::photo(&[fake::person(0)])).await;
    assert_eq!(socket.next().await["attendance"]["student"]["id"], school.students[0]);
    assert_eq!(ended(&admin, &first).await["status"], "SUCCEEDED");
    let picture = ended(&admin, &first).await["photos"][0]["url"]
        .as_str()
        .unwrap()
        .to_owned();

    clock.broken.store(true, Ordering::SeqCst);
    let broken = Instant::now();
    internal(&admin.error("{ viewer { id } }", Value::Null).await);
    let shown = admin.get(&picture).await;
    assert_eq!(shown.status(), 500);
    internal(&shown.json::<Value>().await.unwrap()["errors"][0]);
    socket
        .subscribe(
            "ask",
            "mutation { submitFeedback(message: \"Hm\") { received } }",
            json!({}),
        )
        .await;
    match socket.within(SOON).await {
        Some(Got::Error(error)) => internal(&error),
        other => panic!("{other:?}"),
    }
    tokio::time::sleep(BROKEN.saturating_sub(broken.elapsed())).await;
    let panics = clock.panics.swap(0, Ordering::SeqCst);
    clock.broken.store(false, Ordering::SeqCst);
    assert!(panics > 5, "{panics}");

    // What is asked, what is watched, what is worked on, and what comes by the clock alone.
    admin.query("{ viewer { id } }", Value::Null).await;
    let second = school.submit(&session, fake::photo(&[fake::person(1)])).await;
    assert_eq!(ended(&admin, &second).await["status"], "SUCCEEDED");
    assert_eq!(socket.next().await["attendance"]["student"]["id"], school.students[1]);
    soon("the bell rings no more", async || {
        let state = "query($id: ID!) { session(id: $id) { state } }";
        admin.query(state, json!({ "id": bell })).await["session"]["state"] == "OPEN"
    })
    .await;
    soon("no worker says that it lives", async || {
        let health = admin
            .query("{ health { components { name state } } }", Value::Null)
            .await;
        let components = health["health"]["components"].as_array().unwrap().clone();
        components
            .iter()
            .any(|part| part["name"] == "workers" && part["state"] == "OK")
    })
    .await;
    mail_goes(&world).await;
}

async fn mail_goes(world: &World) {
    let letter = service::mail::Letter {
        to: "ada@example.org".into(),
        subject: "Hello".into(),
        body: vec![service::mail::Block::Text("Hello".into())],
    };
    service::mail::send(&world.service, &service::Scope::System("test"), letter)
        .await
        .unwrap();
    let outbox = world.folder.path().join("outbox");
    soon("no mail goes", async || {
        std::fs::read_dir(&outbox).is_ok_and(|mut all| all.next().is_some())
    })
    .await;
}
