//! The bytes of a client: a request, or a socket's frames.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::World;

/// What is not answered by then hangs.
const PATIENCE: Duration = Duration::from_secs(20);
/// A subscription may well have nothing to say.
const SILENCE: Duration = Duration::from_millis(20);
const LAST: &str = "the last";

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let head = bytes.windows(4).position(|end| end == b"\r\n\r\n");
        let (head, body) = bytes.split_at(head.expect("a head") + 4);
        let status = str::from_utf8(&head[9..12]).unwrap().parse().unwrap();
        let body = serde_json::from_slice(body).expect("JSON");
        Self { status, body }
    }

    /// Whatever was sent, it is no fault of ours.
    pub fn check(&self) {
        assert!(self.status < 500, "{self:?}");
        check(&self.body);
    }
}

/// No error of an answer says that something went wrong on our side.
fn check(body: &Value) {
    for error in body["errors"].as_array().into_iter().flatten() {
        let code = error.pointer("/extensions/code").and_then(Value::as_str);
        assert!(code.is_some_and(|code| code != "INTERNAL"), "{body}");
    }
}

/// What a client sends over a socket.
#[derive(Debug)]
pub enum Frame<'a> {
    Text(&'a str),
    /// Bytes as they are, whether or not they are a frame.
    Raw(&'a [u8]),
}

impl World {
    /// POST /graphql by the admin, its body in pieces of this size.
    pub fn post(&self, content_type: &str, body: &[u8], piece: usize) -> Answer {
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: fuzz\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
             content-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
            self.token,
            body.len(),
        );
        let exchange = async {
            let (mut reader, mut writer) = tokio::io::split(self.connect());
            let send = async {
                writer.write_all(head.as_bytes()).await?;
                for piece in body.chunks(piece) {
                    writer.write_all(piece).await?;
                    tokio::task::yield_now().await;
                }
                std::io::Result::Ok(())
            };
            let mut bytes = Vec::new();
            // A server that has heard enough takes no more.
            let (_, read) = tokio::join!(send, reader.read_to_end(&mut bytes));
            read.expect("an answer");
            Answer::read(&bytes)
        };
        let answer = async { timeout(PATIENCE, exchange).await.expect("an answer in time") };
        self.runtime.block_on(answer)
    }

    /// A socket from its handshake to its end: what is sent, and then whatever answers it has.
    /// Every message of the server's is JSON and says of no error that it is ours.
    pub fn socket(&self, frames: &[Frame<'_>]) {
        let talk = async {
            let mut request = "ws://fuzz/graphql/ws".into_client_request().unwrap();
            let protocol = "graphql-transport-ws".parse().unwrap();
            request.headers_mut().insert("sec-websocket-protocol", protocol);
            let handshake = tokio_tungstenite::client_async(request, self.connect());
            let (mut socket, _) = handshake.await.expect("a socket");
            let mut waiting = BTreeSet::from([LAST.to_owned()]);
            for frame in frames {
                // The server may have closed: what it said is heard below.
                let _ = match frame {
                    Frame::Text(text) => {
                        let sent = socket.send(Message::text(*text)).await;
                        match about(text) {
                            Some(About::Socket) => _ = timeout(SILENCE, socket.next()).await,
                            Some(About::Operation(id)) => _ = waiting.insert(id),
                            None => {}
                        }
                        sent
                    }
                    Frame::Raw(bytes) => socket.get_mut().write_all(bytes).await.map_err(Into::into),
                };
            }
            let last = json!({ "type": "ping", "payload": LAST });
            let _ = socket.send(Message::text(last.to_string())).await;
            hear(&mut socket, waiting).await;
        };
        let talk = async { timeout(PATIENCE, talk).await.expect("an end in time") };
        self.runtime.block_on(talk);
    }

    fn connect(&self) -> DuplexStream {
        let (ours, theirs) = duplex(64 * 1024);
        self.connections.send(theirs).expect("the server");
        ours
    }
}

/// What will be answered.
enum About {
    /// Before it nothing else may be asked.
    Socket,
    Operation(String),
}

fn about(text: &str) -> Option<About> {
    let message: Value = serde_json::from_str(text).ok()?;
    match message["type"].as_str()? {
        "connection_init" => Some(About::Socket),
        "subscribe" => Some(About::Operation(message["id"].as_str()?.to_owned())),
        _ => None,
    }
}

/// Listens until everything was answered, the server has closed, or there is silence.
async fn hear(socket: &mut WebSocketStream<DuplexStream>, mut waiting: BTreeSet<String>) {
    while !waiting.is_empty() {
        let Ok(Some(Ok(message))) = timeout(SILENCE, socket.next()).await else {
            return;
        };
        let Message::Text(text) = message else {
            continue;
        };
        let said: Value = serde_json::from_str(&text).expect("JSON");
        match &said["payload"] {
            errors @ Value::Array(_) => check(&json!({ "errors": errors })),
            payload => check(payload),
        }
        let about = if said["type"] == "pong" {
            &said["payload"]
        } else {
            &said["id"]
        };
        if let Some(about) = about.as_str() {
            waiting.remove(about);
        }
    }
}
