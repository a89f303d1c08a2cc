//! Bodies that are no request: broken JSON, lists, bodies without an end and bodies that end too
//! early.

use bytes::Bytes;
use serde_json::json;
use tests::both;
use tests::client::Client;
use tests::school::School;
use tests::world::{Setup, World};

use crate::wire::{FORM, Wire, form, kernel_buffers, post};
use crate::{SUBMIT, State, files, refusal, untouched};

const JSON: &str = "application/json";

/// The school whose class is photographed, and its open session.
async fn school(world: &World) -> (School, String) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    (school, session)
}

async fn what_is_no_request_is_refused(world: World) {
    let (school, _) = school(&world).await;
    let teacher = &school.teacher;
    let open = "mutation { createVenue(input: { name: \"V\" }) { venue { id } } }";
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let bodies: Vec<(u16, &str, Vec<u8>)> = vec![
        (400, JSON, b"".to_vec()),
        (400, JSON, b"{".to_vec()),
        (400, JSON, b"null".to_vec()),
        (400, JSON, b"7".to_vec()),
        (400, JSON, b"\"query\"".to_vec()),
        (400, JSON, b"<!doctype html>".to_vec()),
        (400, JSON, b"{\"query\": 7}".to_vec()),
        (400, JSON, b"{\"query\": \"{ viewer { id } }\"} and more".to_vec()),
        (400, JSON, b"{\"query\": \"\xFF\xFE\"}".to_vec()),
        (400, JSON, b"\xEF\xBB\xBF{\"query\": \"{ viewer { id } }\"}".to_vec()),
        (
            400,
            JSON,
            json!({ "query": open, "variables": [1] }).to_string().into_bytes(),
        ),
        (
            400,
            JSON,
            json!({ "query": open, "variables": "x" }).to_string().into_bytes(),
        ),
        (
            400,
            JSON,
            format!("{{\"query\": \"{{ viewer {{ id }} }}\", \"variables\": {{\"a\": {deep}}}}}").into_bytes(),
        ),
        // A list holds a few operations; of one that is refused none runs.
        (400, JSON, b"[]".to_vec()),
        (400, JSON, json!([{ "query": open }, 7]).to_string().into_bytes()),
        (
            400,
            JSON,
            json!(vec![json!({ "query": open }); 11]).to_string().into_bytes(),
        ),
        // Read as a request, in which there is nothing that could run.
        (200, JSON, b"{}".to_vec()),
        (200, JSON, json!({ "query": "" }).to_string().into_bytes()),
        (200, JSON, json!({ "query": "mutation {" }).to_string().into_bytes()),
        (
            200,
            JSON,
            json!({ "query": open, "operationName": "Other" })
                .to_string()
                .into_bytes(),
        ),
        (400, FORM, b"".to_vec()),
        (400, FORM, json!({ "query": open }).to_string().into_bytes()),
        (400, "multipart/form-data", form(&[])),
    ];
    let before = State::of(&world).await;
    for (status, kind, body) in bodies {
        let case = format!("{kind}: {}", String::from_utf8_lossy(&body[..body.len().min(80)]));
        let (got, answer) = post(teacher, kind, body).await;
        assert_eq!(
            (got, refusal(&answer, &case).0.as_str()),
            (status, "BAD_REQUEST"),
            "{case}"
        );
        untouched(&world, &before, teacher, &case).await;
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "image/jpeg", ""] {
        let (status, answer) = post(teacher, kind, json!({ "query": open }).to_string()).await;
        assert_eq!(
            (status, refusal(&answer, kind).0.as_str()),
            (415, "UNSUPPORTED_MEDIA"),
            "{kind}"
        );
        untouched(&world, &before, teacher, kind).await;
    }
}

both!(no_requests, what_is_no_request_is_refused, |setup| Setup {
    workers: 0,
    ..setup
});

/// The operation and the map of a photo, and the file's first bytes: what a long upload starts with.
fn begun(session: &str, photo: &[u8]) -> Vec<u8> {
    let variables = json!({ "session": session, "photo": { "upload": null } });
    let operations = json!({ "query": SUBMIT, "variables": variables }).to_string();
    let map = br#"{"0":["variables.photo.upload"]}"#;
    let mut body = form(&[("operations", operations.as_bytes()), ("map", map), ("0", photo)]);
    body.truncate(body.len() - b"\r\n--x--\r\n".len());
    body
}

