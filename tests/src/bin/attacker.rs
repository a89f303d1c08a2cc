//! Somebody on a machine of their own who wishes the server ill: a program apart, so that a test
//! can run it at the lowest priority and what it costs to attack is not taken from the server.
//! `attacker BASE FROM KIND COUNT AT_ONCE` prints how often each code was answered. The kind
//! `class` means no ill: pupils sign in, whose addresses come by standard input, one a line.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream;
use serde_json::{Value, json};
use tests::world::PASSWORD;

const LOGIN: &str = "mutation($email: String!, $password: String!) { login(email: $email, password: $password) { \
     accessToken } }";

fn login(email: &str, password: &str) -> Value {
    json!({ "query": LOGIN, "variables": { "email": email, "password": password } })
}

fn body(kind: &str, number: usize, pupils: &[String]) -> Value {
    match kind {
        "logins" => login(&format!("pupil{}@example.org", number % 500), "a wrong password"),
        "class" => login(&pupils[number], PASSWORD),
        // Sixty fragments, each twice in the one before it: 2^60 fields.
        "bombs" => {
            let fragments: Vec<String> = (0..60)
                .map(|i| format!(" fragment F{i} on User {{ ...F{0} ...F{0} }}", i + 1))
                .collect();
            let fragments = fragments.concat();
            json!({ "query": format!("{{ viewer {{ ...F0 }} }}{fragments} fragment F60 on User {{ id }}") })
        }
        "aliases" => {
            let aliases: Vec<String> = (0..5000).map(|i| format!(" a{i:x}:job")).collect();
            let aliases = aliases.concat();
            json!({ "query": format!("{{{aliases} }}") })
        }
        other => panic!("no attack is called {other}"),
    }
}

async fn ask(http: &reqwest::Client, base: &str, kind: &str, number: usize, pupils: &[String]) -> String {
    let request = http.post(format!("{base}/graphql"));
    let request = match kind {
        // A body without an end, and one of ten bytes a second.
        "endless" => json_stream(request, 64 * 1024, Duration::ZERO),
        "drip" => json_stream(request, 10, Duration::from_secs(1)),
        _ => request.json(&body(kind, number, pupils)),
    };
    match request.send().await {
        Err(_) => "CUT".to_owned(),
        Ok(answer) => match answer.json::<Value>().await {
            Err(_) => "CUT".to_owned(),
            Ok(answer) => answer["errors"][0]["extensions"]["code"]
                .as_str()
                .unwrap_or("ANSWERED")
                .to_owned(),
        },
    }
}

fn json_stream(request: reqwest::RequestBuilder, piece: usize, pause: Duration) -> reqwest::RequestBuilder {
    let pieces = stream::unfold((), move |()| async move {
        tokio::time::sleep(pause).await;
        Some((Ok::<_, std::io::Error>(vec![b' '; piece]), ()))
    });
    request
        .header("content-type", "application/json")
        .body(reqwest::Body::wrap_stream(pieces))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut words = std::env::args().skip(1);
    let mut word = || words.next().expect("BASE FROM KIND COUNT AT_ONCE");
    let (base, from, kind) = (word(), word(), word());
    let (count, at_once): (usize, usize) = (word().parse().expect("a number"), word().parse().expect("a number"));
    let from: IpAddr = from.parse().expect("an address");
    let pupils = match kind.as_str() {
        "class" => std::io::stdin().lines().map(|line| line.expect("an address")).collect(),
        _ => Vec::new(),
    };
    let pupils: Arc<[String]> = pupils.into();
    let next = Arc::new(AtomicUsize::new(0));
    let mut attackers = Vec::new();
    for _ in 0..at_once {
        let (base, kind, next, pupils) = (base.clone(), kind.clone(), next.clone(), pupils.clone());
        attackers.push(tokio::spawn(async move {
            let http = reqwest::Client::builder()
                .local_address(from)
                .build()
                .expect("a client");
            let mut codes = BTreeMap::<String, usize>::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return codes;
                }
                *codes
                    .entry(ask(&http, &base, &kind, number, &pupils).await)
                    .or_default() += 1;
            }
        }));
    }
    let mut codes = BTreeMap::<String, usize>::new();
    for attacker in attackers {
        for (code, times) in attacker.await.expect("an attacker") {
            *codes.entry(code).or_default() += times;
        }
    }
    println!("{}", json!(codes));
}
