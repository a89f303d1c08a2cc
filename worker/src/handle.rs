//! One job: photos from the store, through the models, into the service.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use models::{Ask, Stage, Vision};
use service::kinds::JobKind;
use service::queue::claims::Claim;
use service::recognition::{self, Crops, Embedder, EnrolledPhoto, Known};
use service::{Error, Service, reports};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::lease::{Held, Lease};
use crate::look::{embedder, fetch, look, named};
use crate::measure::Counted;
use crate::reembed::reembed;
use crate::settle::{Stop, settle, why};
use crate::stages::Reporter;

/// How long a worker may work on a job of the kind: several times what the slowest machine takes.
const fn limit(kind: JobKind) -> Duration {
    match kind {
        JobKind::Identify | JobKind::CheckIn => Duration::from_mins(2),
        JobKind::Recognize => Duration::from_mins(5),
        JobKind::Enrol => Duration::from_mins(10),
        JobKind::Export => Duration::from_mins(30),
        JobKind::Reembed => Duration::from_hours(1),
    }
}

/// How long what is told to stop may go on until its next stage, before the job is settled without it.
const STOPPING: Duration = Duration::from_secs(30);

/// Handles a claimed job to its end, its release or its failure.
pub async fn handle(service: &Service, claim: Claim, models: Arc<dyn Vision>, shutdown: &CancellationToken) {
    let most = limit(claim.kind);
    handle_within(service, claim, models, shutdown, most).await;
}

/// The same where the job may take `most`.
pub async fn handle_within(
    service: &Service,
    claim: Claim,
    models: Arc<dyn Vision>,
    shutdown: &CancellationToken,
    most: Duration,
) {
    // Of the highest level, so that the lines of each level have it.
    let span = tracing::error_span!(
        "job",
        job_id = %claim.id.0,
        kind = claim.kind.word(),
        attempt = claim.attempts,
        otel.kind = "consumer"
    );
    if let Some(parent) = &claim.trace {
        service::trace::follow(&span, parent);
    }
    let _counted = Counted::job();
    let lease = span.in_scope(|| Lease::keep(service, &claim, most, shutdown));
    // In a task of its own, so that a panic ends the job and not the worker.
    let mut work = tokio::spawn(
        {
            let (service, claim, watch) = (service.clone(), claim.clone(), lease.watch());
            let (begin, lost) = (lease.clock(), lease.loser());
            async move { work(&service, &claim, models, watch, (begin, lost)).await }
        }
        .instrument(span.clone()),
    );
    let ended = tokio::select! {
        ended = &mut work => Some(ended.unwrap_or(Err(Stop::Panicked))),
        () = lease.runs_out(most + STOPPING) => None,
    };
    let hangs = ended.is_none();
    let ended = ended.unwrap_or(Err(Stop::TimedOut));
    async {
        match ended {
            Ok(()) => tracing::debug!("done"),
            Err(stop) => settle(service, &claim, stop).await,
        }
    }
    .instrument(span.clone())
    .await;
    drop(lease);
    if hangs {
        // Its session of the models is still in use: another job would hang behind it. What it writes after all is
        // refused by the fence.
        span.in_scope(|| tracing::error!("a job goes on after its time; this slot takes no other until it has ended"));
        let _ = work.await;
    }
}

