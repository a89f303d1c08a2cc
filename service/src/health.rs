//! Whether Muster can do its work. Anybody may ask for the state, admins for the parts.

use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;

use crate::Service;
use crate::error::Result;
use crate::kinds::Role;
use crate::queue::nodes;
use crate::scope::Scope;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Ok,
    Degraded,
    Down,
}

#[derive(Clone, Debug)]
pub struct Component {
    pub name: &'static str,
    pub state: State,
    pub latency_ms: Option<f64>,
    /// Never an address, a credential or an error's text.
    pub detail: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Health {
    pub state: State,
    /// For admins.
    pub components: Option<Vec<Component>>,
}

/// A part that has not answered by then is away.
const PATIENCE: Duration = Duration::from_secs(3);

async fn timed<T>(work: impl Future<Output = T>) -> (T, f64) {
    let begun = Instant::now();
    let done = work.await;
    (done, begun.elapsed().as_secs_f64() * 1000.0)
}

/// Looks at every part. Without its database Muster is down; without its models or its media
/// store it is degraded: jobs wait.
pub async fn check(service: &Service, scope: Option<&Scope>) -> Health {
    let (database, ms) = timed(writable(service)).await;
    let mut components = vec![component("database", database, State::Down, ms)];
    let probe = tokio::time::timeout(PATIENCE, service.media.probe());
    let (media, ms) = timed(async { matches!(probe.await, Ok(true)) }).await;
    components.push(component("media", media, State::Degraded, ms));
    if database {
        let (workers, ms) = timed(workers(service)).await;
        components.push(match workers {
            Ok(workers) => Component {
                latency_ms: Some(ms),
                ..workers
            },
            Err(_) => component("workers", false, State::Degraded, ms),
        });
    }
    let state = components.iter().map(|c| c.state).max().unwrap_or(State::Ok);
    let admin = scope.is_some_and(|s| s.viewer().is_ok_and(|v| v.role == Role::Admin));
    Health {
        state,
        components: admin.then_some(components),
    }
}

fn component(name: &'static str, well: bool, otherwise: State, ms: f64) -> Component {
    Component {
        name,
        state: if well { State::Ok } else { otherwise },
        latency_ms: Some(ms),
        detail: None,
    }
}

/// Whether the truth can be written now.
pub async fn ready(service: &Service) -> bool {
    writable(service).await
}

async fn writable(service: &Service) -> bool {
    let write = service
        .db
        .writer()
        .execute_unprepared("UPDATE lease SET name = name WHERE name = ''");
    matches!(tokio::time::timeout(PATIENCE, write).await, Ok(Ok(_)))
}

async fn workers(service: &Service) -> Result<Component> {
    let alive = nodes::living(service).await?;
    let able = alive.iter().any(|n| n.slots > 0);
    let detail = match (alive.is_empty(), able) {
        (true, _) => "no worker is running: photos wait",
        (false, false) => "the workers have no face models: photos wait; run `muster models fetch`",
        (false, true) => "ready",
    };
    Ok(Component {
        name: "workers",
        state: if able { State::Ok } else { State::Degraded },
        latency_ms: None,
        detail: Some(detail.to_owned()),
    })
}
