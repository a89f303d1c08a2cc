//! More at once than there are turns for.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::Limits;
use super::socket::Client;
use super::{Server, TOKEN};

const ROLE: &str = r#"{"query":"{ role }"}"#;
const LOGIN: &str = r#"{"query":"mutation { login }"}"#;

/// With one turn of each kind, of which somebody has that for small requests for some seconds.
async fn crowded() -> Server {
    crowded_by(Some(TOKEN), 0).await
}

/// The same with the kind of turn that such a request has: spaces behind it make it larger.
async fn crowded_by(token: Option<&'static str>, spaces: usize) -> Server {
    let server = Server::with(Limits {
        requests_at_once: 1,
        burst: Duration::from_millis(200),
        ..Limits::default()
    })
    .await;
    sleeper(&server, token, spaces).await;
    server
}

/// A request that keeps its turn for five seconds, and has it.
async fn sleeper(server: &Server, token: Option<&'static str>, spaces: usize) {
    let (address, asleep) = (server.address, server.fake.0.asleep.load(Ordering::SeqCst));
    tokio::spawn(async move {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let body = format!(r#"{{"query":"{{ sleeps(seconds: 5) }}"}}{}"#, " ".repeat(spaces));
        let bearer = token.map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: a\r\n{bearer}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        tokio::io::AsyncWriteExt::write_all(&mut stream, (head + &body).as_bytes())
            .await
            .unwrap();
        super::Answer::read(&mut stream).await
    });
    while server.fake.0.asleep.load(Ordering::SeqCst) == asleep {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn who_gets_no_turn_is_told_to_come_later_before_anything_is_done() {
    let server = crowded().await;
    let looks = server.fake.0.looks.load(Ordering::SeqCst);
    let begun = Instant::now();
    let answer = server.json(Some(TOKEN), ROLE).await;
    answer.refused(503, "UNAVAILABLE");
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert_eq!(answer.header("connection"), None);
    assert!(begun.elapsed() < Duration::from_secs(4));
    assert_eq!(server.fake.0.looks.load(Ordering::SeqCst), looks);
    // When it is free again, all is as it was.
    tokio::time::sleep(Duration::from_secs(5).saturating_sub(begun.elapsed())).await;
    let answer = server.json(Some(TOKEN), ROLE).await;
    assert_eq!(answer.value(), json!({ "data": { "role": "Teacher" } }));
}

#[tokio::test]
async fn health_strangers_and_uploads_wait_for_nobody_else() {
    let server = crowded().await;
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    let answer = server.json(None, LOGIN).await;
    assert_eq!(answer.value()["data"]["login"], "Anonymous");
    let photo = "--x\r\ncontent-disposition: form-data; name=\"operations\"\r\n\r\n\
                 {\"query\":\"mutation($f: Upload!) { send(photo: $f) }\",\"variables\":{\"f\":null}}\r\n\
                 --x\r\ncontent-disposition: form-data; name=\"map\"\r\n\r\n{\"0\":[\"variables.f\"]}\r\n\
                 --x\r\ncontent-disposition: form-data; name=\"0\"; filename=\"a\"\r\n\r\nphoto\r\n--x--\r\n";
    let bearer = format!("Bearer {TOKEN}");
    let headers = [
        ("content-type", "multipart/form-data; boundary=x"),
        ("authorization", &bearer),
    ];
    let answer = server.post(&headers, photo.as_bytes()).await;
    assert_eq!(answer.value(), json!({ "data": { "send": 5 } }));
    // The turn was taken all the while.
    server.json(Some(TOKEN), ROLE).await.refused(503, "UNAVAILABLE");
}

/// A stranger may show anything: it takes no turn of those who are signed in.
#[tokio::test]
async fn a_token_that_is_none_waits_with_the_strangers() {
    let too_long: &str = "x".repeat(5000).leak();
    for token in ["junk", too_long] {
        let server = crowded_by(Some(token), 0).await;
        let answer = server.json(Some(TOKEN), ROLE).await;
        assert_eq!(
            answer.value(),
            json!({ "data": { "role": "Teacher" } }),
            "{} bytes",
            token.len()
        );
        for _ in 1..4 {
            sleeper(&server, Some(token), 0).await;
        }
        server.json(Some(token), LOGIN).await.refused(503, "UNAVAILABLE");
        server.json(None, LOGIN).await.refused(503, "UNAVAILABLE");
        assert_eq!(
            server.json(Some(TOKEN), ROLE).await.status,
            200,
            "{} bytes",
            token.len()
        );
    }
}

/// Photos in base64 wait for the media store as others do.
#[tokio::test]
async fn large_json_waits_with_the_uploads() {
    let server = crowded_by(Some(TOKEN), 65 << 10).await;
    assert_eq!(server.json(Some(TOKEN), ROLE).await.status, 200);
    let large = format!("{ROLE}{}", " ".repeat(65 << 10));
    server.json(Some(TOKEN), &large).await.refused(503, "UNAVAILABLE");
    // On a socket too, and of what is sent in chunks it shows at its end.
    let mut client = Client::open(&server).await;
    client
        .subscribe("a", &format!("{{ role }}{}", " ".repeat(65 << 10)))
        .await;
    assert_eq!(client.hear().await["payload"][0]["extensions"]["code"], "UNAVAILABLE");
    client.subscribe("b", "{ role }").await;
    assert_eq!(client.hear().await["payload"]["data"]["role"], "Teacher");
    let begun = Instant::now();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let chunks = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    assert_eq!(server.send(&head, chunks.as_bytes()).await.status, 200);
    assert!(begun.elapsed() > Duration::from_secs(2), "after the other");
}

#[tokio::test]
async fn who_is_put_off_in_the_midst_of_a_body_hears_of_it() {
    let server = crowded_by(Some(TOKEN), 65 << 10).await;
    let query = format!(r#"{{"query":"{{ role }}{}"}}"#, " ".repeat(1 << 20));
    let answer = server.json(Some(TOKEN), &query).await;
    answer.refused(503, "UNAVAILABLE");
    assert_eq!(answer.header("connection"), None);
    // So much is not read to be thrown away.
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        8 << 20
    );
    let answer = server.send(&head, b"").await;
    answer.refused(503, "UNAVAILABLE");
    assert_eq!(answer.header("connection"), Some("close"));
}

#[tokio::test]
async fn sockets_take_turns_for_all_but_what_they_watch() {
    let server = crowded().await;
    let mut client = Client::open(&server).await;
    client.subscribe("a", "subscription { ticks(count: 1) }").await;
    assert_eq!(client.hear().await["payload"]["data"]["ticks"], 0);
    assert_eq!(client.hear().await["type"], "complete");
    client.subscribe("b", "{ role }").await;
    let refused = client.hear().await;
    assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("b")));
    assert_eq!(refused["payload"][0]["extensions"]["code"], "UNAVAILABLE");
    // Its own turn keeps others waiting for as long as it is worked on.
    tokio::time::sleep(Duration::from_secs(5)).await;
    client.subscribe("c", "{ sleeps(seconds: 2) }").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.json(Some(TOKEN), ROLE).await.refused(503, "UNAVAILABLE");
    assert_eq!(client.hear().await["payload"]["data"]["sleeps"], true);
    assert_eq!(server.json(Some(TOKEN), ROLE).await.status, 200);
}
