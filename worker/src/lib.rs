//! Workers: told that there is work, they claim it, have the models look, and have the service
//! write what was seen. No rule of attendance lives here.

mod handle;
mod housekeeping;
mod lease;
mod look;
mod measure;
mod post;
pub mod queue;
mod reembed;
mod settle;
mod stages;

use std::sync::Arc;
use std::time::Duration;

use models::Vision;
use service::queue::claims::ATTEMPTS;
use service::queue::{WakeUp, claims, nodes};
use service::{Service, duty, organizations, sessions};
use tokio::sync::{RwLock, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use handle::{handle, handle_within};
pub use look::seen;
use measure::Counted;
pub use measure::register;
use queue::Consumer;

/// Between two looks at which sessions begin or end.
const BELL: Duration = Duration::from_secs(1);

/// The models once they are here; none while they are being fetched.
pub type VisionReceiver = watch::Receiver<Option<Arc<dyn Vision>>>;

/// Works until `shutdown`, with at most `slots` jobs at once. What is running then is finished,
/// or put back where it takes too long. Never ends because a server is away.
pub async fn run(
    service: Service,
    consumer: Consumer,
    vision: VisionReceiver,
    slots: usize,
    shutdown: CancellationToken,
) {
    let _counted = Counted::slots(slots);
    let node = service.new_id();
    let on_duty = [
        on_duty("post", &service, &shutdown, post::run),
        on_duty("bell", &service, &shutdown, ring),
        on_duty("broom", &service, &shutdown, housekeeping::run),
        on_duty("beat", &service, &shutdown, {
            let vision = vision.clone();
            move |service, shutdown| keep(service, node, vision.clone(), slots, shutdown)
        }),
    ];
    // Held together by jobs that run beside each other, by one alone that must run by itself.
    let gate = Arc::new(RwLock::new(()));
    let handler = {
        let (service, shutdown) = (service.clone(), shutdown.clone());
        move |_: WakeUp| drain(service.clone(), vision.clone(), gate.clone(), shutdown.clone())
    };
    consumer.run(slots, shutdown, handler).await;
    for (what, work) in on_duty {
        if let Err(error) = work.await {
            tracing::error!(%error, what, "a worker's duty ended");
        }
    }
    if let Err(error) = nodes::leave(&service, node).await {
        tracing::debug!(%error, "the worker left without a word");
    }
}

/// What goes on beside the jobs until `shutdown`, with its name.
fn on_duty<F: Future<Output = ()> + Send + 'static>(
    what: &'static str,
    service: &Service,
    shutdown: &CancellationToken,
    work: impl Fn(Service, CancellationToken) -> F + Send + 'static,
) -> (&'static str, JoinHandle<()>) {
    let (service, shutdown) = (service.clone(), shutdown.clone());
    let work = duty::keep(what, move || work(service.clone(), shutdown.clone()));
    (what, tokio::spawn(work))
}

/// Claims and handles jobs until none is left: the best of all, whatever woke us.
async fn drain(service: Service, vision: VisionReceiver, gate: Arc<RwLock<()>>, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        // Without models a job is not even claimed: it waits, and no attempt is spent.
        let Some(models) = vision.borrow().clone() else {
            return;
        };
        let among_others = gate.read().await;
        let claimed = match claims::claim_beside(&service).await {
            Ok(Some(claim)) if claim.attempts < ATTEMPTS => {
                handle(&service, claim, models, &shutdown).await;
                Ok(())
            }
            Ok(Some(_)) => {
                drop(among_others);
                alone(&service, models, &gate, &shutdown).await
            }
            Ok(None) => return,
            Err(error) => Err(error),
        };
        if let Err(error) = claimed {
            tracing::warn!(%error, "cannot claim a job; the dispatcher will wake us again");
            return;
        }
    }
}

/// A job that may have ended its worker twice runs with nothing beside it: when it does so again, it
/// takes no other job's last attempt with it. So it stays where it is while this worker becomes quiet, and
/// then the best job, it or another, is taken alone.
async fn alone(
    service: &Service,
    models: Arc<dyn Vision>,
    gate: &RwLock<()>,
    shutdown: &CancellationToken,
) -> service::Result<()> {
    let _quiet = gate.write().await;
    if let Some(claim) = claims::claim(service).await? {
        handle(service, claim, models, shutdown).await;
    }
    Ok(())
}

/// Opens and closes sessions by the clock; every worker does, and none needs another for it.
async fn ring(service: Service, shutdown: CancellationToken) {
    let mut tick = interval(BELL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(tick.tick()).await.is_some() {
        match sessions::tick(&service).await {
            Ok(0) => {}
            Ok(steps) => tracing::debug!(steps, "sessions began or ended"),
            Err(error) => tracing::debug!(%error, "sessions wait for the clock"),
        }
    }
}

/// Says every few seconds that this worker lives, and dispatches where the duty is ours.
async fn keep(service: Service, node: Uuid, mut vision: VisionReceiver, slots: usize, shutdown: CancellationToken) {
    let mut tick = interval(nodes::BEAT);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut waits_for_models = true;
    let mut is_known = false;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = tick.tick() => {}
            changed = vision.changed(), if waits_for_models => waits_for_models = changed.is_ok(),
        }
        let models = vision.borrow().clone();
        let able = if models.is_some() { slots } else { 0 };
        let lively = models.as_ref().is_some_and(|models| models.tells_liveness());
        if let Some(models) = models.filter(|_| !is_known) {
            is_known = organizations::announce_embedder(&service, &look::embedder(models.embedder()))
                .await
                .is_ok();
        }
        let looked = async {
            nodes::beat(&service, node, able, lively).await?;
            nodes::dispatch(&service, node).await
        };
        match looked.await {
            Ok(0) => {}
            Ok(woken) => tracing::debug!(woken, "woke idle workers"),
            Err(error) => tracing::debug!(%error, "no beat: the database is away"),
        }
    }
}
