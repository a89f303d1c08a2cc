//! Any text as a token: of access, of a refresh, of a picture's address; and any head and claims under a
//! right signature. Refused in the one way that tells nothing, or good for the one login that there is.
#![no_main]

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use libfuzzer_sys::fuzz_target;
use muster_fuzz::{World, with_world};
use service::keys::Purpose;
use service::{Error, accounts, media};

fuzz_target!(|input: &[u8]| {
    let Some((&kind, rest)) = input.split_first() else {
        return;
    };
    with_world(|world| match kind % 5 {
        0 => access(world, &String::from_utf8_lossy(rest)),
        1 => access(world, &signed(world, rest)),
        2 => {
            let text = String::from_utf8_lossy(rest);
            let refreshed = world.block_on(accounts::refresh(&world.service, &text));
            assert!(matches!(refreshed, Err(Error::Unauthenticated)));
        }
        3 => picture(world, &String::from_utf8_lossy(rest)),
        _ => {
            let signature = world.service.keys.sign(Purpose::Media, rest);
            picture(world, &BASE64.encode([rest, &signature].concat()));
        }
    });
});

fn access(world: &World, token: &str) {
    match world.block_on(accounts::authenticate(&world.service, token)) {
        Ok(viewer) => assert_eq!(viewer.login, world.viewer.login),
        Err(Error::Unauthenticated) => {}
        Err(other) => panic!("{other:?}"),
    }
}

/// What stands before and behind the first 0xFF as head and claims.
fn signed(world: &World, parts: &[u8]) -> String {
    let at = parts.iter().position(|&byte| byte == 0xff).unwrap_or(parts.len());
    let (head, claims) = parts.split_at(at);
    let claims = claims.strip_prefix(b"\xff").unwrap_or(claims);
    let unsigned = format!("{}.{}", BASE64.encode(head), BASE64.encode(claims));
    let signature = world.service.keys.sign(Purpose::AccessToken, unsigned.as_bytes());
    format!("{unsigned}.{}", BASE64.encode(signature))
}

fn picture(world: &World, token: &str) {
    let shown = world.block_on(media::open(&world.service, token));
    assert!(matches!(shown, Ok(_) | Err(Error::NotFound(_))), "{shown:?}");
}
