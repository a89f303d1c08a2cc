//! Counts the statements that a server sends to `PostgreSQL`: a proxy between them that reads along,
//! so that they are counted as the database has them, whatever the server believes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A tapped connection to a database.
#[derive(Debug)]
pub struct Wire {
    /// The database's address through the proxy.
    pub url: String,
    statements: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Wire {
    /// `url`: `postgres://[USER[:PASSWORD]@]HOST:PORT/DATABASE`.
    pub async fn tap(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").expect("an address");
        let (user, place) = rest.rsplit_once('@').map_or(("", rest), |(user, place)| (user, place));
        let (server, database) = place.split_once('/').expect("an address with a database");
        let server = tokio::net::lookup_host(server).await.unwrap().next().expect("a server");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = if user.is_empty() { "" } else { "@" };
        let port = listener.local_addr().unwrap().port();
        let statements = Arc::new(AtomicU64::new(0));
        Self {
            // What is encrypted can't be read.
            url: format!("{scheme}://{user}{at}127.0.0.1:{port}/{database}?sslmode=disable"),
            accepting: tokio::spawn(accept(listener, server, statements.clone())),
            statements,
        }
    }

    /// Statements so far, those that begin and end transactions too.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, statements: Arc<AtomicU64>) {
    while let Ok((client, _)) = listener.accept().await {
        let statements = statements.clone();
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(server).await else {
                return;
            };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let ((mut asks, mut hears), (mut answers, mut takes)) = (client.into_split(), server.into_split());
            let back = tokio::spawn(async move { tokio::io::copy(&mut answers, &mut hears).await });
            let (mut messages, mut buffer) = (Messages::default(), vec![0; 16 * 1024]);
            while let Ok(read @ 1..) = asks.read(&mut buffer).await {
                statements.fetch_add(messages.read(&buffer[..read]), Ordering::Relaxed);
                if takes.write_all(&buffer[..read]).await.is_err() {
                    break;
                }
            }
            drop(takes);
            let _ = back.await;
        });
    }
}

/// The messages of a client, of which each but the first has a byte that names its kind; four bytes
/// of its length follow, themselves included.
#[derive(Default)]
struct Messages {
    begun: bool,
    head: Vec<u8>,
    skip: usize,
}

impl Messages {
    /// How many statements begin in what comes next: `E`xecute, and simple `Q`ueries.
    fn read(&mut self, mut bytes: &[u8]) -> u64 {
        let mut statements = 0;
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let kind = usize::from(self.begun);
            while self.head.len() < kind + 4 {
                let Some((byte, rest)) = bytes.split_first() else {
                    return statements;
                };
                self.head.push(*byte);
                bytes = rest;
            }
            let length = u32::from_be_bytes(self.head[kind..].try_into().unwrap()) as usize;
            statements += u64::from(self.begun && matches!(self.head[0], b'E' | b'Q'));
            self.skip = length - 4;
            self.head.clear();
            self.begun = true;
        }
        statements
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_counted_however_they_are_cut() {
        let mut said = vec![0, 0, 0, 8, 0, 3, 0, 0];
        for (kind, body) in [
            (b'Q', "BEGIN"),
            (b'P', "EEQQ"),
            (b'B', ""),
            (b'E', "QQ"),
            (b'S', ""),
            (b'E', ""),
        ] {
            said.push(kind);
            said.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
            said.extend(body.as_bytes());
        }
        for piece in 1..=said.len() {
            let mut messages = Messages::default();
            let statements: u64 = said.chunks(piece).map(|bytes| messages.read(bytes)).sum();
            assert_eq!(statements, 3, "in pieces of {piece}");
        }
    }
}
