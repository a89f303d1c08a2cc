//! Subscribers of a session, who write down every event. They are cut off with their server, leave now and then by
//! themselves, and come back with their cursor, at the one server or the other.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tests::client::Client;
use tests::socket::{Got, Socket};
use tokio::sync::watch;

const EVENTS: &str = "subscription($session: ID!, $after: String) { attendance(sessionId: $session, after: $after) { \
     cursor student { id } change { from to source } } }";
/// Long enough for two looks of the server's.
const QUIET: Duration = Duration::from_millis(2500);
const CATCHES_UP: Duration = Duration::from_mins(1);

#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub seq: i64,
    pub student: String,
    pub from: Value,
    pub to: Value,
    pub source: Value,
}

#[derive(Debug, Default)]
pub struct Seen {
    pub lines: Vec<Line>,
    pub connections: usize,
}

fn line(event: &Value) -> Line {
    let cursor = BASE64_URL_SAFE_NO_PAD
        .decode(event["cursor"].as_str().unwrap())
        .unwrap();
    let change = &event["change"];
    Line {
        seq: i64::from_be_bytes(cursor[16..].try_into().unwrap()),
        student: event["student"]["id"].as_str().unwrap().to_owned(),
        from: change["from"].clone(),
        to: change["to"].clone(),
        source: change["source"].clone(),
    }
}

/// Follows the session until `last` tells the number of its last event, and a moment longer.
pub async fn follow(
    client: Client,
    bases: Vec<String>,
    session: String,
    mut dice: StdRng,
    last: watch::Receiver<Option<i64>>,
) -> Seen {
    let mut seen = Seen::default();
    let mut cursor = None::<String>;
    let mut told = None;
    loop {
        let server = &bases[dice.random_range(0..bases.len())];
        let Ok(mut socket) = Socket::try_open(&client.at(server)).await else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        let variables = json!({ "session": session, "after": cursor });
        if !socket.try_subscribe("1", EVENTS, variables).await {
            continue;
        }
        seen.connections += 1;
        let leaves_after = dice.random_range(3..12);
        for _ in 0..leaves_after {
            let got = loop {
                let end = *last.borrow();
                if let Some(last) = end {
                    let since = *told.get_or_insert_with(Instant::now);
                    let all = seen.lines.last().is_some_and(|line| line.seq >= last);
                    if all {
                        let surplus = socket.within(QUIET).await;
                        assert_eq!(surplus, None, "after the last event of the session");
                    }
                    if all || since.elapsed() > CATCHES_UP {
                        return seen;
                    }
                }
                if let Some(got) = socket.within(Duration::from_millis(200)).await {
                    break got;
                }
            };
            match got {
                Got::Next(data) => {
                    let event = &data["attendance"];
                    cursor = event["cursor"].as_str().map(ToOwned::to_owned);
                    seen.lines.push(line(event));
                }
                Got::Error(error) if error["extensions"]["code"] == "UNAVAILABLE" => break,
                Got::Error(error) => panic!("a subscriber was answered {error:#}"),
                Got::Complete | Got::Closed(_) => break,
            }
        }
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..300))).await;
    }
}
