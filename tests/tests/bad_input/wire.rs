//! Requests that no proper client would send.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tests::client::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub const FORM: &str = "multipart/form-data; boundary=x";
/// Beyond every limit: a body that is taken so far is taken for ever.
const ENDLESS_BYTES: usize = 400 << 20;

/// Posts a body as it is; answers the status and the JSON.
pub async fn post(client: &Client, content_type: &str, body: impl Into<Bytes>) -> (u16, Value) {
    let mut request = reqwest::Client::new()
        .post(format!("{}/graphql", client.base))
        .header("content-type", content_type)
        .body(body.into());
    if let Some(token) = &client.token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("a JSON answer"))
}

/// A multipart body of these parts, with `x` between them.
pub fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, content) in parts {
        let head = format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"photo.jpg\"\r\n\r\n");
        body.extend([head.as_bytes(), content, b"\r\n"].concat());
    }
    body.extend(b"--x--\r\n");
    body
}

/// How many bytes the kernel takes of a sender whose reader has stopped, at most: the largest buffers that it gives
/// to either end of a connection. Machines are set very differently here.
pub fn kernel_buffers() -> usize {
    let largest = |file: &str| {
        let text = std::fs::read_to_string(file).ok()?;
        text.split_whitespace().last()?.parse::<usize>().ok()
    };
    let buffers = ["/proc/sys/net/ipv4/tcp_rmem", "/proc/sys/net/ipv4/tcp_wmem"];
    buffers.into_iter().map(|file| largest(file).unwrap_or(16 << 20)).sum()
}

/// One connection, written to by hand.
pub struct Wire(TcpStream);

impl Wire {
    pub async fn open(client: &Client, content_type: &str, length: &str) -> Self {
        let host = client.base.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).await.unwrap();
        let token = client.token.as_ref();
        let auth = token.map_or_else(String::new, |t| format!("authorization: Bearer {t}\r\n"));
        let head =
            format!("POST /graphql HTTP/1.1\r\nhost: {host}\r\n{auth}content-type: {content_type}\r\n{length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        Self(stream)
    }

    pub async fn write(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    pub async fn chunk(&mut self, bytes: &[u8]) -> bool {
        let head = format!("{:x}\r\n", bytes.len());
        self.write(&[head.as_bytes(), bytes, b"\r\n"].concat()).await
    }

    /// Sends the same for ever; answers how much of it went before the server would have no more.
    pub async fn endless(&mut self) -> usize {
        let piece = vec![b' '; 256 << 10];
        let mut sent = 0;
        while sent < ENDLESS_BYTES && self.chunk(&piece).await {
            sent += piece.len();
        }
        assert!(sent < ENDLESS_BYTES, "the server took {sent} bytes and wants more");
        sent
    }

    /// Says that nothing more will come.
    pub async fn finish(&mut self) {
        let _ = self.0.shutdown().await;
    }

    /// The status and the JSON of the answer; none where the server hung up without one.
    pub async fn answer(&mut self) -> Option<(u16, Value)> {
        let mut text = Vec::new();
        let mut piece = [0; 4096];
        while !text.ends_with(b"}") {
            match timeout(Duration::from_secs(20), self.0.read(&mut piece))
                .await
                .expect("an answer")
            {
                Ok(0) | Err(_) => break,
                Ok(read) => text.extend(&piece[..read]),
            }
        }
        let text = String::from_utf8(text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().unwrap();
        Some((
            status,
            serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {text}")),
        ))
    }
}
