//! What an operator sees of a running Muster: numbers, health, lines of the log, traces.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod health;
mod lines;
mod metrics;
mod traces;

use std::time::{Duration, Instant};

use tests::process::Process;
use tests::world::{Mode, Setup, World};

/// A world of processes, none of which has been started yet.
async fn empty(setup: Setup) -> Option<World> {
    let setup = Setup {
        apis: 0,
        workers: 0,
        ..setup
    };
    assert_eq!(setup.mode, Mode::Processes);
    setup.build().await
}

/// What its processes are started with, and this besides.
fn settings<'s>(world: &'s World, more: &[(&'s str, &'s str)]) -> Vec<(&'s str, &'s str)> {
    let own = world
        .settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    own.chain(more.iter().copied()).collect()
}

/// An api with these settings besides, as the first of the world.
async fn api(world: &mut World, more: &[(&str, &str)]) {
    let api = Process::start("api", &settings(world, more)).await;
    world.bases.push(api.base.clone());
    world.apis.push(api);
}

async fn worker(world: &mut World, more: &[(&str, &str)]) {
    let worker = Process::start("worker", &settings(world, more)).await;
    world.workers.push(worker);
}

/// So long a busy machine may take for what is a matter of seconds.
const PATIENCE: Duration = Duration::from_mins(2);

/// Looks until it is so.
async fn until<F: Future<Output = bool>>(what: &str, mut look: impl FnMut() -> F) {
    let begun = Instant::now();
    while !look().await {
        assert!(begun.elapsed() < PATIENCE, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
