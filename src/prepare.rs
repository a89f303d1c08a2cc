//! The models, got ready behind the server's back: it serves at once, and jobs wait until they are here.

use std::sync::Arc;
use std::time::Duration;

use models::Vision;
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::VisionFactory;

const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// An operator who puts a file in its place should not wait long.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Tries until it has the models, then publishes them. Says what is missing when that changes.
pub(crate) async fn run(
    factory: VisionFactory,
    settings: models::Settings,
    ready: watch::Sender<Option<Arc<dyn Vision>>>,
    shutdown: CancellationToken,
) {
    run_pausing(FIRST_PAUSE, factory, settings, ready, shutdown).await;
}

async fn run_pausing(
    mut pause: Duration,
    factory: VisionFactory,
    settings: models::Settings,
    ready: watch::Sender<Option<Arc<dyn Vision>>>,
    shutdown: CancellationToken,
) {
    let mut told = String::new();
    loop {
        let tried = tokio::select! {
            () = shutdown.cancelled() => return,
            tried = attempt(factory.clone(), settings.clone()) => tried,
        };
        match tried {
            Ok(vision) => {
                tracing::info!(embedder = vision.embedder().name, "ready to recognize");
                ready.send_replace(Some(vision));
                return;
            }
            Err(problem) if problem != told => {
                tracing::warn!("photos wait, since there are no face models yet: {problem}");
                told = problem;
            }
            Err(_) => {}
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// On a thread that nobody waits for at the end: a download has no way to be told.
async fn attempt(factory: VisionFactory, settings: models::Settings) -> Result<Arc<dyn Vision>, String> {
    let (done, waiting) = oneshot::channel();
    std::thread::Builder::new()
        .name("models".into())
        .spawn(move || {
            // Nobody waits any more: we are stopping.
            let _ = done.send(factory(settings));
        })
        .map_err(|error| error.to_string())?;
    match waiting.await {
        Ok(Ok(vision)) => Ok(vision),
        Ok(Err(problem)) => Err(problem.to_string()),
        Err(_) => Err("getting them ready stopped with a panic, which the log tells".into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use models::{Analysis, Ask, EmbedderInfo, VisionError};

    use super::*;

    struct Blind(EmbedderInfo);

    impl Vision for Blind {
        fn embedder(&self) -> &EmbedderInfo {
            &self.0
        }

        fn embedder_named(&self, _: &str) -> Result<EmbedderInfo, VisionError> {
            Err(VisionError::Abandoned)
        }

        fn tells_liveness(&self) -> bool {
            false
        }

        fn analyse(&self, _: &[u8], _: &Ask, _: models::Observer<'_>) -> Result<Analysis, VisionError> {
            Err(VisionError::Abandoned)
        }
    }

    #[tokio::test]
    async fn it_tries_until_the_models_are_here() {
        let tries = Arc::new(AtomicUsize::new(0));
        let counted = tries.clone();
        let factory: VisionFactory = Arc::new(move |settings| match counted.fetch_add(1, Ordering::Relaxed) {
            // The only way to a SetupError from here: a detector that is not in the catalog.
            0 => models::list(&models::Settings {
                detector: Some("none".into()),
                ..settings
            })
            .map(|_| unreachable!()),
            1 => panic!("as a broken library might"),
            _ => Ok(Arc::new(Blind(EmbedderInfo {
                name: "blind".into(),
                dimension: 1,
                match_threshold: 1.0,
                review_threshold: 1.0,
            }))),
        });
        let (ready, vision) = watch::channel(None);
        let first_pause = Duration::from_millis(5);
        run_pausing(
            first_pause,
            factory,
            models::Settings::default(),
            ready,
            CancellationToken::new(),
        )
        .await;
        assert!(vision.borrow().is_some());
        assert_eq!(tries.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn stopping_does_not_wait_for_a_download() {
        let shutdown = CancellationToken::new();
        let asked = shutdown.clone();
        let factory: VisionFactory = Arc::new(move |_| {
            asked.cancel();
            std::thread::sleep(Duration::from_hours(1));
            unreachable!()
        });
        let (ready, vision) = watch::channel(None);
        run(factory, models::Settings::default(), ready, shutdown).await;
        assert!(vision.borrow().is_none());
    }
}
