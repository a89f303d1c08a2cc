//! Any bytes as a multipart body of somebody who may upload: answered or refused, never with a fault of
//! ours. The first byte says in what pieces the body comes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_fuzz::with_world;

fuzz_target!(|input: &[u8]| {
    let Some((&pieces, body)) = input.split_first() else {
        return;
    };
    let piece = 16 << (pieces % 8);
    with_world(|world| world.post("multipart/form-data; boundary=x", body, piece).check());
});
