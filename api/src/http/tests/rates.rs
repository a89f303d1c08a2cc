//! Where requests come from, and uploads that are one too many.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::Limits;
use super::socket::Client;
use super::{Answer, Server, TOKEN};

const ORIGIN: &str = r#"{"query":"{ origin }"}"#;
const KIND: (&str, &str) = ("content-type", "application/json");
const PROXIED: &str = "1.1.1.1, 203.0.113.7";

async fn behind(proxies: &str) -> Server {
    Server::with(Limits {
        trusted_proxies: proxies.parse().unwrap(),
        ..Limits::default()
    })
    .await
}

async fn full() -> Server {
    let server = Server::start().await;
    server.fake.0.uploads.store(0, Ordering::SeqCst);
    server
}

fn uploaders(server: &Server) -> Vec<String> {
    server.fake.0.uploaders.lock().unwrap().clone()
}

#[tokio::test]
async fn a_forged_origin_is_not_believed() {
    for (proxies, expected) in [
        ("", "127.0.0.1"),
        ("10.0.0.0/8, ::1", "127.0.0.1"),
        ("127.0.0.0/8", "203.0.113.7"),
    ] {
        let server = behind(proxies).await;
        let headers = [KIND, ("x-forwarded-for", PROXIED), ("forwarded", "for=2.2.2.2")];
        let answer = server.post(&headers, ORIGIN.as_bytes()).await;
        assert_eq!(answer.value()["data"]["origin"], expected, "{proxies}");
    }
}

#[tokio::test]
async fn operations_on_sockets_have_the_origin_of_their_handshake() {
    for (proxies, expected) in [("", "127.0.0.1"), ("127.0.0.1", "203.0.113.7")] {
        let server = behind(proxies).await;
        let mut request = Client::handshake(&server);
        request
            .headers_mut()
            .insert("x-forwarded-for", PROXIED.parse().unwrap());
        let mut client = Client::enter(request).await;
        client.init(&json!({})).await;
        client.hear().await;
        client.subscribe("1", "{ origin }").await;
        let answer = client.hear().await;
        assert_eq!(answer["payload"]["data"]["origin"], expected, "{proxies}");
    }
}

#[track_caller]
fn one_too_many(answer: &Answer) {
    answer.refused(429, "RATE_LIMITED");
    assert_eq!(answer.value()["errors"][0]["extensions"]["retryAfterSeconds"], 7);
    assert_eq!(answer.header("retry-after"), Some("7"));
}

#[tokio::test]
async fn an_upload_too_many_is_refused_before_its_body_is_read() {
    let server = full().await;
    for kind in ["multipart/form-data; boundary=x", "application/json"] {
        let mut stream = server.connect().await;
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {TOKEN}\r\n\
             content-type: {kind}\r\ncontent-length: 100000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = Answer::read(&mut stream).await;
        one_too_many(&answer);
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(stream.read(&mut [0; 10]).await.unwrap(), 0);
    }
    assert_eq!(uploaders(&server), ["127.0.0.1", "127.0.0.1"]);
}

/// A request of some 80 kB: more than a stranger may send.
fn large() -> Value {
    json!({
        "query": "mutation($photo: String!) { enrol(photos: [{ base64: $photo }]) }",
        "variables": { "photo": "A".repeat(80_000) },
    })
}

#[tokio::test]
async fn json_counts_as_an_upload_where_it_is_large() {
    let server = full().await;
    let small = server.json(Some(TOKEN), r#"{"query":"{ role }"}"#).await;
    assert_eq!(small.value()["data"]["role"], "Teacher");
    assert_eq!(uploaders(&server), [""; 0]);
    let body = large().to_string();
    one_too_many(&server.json(Some(TOKEN), &body).await);

    // In chunks it shows at the end.
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    one_too_many(&server.send(&head, chunked.as_bytes()).await);

    server.fake.0.uploads.store(1, Ordering::SeqCst);
    let answer = server.json(Some(TOKEN), &body).await;
    assert_eq!(answer.value()["data"]["enrol"], json!([80_000]));
    one_too_many(&server.json(Some(TOKEN), &body).await);
    // A stranger has no upload to count: the size alone is refused.
    server.json(None, &body).await.refused(413, "PAYLOAD_TOO_LARGE");
    assert_eq!(uploaders(&server).len(), 4);
}

#[tokio::test]
async fn a_large_message_on_a_socket_counts_as_an_upload() {
    let server = full().await;
    let mut client = Client::open(&server).await;
    for id in ["1", "2"] {
        client
            .say(&json!({"type": "subscribe", "id": id, "payload": large()}))
            .await;
        let refused = client.hear().await;
        assert_eq!(refused["type"], "error");
        let extensions = &refused["payload"][0]["extensions"];
        assert_eq!(extensions["code"], "RATE_LIMITED");
        assert_eq!(extensions["retryAfterSeconds"], 7);
    }
    // The socket goes on.
    client.subscribe("3", "{ role }").await;
    assert_eq!(client.hear().await["payload"]["data"]["role"], "Teacher");
    assert_eq!(uploaders(&server).len(), 2);
}
