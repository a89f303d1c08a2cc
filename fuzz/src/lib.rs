//! A whole server for the targets, in the fuzzer's process: the API over a database of its own,
//! spoken to through memory. Its clock stands and its randomness is seeded, so that a school's ids and
//! tokens are the same at each run and the first inputs can name them.
//!
//! Nothing catches a panic here: libFuzzer's hook ends the process before the server's own nets see it.

mod wire;
mod world;

pub use wire::{Answer, Frame};
pub use world::{World, with_world};
