//! Which tokens are accepted, and for how long.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use chrono::TimeDelta;
use serde_json::{Value, json};
use service::clock::ManualClock;
use service::keys::KeyRing;
use service::kinds::Role;
use service::{Service, accounts};
use tests::both;
use tests::client::{code, data};
use tests::process::Process;
use tests::school::now;
use tests::socket::{Got, Socket};
use tests::world::{Mode, PASSWORD, SECRET, Setup, World};

use crate::device::{Device, LOGOUT, email, member, works};

const OLD_KEY: &str = "an old secret key of more than 32 bytes";
const NEW_KEY: &str = "a new secret key of more than 32 bytes";

async fn at_a_time(start: chrono::DateTime<chrono::Utc>) -> (World, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(start));
    let setup = Setup {
        workers: 0,
        clock: Some(clock.clone()),
        ..Setup::new(Mode::Embedded)
    };
    (setup.build().await.unwrap(), clock)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_runs_out_and_its_login_does_not() {
    let (world, clock) = at_a_time(now()).await;
    let (organization, admin) = world.organization("School").await;
    let email = member(&world, organization, Role::Teacher).await;
    let stranger = world.stranger();
    let device = Device::login(&stranger, &email).await;
    let leaver = Device::login(&stranger, &email).await;
    let mut socket = Socket::open(&device.client).await;
    clock.advance(TimeDelta::seconds(15 * 60 - 1));
    assert!(works(&device.client).await);
    clock.advance(TimeDelta::seconds(1));
    assert!(!works(&device.client).await);
    assert!(!works(&admin).await);

    // A stale token in the header hinders neither of those that replace it.
    let fresh = Device::of(&stranger, &data(device.refresh(&device.client).await)["refresh"]);
    assert!(works(&fresh.client).await);
    let ended = leaver.client.query(LOGOUT, json!({ "token": leaver.refresh })).await;
    assert_eq!(ended["logout"]["endedLogins"], 1);
    assert_eq!(code(&leaver.refresh(&stranger).await), "UNAUTHENTICATED");

    // A socket is its login's; it can't be opened with a token that has run out.
    socket.subscribe("1", "{ viewer { email } }", json!({})).await;
    assert_eq!(socket.next().await["viewer"]["email"], email);
    assert_eq!(socket.within(Duration::from_secs(5)).await, Some(Got::Complete));
    let mut late = Socket::bare(&device.client).await;
    late.send(
        json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {}", device.access) } }),
    )
    .await;
    assert_eq!(late.within(Duration::from_secs(20)).await, Some(Got::Closed(4403)));
    fresh.client.query(LOGOUT, json!({})).await;
    assert_eq!(socket.within(Duration::from_secs(20)).await, Some(Got::Closed(4401)));

    // A login that nobody refreshes is over after thirty days.
    let idle = Device::login(&stranger, &email).await;
    clock.advance(TimeDelta::days(30));
    assert_eq!(code(&idle.refresh(&stranger).await), "UNAUTHENTICATED");
}

/// Signs in at a service that is another server on the same database.
async fn login_at(service: &Service, email: &str) -> String {
    accounts::login(service, service::rates::Origin::default(), email, PASSWORD)
        .await
        .unwrap()
        .access
}

