//! Redis is emptied or stopped, the media store loses a photo or is away, between the submission of
//! a photo and its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use service::queue::claims;
use tests::both;
use tests::client::data;
use tests::fake::{FakeVision, SLOW, person, photo};
use tests::gate::{Point, Word, guarded};
use tests::process::Process;
use tests::redis::OwnRedis;
use tests::school::{School, ended};
use tests::world::{Mode, Setup, World};
use tokio_util::sync::CancellationToken;

use crate::rows;

struct Scene {
    world: World,
    school: School,
    redis: OwnRedis,
    workers: Vec<u32>,
}

/// Two workers of one slot each, and a Redis of their own.
async fn scene() -> Option<Scene> {
    // Looked at first: without the servers there may be no redis-server either.
    tests::postgres::server().and(tests::redis::server())?;
    let redis = OwnRedis::start().await;
    let setup = Setup {
        workers: 2,
        slots: 1,
        redis: Some(redis.url()),
        ..Setup::new(Mode::Processes)
    };
    let world = setup.build().await?;
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 2).await;
    rows::workers(&world, 2).await;
    let workers = world.workers.iter().map(Process::id).collect();
    Some(Scene {
        world,
        school,
        redis,
        workers,
    })
}

impl Scene {
    /// Stops the idle workers in their tracks, so that what is submitted next waits. Busy ones would
    /// take it in passing, and no wake-up would be missed.
    fn freeze(&self) {
        self.world.workers.iter().for_each(|worker| worker.signal("STOP"));
    }

    fn thaw(&self) {
        self.world.workers.iter().for_each(|worker| worker.signal("CONT"));
    }

    /// A photo that both workers have a while to do with, each its own.
    async fn occupy(&self) -> Vec<String> {
        let session = self.school.open_session().await;
        let mut jobs = Vec::new();
        for _ in &self.workers {
            jobs.push(self.school.submit(&session, photo(&[SLOW, person(0)])).await);
        }
        for job in &jobs {
            rows::until(&self.world, job, rows::Job::is_in_the_middle).await;
        }
        jobs
    }

    /// What was in the middle is done as if nothing had been.
    async fn were_undisturbed(&self, jobs: &[String]) {
        for job in jobs {
            let job = ended(&self.school.teacher, job).await;
            assert_eq!((&job["status"], &job["attempts"]), (&json!("SUCCEEDED"), &json!(1)));
        }
    }

    async fn submit(&self) -> (String, String) {
        let session = self.school.open_session().await;
        let answer = self
            .school
            .submit_raw(&session, photo(&[person(0), person(1)]), None)
            .await;
        let job = data(answer)["submitClassPhoto"]["job"].clone();
        assert_eq!(job["status"], "QUEUED");
        (session, job["id"].as_str().unwrap().to_owned())
    }

    async fn is_waiting(&self, job: &str) {
        let job = rows::job(&self.world, job).await;
        assert_eq!((job.status.as_str(), job.attempts), ("QUEUED", 0));
    }

