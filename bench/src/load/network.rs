//! Sockets as a client opens them who is one of very many, or one who is no good.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tests::client::Client;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// The default is a zeroed 128 KiB for every socket.
const READ_BUFFER_BYTES: usize = 4096;

pub type Stream = WebSocketStream<TcpStream>;

/// The address that a server serves at.
pub fn address(base: &str) -> SocketAddr {
    base.trim_start_matches("http://").parse().unwrap()
}

/// A socket on which somebody is signed in. `window`: bytes that the client's kernel takes ahead of
/// it, where it is not the system's own choice.
pub async fn open(client: &Client, window: Option<u32>) -> Stream {
    let socket = TcpSocket::new_v4().unwrap();
    if let Some(bytes) = window {
        socket.set_recv_buffer_size(bytes).unwrap();
    }
    let stream = socket.connect(address(&client.base)).await.unwrap();
    let url = format!("{}/graphql/ws", client.base.replacen("http", "ws", 1));
    let mut request = url.into_client_request().unwrap();
    let protocol = "graphql-transport-ws".parse().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
    let (mut stream, _) = client_async_with_config(request, stream, Some(config)).await.unwrap();
    let token = client.token.as_ref().unwrap();
    let payload = json!({ "authorization": format!("Bearer {token}") });
    say(&mut stream, &json!({ "type": "connection_init", "payload": payload })).await;
    let answer = stream.next().await.unwrap().unwrap();
    assert!(answer.to_text().unwrap().contains("connection_ack"), "{answer}");
    stream
}

pub async fn say(stream: &mut Stream, message: &Value) {
    stream.send(Message::text(message.to_string())).await.unwrap();
}

pub async fn subscribe(stream: &mut Stream, id: &str, query: &str, session: &str) {
    let payload = json!({ "query": query, "variables": { "id": session } });
    say(stream, &json!({ "type": "subscribe", "id": id, "payload": payload })).await;
}

/// Whether the server still holds its end of the connection from this port.
pub fn holds(server: SocketAddr, port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().skip(1).any(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (local, remote, state) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let is = |end: &str, port: u16| end.ends_with(&format!(":{port:04X}"));
        // 01: established.
        is(local, server.port()) && is(remote, port) && state == "01"
    })
}
