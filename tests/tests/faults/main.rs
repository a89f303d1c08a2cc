//! Whatever is killed, stopped, emptied, gone or poisoned on its way, a photo that was acknowledged
//! is recognized or failed with a reason, once: invariants 1, 2, 4 and 7.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod alone;
mod fence;
mod killed;
mod leaving;
mod outages;
mod poison;
mod rows;
mod waiting;
mod weights;
