//! Files, and maps that lie about them.

use std::fmt::Write as _;

use tokio::io::AsyncWriteExt;

use super::{Answer, Server, TOKEN, UPLOAD_BYTES};

const ENROL: &str = r#"{"query":"mutation($photos: [PhotoInput!]!) { enrol(photos: $photos) }","variables":{"photos":[{"upload":null},{"upload":null}]}}"#;

fn body(parts: &[(&str, &str)]) -> String {
    let mut body = String::new();
    for (name, content) in parts {
        let _ = write!(
            body,
            "--x\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a\"\r\n\r\n{content}\r\n"
        );
    }
    body + "--x--\r\n"
}

async fn send(server: &Server, parts: &[(&str, &str)]) -> Answer {
    send_raw(server, body(parts).as_bytes()).await
}

async fn send_raw(server: &Server, body: &[u8]) -> Answer {
    let bearer = format!("Bearer {TOKEN}");
    let headers = [
        ("content-type", "multipart/form-data; boundary=x"),
        ("authorization", &bearer),
    ];
    server.post(&headers, body).await
}

#[tokio::test]
async fn files_arrive_where_the_map_says() {
    let server = Server::start().await;
    let map = r#"{"a":["variables.photos.1.upload"],"b":["variables.photos.0.upload"]}"#;
    for files in [[("a", "1"), ("b", "22")], [("b", "22"), ("a", "1")]] {
        let parts = [("operations", ENROL), ("map", map), files[0], files[1]];
        let answer = send(&server, &parts).await;
        assert_eq!(answer.value()["data"]["enrol"], serde_json::json!([2, 1]));
    }
    let both = r#"{"a":["variables.photos.1.upload","variables.photos.0.upload"]}"#;
    let answer = send(&server, &[("operations", ENROL), ("map", both), ("a", "333")]).await;
    assert_eq!(answer.value()["data"]["enrol"], serde_json::json!([3, 3]));
}

#[tokio::test]
async fn a_map_that_lies_is_refused() {
    let server = Server::start().await;
    let map = |map: &'static str| vec![("operations", ENROL), ("map", map), ("a", "1")];
    let good = r#"{"a":["variables.photos.0.upload"]}"#;
    let many = (0..21).fold(String::new(), |mut all, i| {
        let _ = write!(
            all,
            "{}\"{i}\":[\"variables.photos.0.upload\"]",
            if i > 0 { "," } else { "{" }
        );
        all
    }) + "}";
    let list = format!("[{ENROL}]");
    let set = ENROL.replace("\"upload\":null", "\"upload\":\"x\"");
    let cases = [
        // Files and places that are not there, or are there twice.
        map(r#"{"a":["variables.photos.0.upload"],"b":["variables.photos.1.upload"]}"#),
        map(r#"{"a":["variables.photos.9.upload"]}"#),
        map(r#"{"a":["variables.photos.-1.upload"]}"#),
        map(r#"{"a":["variables.photos.18446744073709551616.upload"]}"#),
        map(r#"{"a":["variables.other"]}"#),
        map(r#"{"a":["variables"]}"#),
        map(r#"{"a":["variables."]}"#),
        map(r#"{"a":[""]}"#),
        map(r#"{"a":["query"]}"#),
        map(r#"{"a":["variables.photos.0.upload.deeper"]}"#),
        map(r#"{"a":["variables.photos"]}"#),
        map(r#"{"a":["variables.photos.0.upload","variables.photos.0.upload"]}"#),
        map(r#"{"a":["variables.photos.0.upload"],"a":["variables.photos.1.upload"]}"#),
        map(r#"{"a":[]}"#),
        // Maps that are none.
        map("{}"),
        map("[]"),
        map("{"),
        map(r#"{"a":"variables.photos.0.upload"}"#),
        map(r#"{"a":[7]}"#),
        vec![("operations", ENROL), ("map", &many), ("a", "1")],
        // Parts that are missing, strange, in another order, or twice.
        vec![("operations", ENROL)],
        vec![("operations", ENROL), ("map", good)],
        vec![("map", good), ("operations", ENROL), ("a", "1")],
        vec![("operations", ENROL), ("a", "1"), ("map", good)],
        vec![("operations", ENROL), ("map", good), ("a", "1"), ("a", "1")],
        vec![("operations", ENROL), ("map", good), ("a", "1"), ("c", "1")],
        vec![("operations", &list), ("map", good), ("a", "1")],
        vec![("operations", "{"), ("map", good), ("a", "1")],
        vec![("operations", &set), ("map", good), ("a", "1")],
        vec![],
    ];
    for parts in cases {
        let message = send(&server, &parts).await.refused(400, "BAD_REQUEST");
        assert!(!message.is_empty() && message.len() < 400, "{message}");
    }
}

#[tokio::test]
async fn a_broken_multipart_body_is_refused() {
    let server = Server::start().await;
    let whole = body(&[("operations", ENROL), ("map", "{}")]);
    for cut in [0, 1, 5, 40, whole.len() / 2, whole.len() - 10] {
        let answer = send_raw(&server, &whole.as_bytes()[..cut]).await;
        answer.refused(400, "BAD_REQUEST");
    }
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("content-type", "multipart/form-data"), ("authorization", &bearer)];
    server.post(&headers, b"").await.refused(400, "BAD_REQUEST");
}

#[tokio::test]
async fn a_file_over_the_limit_is_told_with_the_limit() {
    let server = Server::start().await;
    let bytes = usize::try_from(UPLOAD_BYTES).unwrap();
    let query = r#"{"query":"mutation($photo: Upload!) { send(photo: $photo) }","variables":{"photo":null}}"#;
    let map = r#"{"a":["variables.photo"]}"#;
    let full = "x".repeat(bytes);
    let parts = [("operations", query), ("map", map), ("a", &*full)];
    assert_eq!(send(&server, &parts).await.value()["data"]["send"], UPLOAD_BYTES);

    // The rest is read and forgotten, so that the answer arrives and the connection stays.
    let over = "x".repeat(bytes * 5);
    let answer = send(&server, &[("operations", query), ("map", map), ("a", &*over)]).await;
    let message = answer.refused(413, "PAYLOAD_TOO_LARGE");
    assert!(message.contains("97 kB"), "{message}");
    assert_eq!(answer.header("connection"), None);
}

#[tokio::test]
async fn endless_part_headers_are_given_up() {
    let server = Server::start().await;
    server.fake.change(|viewer| viewer.max_upload_bytes = 10_000_000);
    let mut stream = server.connect().await;
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: multipart/form-data; boundary=x\r\ntransfer-encoding: chunked\r\n\r\n\
         a\r\n--x\r\nabc: \r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = [&b"10000\r\n"[..], &vec![b'a'; 65536], b"\r\n"].concat();
    for _ in 0..100 {
        if stream.write_all(&chunk).await.is_err() {
            break;
        }
    }
    Answer::read(&mut stream).await.refused(400, "BAD_REQUEST");
}
