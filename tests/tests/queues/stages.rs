//! What stops a job that is running: somebody's word, and the clock.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use models::{Analysis, Ask, EmbedderInfo, Observer, Stage, Vision, VisionError};
use sea_orm::ConnectionTrait;
use serde_json::json;
use service::queue::claims;
use tests::both;
use tests::client::data;
use tests::fake::{FakeVision, person, photo};
use tests::school::{School, ended};
use tests::world::{Setup, World};
use tokio_util::sync::CancellationToken;

use crate::change;

/// Takes a while for each stage, and counts those that it began.
#[derive(Default)]
struct Slow {
    inner: FakeVision,
    stage: Duration,
    begun: AtomicUsize,
}

impl Vision for Slow {
    fn embedder(&self) -> &EmbedderInfo {
        self.inner.embedder()
    }

    fn embedder_named(&self, name: &str) -> Result<EmbedderInfo, VisionError> {
        self.inner.embedder_named(name)
    }

    fn tells_liveness(&self) -> bool {
        self.inner.tells_liveness()
    }

    fn analyse(&self, photo: &[u8], ask: &Ask, observe: Observer<'_>) -> Result<Analysis, VisionError> {
        let slowly = |stage: Stage<'_>| {
            let answer = observe(stage);
            if answer == ControlFlow::Continue(()) {
                self.begun.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(self.stage);
            }
            answer
        };
        for stage in [Stage::Decoding, Stage::Detecting, Stage::Embedding(&[])] {
            if slowly(stage).is_break() {
                return Err(VisionError::Abandoned);
            }
        }
        self.inner.analyse(photo, ask, &|_| ControlFlow::Continue(()))
    }
}

/// A worker with these models, led by hand, and a photo that waits for it.
async fn waiting(world: &mut World) -> (School, String, String) {
    let (_, admin) = world.organization("School").await;
    world.hire().await;
    let school = School::enrolled(&admin, 1).await;
    world.dismiss().await;
    let session = school.open_session().await;
    let job = school.submit(&session, photo(&[person(0)])).await;
    (school, session, job)
}

async fn cancelled(mut world: World) {
    let (school, session, job) = waiting(&mut world).await;
    let models = Arc::new(Slow {
        stage: Duration::from_secs(1),
        ..Slow::default()
    });
    let claim = claims::claim(&world.service).await.unwrap().unwrap();
    let running = tokio::spawn({
        let (service, models) = (world.service.clone(), models.clone());
        async move { worker::handle(&service, claim, models, &CancellationToken::new()).await }
    });
    while models.begun.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let answer = data(change(&school.teacher, "cancelJob", &job).await);
    assert_eq!(answer["cancelJob"]["job"]["status"], "CANCELLED");
    running.await.unwrap();
    // The stage that was running, and at most the one whose report found nobody to report to.
    assert!(models.begun.load(Ordering::SeqCst) <= 2);
    let job = ended(&school.teacher, &job).await;
    assert_eq!(job["status"], "CANCELLED");
    assert_eq!(job["faces"], json!([]));
    assert_eq!(school.marked(&session, "PRESENT").await, [""; 0]);
}

both!(a_running_job_is_cancelled, cancelled, |setup| Setup {
    workers: 0,
    ..setup
});

async fn late(mut world: World) {
    let (school, _, job) = waiting(&mut world).await;
    let models = Arc::new(Slow {
        stage: Duration::from_millis(400),
        ..Slow::default()
    });
    for attempt in 1..=claims::ATTEMPTS {
        // Put back for a while: its time has come.
        let due = "UPDATE job SET available_at = created_at";
        world.service.db.writer().execute_unprepared(due).await.unwrap();
        let claim = claims::claim(&world.service).await.unwrap().unwrap();
        assert_eq!(claim.attempts, attempt);
        let most = Duration::from_millis(100);
        worker::handle_within(&world.service, claim, models.clone(), &CancellationToken::new(), most).await;
    }
    let job = ended(&school.teacher, &job).await;
    assert_eq!(
        (&job["status"], &job["error"]["code"], &job["error"]["retryable"]),
        (&json!("FAILED"), &json!("TIMED_OUT"), &json!(true))
    );
    assert_eq!(
        models.begun.load(Ordering::SeqCst),
        3,
        "the first stage of each attempt"
    );
}

both!(a_job_has_its_time_and_no_more, late, |setup| Setup {
    workers: 0,
    ..setup
});
