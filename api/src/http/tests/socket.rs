//! graphql-transport-ws, as a client of it sees our sockets.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::super::Limits;
use super::persisted::by_hash;
use super::{HELD, Server, TOKEN};

pub(super) struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn connect(server: &Server) -> Self {
        Self::enter(Self::handshake(server)).await
    }

    pub(super) fn handshake(server: &Server) -> Request {
        let url = format!("ws://{}/graphql/ws", server.address);
        let mut request = url.into_client_request().unwrap();
        let protocol = "other, graphql-transport-ws".parse().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        request
    }

    pub(super) async fn enter(request: Request) -> Self {
        let (socket, response) = connect_async(request).await.unwrap();
        let chosen = &response.headers()["sec-websocket-protocol"];
        assert_eq!(chosen, "graphql-transport-ws");
        Self(socket)
    }

    pub(super) async fn open(server: &Server) -> Self {
        let mut client = Self::connect(server).await;
        client.init(&json!({"Authorization": format!("Bearer {TOKEN}")})).await;
        assert_eq!(client.hear().await, json!({"type": "connection_ack"}));
        client
    }

    pub(super) async fn init(&mut self, payload: &Value) {
        self.say(&json!({"type": "connection_init", "payload": payload})).await;
    }

    pub(super) async fn subscribe(&mut self, id: &str, query: &str) {
        let payload = json!({"query": query});
        self.say(&json!({"type": "subscribe", "id": id, "payload": payload}))
            .await;
    }

    pub(super) async fn say(&mut self, message: &Value) {
        self.send(Message::text(message.to_string())).await;
    }

    async fn send(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    /// The next message that isn't a ping.
    async fn next(&mut self) -> Message {
        loop {
            let message = timeout(Duration::from_secs(10), self.0.next()).await;
            let message = message.expect("a message in time").expect("no end").unwrap();
            if !message.is_ping() {
                return message;
            }
        }
    }

    pub(super) async fn hear(&mut self) -> Value {
        let message = self.next().await;
        serde_json::from_str(message.to_text().unwrap()).unwrap_or_else(|_| panic!("{message}"))
    }

    async fn closed(mut self) -> u16 {
        match self.next().await {
            Message::Close(Some(frame)) => frame.code.into(),
            other => panic!("{other:?}"),
        }
    }
}

fn quick() -> Limits {
    Limits {
        socket_init: Duration::from_millis(300),
        socket_ping: Duration::from_millis(200),
        socket_check: Duration::from_millis(300),
        ..Limits::default()
    }
}

#[tokio::test]
async fn operations_of_every_kind_are_answered() {
    let server = Server::start().await;
    let mut client = Client::open(&server).await;
    client.subscribe("a", "subscription { ticks(count: 2) }").await;
    for tick in 0..2 {
        let next = json!({"type": "next", "id": "a", "payload": {"data": {"ticks": tick}}});
        assert_eq!(client.hear().await, next);
    }
    assert_eq!(client.hear().await, json!({"type": "complete", "id": "a"}));
    client.subscribe("a", "{ role }").await;
    assert_eq!(client.hear().await["payload"]["data"]["role"], "Teacher");
    assert_eq!(client.hear().await["type"], "complete");
    client.say(&json!({"type": "ping", "payload": {"a": 1}})).await;
    assert_eq!(client.hear().await, json!({"type": "pong", "payload": {"a": 1}}));
    client.subscribe("b", "mutation { login }").await;
    assert!(client.hear().await["payload"]["data"]["login"].is_string());
}

