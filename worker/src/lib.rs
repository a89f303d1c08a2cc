//! Workers: told that there is work, they claim it, have the models look, and have the service
//! write what was seen. No rule of attendance lives here.

mod handle;
mod lease;
mod post;
pub mod queue;
mod reembed;
mod stages;

use std::sync::Arc;
use std::time::Duration;

use models::Vision;
use service::queue::claims::{ATTEMPTS, Claim};
use service::queue::{WakeUp, claims, nodes};
use service::{Service, accounts, idempotency, mail, media, organizations, reports, sessions};
use tokio::sync::{RwLock, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use handle::{handle, handle_within};
use queue::Consumer;

/// Between two looks at what is over: erased objects, codes that ran out, old mail.
const SWEEP: Duration = Duration::from_secs(30);
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
    let node = service.new_id();
    let post = tokio::spawn(post::run(service.clone(), shutdown.clone()));
    let bell = tokio::spawn(ring(service.clone(), shutdown.clone()));
    let keep = tokio::spawn(keep(service.clone(), node, vision.clone(), slots, shutdown.clone()));
    // Held together by jobs that run beside each other, by one alone that must run by itself.
    let gate = Arc::new(RwLock::new(()));
    let handler = {
        let (service, shutdown) = (service.clone(), shutdown.clone());
        move |_: WakeUp| drain(service.clone(), vision.clone(), gate.clone(), shutdown.clone())
    };
    consumer.run(slots, shutdown, handler).await;
    for (what, work) in [("beat", keep), ("post", post), ("bell", bell)] {
        if let Err(error) = work.await {
            tracing::error!(%error, what, "a worker's duty ended");
        }
    }
    if let Err(error) = nodes::leave(&service, node).await {
        tracing::debug!(%error, "the worker left without a word");
    }
}

/// Claims and handles jobs until none is left: the best of all, whatever woke us.
async fn drain(service: Service, vision: VisionReceiver, gate: Arc<RwLock<()>>, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        // Without models a job is not even claimed: it waits, and no attempt is spent.
        let Some(models) = vision.borrow().clone() else {
            return;
        };
        let among_others = gate.read().await;
        match claims::claim(&service).await {
            Ok(Some(claim)) if claim.attempts < ATTEMPTS => {
                handle(&service, claim, models, &shutdown).await;
            }
            Ok(Some(suspect)) => {
                drop(among_others);
                if let Err(error) = alone(&service, &suspect, models, &gate, &shutdown).await {
                    tracing::warn!(%error, "a job stays ours until its lease runs out");
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "cannot claim a job; the dispatcher will wake us again");
                return;
            }
        }
    }
}

/// A job that may have ended its worker twice runs with nothing beside it: when it does so again, it
/// takes no other job's last attempt with it. So it goes back while this worker becomes quiet, and
/// then the best job, it or another, is taken alone.
async fn alone(
    service: &Service,
    suspect: &Claim,
    models: Arc<dyn Vision>,
    gate: &RwLock<()>,
    shutdown: &CancellationToken,
) -> service::Result<()> {
    claims::release(service, suspect, Duration::ZERO, true).await?;
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
    let mut sweep = interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut waits_for_models = true;
    let mut is_known = false;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = tick.tick() => {}
            _ = sweep.tick() => {
                let swept = async {
                    mail::sweep(&service).await;
                    accounts::sweep(&service).await?;
                    reports::sweep(&service).await?;
                    idempotency::sweep(&service).await?;
                    media::remove_discarded(&service).await
                };
                if let Err(error) = swept.await {
                    tracing::debug!(%error, "what is over stays for a while");
                }
                continue;
            }
            changed = vision.changed(), if waits_for_models => waits_for_models = changed.is_ok(),
        }
        let models = vision.borrow().clone();
        let able = if models.is_some() { slots } else { 0 };
        let lively = models.as_ref().is_some_and(|models| models.tells_liveness());
        if let Some(models) = models.filter(|_| !is_known) {
            is_known = organizations::announce_embedder(&service, &handle::embedder(models.embedder()))
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
