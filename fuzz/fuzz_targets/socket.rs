//! Any messages on a socket: answered or closed, never with a fault of ours. Messages are parted by 0xFF,
//! which no text has; one that begins with 0xFE goes out as it is, without a frame of its own. What says
//! `TOKEN` means the admin's.
#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_fuzz::{Frame, with_world};

fuzz_target!(|input: &[u8]| {
    with_world(|world| {
        let messages: Vec<(bool, Vec<u8>)> = input
            .split(|&byte| byte == 0xff)
            .take(32)
            .map(|message| match message.strip_prefix(b"\xfe") {
                Some(raw) => (true, raw.to_vec()),
                None => (false, message.to_vec()),
            })
            .collect();
        let texts: Vec<String> = messages
            .iter()
            .map(|(_, message)| String::from_utf8_lossy(message).replace("TOKEN", &world.token))
            .collect();
        let frames: Vec<Frame<'_>> = messages
            .iter()
            .zip(&texts)
            .map(|((raw, message), text)| if *raw { Frame::Raw(message) } else { Frame::Text(text) })
            .collect();
        world.socket(&frames);
    });
});
