//! Any text as a cursor of any list, as it is or as what a cursor holds: a page, or refused as no cursor of
//! this list, never with a fault of ours. The first byte says which list, and whether forwards.
#![no_main]

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use libfuzzer_sys::fuzz_target;
use muster_fuzz::{Frame, World, with_world};
use serde_json::json;

const RANGE: &str = "range: { from: \"2025-01-01\", to: \"2025-12-31\" }";

fuzz_target!(|input: &[u8]| {
    let Some((&way, rest)) = input.split_first() else {
        return;
    };
    let cursor = if way & 1 == 0 {
        String::from_utf8_lossy(rest).into_owned()
    } else {
        BASE64.encode(rest)
    };
    let side = if way & 2 == 0 {
        "first: 2, after: $cursor"
    } else {
        "last: 2, before: $cursor"
    };
    with_world(|world| match list(way >> 2, side) {
        Some(list) => {
            let query = format!("query($cursor: String, $session: ID!, $user: ID!, $class: ID!) {{ {list} }}");
            let variables = json!({
                "cursor": cursor, "session": world.session, "user": world.student, "class": world.class,
            });
            let body = json!({ "query": query, "variables": variables }).to_string();
            let answer = world.post("application/json", body.as_bytes(), 4096);
            answer.check();
            for error in answer.body["errors"].as_array().into_iter().flatten() {
                assert_eq!(error["extensions"]["code"], "INVALID_INPUT", "{}", answer.body);
            }
        }
        None => watch(world, &cursor),
    });
});

/// One list of each order, and each statement of its own.
fn list(number: u8, side: &str) -> Option<String> {
    // Whatever a document declares it has to use.
    let named = "a: session(id: $session) { id } b: user(id: $user) { id } c: class(id: $class) { id }";
    let page = "{ edges { cursor } totalCount }";
    let list = match number % 15 {
        0 => format!("users({side}) {page}"),
        1 => format!("classes({side}) {page}"),
        2 => format!("venues({side}) {page}"),
        3 => format!("sessions({side}) {page}"),
        4 => format!("jobs({side}) {page}"),
        5 => format!("auditLog({side}) {page}"),
        6 => format!("faceTemplates({side}) {page}"),
        7 => format!("reviewQueue({side}) {page}"),
        8 => format!("marks({side}) {page}"),
        9 => format!("studentStatistics(filter: {{ {RANGE} }}, {side}) {page}"),
        10 => format!("studentsAtRisk(filter: {{ {RANGE} }}, belowRate: 1, {side}) {page}"),
        11 => format!("list: session(id: $session) {{ roll({side}) {page} }}"),
        12 => format!("list: user(id: $user) {{ sessions({side}) {page} classes({side}) {page} }}"),
        13 => format!("list: class(id: $class) {{ students({side}) {page} sessions({side}) {page} }}"),
        _ => return None,
    };
    Some(format!("{list} {named}"))
}

/// The cursor of an event.
fn watch(world: &World, cursor: &str) {
    let init = json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {}", world.token) } });
    let query =
        "subscription($session: ID!, $after: String) { attendance(sessionId: $session, after: $after) { cursor } }";
    let variables = json!({ "session": world.session, "after": cursor });
    let payload = json!({ "query": query, "variables": variables });
    let subscribe = json!({ "type": "subscribe", "id": "a", "payload": payload });
    world.socket(&[Frame::Text(&init.to_string()), Frame::Text(&subscribe.to_string())]);
}