/// Name, who sends it and as what, how it begins, how much of it is read, and the code.
type Endless<'a> = (&'a str, &'a Client, &'a str, &'a [u8], usize, &'a str);

async fn a_body_without_an_end_is_given_up(world: World) {
    let (school, session) = school(&world).await;
    let (teacher, stranger) = (&school.teacher, world.stranger());
    let photo = files::jpeg(&files::scene(64, 64));
    let start = begun(&session, &photo);
    let before = State::of(&world).await;
    // What the kernel takes on the way is no body that was read.
    let buffers = kernel_buffers();
    let cases: [Endless<'_>; 4] = [
        (
            "an endless JSON of nobody",
            &stranger,
            JSON,
            b" ",
            64 << 10,
            "PAYLOAD_TOO_LARGE",
        ),
        (
            "an endless upload of nobody",
            &stranger,
            FORM,
            &start,
            0,
            "UNAUTHENTICATED",
        ),
        ("an endless photo", teacher, FORM, &start, 25 << 20, "PAYLOAD_TOO_LARGE"),
        (
            "an endless JSON",
            teacher,
            JSON,
            b"{\"query\": \"",
            256 << 20,
            "PAYLOAD_TOO_LARGE",
        ),
    ];
    for (case, client, kind, first, limit, code) in cases {
        let mut wire = Wire::open(client, kind, "transfer-encoding: chunked").await;
        wire.chunk(first).await;
        let sent = wire.endless().await;
        assert!(sent <= limit + buffers, "{case}: {sent} bytes went");
        let (status, answer) = wire.answer().await.unwrap_or_else(|| panic!("no answer to {case}"));
        assert_eq!(refusal(&answer, case).0, code, "{case}");
        assert_eq!(status, if code == "UNAUTHENTICATED" { 401 } else { 413 }, "{case}");
        untouched(&world, &before, teacher, case).await;
    }
    // Announced, it is refused before it is sent.
    for (client, kind, bytes) in [
        (&stranger, JSON, 65 << 10),
        (teacher, JSON, 1_u64 << 40),
        (teacher, FORM, 1_u64 << 40),
    ] {
        let mut wire = Wire::open(client, kind, &format!("content-length: {bytes}")).await;
        let (status, answer) = wire.answer().await.expect("an answer");
        assert_eq!((status, refusal(&answer, kind).0.as_str()), (413, "PAYLOAD_TOO_LARGE"));
        untouched(&world, &before, teacher, kind).await;
    }
}

both!(endless, a_body_without_an_end_is_given_up, |setup| Setup {
    workers: 0,
    ..setup
});

async fn a_body_that_is_cut_leaves_nothing(world: World) {
    let (school, session) = school(&world).await;
    let teacher = &school.teacher;
    let photo = Bytes::from(files::jpeg(&files::scene(400, 300)));
    let start = begun(&session, &photo);
    let text = json!({ "query": SUBMIT }).to_string();
    let before = State::of(&world).await;
    for (kind, bytes) in [
        (FORM, &start[..]),
        (FORM, &start[..start.len() / 2]),
        (FORM, b"--x"),
        (JSON, text.as_bytes()),
    ] {
        for length in [
            "transfer-encoding: chunked".to_owned(),
            format!("content-length: {}", bytes.len() + 9),
        ] {
            for polite in [true, false] {
                let case = format!("{} bytes of {kind}, {length}, {polite}", bytes.len());
                let mut wire = Wire::open(teacher, kind, &length).await;
                if length.ends_with("chunked") {
                    wire.chunk(bytes).await
                } else {
                    wire.write(bytes).await
                };
                if polite {
                    wire.finish().await;
                    if let Some((status, answer)) = wire.answer().await {
                        assert_eq!(
                            (status, refusal(&answer, &case).0.as_str()),
                            (400, "BAD_REQUEST"),
                            "{case}"
                        );
                    }
                }
                drop(wire);
                untouched(&world, &before, teacher, &case).await;
            }
        }
    }
    // Were any of them taken for whole in the end, it would be by now.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    untouched(&world, &before, teacher, "all that was cut").await;
}

both!(cut, a_body_that_is_cut_leaves_nothing, |setup| Setup {
    workers: 0,
    ..setup
});
