//! Somebody who watches a session's marks arrive.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use service::clock::{Clock, SystemClock};
use tests::client::Client;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

use super::network;
use super::waits::Waits;

const EVENTS: &str = "subscription($id: ID!) { attendance(sessionId: $id) { cursor student { fullName email } \
     mark { status source student { fullName } } change { from to at } summary { present expected } } }";

/// What all watchers hear.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    count: Arc<AtomicUsize>,
    waits: Arc<Mutex<Vec<f64>>>,
}

impl Heard {
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Milliseconds from an event's own time, which is taken in the transaction just before it commits,
    /// to its arrival, by the same machine's clock; of all events since the last look.
    pub fn take(&self) -> Waits {
        std::mem::take(&mut *self.waits.lock().unwrap()).into_iter().collect()
    }
}

#[derive(Debug)]
pub struct Watcher {
    /// Cursors of the events, in the order in which they came.
    cursors: Arc<Mutex<Vec<String>>>,
    reading: JoinHandle<()>,
}

impl Watcher {
    pub async fn start(client: &Client, session: &str, heard: &Heard) -> Self {
        let mut stream = network::open(client, None).await;
        network::subscribe(&mut stream, "1", EVENTS, session).await;
        let cursors = Arc::new(Mutex::new(Vec::new()));
        let (own, heard) = (cursors.clone(), heard.clone());
        let reading = tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                let now = SystemClock.now();
                let Message::Text(text) = message else { continue };
                let (Some(cursor), Some(at)) = (field(&text, "\"cursor\":\""), field(&text, "\"at\":\"")) else {
                    panic!("no event: {text}");
                };
                own.lock().unwrap().push(cursor.to_owned());
                let at: DateTime<Utc> = at.parse().unwrap();
                heard.waits.lock().unwrap().push(milliseconds(now - at));
                heard.count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { cursors, reading }
    }

    /// The last so many events by their cursors, or as many as there were.
    pub fn last(&self, count: usize) -> Vec<String> {
        let cursors = self.cursors.lock().unwrap();
        cursors[cursors.len().saturating_sub(count)..].to_vec()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// What a text field holds; none of those that are read have quotes in them.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(name)?;
    rest.split_once('"').map(|(value, _)| value)
}

fn milliseconds(wait: TimeDelta) -> f64 {
    wait.as_seconds_f64() * 1000.0
}
