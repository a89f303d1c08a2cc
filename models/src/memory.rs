//! What a photo took beside its tensors (in the runtime's own arena) and its pixels (kept, wiped) goes back to the system.
//!
//! Pixels, copies of them and crops are tens of MB in blocks of all sizes, taken on whichever thread has the
//! photo. glibc keeps freed blocks for each of its arenas, one a thread, and the larger the blocks that
//! it has seen, the larger those that it keeps: a worker would grow with the threads and the photos
//! that it has seen.

use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};

use image::RgbImage;
use picture::Blank;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    /// Blocks from this size on are mapped one by one and go back when they are freed. Setting it
    /// also stops glibc from raising it by itself.
    const MAPPED_BYTES: i32 = 4 << 20;

    /// Free bytes at an arena's end that are not given back at once, or each crop would fetch its pages anew: what is free
    /// when a photo is done is given back then.
    const FREE_BYTES: i32 = 16 << 20;

    /// Arenas that threads share. By default each of them has its own, up to eight a core, and in each some blocks
    /// that live long keep the pages around them.
    const ARENAS: i32 = 2;

    #[expect(
        unsafe_code,
        reason = "glibc's own switches, without pointers; safe from any thread by their manual"
    )]
    pub(crate) fn prepare() {
        // SAFETY: mallopt takes the allocator's lock and changes how later blocks are taken.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES);
            libc::mallopt(libc::M_TRIM_THRESHOLD, FREE_BYTES);
            libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        }
    }

    #[expect(
        unsafe_code,
        reason = "glibc's own switches, without pointers; safe from any thread by their manual"
    )]
    pub(crate) fn give_back() {
        // SAFETY: malloc_trim takes the allocator's locks and touches nothing that is in use.
        unsafe {
            libc::malloc_trim(0);
        }
    }
}

/// Other allocators give back by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod glibc {
    pub(crate) fn prepare() {}
    pub(crate) fn give_back() {}
}

/// Once a process, before the first inference: large blocks are not kept.
pub(crate) use glibc::prepare;

/// Most bytes of a photo whose memory is kept for the next one: 13 megapixels, a little more than phones take. Fetching its
/// pages anew takes a fifth of the time that decoding takes.
const KEPT: usize = 40 << 20;

/// The memory of a photo that is done with, for the next one, unless it is too much.
pub(crate) fn kept(photo: RgbImage) -> Blank {
    if photo.as_raw().capacity() > KEPT {
        return Blank::default();
    }
    photo.into()
}

/// Has what is free given back when it is dropped, however the work ended. That takes a few milliseconds, on a thread
/// that nobody waits for.
#[derive(Debug)]
pub(crate) struct GiveBack;

impl Drop for GiveBack {
    fn drop(&mut self) {
        static ASKED: OnceLock<SyncSender<()>> = OnceLock::new();
        let asked = ASKED.get_or_init(|| {
            let (ask, asked) = sync_channel(1);
            let spawned = std::thread::Builder::new().name("give-back".into()).spawn(move || {
                while asked.recv().is_ok() {
                    glibc::give_back();
                }
            });
            if let Err(error) = spawned {
                tracing::warn!(%error, "no thread to give memory back on");
            }
            ask
        });
        // Full: it will be given back by the round that is about to begin.
        let _ = asked.try_send(());
    }
}