async fn refuses(world: World) {
    let (_, admin) = world.organization("School").await;
    let email = email(&admin).await;
    let stranger = world.stranger();
    let ring = |current: &str, old: &[&str]| {
        let old: Vec<String> = old.iter().map(ToString::to_string).collect();
        KeyRing::new(current, &old).unwrap()
    };
    let at = |offset: TimeDelta| world.twin(|parts| parts.clock = Arc::new(ManualClock::at(now() + offset)));
    let same = login_at(&world.twin(|_| ()), &email).await;
    assert!(
        works(&stranger.with_token(&same)).await,
        "else the refusals below say nothing"
    );

    let mut bad = vec![
        (
            "another key",
            login_at(&world.twin(|p| p.keys = ring(NEW_KEY, &[])), &email).await,
        ),
        ("not yet", login_at(&at(TimeDelta::minutes(5)), &email).await),
        ("no longer", login_at(&at(-TimeDelta::minutes(16)), &email).await),
    ];
    let parts: Vec<&str> = same.split('.').collect();
    let json_of = |part: &str| -> Value { serde_json::from_slice(&BASE64.decode(part).unwrap()).unwrap() };
    let text_of = |value: &Value| BASE64.encode(value.to_string());
    let header = |alg: &str| {
        let mut header = json_of(parts[0]);
        header["alg"] = json!(alg);
        text_of(&header)
    };
    bad.push(("alg none", format!("{}.{}.", header("none"), parts[1])));
    bad.push((
        "alg none, signed",
        format!("{}.{}.{}", header("none"), parts[1], parts[2]),
    ));
    bad.push(("alg changed", format!("{}.{}.{}", header("HS512"), parts[1], parts[2])));
    for (claim, value) in [
        ("exp", json!(i64::MAX)),
        ("sub", json!(uuid::Uuid::nil())),
        ("nbf", json!(0)),
    ] {
        let mut claims = json_of(parts[1]);
        claims[claim] = value;
        bad.push((
            "edited claim",
            format!("{}.{}.{}", parts[0], text_of(&claims), parts[2]),
        ));
    }
    let swap = if parts[2].starts_with('A') { "B" } else { "A" };
    bad.push((
        "edited signature",
        format!("{}.{}.{swap}{}", parts[0], parts[1], &parts[2][1..]),
    ));
    bad.push(("no signature", format!("{}.{}", parts[0], parts[1])));
    bad.push(("nothing", "x".to_owned()));
    for (what, token) in &bad {
        assert!(!works(&stranger.with_token(token)).await, "{what}");
        let mut socket = Socket::bare(&stranger).await;
        let payload = json!({ "authorization": format!("Bearer {token}") });
        socket
            .send(json!({ "type": "connection_init", "payload": payload }))
            .await;
        assert_eq!(
            socket.within(Duration::from_secs(20)).await,
            Some(Got::Closed(4403)),
            "{what}"
        );
    }
    // The token carries the login's id alone: what its bearer may do is not in it.
    let claims = json_of(parts[1]);
    let names: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["aud", "exp", "iat", "iss", "nbf", "sub"]);

    // The key is changed and the old one kept in the ring: nobody has to sign in again.
    let rotated = world.twin(|p| p.keys = ring(NEW_KEY, &[SECRET]));
    assert!(accounts::authenticate(&rotated, &same).await.is_ok());
    let replaced = world.twin(|p| p.keys = ring(NEW_KEY, &[]));
    assert!(accounts::authenticate(&replaced, &same).await.is_err());
    if world.apis.is_empty() {
        return;
    }
    // The same by the variables, as an operator does it: sign in, restart with another key.
    let api = server(&world, OLD_KEY, None).await;
    let signed = Device::login(&stranger.at(&api.base), &email).await;
    for (old, accepted) in [(Some(OLD_KEY), true), (None, false)] {
        let api = server(&world, NEW_KEY, old).await;
        assert_eq!(works(&signed.client.at(&api.base)).await, accepted);
    }
}

async fn server(world: &World, key: &str, old: Option<&str>) -> Process {
    let mut settings: Vec<(&str, &str)> = world.settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    settings.retain(|(name, _)| *name != "MUSTER_SECRET_KEY");
    settings.push(("MUSTER_SECRET_KEY", key));
    settings.extend(old.map(|old| ("MUSTER_SECRET_KEYS_OLD", old)));
    Process::start("api", &settings).await
}

both!(only_a_token_of_ours_and_of_now_is_accepted, refuses, |s| Setup {
    workers: 0,
    ..s
});
