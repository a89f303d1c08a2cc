//! Photos that end what looks at them are given up after three times, and everybody else's go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use service::queue::claims;
use tests::both;
use tests::fake::{DEADLY, NAN, PANIC, SLOW, person, photo};
use tests::process::Process;
use tests::school::{School, ended, ended_within};
use tests::world::{Mode, Setup, World};

use crate::rows;

/// Starts a worker again whenever it has died, as systemd or an orchestrator does; counts how often.
fn supervise(mut worker: Process, settings: Vec<(String, String)>) -> Arc<AtomicUsize> {
    let deaths = Arc::new(AtomicUsize::new(0));
    let counted = deaths.clone();
    tokio::spawn(async move {
        let settings: Vec<(&str, &str)> = settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        loop {
            if !worker.lives() {
                counted.fetch_add(1, Ordering::SeqCst);
                worker = Process::start("worker", &settings).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    deaths
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_ends_its_process_is_given_up() {
    let setup = Setup {
        slots: 1,
        ..Setup::new(Mode::Processes)
    };
    let Some(mut world) = setup.build().await else { return };
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 1).await;
    let worker = world.workers.pop().unwrap();
    let deaths = supervise(worker, world.settings.clone());

    let deadly_session = school.open_session().await;
    let deadly = school.submit(&deadly_session, photo(&[person(0), DEADLY])).await;
    rows::until(&world, &deadly, |job| job.status == "RUNNING").await;
    // Others go on at the first attempt meanwhile.
    for _ in 0..3 {
        let session = school.open_session().await;
        let job = ended(&admin, &school.submit(&session, photo(&[person(0)])).await).await;
        assert_eq!((&job["status"], &job["attempts"]), (&json!("SUCCEEDED"), &json!(1)));
        assert_eq!(school.marked(&session, "PRESENT").await.len(), 1);
    }

    let job = ended_within(&admin, &deadly, Duration::from_mins(3)).await;
    assert_eq!((&job["status"], &job["attempts"]), (&json!("FAILED"), &json!(3)));
    assert_eq!(job["error"]["code"], "INTERNAL");
    assert_eq!(rows::of_session(&world, &deadly_session).await, [0; 4]);
    // It is left alone now, and the worker lives.
    let again = ended(&admin, &school.submit(&deadly_session, photo(&[person(0)])).await).await;
    assert_eq!(again["status"], "SUCCEEDED");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(rows::job(&world, &deadly).await.status, "FAILED");
    assert_eq!(deaths.load(Ordering::SeqCst), 3);
}

/// Those that were worked on beside it lose attempts with it, but never their last.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadly_job_takes_no_neighbour_with_it() {
    let setup = Setup {
        slots: 3,
        ..Setup::new(Mode::Processes)
    };
    let Some(mut world) = setup.build().await else { return };
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 1).await;
    let deaths = supervise(world.workers.pop().unwrap(), world.settings.clone());
    let session = school.open_session().await;
    let deadly = school.submit(&session, photo(&[SLOW, DEADLY])).await;
    let mut beside = Vec::new();
    for _ in 0..2 {
        let session = school.open_session().await;
        beside.push(school.submit(&session, photo(&[SLOW, SLOW, person(0)])).await);
    }
    let job = ended_within(&admin, &deadly, Duration::from_mins(4)).await;
    assert_eq!((&job["status"], &job["attempts"]), (&json!("FAILED"), &json!(3)));
    for job in beside {
        let job = ended_within(&admin, &job, Duration::from_mins(2)).await;
        assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
        assert_eq!(job["marks"].as_array().unwrap().len(), 1);
    }
    assert_eq!(deaths.load(Ordering::SeqCst), 3);
}

async fn the_last_attempt_is_not_begun_beside_others(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    let job = school.submit(&session, photo(&[person(0)])).await;
    let service = &world.service;
    for attempt in 1..claims::ATTEMPTS {
        let claim = claims::claim_beside(service).await.unwrap().unwrap();
        assert_eq!(claim.attempts, attempt);
        // Its worker is killed, for another job's sake.
        rows::expire(&world, &job).await;
    }
    // Once more, before the worker has become quiet.
    let suspect = claims::claim_beside(service).await.unwrap().unwrap();
    assert_eq!(suspect.attempts, claims::ATTEMPTS);
    let left = rows::job(&world, &job).await;
    assert_eq!((left.status.as_str(), left.attempts), ("QUEUED", claims::ATTEMPTS - 1));
    assert_eq!(claims::fail_exhausted(service).await.unwrap(), 0);
    assert!(!claims::renew(service, &suspect).await.unwrap(), "nobody holds it");

    let claim = claims::claim(service).await.unwrap().unwrap();
    assert_eq!((claim.attempts, claim.fence), (claims::ATTEMPTS, suspect.fence + 1));
    rows::expire(&world, &job).await;
    assert_eq!(claims::fail_exhausted(service).await.unwrap(), 1);
}

both!(
    the_last_attempt_waits,
    the_last_attempt_is_not_begun_beside_others,
    |setup| Setup { workers: 0, ..setup }
);

async fn what_fails_three_times_is_told(mut world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 1).await;
    let workers: Vec<u32> = world.workers.iter().map(Process::id).collect();
    let mut failing = Vec::new();
    for (colour, code) in [(PANIC, "INTERNAL"), (NAN, "MODEL_UNAVAILABLE")] {
        let session = school.open_session().await;
        let job = school.submit(&session, photo(&[person(0), colour])).await;
        failing.push((session, job, code));
    }
    for (session, job, code) in failing {
        let job = ended(&admin, &job).await;
        assert_eq!((&job["status"], &job["attempts"]), (&json!("FAILED"), &json!(3)));
        let error = &job["error"];
        assert_eq!(
            (error["code"].as_str(), error["retryable"].as_bool()),
            (Some(code), Some(true))
        );
        // What the models said is for the log.
        let message = error["message"].as_str().unwrap();
        assert!(!message.contains("NaN") && !message.contains("deadly"), "{message}");
        assert_eq!(job["faces"], Value::Array(vec![]));
        assert_eq!(rows::of_session(&world, &session).await, [0; 4]);
    }
    let session = school.open_session().await;
    let job = ended(&admin, &school.submit(&session, photo(&[person(0)])).await).await;
    assert_eq!((&job["status"], &job["attempts"]), (&json!("SUCCEEDED"), &json!(1)));
    assert!(world.workers.iter_mut().all(Process::lives));
    assert_eq!(world.workers.iter().map(Process::id).collect::<Vec<_>>(), workers);
}

both!(models_that_fail, what_fails_three_times_is_told, |setup| Setup {
    slots: 1,
    ..setup
});
