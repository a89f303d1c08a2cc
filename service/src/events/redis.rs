//! Announcements over Redis pub/sub. A Redis that is away costs promptness, nothing else: both
//! halves reconnect for ever, and nobody waits for them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{Mutex, broadcast, mpsc};
use tokio::time::{sleep, timeout};

use super::{Announcer, BACKLOG, Topic};
use crate::duty;

const RECONNECT: Duration = Duration::from_millis(500);
/// A connection that was cut off without a word is noticed after so long.
const ANSWER: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct RedisAnnouncer {
    outgoing: mpsc::Sender<Topic>,
    incoming: broadcast::Sender<Topic>,
}

impl RedisAnnouncer {
    /// `channel` keeps installations on one Redis apart. Must be called within a tokio runtime;
    /// does not need Redis to be there yet.
    pub fn start(url: &str, channel: &str) -> Result<Self, redis::RedisError> {
        let client = redis::Client::open(url)?;
        let (outgoing, waiting) = mpsc::channel(BACKLOG);
        let incoming = broadcast::Sender::new(BACKLOG);
        let waiting = Arc::new(Mutex::new(waiting));
        let publish = {
            let (client, channel) = (client.clone(), channel.to_owned());
            move || publish(client.clone(), channel.clone(), Arc::clone(&waiting))
        };
        let listen = {
            let (channel, incoming) = (channel.to_owned(), incoming.clone());
            move || listen(client.clone(), channel.clone(), incoming.clone())
        };
        tokio::spawn(duty::keep("publish", publish));
        tokio::spawn(duty::keep("listen", listen));
        Ok(Self { outgoing, incoming })
    }
}

impl Announcer for RedisAnnouncer {
    fn announce(&self, topics: &[Topic]) {
        for topic in topics {
            // Full: Redis is away, and everybody looks every second.
            let _ = self.outgoing.try_send(*topic);
        }
    }

    fn subscribe(&self) -> broadcast::Receiver<Topic> {
        self.incoming.subscribe()
    }
}

async fn publish(client: redis::Client, channel: String, waiting: Arc<Mutex<mpsc::Receiver<Topic>>>) {
    let mut waiting = waiting.lock().await;
    let mut connection = None;
    while let Some(topic) = waiting.recv().await {
        if connection.is_none() {
            let opened = timeout(ANSWER, client.get_multiplexed_async_connection()).await;
            connection = opened.ok().and_then(Result::ok);
            if connection.is_none() {
                sleep(RECONNECT).await;
            }
        }
        if let Some(open) = &mut connection {
            let mut publish = redis::cmd("PUBLISH");
            let sent = publish.arg(&channel).arg(topic.to_string()).exec_async(open);
            if !matches!(timeout(ANSWER, sent).await, Ok(Ok(()))) {
                connection = None;
            }
        }
    }
}

async fn listen(client: redis::Client, channel: String, incoming: broadcast::Sender<Topic>) {
    loop {
        if let Err(error) = listen_once(&client, &channel, &incoming).await {
            tracing::debug!(%error, "announcements are cut off; looking every second meanwhile");
        }
        sleep(RECONNECT).await;
    }
}

async fn listen_once(
    client: &redis::Client,
    channel: &str,
    incoming: &broadcast::Sender<Topic>,
) -> Result<(), redis::RedisError> {
    let (mut sink, mut stream) = timeout(ANSWER, client.get_async_pubsub())
        .await
        .map_err(|_| redis::RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut)))??
        .split();
    sink.subscribe(channel).await?;
    loop {
        match timeout(ANSWER, stream.next()).await {
            Ok(Some(message)) => {
                if let Some(topic) = message.get_payload::<String>().ok().and_then(|t| t.parse().ok()) {
                    let _ = incoming.send(topic);
                }
            }
            Ok(None) => return Ok(()),
            // Quiet: ask whether the other side is still there.
            Err(_) => {
                if timeout(ANSWER, sink.ping::<redis::Value>()).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}
