//! What clients send over HTTP, in the forms that the targets read.

use std::io::Cursor;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use image::{DynamicImage, ImageFormat};
use muster_fuzz::World;
use serde_json::{Value, json};

const PIECES: u8 = 7;

fn photo(format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    DynamicImage::new_rgb8(8, 8).write_to(&mut file, format).unwrap();
    file.into_inner()
}

fn body(operations: &Value, map: &Value, files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = vec![PIECES];
    let mut part = |head: &str, content: &[u8]| {
        body.extend(format!("--x\r\ncontent-disposition: form-data; {head}\r\n\r\n").bytes());
        body.extend(content);
        body.extend(b"\r\n");
    };
    part("name=\"operations\"", operations.to_string().as_bytes());
    part("name=\"map\"", map.to_string().as_bytes());
    for (name, content) in files {
        part(&format!("name=\"{name}\"; filename=\"a.jpg\""), content);
    }
    body.extend(b"--x--\r\n");
    body
}

/// Every mutation that takes a photo, and what may be wrong around it.
pub fn multipart(world: &World) -> Vec<Vec<u8>> {
    let (jpeg, png) = (photo(ImageFormat::Jpeg), photo(ImageFormat::Png));
    let map = json!({ "0": ["variables.photo.upload"] });
    let submit = json!({
        "query": "mutation($session: ID!, $photo: PhotoInput!) { submitClassPhoto(sessionId: $session, photo: $photo) { job { id } } }",
        "variables": { "session": world.session, "photo": { "upload": null } },
    });
    let enrol = json!({
        "query": "mutation($user: ID!, $photos: [PhotoInput!]!) { enrolFaces(userId: $user, photos: $photos, idempotencyKey: \"k\") { job { id } } }",
        "variables": { "user": world.student, "photos": [{ "upload": null }, { "upload": null }] },
    });
    let identify = json!({
        "query": "mutation($photo: PhotoInput!) { identifyFaces(photo: $photo) { job { id } } }",
        "variables": { "photo": { "upload": null } },
    });
    let check_in = json!({
        "query": "mutation($input: CheckInInput!) { checkIn(input: $input) { job { id } } }",
        "variables": { "input": { "sessionId": world.session, "code": "ABCDEF", "selfie": { "upload": null } } },
    });
    let files: &[(&str, &[u8])] = &[("0", &jpeg)];
    let whole = body(&submit, &map, files);
    let both = json!({ "0": ["variables.photos.0.upload"], "1": ["variables.photos.1.upload"] });
    vec![
        body(&enrol, &both, &[("0", &jpeg), ("1", &png)]),
        body(&identify, &map, &[("0", &png)]),
        body(&check_in, &json!({ "0": ["variables.input.selfie.upload"] }), files),
        body(&submit, &map, &[]),
        body(&submit, &map, &[("1", &jpeg)]),
        body(&submit, &json!({ "0": ["variables.photos.0"] }), files),
        body(&submit, &json!([]), files),
        body(&json!([submit]), &map, files),
        body(&json!("text"), &map, files),
        whole[..whole.len() / 2].to_vec(),
        whole,
        vec![PIECES],
    ]
}