#[tokio::test]
async fn an_operation_that_was_not_begun_is_an_error_message() {
    let server = Server::start().await;
    let mut client = Client::open(&server).await;
    for query in ["{", "{ nothing }", "subscription { nothing }"] {
        client.subscribe("a", query).await;
        let error = client.hear().await;
        assert_eq!(error["type"], "error");
        assert_eq!(error["payload"][0]["extensions"]["code"], "BAD_REQUEST");
    }
    client.subscribe("a", "subscription { breaks }").await;
    let error = client.hear().await;
    assert_eq!(error["payload"][0]["extensions"]["code"], "INTERNAL");
    assert!(!error.to_string().contains("secret"));
    for marker in ["#__graphql_file__:999", "#__graphql_file__:x"] {
        client
            .subscribe("a", &format!("mutation {{ send(photo: {marker:?}) }}"))
            .await;
        let next = client.hear().await;
        let extensions = &next["payload"]["errors"][0]["extensions"];
        assert_eq!(extensions["code"], "INVALID_INPUT", "{next}");
        assert_eq!(client.hear().await["type"], "complete");
    }
}

#[tokio::test]
async fn a_query_is_known_by_its_hash() {
    let server = Server::start().await;
    let mut client = Client::open(&server).await;
    let query = "subscription { ticks(count: 1) }";
    let [unknown, told] = [None, Some(query)].map(|text| by_hash(query, text));
    for (id, payload) in [("a", &unknown), ("b", &told), ("c", &unknown)] {
        client
            .say(&json!({"type": "subscribe", "id": id, "payload": payload}))
            .await;
        let answer = client.hear().await;
        if id == "a" {
            let error = &answer["payload"][0];
            assert_eq!(error["message"], "PersistedQueryNotFound", "{answer}");
            assert_eq!(error["extensions"]["code"], "PERSISTED_QUERY_NOT_FOUND");
        } else {
            assert_eq!(answer["payload"]["data"]["ticks"], 0, "{answer}");
            assert_eq!(client.hear().await["type"], "complete");
        }
    }
    // Those of HTTP are the same.
    let answer = server.json(Some(TOKEN), &unknown.to_string()).await;
    assert_eq!(
        answer.refused(200, "BAD_REQUEST"),
        "Subscriptions are not supported on this transport."
    );
}

