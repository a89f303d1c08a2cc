//! What is tried once, and not by numbers: forged tokens, edited ids and addresses, spent tokens,
//! and codes guessed from many addresses of the network.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use chrono::TimeDelta;
use serde_json::{Value, json};
use service::accounts;
use service::clock::ManualClock;
use service::keys::KeyRing;
use service::kinds::Role;
use service::rates::Origin;
use tests::client::{Client, code};
use tests::fake::{person, photo};
use tests::mailbox;
use tests::school::{School, ended, now};
use tests::world::PASSWORD;

use crate::scene::Scene;

const REFRESH: &str = "mutation($token: String!) { refresh(refreshToken: $token) { accessToken refreshToken } }";
const RESET: &str = "mutation($email: String!, $code: String!) { resetPassword(email: $email, code: $code, \
     newPassword: \"another horse battery\") { endedLogins } }";

/// Tokens that are not ours or not of now.
pub async fn forged_tokens(scene: &Scene) {
    let email = scene.account(Role::Teacher).await;
    let world = &scene.world;
    let login = async |change: &dyn Fn(&mut service::Parts)| {
        let tokens = accounts::login(&world.twin(|parts| change(parts)), Origin::default(), &email, PASSWORD).await;
        tokens.unwrap().access
    };
    let ours = login(&|_| ()).await;
    let parts: Vec<&str> = ours.split('.').collect();
    let mut header: Value = serde_json::from_slice(&BASE64.decode(parts[0]).unwrap()).unwrap();
    header["alg"] = json!("none");
    let tokens = [
        (
            "another key",
            login(&|parts| parts.keys = KeyRing::new("somebody else's key of thirty-two bytes", &[]).unwrap()).await,
        ),
        (
            "expired",
            login(&|parts| parts.clock = Arc::new(ManualClock::at(now() - TimeDelta::minutes(16)))).await,
        ),
        (
            "future",
            login(&|parts| parts.clock = Arc::new(ManualClock::at(now() + TimeDelta::minutes(16)))).await,
        ),
        (
            "alg none",
            format!("{}.{}.", BASE64.encode(header.to_string()), parts[1]),
        ),
    ];
    let stranger = world.stranger();
    let who = async |token: &str| stranger.with_token(token).raw("{ viewer { id } }", json!({})).await;
    assert!(who(&ours).await["data"]["viewer"]["id"].is_string());
    for (name, token) in tokens {
        let answer = who(&token).await;
        assert_eq!(code(&answer), "UNAUTHENTICATED", "{name}");
        println!("{name}: {}", code(&answer));
    }
}

/// A refresh token that was spent before ends the whole family.
pub async fn spent_refresh(scene: &Scene) {
    let email = scene.account(Role::Teacher).await;
    let stranger = scene.world.stranger();
    let login = "mutation($email: String!, $password: String!) { login(email: $email, password: $password) { \
                 refreshToken } }";
    let first = stranger
        .query(login, json!({ "email": email, "password": PASSWORD }))
        .await;
    let first = first["login"]["refreshToken"].clone();
    let second = stranger.query(REFRESH, json!({ "token": first })).await["refresh"].clone();
    let thief = stranger.raw(REFRESH, json!({ "token": first })).await;
    assert_eq!(code(&thief), "UNAUTHENTICATED");
    let owner = stranger.raw(REFRESH, json!({ "token": second["refreshToken"] })).await;
    assert_eq!(code(&owner), "UNAUTHENTICATED");
    let access = stranger.with_token(second["accessToken"].as_str().unwrap());
    assert_eq!(
        code(&access.raw("{ viewer { id } }", json!({})).await),
        "UNAUTHENTICATED"
    );
    println!("spent refresh token: {}", code(&thief));
}

/// A photo of a class as its admin sees it; made before the calm part, as recognizing it is no
/// attack.
pub async fn a_photo(scene: &Scene) -> Value {
    let school = School::enrolled(&scene.admin, 1).await;
    let session = school.open_session().await;
    let job = school.submit(&session, photo(&[person(0)])).await;
    ended(&scene.admin, &job).await;
    scene
        .admin
        .query(
            "query($id: ID!) { job(id: $id) { photos { id url } } }",
            json!({ "id": job }),
        )
        .await
}

/// Every character of an id and of a signed address, changed one at a time.
pub async fn edited_names(scene: &Scene, found: &Value) {
    let id = found["job"]["photos"][0]["id"].as_str().unwrap();
    for edited in edits(id) {
        let node = scene
            .admin
            .query("query($id: ID!) { node(id: $id) { id } }", json!({ "id": edited }))
            .await;
        assert_eq!(node["node"], Value::Null, "{edited}");
    }
    let url = found["job"]["photos"][0]["url"].as_str().unwrap();
    let (base, token) = url.rsplit_once('/').unwrap();
    assert_eq!(scene.admin.get(url).await.status(), 200);
    for edited in edits(token) {
        let answer = scene.admin.get(&format!("{base}/{edited}")).await;
        assert_eq!(answer.status(), 404, "{edited}");
    }
    println!("edited ids and addresses: null and 404");
}

fn edits(text: &str) -> impl Iterator<Item = String> + '_ {
    (0..text.len()).map(|at| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = match bytes[at] {
            b'0' => b'1',
            b'a' => b'b',
            b'_' => b'-',
            byte if byte.is_ascii_digit() => b'0',
            _ => b'a',
        };
        String::from_utf8(bytes).unwrap()
    })
}

/// A code is tried five times, from wherever the guesses come; then the right one is wrong too.
pub async fn guessed_codes(scene: &Scene) {
    let email = scene.account(Role::Teacher).await;
    let base = &scene.world.bases[0];
    let stranger = scene.world.stranger();
    let ask = "mutation($email: String!) { requestPasswordReset(email: $email) { expiresAt retryAfterSeconds } }";
    stranger.query(ask, json!({ "email": email })).await;
    let right = mailbox::code(&scene.world, &email).await;
    let again = stranger.raw(ask, json!({ "email": email })).await;
    assert_eq!(code(&again), "RATE_LIMITED");
    let wait = again["errors"][0]["extensions"]["retryAfterSeconds"].as_u64().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let guess = async |from: u8, code: &str| {
        let from = IpAddr::V4(Ipv4Addr::new(127, 0, 2, from));
        let client = Client::from_address(base, from);
        client.raw(RESET, json!({ "email": email, "code": code })).await
    };
    let wrong = if right == "000000" { "000001" } else { "000000" };
    for from in 1..=5 {
        let answer = guess(from, wrong).await;
        assert_eq!(code(&answer), "INVALID_INPUT");
        assert_eq!(answer["errors"][0]["extensions"]["field"], "code");
    }
    assert_eq!(code(&guess(6, &right).await), "INVALID_INPUT");
    stranger.login(&email, PASSWORD).await;
    println!("guessed codes: INVALID_INPUT, the right one too after five");

    // Guesses at many accounts from one address come to its limit.
    let client = Client::from_address(base, "127.0.0.99".parse().unwrap());
    let mut codes = Vec::new();
    for number in 0..200 {
        let email = format!("pupil{number}@example.org");
        let answer = client.raw(RESET, json!({ "email": email, "code": wrong })).await;
        codes.push(code(&answer).to_owned());
    }
    assert_eq!(codes.last().unwrap(), "RATE_LIMITED");
    assert!(codes.iter().filter(|code| *code == "INVALID_INPUT").count() < 120);
    println!("codes guessed from one address: RATE_LIMITED at last");
}
