//! What one api process bears: a thousand who watch one session, and a school that reads, marks and
//! uploads at once, more than it can take. Servers are processes of their own; all clients are
//! this process, on the same cores. `bench/load` runs it; `bench/README.md` has the results.

pub mod mixed;
pub mod network;
pub mod operations;
pub mod schedule;
pub mod stalled;
pub mod subscribers;
pub mod teachers;
pub mod usage;
pub mod waits;
pub mod watcher;
pub mod wire;
