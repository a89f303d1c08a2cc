//! Marks that staff set by hand: lists of them, their withdrawal, and the sessions that dashboards
//! follow meanwhile.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod bulk;
mod cleared;
mod followed;
mod notices;
