//! What a photo took beside its tensors, which lie in the runtime's own arena, goes back to the system.
//!
//! Pixels, copies of them and crops are tens of MB in blocks of all sizes, taken on whichever thread has the
//! photo. glibc keeps freed blocks for each of its arenas, one a thread, and the larger the blocks that
//! it has seen, the larger those that it keeps: a worker would grow with the threads and the photos
//! that it has seen.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    /// Blocks from this size on are mapped one by one and go back when they are freed. Setting it
    /// also stops glibc from raising it by itself.
    const MAPPED_BYTES: i32 = 4 << 20;

    #[expect(
        unsafe_code,
        reason = "glibc's own switches, without pointers; safe from any thread by their manual"
    )]
    pub(crate) fn prepare() {
        // SAFETY: mallopt takes the allocator's lock and changes how later blocks are taken.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES);
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

/// Gives back what is free when it is dropped, however the work ended. Takes a few milliseconds.
#[derive(Debug)]
pub(crate) struct GiveBack;

impl Drop for GiveBack {
    fn drop(&mut self) {
        glibc::give_back();
    }
}
