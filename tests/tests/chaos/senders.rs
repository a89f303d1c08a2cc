//! Clients as good ones are: each photo under an idempotency key of its own, sent again, at the other server, until
//! an answer has arrived.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::client::Client;
use tokio::sync::watch;

use super::plan::Photo;

const SENDERS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(15);
const SUBMIT: &str = "mutation($session: ID!, $photo: PhotoInput!, $key: String) { \
     submitClassPhoto(sessionId: $session, photo: $photo, idempotencyKey: $key) { job { id } } }";

#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Photos that somebody has begun to send.
    pub begun: usize,
    pub acknowledged: usize,
}

#[derive(Debug, Default)]
pub struct Sent {
    /// The jobs by the numbers of their photos: what was acknowledged.
    pub jobs: BTreeMap<u16, String>,
    /// How often a photo was not taken, by the code that was answered.
    pub refused: BTreeMap<String, usize>,
}

/// The idempotency key of a photo.
pub fn key(run: &str, number: usize) -> String {
    format!("{run}-{number}")
}

/// Sends each photo when it is due, to its session of these.
pub async fn send(
    run: &'static str,
    teacher: &Client,
    bases: &[String],
    photos: &[Photo],
    sessions: &[String],
    progress: &watch::Sender<Progress>,
) -> Sent {
    let begun = Instant::now();
    let next = AtomicUsize::new(0);
    let sender = |first: usize| {
        let next = &next;
        async move {
            let mut sent = Sent::default();
            let mut server = first;
            while let Some(photo) = photos.get(next.fetch_add(1, Ordering::SeqCst)) {
                tokio::time::sleep(photo.due.saturating_sub(begun.elapsed())).await;
                progress.send_modify(|p| p.begun += 1);
                let mut tries = 0;
                let job = loop {
                    let client = teacher.at(&bases[server % bases.len()]);
                    match submit(&client, photo, &sessions[photo.session], run).await {
                        Ok(job) => break job,
                        Err(code) => *sent.refused.entry(code).or_default() += 1,
                    }
                    server += 1;
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(100 * 2_u64.pow(tries.min(4)))).await;
                };
                sent.jobs.insert(photo.number, job);
                progress.send_modify(|p| p.acknowledged += 1);
            }
            sent
        }
    };
    let all = futures_util::future::join_all((0..SENDERS).map(sender)).await;
    all.into_iter().fold(Sent::default(), |mut all, one| {
        all.jobs.extend(one.jobs);
        for (code, times) in one.refused {
            *all.refused.entry(code).or_default() += times;
        }
        all
    })
}

/// The job, or why the photo is to be sent again. What no good client sends again ends the run.
async fn submit(client: &Client, photo: &Photo, session: &str, run: &str) -> Result<String, String> {
    let key = key(run, photo.number.into());
    let variables = json!({ "session": session, "photo": { "upload": null }, "key": key });
    let files = [("photo.upload", photo.bytes.clone())];
    let asked = client.try_upload(SUBMIT, variables, &files);
    let answer: Value = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => return Err("cut off".into()),
        Err(_) => return Err("no answer".into()),
    };
    if let Some(job) = answer["data"]["submitClassPhoto"]["job"]["id"].as_str() {
        return Ok(job.to_owned());
    }
    match answer["errors"][0]["extensions"]["code"].as_str() {
        Some(code @ ("UNAVAILABLE" | "RATE_LIMITED")) => Err(code.to_owned()),
        _ => panic!("{key}: {answer:#}"),
    }
}

/// The same with all of them due at once.
pub fn at_once(photos: &[Photo]) -> Vec<Photo> {
    let now = |photo: &Photo| Photo {
        due: Duration::ZERO,
        ..photo.clone()
    };
    photos.iter().map(now).collect()
}
