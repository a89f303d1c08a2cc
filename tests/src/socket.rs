//! A graphql-transport-ws client.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::client::Client;

#[derive(Debug)]
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What a subscription sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Got {
    Next(Value),
    Error(Value),
    Complete,
    /// The close code.
    Closed(u16),
}

impl Socket {
    /// Connects and signs in.
    pub async fn open(client: &Client) -> Self {
        let mut socket = Self::bare(client).await;
        let payload = match &client.token {
            Some(token) => json!({ "authorization": format!("Bearer {token}") }),
            None => json!({}),
        };
        socket
            .send(json!({ "type": "connection_init", "payload": payload }))
            .await;
        let answer = socket.message().await;
        assert_eq!(answer["type"], "connection_ack", "{answer}");
        socket
    }

    /// Connects and says nothing.
    pub async fn bare(client: &Client) -> Self {
        let url = format!("{}/graphql/ws", client.base.replacen("http", "ws", 1));
        let mut request = url.into_client_request().unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        Self(connect_async(request).await.expect("a socket").0)
    }

    pub async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.send(json!({ "type": "subscribe", "id": id, "payload": payload }))
            .await;
    }

    async fn message(&mut self) -> Value {
        match self.got(Duration::from_secs(20)).await.expect("a message") {
            Ok(value) => value,
            Err(code) => panic!("closed with {code}"),
        }
    }

    /// The next message, or the close code; none after the time.
    async fn got(&mut self, wait: Duration) -> Option<Result<Value, u16>> {
        let end = tokio::time::Instant::now() + wait;
        loop {
            let left = end.saturating_duration_since(tokio::time::Instant::now());
            match timeout(left, self.0.next()).await {
                Err(_) => return None,
                Ok(Some(Ok(Message::Text(text)))) => {
                    let value: Value = serde_json::from_str(&text).unwrap();
                    if value["type"] == "ping" {
                        self.send(json!({ "type": "pong" })).await;
                    } else {
                        return Some(Ok(value));
                    }
                }
                Ok(Some(Ok(Message::Close(frame)))) => {
                    return Some(Err(frame.map_or(1005, |f| f.code.into())));
                }
                Ok(Some(Ok(_))) => {}
                Ok(None | Some(Err(_))) => return Some(Err(1006)),
            }
        }
    }

    /// What comes next on any subscription; none after the time.
    pub async fn within(&mut self, wait: Duration) -> Option<Got> {
        Some(match self.got(wait).await? {
            Err(code) => Got::Closed(code),
            Ok(message) => match message["type"].as_str() {
                Some("next") if message["payload"].get("errors").is_some() => {
                    Got::Error(message["payload"]["errors"][0].clone())
                }
                Some("next") => Got::Next(message["payload"]["data"].clone()),
                Some("error") => Got::Error(message["payload"][0].clone()),
                Some("complete") => Got::Complete,
                other => panic!("unexpected {other:?}: {message}"),
            },
        })
    }

    /// The next data, within twenty seconds.
    pub async fn next(&mut self) -> Value {
        match self.within(Duration::from_secs(20)).await {
            Some(Got::Next(data)) => data,
            other => panic!("expected data, got {other:?}"),
        }
    }
}
