//! Clients that take their time over a head, and bodies without an end.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::super::Limits;
use super::{Answer, Server, TOKEN, UPLOAD_BYTES};

const LIVE: &[u8] = b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n";

fn impatient() -> Limits {
    Limits {
        head: Duration::from_millis(400),
        keep_alive: Duration::from_millis(800),
        ..Limits::default()
    }
}

/// Sends a header now and then until the server has enough of it.
async fn drip(stream: &mut TcpStream) -> Duration {
    let start = Instant::now();
    let _ = stream.write_all(b"GET /health/live HTTP/1.1\r\n").await;
    let closed = async {
        loop {
            let mut byte = [0; 1];
            match timeout(Duration::from_millis(100), stream.read(&mut byte)).await {
                Ok(Ok(0) | Err(_)) => return start.elapsed(),
                Ok(Ok(_)) => {}
                Err(_) => {
                    let _ = stream.write_all(b"x: y\r\n").await;
                }
            }
        }
    };
    timeout(Duration::from_secs(10), closed).await.expect("an end")
}

#[tokio::test]
async fn a_head_that_drips_is_given_up() {
    let server = Server::with(impatient()).await;
    let took = drip(&mut server.connect().await).await;
    assert!(took >= Duration::from_millis(400), "{took:?}");

    // Nor behind a request that was quick, after which a connection may rest for a while.
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(LIVE).await.unwrap();
        assert_eq!(Answer::read(&mut stream).await.status, 200);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    drip(&mut stream).await;

    // And one that says nothing at all.
    let mut stream = server.connect().await;
    let end = timeout(Duration::from_secs(10), stream.read(&mut [0; 1])).await;
    assert!(matches!(end, Ok(Ok(0) | Err(_))));
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_given_up() {
    let server = Server::with(impatient()).await;
    let file = "graphiql-4.1.2.min.js";
    let whole = server.get(&format!("/graphiql/{file}")).await.body.len();
    let mut stream = server.connect().await;
    // More than the buffers between us hold.
    let times = 10_000_000 / whole;
    let request = format!("GET /graphiql/{file} HTTP/1.1\r\nhost: a\r\n\r\n");
    stream.write_all(request.repeat(times).as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut read = Vec::new();
    let end = timeout(Duration::from_secs(5), stream.read_to_end(&mut read)).await;
    assert!(end.is_ok(), "the connection lives on");
    assert!(read.len() < whole * times, "{} bytes", read.len());
}

#[tokio::test]
async fn a_body_that_drips_is_given_up() {
    let server = Server::with(Limits {
        body_grace: Duration::from_millis(500),
        ..impatient()
    })
    .await;
    let mut stream = server.connect().await;
    let head = "POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let drip = tokio::spawn(async move {
        while writer.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut answer = [0; 20];
    let read = timeout(Duration::from_secs(10), reader.read_exact(&mut answer)).await;
    read.expect("an answer in time").unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 408 "));
    drip.abort();
}

/// No more than the limit and 64 kB is ever sent here: a server that wanted more before it makes
/// up its mind would never answer.
#[tokio::test]
async fn an_endless_body_is_answered_at_the_limit() {
    let server = Server::start().await;
    let rest = 64 * 1024;
    let photos = 10 * usize::try_from(UPLOAD_BYTES).unwrap();
    let open = |name: &str| format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a\"\r\n\r\n");
    let part = |name: &str, content: &str| format!("{}{content}\r\n", open(name));
    let files = 12;
    let map: serde_json::Map<_, _> = (0..files)
        .map(|i| (i.to_string(), json!([format!("variables.photos.{i}.upload")])))
        .collect();
    let operations = json!({
        "query": "mutation($photos: [PhotoInput!]!) { enrol(photos: $photos) }",
        "variables": { "photos": vec![json!({ "upload": null }); files] },
    });
    let form = part("operations", &operations.to_string()) + &part("map", &json!(map).to_string());
    // One file that is larger than any may be, and many that are together.
    let file = form.clone() + &open("0");
    let many = (0..10).fold(form, |form, i| form + &part(&i.to_string(), &"x".repeat(photos / 10)));
    let many = many + &open("10");
    for (token, kind, begin, limit) in [
        ("none", "application/json", "", rest),
        (TOKEN, "application/json", "", photos.div_ceil(3) * 4 + rest),
        (
            TOKEN,
            "multipart/form-data; boundary=x",
            &file,
            file.len() + photos / 10,
        ),
        (TOKEN, "multipart/form-data; boundary=x", &many, photos + rest),
    ] {
        let mut body = begin.as_bytes().to_vec();
        body.resize(limit + rest, b' ');
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\ncontent-type: {kind}\r\n\
             transfer-encoding: chunked\r\n\r\n"
        );
        let mut sent = head.into_bytes();
        for chunk in body.chunks(10_000) {
            sent.extend(format!("{:x}\r\n", chunk.len()).bytes());
            sent.extend(chunk);
            sent.extend(b"\r\n");
        }
        let (mut reader, mut writer) = server.connect().await.into_split();
        let sender = tokio::spawn(async move {
            let _ = writer.write_all(&sent).await;
            writer
        });
        let mut answer = [0; 13];
        let read = timeout(Duration::from_secs(8), reader.read_exact(&mut answer)).await;
        let case = format!("{kind}, {limit} bytes");
        read.unwrap_or_else(|_| panic!("no answer to {case}")).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 413 ", "{case}");
        drop(sender.await);
    }
}
