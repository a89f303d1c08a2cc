//! One photo before the models: fetched, looked at on a blocking thread, and what was seen in the words of the service.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use models::{Analysis, Ask, EmbedderInfo, Stage, Vision, VisionError};
use service::queue::claims::Failure;
use service::recognition::{Embedder, Quality, Seen, SeenFace};
use service::{Error, Service};
use tokio::time::timeout;
use tracing::{Instrument, Span};

use crate::lease::Held;
use crate::settle::{Stop, why};

/// A media store that takes longer for a photo is away: the job is not to blame.
const FETCHING: Duration = Duration::from_secs(45);

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
