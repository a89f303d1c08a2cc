//! Any bytes as a photo: read or refused, never a panic, and never more pixels than are allowed.
#![no_main]

use libfuzzer_sys::fuzz_target;

/// Small, so that a run tries many files instead of filling large ones.
const MAX_PIXELS: u64 = 1 << 16;

fuzz_target!(|bytes: &[u8]| {
    let header = picture::inspect(bytes);
    match (picture::decode(bytes, MAX_PIXELS), header) {
        (Ok(picture), Ok(header)) => {
            let (width, height) = picture.dimensions();
            assert!(width > 0 && height > 0);
            assert_eq!(u64::from(width) * u64::from(height), header.pixels());
            assert!(header.pixels() <= MAX_PIXELS);
        }
        (Ok(_), Err(error)) => panic!("decoded, though its header is refused: {error}"),
        // The words go to whoever sent the photo.
        (Err(error), _) => assert!(!error.to_string().contains('\n')),
    }
});
