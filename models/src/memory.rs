//! What an inference took goes back to the system.
//!
//! A photo's tensors are hundreds of MB in blocks of all sizes, taken on whichever thread has the
//! photo. glibc keeps freed blocks for each of its arenas, one a thread, so a worker would grow with
//! the number of threads that ever saw a photo.

/// Gives the system back what is free, in every arena. Takes a few milliseconds.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn give_back() {
    #[expect(
        unsafe_code,
        reason = "a call without arguments that matter; safe from any thread by its manual"
    )]
    // SAFETY: malloc_trim takes the allocator's own locks and touches nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Other allocators give back by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back() {}

/// Gives back when it is dropped, however the work ended.
#[derive(Debug)]
pub(crate) struct GiveBack;

impl Drop for GiveBack {
    fn drop(&mut self) {
        give_back();
    }
}