#[tokio::test]
async fn without_a_token_only_open_fields_answer() {
    let server = Server::start().await;
    let mut client = Client::connect(&server).await;
    client.say(&json!({"type": "connection_init"})).await;
    assert_eq!(client.hear().await["type"], "connection_ack");
    client.subscribe("a", "mutation { login }").await;
    assert_eq!(client.hear().await["payload"]["data"]["login"], "Anonymous");
    client.hear().await;
    client.subscribe("a", "subscription { ticks(count: 1) }").await;
    let next = client.hear().await;
    let extensions = &next["payload"]["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "UNAUTHENTICATED", "{next}");
}

#[tokio::test]
async fn a_socket_that_breaks_the_protocol_is_closed_with_its_code() {
    let server = Server::with(quick()).await;
    assert_eq!(Client::connect(&server).await.closed().await, 4408);

    let mut client = Client::connect(&server).await;
    client.subscribe("a", "{ role }").await;
    assert_eq!(client.closed().await, 4401);

    let mut client = Client::connect(&server).await;
    client.init(&json!({"authorization": "Bearer old"})).await;
    assert_eq!(client.closed().await, 4403);

    let mut client = Client::open(&server).await;
    client.init(&json!({})).await;
    assert_eq!(client.closed().await, 4429);

    let mut client = Client::open(&server).await;
    client.subscribe("a", "subscription { silence }").await;
    client.subscribe("a", "subscription { silence }").await;
    assert_eq!(client.closed().await, 4409);

    for text in ["", "{", "[]", "{\"type\":\"other\"}", "{\"type\":\"subscribe\"}"] {
        let mut client = Client::open(&server).await;
        client.send(Message::text(text)).await;
        assert_eq!(client.closed().await, 4400);
    }
    let mut client = Client::open(&server).await;
    client.send(Message::text("x".repeat(256 * 1024 + 1))).await;
    assert_eq!(client.closed().await, 1009);

    server.fake.go_away(true);
    let mut client = Client::connect(&server).await;
    client.init(&json!({"authorization": format!("Bearer {TOKEN}")})).await;
    assert_eq!(client.closed().await, 1013);
}

#[tokio::test]
async fn the_end_of_a_login_closes_its_socket() {
    // Told of it.
    let server = Server::start().await;
    let mut client = Client::open(&server).await;
    client.subscribe("a", "subscription { silence }").await;
    let other = service::id::LoginId(uuid::Uuid::from_u128(99));
    server.fake.announce(other);
    client.say(&json!({"type": "ping"})).await;
    assert_eq!(client.hear().await["type"], "pong");
    let login = server.fake.end_login();
    server.fake.announce(login);
    assert_eq!(client.closed().await, 4401);

    // Not told: at the next operation.
    let server = Server::start().await;
    let mut client = Client::open(&server).await;
    server.fake.end_login();
    client.subscribe("a", "{ role }").await;
    assert_eq!(client.closed().await, 4401);

    // Not told, no operation: at the next look.
    let server = Server::with(quick()).await;
    let client = Client::open(&server).await;
    server.fake.end_login();
    assert_eq!(client.closed().await, 4401);
}

#[tokio::test]
async fn an_operation_sees_the_viewer_of_its_moment() {
    let server = Server::with(quick()).await;
    let mut client = Client::open(&server).await;
    server.fake.change(|viewer| viewer.role = service::kinds::Role::Admin);
    client.subscribe("a", "{ role }").await;
    assert_eq!(client.hear().await["payload"]["data"]["role"], "Admin");
    client.hear().await;

    // A database that is away ends no socket, and begins no operation.
    server.fake.go_away(true);
    client.subscribe("b", "{ role }").await;
    let error = client.hear().await;
    assert_eq!(error["payload"][0]["extensions"]["code"], "UNAVAILABLE");
    tokio::time::sleep(Duration::from_millis(700)).await;
    server.fake.go_away(false);
    client.subscribe("b", "{ role }").await;
    assert_eq!(client.hear().await["payload"]["data"]["role"], "Admin");
}

#[tokio::test]
async fn peers_are_pinged_and_the_silent_are_dropped() {
    let server = Server::with(quick()).await;
    let mut client = Client::open(&server).await;
    let ping = timeout(Duration::from_secs(5), client.0.next()).await.unwrap();
    assert!(ping.unwrap().unwrap().is_ping());
    // While it isn't read the client answers no ping; what it reads then is the end.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    server.sockets_closed().await;
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_dropped() {
    let server = Server::with(Limits {
        socket_send: Duration::from_millis(300),
        ..Limits::default()
    })
    .await;
    let mut client = Client::open(&server).await;
    client.subscribe("a", "subscription { flood }").await;
    server.sockets_closed().await;
}

#[tokio::test]
async fn a_peer_that_takes_nothing_keeps_nothing_that_others_wait_for() {
    let server = Server::start().await;
    let mut client = Client::open(&server).await;
    client.subscribe("a", "subscription { lends }").await;
    assert_eq!(client.hear().await["payload"]["data"]["lends"], true);
    client.subscribe("b", "subscription { flood }").await;
    // Until nothing more of the flood can be sent.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let held = timeout(Duration::from_secs(3), HELD.acquire()).await;
    drop(
        held.expect("it is given back long before the socket is given up")
            .unwrap(),
    );
}

#[tokio::test]
async fn operations_on_one_socket_are_bounded_and_can_be_ended() {
    let server = Server::with(Limits {
        socket_operations: 2,
        ..Limits::default()
    })
    .await;
    let mut client = Client::open(&server).await;
    for id in ["a", "b", "c"] {
        client.subscribe(id, "subscription { silence }").await;
    }
    let error = client.hear().await;
    assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!("c")));
    client.say(&json!({"type": "complete", "id": "a"})).await;
    client.subscribe("a", "{ role }").await;
    assert_eq!(client.hear().await["id"], "a");
}

#[tokio::test]
async fn shutdown_closes_every_socket() {
    let server = Server::start().await;
    let client = Client::open(&server).await;
    server.lifetime.shutdown.cancel();
    assert_eq!(client.closed().await, 1001);
    server.sockets_closed().await;
}
