//! What clients send over a socket, message by message.

use muster_fuzz::World;
use serde_json::{Value, json};

/// A frame as a client writes one, its mask all zeros so that what it says stays readable.
fn frame(first: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    assert!(length < 126);
    [&[0xfe, first, 0x80 | length, 0, 0, 0, 0], content].concat()
}

pub fn conversations(world: &World) -> Vec<Vec<u8>> {
    let say = |message: Value| message.to_string().into_bytes();
    let init = say(json!({ "type": "connection_init", "payload": { "authorization": "Bearer TOKEN" } }));
    let ask = |id: &str, query: &str, variables: Value| {
        let payload = json!({ "query": query, "variables": variables });
        say(json!({ "type": "subscribe", "id": id, "payload": payload }))
    };
    let (session, class) = (&world.session, &world.class);
    let watch = "subscription($id: ID!, $after: String) { attendance(sessionId: $id, after: $after) { cursor student { id } } }";
    let roll = "query Roll($id: ID!) { session(id: $id) { summary { present } roll(first: 3) { nodes { student { id fullName } } } } }";
    let mark = "mutation($input: MarkInput!) { markAttendance(input: $input) { mark { id status } } }";
    let submit =
        "mutation($id: ID!, $photo: PhotoInput!) { submitClassPhoto(sessionId: $id, photo: $photo) { job { id } } }";
    let stop = |id: &str| say(json!({ "type": "complete", "id": id }));
    let talks: Vec<Vec<Vec<u8>>> = vec![
        vec![init.clone(), ask("a", watch, json!({ "id": session })), stop("a")],
        vec![
            init.clone(),
            ask("a", roll, json!({ "id": session })),
            ask("b", "{ viewer { id } }", json!(null)),
        ],
        vec![
            init.clone(),
            ask("a", watch, json!({ "id": session })),
            ask(
                "b",
                mark,
                json!({ "input": { "sessionId": session, "studentId": world.student, "status": "LATE" } }),
            ),
        ],
        vec![
            init.clone(),
            ask(
                "a",
                "subscription($c: ID) { reviewQueue(classId: $c) { queueLength } }",
                json!({ "c": class }),
            ),
            ask("b", "subscription { sessionChanged { id state } }", json!({})),
            stop("b"),
        ],
        vec![
            init.clone(),
            ask(
                "a",
                submit,
                json!({ "id": session, "photo": { "upload": "#__graphql_file__:0" } }),
            ),
            ask(
                "b",
                submit,
                json!({ "id": session, "photo": { "base64": "data:image/png;base64,iVBORw0KGgo=" } }),
            ),
        ],
        vec![
            init.clone(),
            say(json!({ "type": "subscribe", "id": "a", "payload": {
                "query": "{ viewer { id } }", "operationName": null,
                "extensions": { "persistedQuery": { "version": 1, "sha256Hash": "00" } },
            } })),
        ],
        vec![
            init.clone(),
            ask("a", "{ ...F } fragment F on Query { ...F }", json!({})),
        ],
        vec![
            init.clone(),
            ask("a", "{ health { state } }", json!({})),
            ask("a", "{ health { state } }", json!({})),
        ],
        vec![
            say(json!({ "type": "connection_init" })),
            ask("a", "mutation { logout { endedLogins } }", json!({})),
        ],
        vec![init.clone(), init.clone()],
        vec![ask("a", "{ viewer { id } }", json!({}))],
        vec![
            say(json!({ "type": "ping", "payload": { "a": [1] } })),
            say(json!({ "type": "pong" })),
        ],
        vec![b"{".to_vec(), b"null".to_vec()],
        // A text, one in two pieces, a ping, a close, binary, a control frame in pieces, a length that lies.
        vec![frame(0x81, br#"{"type":"ping"}"#)],
        vec![frame(0x01, br#"{"type":"#), frame(0x80, br#""ping"}"#)],
        vec![frame(0x89, b"are you there"), frame(0x88, &1000_u16.to_be_bytes())],
        vec![frame(0x82, b"\0"), frame(0x09, b"")],
        vec![b"\xfe\x81\xfe\x7f\x7f\0\0\0\0{}".to_vec()],
        vec![frame(0xc1, b"{}"), frame(0x83, b"")],
    ];
    talks.into_iter().map(|talk| talk.join(&0xff)).collect()
}
