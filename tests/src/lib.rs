//! The whole system from outside: servers to start, clients to talk to them, and a stand-in for
//! the models where faces are not what is tested.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

pub mod big;
pub mod browser;
pub mod client;
pub mod drawing;
pub mod faces;
pub mod fake;
pub mod gate;
pub mod insider;
pub mod mailbox;
pub mod postgres;
pub mod process;
pub mod pulse;
pub mod redis;
pub mod relay;
pub mod school;
pub mod smtp;
pub mod socket;
pub mod world;
