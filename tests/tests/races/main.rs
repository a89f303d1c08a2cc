//! Two who want different things of the same session at the same moment: whichever is first, one
//! clear result comes of it. Each race is run a few hundred times on both databases, several at once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod joining;
mod marking;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tests::client::Client;

pub const ROUNDS: usize = 200;
/// So many at a time, so that they meet each other and everything else too.
const AT_ONCE: usize = 6;

/// Runs the rounds; each gets its number.
pub async fn rounds<F, Fut>(round: F)
where
    F: Fn(usize) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send,
{
    let (round, next) = (Arc::new(round), Arc::new(AtomicUsize::new(0)));
    let mut runners = Vec::new();
    for _ in 0..AT_ONCE {
        let (round, next) = (round.clone(), next.clone());
        runners.push(tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= ROUNDS {
                    return;
                }
                round(number).await;
            }
        }));
    }
    for runner in runners {
        runner.await.unwrap();
    }
}

/// The lines of a session's roll with their histories, after it was seen that each history leads
/// from nothing to the mark, and that the summary counts the lines.
pub async fn settled(client: &Client, session: &str) -> Vec<Value> {
    let found = client
        .query(
            "query($id: ID!) { session(id: $id) { state summary { expected present late excused absent unmarked } \
             roll(first: 100) { nodes { student { id } mark { status source } history { from to source } } } } }",
            json!({ "id": session }),
        )
        .await;
    let session = &found["session"];
    let lines = session["roll"]["nodes"].as_array().unwrap().clone();
    for line in &lines {
        let mut standing = Value::Null;
        for change in line["history"].as_array().unwrap() {
            assert_eq!(change["from"], standing, "{line:#}");
            assert_ne!(change["to"], standing, "a change that changes nothing: {line:#}");
            standing = change["to"].clone();
        }
        assert_eq!(line["mark"]["status"], standing, "{line:#}");
    }
    let count = |status: &str| lines.iter().filter(|line| line["mark"]["status"] == status).count();
    let unmarked = lines.iter().filter(|line| line["mark"].is_null()).count();
    assert_eq!(
        session["summary"],
        json!({
            "expected": lines.len(), "present": count("PRESENT"), "late": count("LATE"),
            "excused": count("EXCUSED"), "absent": count("ABSENT"), "unmarked": unmarked,
        })
    );
    if session["state"] == "CLOSED" {
        assert_eq!(unmarked, 0, "{session:#}");
    }
    lines
}
