//! What becomes of a job that did not come to its end.

use std::time::Duration;

use service::kinds::JobKind;
use service::queue::claims::{self, ATTEMPTS, Claim, Failure, LEASE_LOST};
use service::recognition::GALLERY_SWITCHED;
use service::{Error, Service};
use tokio::time::sleep;

use crate::lease::Held;

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

/// Why what no longer holds its job stops.
pub(crate) fn why(held: Held) -> Stop {
    match held {
        Held::Lost => Stop::Lost,
        Held::Away => Stop::Service(Error::Unavailable("The database")),
        Held::Late => Stop::TimedOut,
        Held::Yes | Held::Leaving => Stop::Leaving,
    }
}

/// Puts a stopped job where it belongs. The database may be the reason that it stopped: try for
/// a while, after which the lease runs out and another worker takes it.
pub(crate) async fn settle(service: &Service, claim: &Claim, stop: Stop) {
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