/// Of every kind that the target knows, a good one and some that are nearly good.
pub fn tokens(world: &World) -> Vec<Vec<u8>> {
    let text = |kind: u8, text: &str| [&[kind], text.as_bytes()].concat();
    let mut parts = world
        .token
        .split('.')
        .map(|part| BASE64.decode(part).unwrap_or_default());
    let (head, claims) = (parts.next().unwrap(), parts.next().unwrap());
    let signed = |head: &[u8], claims: &[u8]| [&[1], head, &[0xff], claims].concat();
    let of = |change: &dyn Fn(&mut Value)| {
        let mut claims: Value = serde_json::from_slice(&claims).unwrap();
        change(&mut claims);
        signed(&head, claims.to_string().as_bytes())
    };
    let refresh = BASE64.encode([[7_u8; 16], [1; 16], [2; 16]].concat());
    let mut inputs = vec![
        text(0, &world.token),
        text(0, "a.b.c"),
        signed(&head, &claims),
        of(&|claims| claims["exp"] = json!(0)),
        of(&|claims| claims["nbf"] = json!(i64::MAX)),
        of(&|claims| claims["aud"] = json!(["muster-api", "other"])),
        of(&|claims| claims["sub"] = json!("none")),
        signed(br#"{"alg":"none","kid":""}"#, &claims),
        text(2, &refresh),
    ];
    let until = (world.service.now().timestamp() + 60).to_be_bytes();
    let id = node(world, "{ node: organization { id } }");
    let bytes: Vec<u8> = (4..36)
        .step_by(2)
        .map(|at| u8::from_str_radix(&id[at..at + 2], 16).unwrap())
        .collect();
    for kind in 1..=6 {
        let unsigned = [&[kind], &bytes[..], &until[..]].concat();
        inputs.push(text(3, &BASE64.encode(&unsigned)));
        inputs.push([&[4], &unsigned[..]].concat());
    }
    inputs
}

fn node(world: &World, query: &str) -> String {
    let found = world.graphql(query, &Value::Null);
    let id = found.pointer("/data/node/id").and_then(Value::as_str);
    id.unwrap_or_else(|| panic!("{query}: {found}")).to_owned()
}

/// One of each type that the school has, and every type's name before a number that nothing has.
pub fn ids(world: &World) -> Vec<Vec<u8>> {
    let first = |list: &str| {
        let found = world.graphql(&format!("{{ {list}(first: 1) {{ nodes {{ id }} }} }}"), &Value::Null);
        let id = found
            .pointer(&format!("/data/{list}/nodes/0/id"))
            .and_then(Value::as_str);
        id.unwrap_or_else(|| panic!("{found}")).to_owned()
    };
    let lists = ["users", "classes", "venues", "sessions", "auditLog", "marks"];
    let mut ids: Vec<String> = lists.map(first).into();
    ids.push(node(world, "{ node: organization { id } }"));
    ids.extend([world.class.clone(), world.session.clone(), world.student.clone()]);
    let types = [
        "org", "usr", "cls", "ven", "ses", "mrk", "job", "pho", "fac", "tpl", "dep", "aud",
    ];
    ids.extend(types.map(|prefix| format!("{prefix}_{:032x}", 7)));
    ids.extend(["", "_", "cls_", "usr_00000000-0000-0000-0000-00000000"].map(String::from));
    ids.into_iter().map(String::into_bytes).collect()
}

/// The cursors of every list, as they are and as what they hold.
pub fn cursors(world: &World) -> Vec<Vec<u8>> {
    let time = json!([world.service.now(), uuid(1)]).to_string();
    let name = json!(["Ada Admin", uuid(2)]).to_string();
    let rate = json!([0.5_f64.to_bits(), uuid(3)]).to_string();
    let mut inputs = Vec::new();
    for list in 0..15 {
        for side in [0, 2] {
            for held in [&time, &name, &rate] {
                inputs.push([&[list << 2 | side], BASE64.encode(held).as_bytes()].concat());
                inputs.push([&[list << 2 | side | 1], held.as_bytes()].concat());
            }
        }
    }
    // Behind the event of a session, and of another.
    let session = &world.session[4..];
    let mut event: Vec<u8> = (0..32)
        .step_by(2)
        .map(|at| u8::from_str_radix(&session[at..at + 2], 16).unwrap())
        .collect();
    for number in [0, 1, i64::MAX] {
        event.truncate(16);
        event.extend(number.to_be_bytes());
        inputs.push([&[14 << 2 | 1], &event[..]].concat());
    }
    inputs
}

fn uuid(number: u8) -> String {
    format!("00000000-0000-7000-8000-0000000000{number:02x}")
}
