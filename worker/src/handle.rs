//! One job: photos from the store, through the models, into the service; and what becomes of it
//! when something on the way does not work.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use models::{Analysis, Ask, EmbedderInfo, Stage, Vision, VisionError};
use service::kinds::JobKind;
use service::queue::claims::{self, ATTEMPTS, Claim, Failure, LEASE_LOST};
use service::recognition::{self, Crops, Embedder, EnrolledPhoto, GALLERY_SWITCHED, Quality, Seen, SeenFace};
use service::{Error, Service, reports};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use crate::lease::{Held, Lease};
use crate::measure::Counted;
use crate::reembed::reembed;
use crate::stages::Reporter;

/// Why a job did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// The photo is to blame: the same photo will never do.
    #[error("{}", .0.code)]
    Refused(Failure),
    #[error("the models failed: {0}")]
    Model(String),
    /// The embedder of the organization's gallery, or of the one to be.
    #[error("the embedder {name} cannot be had: {error}")]
    NoEmbedder { name: String, error: String },
    /// The organization wants living people, and this worker cannot tell.
    #[error("there is no liveness check here")]
    NoLiveness,
    #[error("lease lost")]
    Lost,
    #[error("shutdown")]
    Leaving,
    /// Something more urgent waits, or what was read has changed: it is begun anew.
    #[error("put back")]
    Again,
    #[error(transparent)]
    Service(Error),
    #[error("panicked")]
    Panicked,
    #[error("it took longer than a job of its kind may")]
    TimedOut,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error {
            Error::Conflict { reason: LEASE_LOST, .. } => Self::Lost,
            Error::Conflict {
                reason: GALLERY_SWITCHED,
                ..
            } => Self::Again,
            other => Self::Service(other),
        }
    }
}

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

/// A media store that takes longer for a photo is away: the job is not to blame.
const FETCHING: Duration = Duration::from_secs(45);

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

/// Puts a stopped job where it belongs. The database may be the reason that it stopped: try for
/// a while, after which the lease runs out and another worker takes it.
async fn settle(service: &Service, claim: &Claim, stop: Stop) {
    const TRIES: u32 = 20;
    if matches!(stop, Stop::Lost) {
        tracing::warn!("this job is another worker's now, or nobody's");
        return;
    }
    for _ in 0..TRIES {
        let settled = match decide(claim, &stop) {
            Outcome::Fail(failure) => claims::fail(service, claim, &failure).await,
            Outcome::Release { after, blameless } => claims::release(service, claim, after, blameless).await,
        };
        match settled {
            Ok(()) => return,
            Err(error) => tracing::debug!(%error, "cannot settle the job yet"),
        }
        sleep(Duration::from_millis(500)).await;
    }
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Fail(Failure),
    Release { after: Duration, blameless: bool },
}

fn decide(claim: &Claim, stop: &Stop) -> Outcome {
    let pause = pause(claim);
    let blameless = |after| Outcome::Release { after, blameless: true };
    let again = |failure: Failure| {
        if claim.attempts >= ATTEMPTS {
            Outcome::Fail(failure)
        } else {
            Outcome::Release {
                after: pause,
                blameless: false,
            }
        }
    };
    match stop {
        Stop::Refused(failure) => Outcome::Fail(failure.clone()),
        Stop::Leaving | Stop::Lost | Stop::Again => blameless(Duration::ZERO),
        // What it has made so far is kept.
        Stop::TimedOut if claim.kind == JobKind::Reembed => blameless(Duration::ZERO),
        Stop::TimedOut => {
            tracing::error!("a job took longer than its kind may");
            again(Failure {
                code: "TIMED_OUT",
                message: "This took too long".into(),
                retryable: true,
            })
        }
        Stop::Service(error) if error.is_transient() => {
            tracing::warn!(%error, "put back until it is reachable again");
            blameless(Duration::from_secs(2))
        }
        Stop::Service(Error::NotFound(what)) => Outcome::Fail(Failure {
            code: "INTERNAL",
            message: format!("The {what} that this needs is gone"),
            retryable: false,
        }),
        Stop::Model(error) => {
            tracing::error!(%error, "the models failed on a photo");
            again(Failure {
                code: "MODEL_UNAVAILABLE",
                message: "The face models failed on this photo".into(),
                retryable: true,
            })
        }
        Stop::NoEmbedder { name, error } => {
            tracing::error!(embedder = name, %error, "the gallery's embedder cannot be had here");
            again(Failure {
                code: "MODEL_UNAVAILABLE",
                message: format!("The face model {name}, which the gallery is made with, cannot be had"),
                retryable: true,
            })
        }
        Stop::NoLiveness => {
            tracing::error!("a job wants the liveness check, whose models this worker runs without");
            again(Failure {
                code: "MODEL_UNAVAILABLE",
                message: "The liveness check, which the organization requires, cannot be had".into(),
                retryable: true,
            })
        }
        Stop::Service(_) | Stop::Panicked => {
            tracing::error!(error = causes(stop), "the job failed");
            again(Failure {
                code: "INTERNAL",
                message: "Something went wrong on our side".into(),
                retryable: true,
            })
        }
    }
}

/// Twice as long after each attempt, from half as long to half as long again: jobs that failed together don't
/// come back together.
fn pause(claim: &Claim) -> Duration {
    let doubled = 2_f64.powi(claim.attempts.clamp(0, 5));
    // The end of an id is chance.
    let [.., chance] = *claim.id.0.as_bytes();
    Duration::from_secs_f64(doubled * (0.5 + f64::from(chance) / 255.0))
}

