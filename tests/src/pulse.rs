//! Somebody who goes on using the server while something else happens to it, and how long they
//! wait: a request is due every few milliseconds, and one that comes late because the one before
//! it was slow has waited since it was due.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::Client;

const EVERY: Duration = Duration::from_millis(20);
const QUERY: &str = "{ viewer { fullName organization { name } } classes(first: 5) { nodes { name } } }";

#[derive(Debug)]
pub struct Pulse {
    waits: Arc<Mutex<Vec<Duration>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pulse {
    pub fn start(client: Client) -> Self {
        let (waits, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (waits, stop) = (waits.clone(), stop.clone());
            move || beat(&client, &waits, &stop)
        });
        Self {
            waits,
            stop,
            thread: Some(thread),
        }
    }

    /// How long requests waited since the last look: how many there were, the median and the
    /// ninety-fifth percentile.
    pub fn take(&self) -> (usize, Duration, Duration) {
        let mut waits = std::mem::take(&mut *self.waits.lock().unwrap());
        waits.sort_unstable();
        let at = |part: usize| waits.get(waits.len() * part / 100).copied().unwrap_or_default();
        (waits.len(), at(50), at(95))
    }
}

fn beat(client: &Client, waits: &Mutex<Vec<Duration>>, stop: &AtomicBool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // Its own connections, on its own runtime.
    let client = client.anew();
    runtime.block_on(async {
        let mut due = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            client.query(QUERY, json!({})).await;
            waits.lock().unwrap().push(due.elapsed());
            due += EVERY;
            tokio::time::sleep(due.saturating_duration_since(Instant::now())).await;
        }
    });
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
