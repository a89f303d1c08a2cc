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

/// Long enough for a busy machine.
const ANSWER: Duration = Duration::from_secs(20);

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
        Self::try_open(client).await.unwrap()
    }

    /// The same where the server may not be there; the error says what it did instead.
    pub async fn try_open(client: &Client) -> Result<Self, String> {
        let mut socket = Self::try_bare(client).await?;
        let payload = match &client.token {
            Some(token) => json!({ "authorization": format!("Bearer {token}") }),
            None => json!({}),
        };
        let init = json!({ "type": "connection_init", "payload": payload });
        let sent = socket.0.send(Message::text(init.to_string())).await;
        sent.map_err(|error| error.to_string())?;
        match socket.got(ANSWER).await {
            Some(Ok(answer)) if answer["type"] == "connection_ack" => Ok(socket),
            other => Err(format!("no acknowledgement: {other:?}")),
        }
    }

    /// Connects and says nothing.
    pub async fn bare(client: &Client) -> Self {
        Self::try_bare(client).await.expect("a socket")
    }

    async fn try_bare(client: &Client) -> Result<Self, String> {
        let url = format!("{}/graphql/ws", client.base.replacen("http", "ws", 1));
        let mut request = url.into_client_request().unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        match timeout(ANSWER, connect_async(request)).await {
            Ok(Ok((socket, _))) => Ok(Self(socket)),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no handshake in time".into()),
        }
    }

    pub async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        assert!(self.try_subscribe(id, query, variables).await, "the socket is open");
    }

    /// The same where the server may be gone: whether it could be sent.
    pub async fn try_subscribe(&mut self, id: &str, query: &str, variables: Value) -> bool {
        let payload = json!({ "query": query, "variables": variables });
        let message = json!({ "type": "subscribe", "id": id, "payload": payload });
        self.0.send(Message::text(message.to_string())).await.is_ok()
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
                        // Where it cannot be sent, the end of the socket comes next.
                        let _ = self.0.send(Message::text(r#"{"type":"pong"}"#)).await;
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