    /// The photo is processed and the workers are those of the beginning.
    async fn ends_well(&mut self, (session, job): &(String, String)) {
        let job = ended(&self.school.teacher, job).await;
        assert_eq!((&job["status"], &job["attempts"]), (&json!("SUCCEEDED"), &json!(1)));
        assert_eq!(self.school.marked(session, "PRESENT").await.len(), 2);
        assert_eq!(rows::of_session(&self.world, session).await, [2, 2, 2, 2]);
        assert!(self.world.workers.iter_mut().all(Process::lives));
        assert_eq!(
            self.world.workers.iter().map(Process::id).collect::<Vec<_>>(),
            self.workers
        );
        assert!(self.world.apis.iter_mut().all(Process::lives));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_emptied_before_the_pick_up() {
    let Some(mut scene) = scene().await else { return };
    scene.freeze();
    let photo = scene.submit().await;
    // The wake-up is sent behind the answer: give it the time to be there and be lost.
    tokio::time::sleep(Duration::from_millis(500)).await;
    scene.redis.empty();
    scene.is_waiting(&photo.1).await;
    scene.thaw();
    scene.ends_well(&photo).await;

    let others = scene.occupy().await;
    scene.redis.empty();
    let next = scene.submit().await;
    scene.ends_well(&next).await;
    scene.were_undisturbed(&others).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_stopped_and_started_before_the_pick_up() {
    let Some(mut scene) = scene().await else { return };
    scene.freeze();
    let photo = scene.submit().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    scene.redis.kill();
    scene.is_waiting(&photo.1).await;
    scene.thaw();
    rows::stays_queued(&scene.world, &photo.1, Duration::from_secs(3)).await;
    scene.redis.launch().await;
    scene.ends_well(&photo).await;

    let others = scene.occupy().await;
    scene.redis.kill();
    let next = scene.submit().await;
    scene.redis.launch().await;
    scene.ends_well(&next).await;
    scene.were_undisturbed(&others).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn submitted_while_redis_is_away() {
    let Some(mut scene) = scene().await else { return };
    scene.redis.kill();
    // An answer at once, or within what a client waits for.
    let limit = Duration::from_secs(10);
    let photo = tokio::time::timeout(limit, scene.submit())
        .await
        .expect("an answer without Redis");
    rows::stays_queued(&scene.world, &photo.1, Duration::from_secs(3)).await;
    scene.redis.launch().await;
    scene.ends_well(&photo).await;
}

async fn a_photo_that_is_gone(mut world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    let gone = school.submit(&session, photo(&[person(0)])).await;
    std::fs::remove_dir_all(world.folder.path().join("media/photos")).unwrap();
    let enrolment = {
        let job = tests::school::enrol(&admin, &school.students[0], &[photo(&[person(0)])]).await;
        std::fs::remove_dir_all(world.folder.path().join("media/photos")).unwrap();
        job
    };
    let there = school.submit(&session, photo(&[person(0)])).await;
    world.hire().await;
    for job in [&gone, &enrolment] {
        let job = ended(&admin, job).await;
        assert_eq!(job["status"], "FAILED", "{job:#}");
        assert_eq!(
            (&job["error"]["code"], &job["error"]["retryable"]),
            (&json!("INTERNAL"), &Value::Bool(false))
        );
        assert_eq!(job["attempts"], 1, "tried again in vain");
    }
    assert_eq!(ended(&admin, &there).await["status"], "SUCCEEDED");
}

both!(the_store_lost_a_photo, a_photo_that_is_gone, |setup| Setup {
    workers: 0,
    ..setup
});

async fn a_store_that_is_away(mut world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    let job = school.submit(&session, photo(&[person(0)])).await;
    // A file where the folder was: nothing below it can be read, nor be said to be gone.
    let (photos, away) = (
        world.folder.path().join("media/photos"),
        world.folder.path().join("away"),
    );
    std::fs::rename(&photos, &away).unwrap();
    std::fs::write(&photos, b"").unwrap();
    world.hire().await;
    // Tried and put back, more often than a job may fail.
    for fence in 1..=4 {
        let tried = rows::until(&world, &job, |job| job.fence >= fence && job.status == "QUEUED").await;
        assert_eq!(tried.attempts, 0, "the worker is not to blame");
    }
    std::fs::remove_file(&photos).unwrap();
    std::fs::rename(&away, &photos).unwrap();
    let job = ended(&admin, &job).await;
    assert_eq!((&job["status"], &job["attempts"]), (&json!("SUCCEEDED"), &json!(1)));
}

both!(the_store_is_away, a_store_that_is_away, |setup| Setup {
    workers: 0,
    ..setup
});

async fn a_crop_that_cannot_be_stored(mut world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    let job = school.submit(&session, photo(&[person(0), person(1), person(2)])).await;
    let crops = AtomicUsize::new(0);
    let second_fails = move |point, _: Option<u16>, _: String| match point {
        Point::Cropping if crops.fetch_add(1, Ordering::SeqCst) == 1 => Word::Fail,
        _ => Word::Pass,
    };
    let failing = world.twin(|parts| parts.media = guarded(parts.media.clone(), second_fails));
    let claim = claims::claim(&failing).await.unwrap().unwrap();
    worker::handle(
        &failing,
        claim,
        Arc::new(FakeVision::default()),
        &CancellationToken::new(),
    )
    .await;
    let put_back = rows::job(&world, &job).await;
    assert_eq!((put_back.status.as_str(), put_back.attempts), ("QUEUED", 0));
    // The others, which were stored, go again.
    let stored = || {
        world
            .media_files()
            .iter()
            .filter(|key| key.starts_with("crops/"))
            .count()
    };
    let begun = Instant::now();
    while stored() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{} crops stay", stored());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.hire().await;
    assert_eq!(ended(&admin, &job).await["status"], "SUCCEEDED");
    assert_eq!(
        world
            .media_files()
            .iter()
            .filter(|key| key.starts_with("crops/"))
            .count(),
        3
    );
}

both!(a_crop_is_not_stored, a_crop_that_cannot_be_stored, |setup| Setup {
    workers: 0,
    ..setup
});