/// An error and its causes, in the words meant for reading: a database's own detail may quote rows.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// What the service knows of an embedder.
pub(crate) fn embedder(info: &EmbedderInfo) -> Embedder {
    Embedder {
        name: info.name.clone(),
        match_threshold: info.match_threshold,
        review_threshold: info.review_threshold,
    }
}

/// The embedder of that name, which may have to be fetched first.
pub(crate) async fn named(models: Arc<dyn Vision>, name: String) -> Result<Embedder, Stop> {
    tokio::task::spawn_blocking(move || match models.embedder_named(&name) {
        Ok(info) => Ok(embedder(&info)),
        Err(error) => Err(Stop::NoEmbedder {
            name,
            error: error.to_string(),
        }),
    })
    .await
    .map_err(|_| Stop::Panicked)?
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
        Some(name) => named(models.clone(), name.clone()).await?,
        None => embedder(models.embedder()),
    };
    let ask = Ask {
        embedder: Some(embedder.name.clone()),
        liveness: claim.checks_liveness(),
    };
    if ask.liveness && !models.tells_liveness() {
        return Err(Stop::NoLiveness);
    }
    let photos = recognition::photos_to_read(service, claim).await?;
    begin();
    let reporter = Reporter::start(service, claim, lost);
    // Of such a job's only photo every face's crop is kept, whoever it is.
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
                    && matches!(claim.kind, JobKind::Recognize | JobKind::Identify)
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
    let early = early.lock().unwrap_or_else(PoisonError::into_inner).take();
    match claim.kind {
        JobKind::Recognize => recognition::recognize(service, claim, &embedder, &photo, seen, early).await?,
        JobKind::CheckIn => {
            if let Some(failure) = recognition::check_in(service, claim, &embedder, &photo, seen).await? {
                return Err(Stop::Refused(failure));
            }
        }
        _ => recognition::identify(service, claim, &embedder, &photo, seen, early).await?,
    }
    Ok(())
}

/// Why what no longer holds its job stops.
fn why(held: Held) -> Stop {
    match held {
        Held::Lost => Stop::Lost,
        Held::Away => Stop::Service(Error::Unavailable("The database")),
        Held::Late => Stop::TimedOut,
        Held::Yes | Held::Leaving => Stop::Leaving,
    }
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

pub(crate) async fn fetch(service: &Service, key: &str) -> Result<Bytes, Stop> {
    let got = service.media.get(key).instrument(tracing::info_span!("fetch"));
    let fetched = timeout(FETCHING, got).await;
    Ok(fetched.unwrap_or(Err(Error::Unavailable("The media store")))?)
}

/// Has the models look at a photo, on a blocking thread.
pub(crate) async fn look(
    models: Arc<dyn Vision>,
    bytes: Bytes,
    ask: Ask,
    held: impl Fn() -> Held + Send + Sync + Clone + 'static,
    report: impl Fn(Stage<'_>) + Send + Sync + 'static,
) -> Result<Seen, Stop> {
    let holds = held.clone();
    let span = Span::current();
    let analysis = tokio::task::spawn_blocking(move || {
        let _entered = span.enter();
        // Each stage ends where the next one begins.
        let stage_span = Mutex::new(Span::none());
        models.analyse(&bytes, &ask, &|stage| {
            if holds() != Held::Yes {
                return ControlFlow::Break(());
            }
            *stage_span.lock().unwrap_or_else(PoisonError::into_inner) = match stage {
                Stage::Decoding => tracing::info_span!("decode"),
                Stage::Detecting => tracing::info_span!("detect"),
                Stage::Embedding(_) => tracing::info_span!("embed"),
            };
            report(stage);
            ControlFlow::Continue(())
        })
    })
    .await
    .map_err(|_| Stop::Panicked)?;
    match analysis {
        Ok(analysis) => Ok(seen(analysis)),
        Err(VisionError::Abandoned) => Err(why(held())),
        Err(VisionError::Unreadable(why)) => {
            tracing::info!(why, "a photo cannot be read");
            Err(Stop::Refused(Failure {
                code: "UNREADABLE_IMAGE",
                message: "The photo cannot be read: it is damaged or cut short".into(),
                retryable: false,
            }))
        }
        Err(error @ VisionError::TooLarge { .. }) => Err(Stop::Refused(Failure {
            code: "IMAGE_TOO_LARGE",
            message: error.to_string(),
            retryable: false,
        })),
        Err(VisionError::Model(error)) => Err(Stop::Model(error)),
    }
}

/// What the models saw, in the words of the service.
pub fn seen(analysis: Analysis) -> Seen {
    Seen {
        width: analysis.width,
        height: analysis.height,
        decode_ms: analysis.timings.decode_ms,
        detect_ms: analysis.timings.detect_ms,
        embed_ms: analysis.timings.embed_ms,
        faces: analysis
            .faces
            .into_iter()
            .map(|face| SeenFace {
                x: face.bounds.x,
                y: face.bounds.y,
                width: face.bounds.width,
                height: face.bounds.height,
                score: face.score,
                quality: Quality {
                    overall: face.quality.overall,
                    sharpness: face.quality.sharpness,
                    brightness: face.quality.brightness,
                    yaw: face.quality.yaw,
                    pitch: face.quality.pitch,
                    roll: face.quality.roll,
                    interocular: face.quality.interocular,
                },
                too_small: face.too_small,
                embedding: face.embedding,
                liveness: face.liveness,
                crop: Bytes::from_owner(face.crop),
            })
            .collect(),
    }
}
