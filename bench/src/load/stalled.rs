//! A subscriber who asks for much and reads none of it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use tests::client::Client;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::network;

/// Its events are so many and so large that a few marks fill all that kernels keep for a connection.
const SUBSCRIPTIONS: usize = 50;
const ALIASES: usize = 29;
const WINDOW_BYTES: u32 = 4096;

#[derive(Debug)]
pub struct Stalled {
    stream: network::Stream,
    server: SocketAddr,
}

impl Stalled {
    pub async fn start(client: &Client, session: &str) -> Self {
        let mut stream = network::open(client, Some(WINDOW_BYTES)).await;
        let mut query = "subscription($id: ID!) { attendance(sessionId: $id) { cursor".to_owned();
        for alias in 0..ALIASES {
            let _ = write!(query, " a{alias}: student {{ id fullName email rollNumber createdAt }}");
        }
        query.push_str(" } }");
        for id in 0..SUBSCRIPTIONS {
            network::subscribe(&mut stream, &id.to_string(), &query, session).await;
        }
        let server = network::address(&client.base);
        Self { stream, server }
    }

    /// Whether the server holds the connection still.
    pub fn is_held(&self) -> bool {
        network::holds(self.server, self.stream.get_ref().local_addr().unwrap().port())
    }

    /// Reads what is left at last: whether it ends, as it does on a connection that was cut off.
    pub async fn ends(mut self) -> bool {
        let stream = self.stream.get_mut();
        let mut buffer = vec![0; 64 * 1024];
        let rest = async { while let Ok(1..) = stream.read(&mut buffer).await {} };
        timeout(Duration::from_secs(10), rest).await.is_ok()
    }
}