async fn work(
    service: &Service,
    claim: &Claim,
    models: Arc<dyn Vision>,
    held: impl Fn() -> Held + Send + Sync + Clone + 'static,
    (begin, lost): (impl Fn(), impl Fn() + Send + Sync + 'static),
) -> Result<(), Stop> {
    match claim.kind {
        JobKind::Export => {
            begin();
            let made = tokio::select! {
                made = reports::export(service, claim) => made,
                stop = no_longer(&held) => return Err(stop),
            };
            return match made {
                Ok(None) => Ok(()),
                Ok(Some(failure)) => Err(Stop::Refused(failure)),
                Err(error) => Err(error.into()),
            };
        }
        JobKind::Reembed => {
            begin();
            return reembed(service, claim, models, held).await;
        }
        JobKind::Recognize | JobKind::Enrol | JobKind::Identify | JobKind::CheckIn => {}
    }
    // One embedder from the first face to the last comparison, whatever the gallery goes over to.
    let embedder = match &claim.gallery_model {
        // The chosen one is here: no thread need wait for it.
        Some(name) if *name != models.embedder().name => named(models.clone(), name.clone()).await?,
        _ => embedder(models.embedder()),
    };
    let ask = Ask {
        embedder: Some(embedder.name.clone()),
        liveness: claim.checks_liveness(),
    };
    if ask.liveness && !models.tells_liveness() {
        return Err(Stop::NoLiveness);
    }
    begin();
    let reporter = Reporter::start(service, claim, lost);
    let known = compares(claim.kind).then(|| known(service, claim, &embedder));
    let (mut looked, early) = look_through(service, claim, models, ask, held, &reporter).await?;
    reporter.matching();
    if claim.kind == JobKind::Enrol {
        return Ok(recognition::enrol(service, claim, &embedder, &looked).await?);
    }
    let Some(EnrolledPhoto {
        photo,
        seen: Some(seen),
    }) = looked.pop()
    else {
        return Err(Stop::Service(Error::NotFound("photo")));
    };
    match (claim.kind, known) {
        (JobKind::Recognize, Some(known)) => {
            recognition::recognize(service, claim, known, &photo, seen, early).await?;
        }
        (JobKind::Identify, Some(known)) => recognition::identify(service, claim, known, &photo, seen, early).await?,
        _ => {
            if let Some(failure) = recognition::check_in(service, claim, &embedder, &photo, seen).await? {
                return Err(Stop::Refused(failure));
            }
        }
    }
    Ok(())
}

/// Whether every face of such a job's only photo is compared with many people, and its crop kept, whoever it is.
const fn compares(kind: JobKind) -> bool {
    matches!(kind, JobKind::Recognize | JobKind::Identify)
}

/// Begins to read whom they are compared with; ends where nobody waits for it any more.
fn known(service: &Service, claim: &Claim, embedder: &Embedder) -> impl Future<Output = Result<Known, Error>> + use<> {
    let (service, claim, embedder) = (service.clone(), claim.clone(), embedder.clone());
    let reading = async move { Known::read(&service, &claim, &embedder).await };
    let reading = AbortOnDropHandle::new(tokio::spawn(reading.in_current_span()));
    async { reading.await.map_err(Error::internal)? }
}

/// What the models see in each photo of the job, and the crops of those faces that are stored meanwhile.
async fn look_through(
    service: &Service,
    claim: &Claim,
    models: Arc<dyn Vision>,
    ask: Ask,
    held: impl Fn() -> Held + Send + Sync + Clone + 'static,
    reporter: &Reporter,
) -> Result<(Vec<EnrolledPhoto>, Option<Crops>), Stop> {
    let photos = recognition::photos_to_read(service, claim).await?;
    let early: Arc<Mutex<Option<Crops>>> = Arc::default();
    let mut looked = Vec::with_capacity(photos.len());
    let count = photos.len();
    for (place, photo) in photos.into_iter().enumerate() {
        let key = photo.media_key.as_deref().ok_or(Error::NotFound("photo"))?;
        let bytes = fetch(service, key).await?;
        let progress = reporter.of_photo(place, count);
        let report = {
            let (service, claim, early) = (service.clone(), claim.clone(), early.clone());
            move |stage: Stage<'_>| {
                if let Stage::Embedding(faces) = stage
                    && compares(claim.kind)
                {
                    let crops = faces.iter().map(|face| Bytes::from_owner(face.crop.clone())).collect();
                    *early.lock().unwrap_or_else(PoisonError::into_inner) = Some(Crops::store(&service, &claim, crops));
                }
                progress(stage);
            }
        };
        let seen = look(models.clone(), bytes, ask.clone(), held.clone(), report).await;
        let seen = match (seen, claim.kind) {
            (Ok(seen), _) => Some(seen),
            // Each photo of an enrolment has a result of its own.
            (Err(Stop::Refused(_)), JobKind::Enrol) => None,
            (Err(stop), _) => return Err(stop),
        };
        looked.push(EnrolledPhoto { photo, seen });
    }
    let early = early.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok((looked, early))
}

/// Ends when the job is no longer held.
async fn no_longer(held: &(impl Fn() -> Held + Sync)) -> Stop {
    const LOOK: Duration = Duration::from_millis(250);
    loop {
        sleep(LOOK).await;
        match held() {
            Held::Yes => {}
            other => return why(other),
        }
    }
}
