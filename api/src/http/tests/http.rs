//! Tokens, limits, content types and the addresses beside GraphQL.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::Limits;
use super::{Answer, Server, TOKEN, UPLOAD_BYTES};

#[tokio::test]
async fn a_token_is_optional_but_counts() {
    let server = Server::start().await;
    let query = r#"{"query":"{ role }"}"#;
    let answer = server.json(Some(TOKEN), query).await;
    assert_eq!(answer.value()["data"]["role"], "Teacher");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));

    server.json(None, query).await.refused(200, "UNAUTHENTICATED");
    server.json(Some("old"), query).await.refused(200, "UNAUTHENTICATED");
    let login = r#"{"query":"mutation { login }"}"#;
    let answer = server.json(Some("old"), login).await;
    assert_eq!(answer.value()["data"]["login"], "Rejected");

    server.fake.go_away(true);
    let answer = server.json(Some(TOKEN), query).await;
    answer.refused(503, "UNAVAILABLE");
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn the_token_is_looked_up_before_the_body_is_read() {
    let server = Server::start().await;
    server.fake.go_away(true);
    let mut stream = server.connect().await;
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: 1000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    Answer::read(&mut stream).await.refused(503, "UNAVAILABLE");
}

#[tokio::test]
async fn an_announced_body_over_the_limit_is_not_read() {
    let server = Server::start().await;
    let photos = 10 * UPLOAD_BYTES + 64 * 1024;
    let multipart = "content-type: multipart/form-data; boundary=x";
    let json = "content-type: application/json";
    for (bytes, token, kind, status) in [
        (64 * 1024 + 1, "none", json, 413),
        (photos + 1, TOKEN, multipart, 413),
        (photos * 2, TOKEN, json, 413),
        (1000, "none", multipart, 401),
    ] {
        let mut stream = server.connect().await;
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n{kind}\r\n\
             content-length: {bytes}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = Answer::read(&mut stream).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(stream.read(&mut [0; 10]).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn an_endless_body_is_cut_at_the_limit() {
    let server = Server::start().await;
    for (token, limit) in [("none", 64 * 1024), (TOKEN, 1_400_000)] {
        let mut stream = server.connect().await;
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let (mut reader, mut writer) = stream.into_split();
        let sender = tokio::spawn(async move {
            let chunk = [b"1000\r\n", &[b' '; 4096][..], b"\r\n"].concat();
            let mut sent = 0;
            while writer.write_all(&chunk).await.is_ok() {
                sent += 4096;
            }
            sent
        });
        let mut answer = Vec::new();
        // Reset, perhaps, since we never stop sending; the answer comes first.
        let _ = reader.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(answer.contains("PAYLOAD_TOO_LARGE"), "{answer}");
        // Besides the limit, what the sockets' buffers and the server's own hold.
        let sent = sender.await.unwrap();
        assert!(sent >= limit && sent < limit + 2_000_000, "{sent}");
    }
}

#[tokio::test]
async fn a_stalled_body_is_given_up() {
    let server = Server::with(Limits {
        body_idle: Duration::from_millis(200),
        ..Limits::default()
    })
    .await;
    let mut stream = server.connect().await;
    let head = "POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                content-length: 1000\r\n\r\n{\"query\"";
    stream.write_all(head.as_bytes()).await.unwrap();
    Answer::read(&mut stream).await.refused(408, "BAD_REQUEST");
}

#[tokio::test]
async fn a_body_shorter_or_longer_than_announced_is_an_error() {
    let server = Server::start().await;
    let head = "POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
    let short = format!("{head}content-length: 10\r\n\r\n");
    let query = br#"{"query":"{ role }"}"#;
    server.send(&short, query).await.refused(400, "BAD_REQUEST");

    let mut stream = server.connect().await;
    let long = format!("{head}content-length: 1000\r\n\r\n");
    stream.write_all(long.as_bytes()).await.unwrap();
    stream.write_all(query).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(!String::from_utf8_lossy(&rest).contains(" 200 "));
}

#[tokio::test]
async fn what_is_no_operation_in_json_is_refused() {
    let server = Server::start().await;
    for body in [
        "",
        "{",
        "null",
        "5",
        "{\"query\":5}",
        "{\"query\":\"{ role }\"} x",
        "{\"query\":\"{ role }\",\"variables\":[]}",
    ] {
        server.json(None, body).await.refused(400, "BAD_REQUEST");
    }
    let deep = "[".repeat(60_000);
    let deep = format!("{{\"query\":\"{{ role }}\",\"variables\":{{\"a\":{deep}");
    server.json(None, &deep).await.refused(400, "BAD_REQUEST");
    for query in ["{\"query\":\"{ nothing }\"}", "{}"] {
        server.json(None, query).await.refused(200, "BAD_REQUEST");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "image/jpeg"] {
        let answer = server.post(&[("content-type", kind)], b"{}").await;
        answer.refused(415, "UNSUPPORTED_MEDIA");
    }
    server.post(&[], b"{}").await.refused(415, "UNSUPPORTED_MEDIA");
    let gzip = [("content-type", "application/json"), ("content-encoding", "gzip")];
    server.post(&gzip, b"{}").await.refused(415, "UNSUPPORTED_MEDIA");
}

#[tokio::test]
async fn the_answer_has_the_type_that_was_asked_for() {
    let server = Server::start().await;
    let query = br#"{"query":"mutation { login }"}"#;
    for (accept, expected) in [
        ("*/*", "application/json; charset=utf-8"),
        (
            "application/graphql-response+json;q=1, application/json;q=0.9",
            "application/graphql-response+json; charset=utf-8",
        ),
    ] {
        let kind = "application/json; charset=UTF-8";
        let headers = [("content-type", kind), ("accept", accept)];
        let answer = server.post(&headers, query).await;
        assert_eq!(answer.header("content-type"), Some(expected));
        assert_eq!(answer.value()["data"]["login"], "Anonymous");
    }
}

#[tokio::test]
async fn a_panicking_resolver_is_internal_and_the_server_lives() {
    let server = Server::start().await;
    let answer = server.json(None, r#"{"query":"{ panics }"}"#).await;
    answer.refused(200, "INTERNAL");
    assert!(!answer.value().to_string().contains("secret"));
    assert_eq!(server.get("/health/live").await.status, 200);
}

#[tokio::test]
async fn a_marker_without_a_file_is_an_input_error() {
    let server = Server::start().await;
    for marker in [
        "#__graphql_file__:999",
        "#__graphql_file__:0",
        "#__graphql_file__:x",
        "#__graphql_file__:",
        "#__graphql_file__:-1",
        "#__graphql_file__:+1",
        "#__graphql_file__:99999999999999999999999999",
        "photo.jpg",
        "",
    ] {
        let variable = serde_json::json!({
            "query": "mutation($photo: Upload!) { send(photo: $photo) }",
            "variables": { "photo": marker },
        });
        let literal = serde_json::json!({
            "query": format!("mutation {{ enrol(photos: [{{ upload: {marker:?} }}]) }}"),
        });
        for body in [variable, literal] {
            let answer = server.json(Some(TOKEN), &body.to_string()).await;
            answer.refused(200, "INVALID_INPUT");
            assert_eq!(answer.value()["errors"][0]["extensions"]["field"], "photo");
        }
    }
    let number = r#"{"query":"mutation { send(photo: 7) }"}"#;
    server.json(Some(TOKEN), number).await.refused(200, "BAD_REQUEST");
}

#[tokio::test]
async fn the_addresses_beside_graphql() {
    let server = Server::start().await;
    assert_eq!(server.get("/health/live").await.body, b"ok");
    assert_eq!(server.get("/health/ready").await.status, 200);
    server.fake.go_away(true);
    assert_eq!(server.get("/health/ready").await.status, 503);
    assert_eq!(server.get("/health/live").await.status, 200);

    let photo = server.get("/media/photo").await;
    assert_eq!(photo.header("content-type"), Some("image/jpeg"));
    assert_eq!(photo.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(photo.header("content-disposition"), Some("inline"));
    assert!(photo.header("cache-control").unwrap().contains("private"));
    assert_eq!(photo.body, b"\xff\xd8");
    for path in [
        "/media/other",
        "/media/",
        "/nothing",
        "/graphiql/nothing.js",
        "/console/nothing.js",
    ] {
        let answer = server.get(path).await;
        answer.refused(404, "NOT_FOUND");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    server.get("/graphql").await.refused(405, "BAD_REQUEST");
    server.get("/graphql/ws").await.refused(400, "BAD_REQUEST");

    let page = server.get("/graphiql").await;
    assert!(page.header("content-security-policy").unwrap().contains("'self'"));
    let page = String::from_utf8(page.body).unwrap();
    for name in page.split('"').filter(|part| part.starts_with("/graphiql/")) {
        assert_eq!(server.get(name).await.status, 200, "{name}");
    }
    assert_eq!(server.fake.0.looks.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_console_has_all_that_it_loads_and_is_kept() {
    let server = Server::start().await;
    let page = server.get("/").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap().to_owned();
    let tag = page.header("etag").unwrap().to_owned();
    // Whatever the page loads, and whatever that loads.
    let mut texts = vec![String::from_utf8(page.body).unwrap()];
    let mut seen = std::collections::BTreeSet::new();
    while let Some(text) = texts.pop() {
        for name in text.split('"').filter_map(|part| {
            let name = part.strip_prefix("console/").or_else(|| part.strip_prefix("./"))?;
            name.contains('.').then_some(name)
        }) {
            if seen.insert(name.to_owned()) {
                let file = server.get(&format!("/console/{name}")).await;
                assert_eq!(file.status, 200, "{name}");
                texts.push(String::from_utf8(file.body).unwrap());
            }
        }
    }
    for name in ["style.css", "app.js", "session.js", "words.js"] {
        assert!(seen.contains(name), "{name} is loaded by nothing");
    }
    let ask = |tag: &str| format!("GET / HTTP/1.1\r\nhost: a\r\nif-none-match: {tag}\r\n\r\n");
    let same = server.send(&ask(&tag), b"").await;
    assert_eq!((same.status, same.body.len()), (304, 0));
    assert_eq!(same.header("content-security-policy"), Some(&*policy));
    assert_eq!(server.send(&ask("\"other\""), b"").await.status, 200);
    let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";
    server.send(head, b"").await.refused(405, "BAD_REQUEST");
}

#[tokio::test]
async fn a_request_has_an_id_of_ours() {
    let server = Server::start().await;
    let id = |answer: &Answer| answer.header("x-request-id").unwrap().to_owned();
    let (one, other) = (server.get("/health/live").await, server.get("/nothing").await);
    assert_ne!(id(&one), id(&other));
    // Whoever is no proxy of ours names no request.
    let named = "GET /health/live HTTP/1.1\r\nhost: a\r\nx-request-id: mine\r\n\r\n";
    assert_ne!(id(&server.send(named, b"").await), "mine");
    // What went wrong is known by it.
    let broken = server.json(None, r#"{"query": "{ panics }"}"#).await;
    let told = &broken.value()["errors"][0]["extensions"]["correlationId"];
    assert_eq!(told, &id(&broken));
}
