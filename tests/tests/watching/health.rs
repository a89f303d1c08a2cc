//! Health tells of each part, readiness goes and comes back with what can be written, and neither waits for a part
//! that hangs.

use std::net::TcpListener;
use std::time::Instant;

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use service::db::Db;
use tests::both;
use tests::client::Client;
use tests::postgres::{OwnPostgres, server};
use tests::process::free_port;
use tests::redis::OwnRedis;
use tests::world::{Mode, Setup, World};

use crate::{PATIENCE, api, empty, until, worker};

async fn status(base: &str, path: &str) -> u16 {
    let answer = reqwest::get(format!("{base}/health/{path}")).await;
    answer.expect("an answer").status().as_u16()
}

async fn health(client: &Client) -> (Value, Value) {
    let query = "{ health { state components { name state latencyMs detail } } }";
    let health = client.query(query, json!({})).await["health"].clone();
    (health["state"].clone(), health["components"].clone())
}

fn part(components: &Value, name: &str) -> Value {
    let mut found = components
        .as_array()
        .unwrap()
        .iter()
        .filter(|part| part["name"] == name);
    found.next().unwrap_or_else(|| panic!("no {name} in {components}"))["state"].clone()
}

async fn becomes(base: &str, ready: u16) {
    until(&format!("{ready} of {base}"), async || {
        status(base, "ready").await == ready
    })
    .await;
    assert_eq!(status(base, "live").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_goes_with_the_database_and_comes_back_by_itself() {
    let Some(redis) = tests::redis::server() else { return };
    let Some(postgres) = OwnPostgres::start().await else {
        return;
    };
    let setup = Setup {
        postgres: Some(postgres.url()),
        redis: Some(redis),
        ..Setup::new(Mode::Processes)
    };
    let mut world = empty(setup).await.unwrap();
    api(&mut world, &[]).await;
    let (_, admin) = world.organization("School").await;
    let (base, id) = (world.bases[0].clone(), world.apis[0].id());
    becomes(&base, 200).await;

    let postgres = tokio::task::spawn_blocking(move || {
        postgres.stop();
        postgres
    });
    let postgres = postgres.await.unwrap();
    becomes(&base, 503).await;
    let state = "{ health { state components { name } } }";
    let away = world.stranger().query(state, json!({})).await;
    assert_eq!(away["health"], json!({ "state": "DOWN", "components": null }));
    let postgres = tokio::task::spawn_blocking(move || {
        postgres.launch();
        postgres
    });
    let postgres = postgres.await.unwrap();
    becomes(&base, 200).await;

    // It is read, and nothing can be written.
    let operator = Db::connect(&postgres.url()).await.unwrap();
    let set = async |read_only: &str| {
        for statement in [
            &format!("ALTER SYSTEM SET default_transaction_read_only = {read_only}"),
            "SELECT pg_reload_conf()",
        ] {
            operator.writer().execute_unprepared(statement).await.unwrap();
        }
    };
    set("on").await;
    becomes(&base, 503).await;
    let (state, components) = health(&admin).await;
    assert_eq!(
        (&state, &part(&components, "database")),
        (&json!("DOWN"), &json!("DOWN"))
    );
    set("off").await;
    becomes(&base, 200).await;
    assert!(world.apis[0].lives() && world.apis[0].id() == id, "nobody restarted it");
}

async fn without_a_store(world: World) {
    let (_, admin) = world.organization("School").await;
    let base = world.bases[0].clone();
    becomes(&base, 200).await;
    let media = world.folder.path().join("media");
    let (photos, away) = (media.join("photos"), world.folder.path().join("away"));
    std::fs::create_dir_all(&photos).unwrap();
    std::fs::rename(&photos, &away).unwrap();
    std::fs::write(&photos, b"").unwrap();
    becomes(&base, 503).await;
    let (state, components) = health(&admin).await;
    assert_eq!(
        (&state, &part(&components, "media")),
        (&json!("DEGRADED"), &json!("DEGRADED"))
    );
    assert_eq!(part(&components, "database"), "OK");
    std::fs::remove_file(&photos).unwrap();
    std::fs::rename(&away, &photos).unwrap();
    becomes(&base, 200).await;
    // What it was tried with is gone.
    assert_eq!(photos.read_dir().unwrap().count(), 0);
}

both!(readiness_goes_with_the_store, without_a_store);

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_it_is_degraded_and_ready() {
    if server().is_none() {
        return;
    }
    let mut redis = OwnRedis::start().await;
    let setup = Setup {
        redis: Some(redis.url()),
        ..Setup::new(Mode::Processes)
    };
    let mut world = empty(setup).await.unwrap();
    api(&mut world, &[]).await;
    worker(&mut world, &[]).await;
    let (_, admin) = world.organization("School").await;
    let is = async |wanted: &'static str, redis: &'static str| {
        until(&format!("{wanted}, with Redis {redis}"), async || {
            let (state, components) = health(&admin).await;
            state == wanted && part(&components, "redis") == redis
        })
        .await;
        becomes(&world.bases[0], 200).await;
    };
    is("OK", "OK").await;
    let (_, components) = health(&admin).await;
    for name in ["database", "redis", "media", "mail", "workers", "models"] {
        assert_eq!(part(&components, name), "OK");
    }
    for part in components.as_array().unwrap() {
        assert!(part["latencyMs"].as_f64().unwrap() >= 0.0, "{part}");
        assert_eq!(part["detail"], Value::Null);
    }
    redis.kill();
    is("DEGRADED", "DEGRADED").await;
    redis.launch().await;
    is("OK", "OK").await;
}

/// Takes connections and says nothing.
fn mute() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_does_not_hang_health() {
    if server().is_none() || tests::redis::server().is_none() {
        return;
    }
    let (redis, mail) = (mute(), mute());
    let setup = Setup {
        redis: Some(format!("redis://127.0.0.1:{}", redis.1)),
        smtp: Some((format!("smtp://127.0.0.1:{}", mail.1), None)),
        ..Setup::new(Mode::Processes)
    };
    let mut world = empty(setup).await.unwrap();
    api(&mut world, &[]).await;
    let (_, admin) = world.organization("School").await;
    let all = futures_util::future::join_all((0..20).map(|_| health(&admin)));
    // Each part's patience, once: whoever comes meanwhile waits for the same look.
    let all = tokio::time::timeout(PATIENCE, all).await.expect("answers");
    for (state, components) in all {
        assert_eq!(state, "DEGRADED");
        assert_eq!(part(&components, "redis"), "DEGRADED");
        assert_eq!(part(&components, "mail"), "DEGRADED");
        assert_eq!(part(&components, "database"), "OK");
    }
    becomes(&world.bases[0], 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_is_refused_is_told() {
    let setup = Setup {
        smtp: Some((format!("smtp://127.0.0.1:{}", free_port()), None)),
        ..Setup::new(Mode::Embedded)
    };
    let world = setup.build().await.unwrap();
    let (_, admin) = world.organization("School").await;
    let (_, components) = health(&admin).await;
    assert_eq!(part(&components, "mail"), "DEGRADED");
    becomes(&world.bases[0], 200).await;
}

/// However often it is asked, it is looked at once in a while.
#[tokio::test(flavor = "multi_thread")]
async fn asking_often_costs_the_database_little() {
    let setup = Setup {
        workers: 0,
        ..Setup::new(Mode::Embedded)
    };
    let world = setup.build().await.unwrap();
    let begun = Instant::now();
    let before = world.service.db.statements();
    for _ in 0..200 {
        status(&world.bases[0], "ready").await;
    }
    let statements = world.service.db.statements() - before;
    let looks = begun.elapsed().as_secs() + 2;
    assert!(statements <= looks, "{statements} statements in {looks} s");
}
