//! A worker that lost its lease can't write (invariant 4), and writing twice changes nothing.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::future::join_all;
use service::kinds::{JobKind, JobStage};
use service::queue::claims::{self, Claim, Failure, LEASE_LOST};
use service::recognition::{self, Embedder, EnrolledPhoto, Known};
use service::{Error, Service};
use tests::both;
use tests::client::{Client, data};
use tests::fake::{look, person, photo};
use tests::school::{School, enrol};
use tests::world::{Setup, World};

use crate::rows;

/// The last step of a worker.
async fn write(service: &Service, claim: &Claim, bytes: &[u8]) -> Result<(), Error> {
    let embedder = Embedder {
        name: "fake".into(),
        match_threshold: 0.9,
        review_threshold: 0.8,
    };
    let photo = recognition::photos_to_read(service, claim).await?.remove(0);
    let seen = look(bytes, None);
    match claim.kind {
        JobKind::Recognize => {
            let known = Known::read(service, claim, &embedder);
            recognition::recognize(service, claim, known, &photo, seen, None).await
        }
        JobKind::Identify => {
            let known = Known::read(service, claim, &embedder);
            recognition::identify(service, claim, known, &photo, seen, None).await
        }
        JobKind::Enrol => {
            let looked = [EnrolledPhoto {
                photo,
                seen: Some(seen),
            }];
            recognition::enrol(service, claim, &embedder, &looked).await
        }
        other => panic!("no step for {other:?}"),
    }
}

fn assert_lost(written: &Result<(), Error>) {
    assert!(
        matches!(written, Err(Error::Conflict { reason: LEASE_LOST, .. })),
        "{written:?}"
    );
}

async fn identify(client: &Client, photo: Bytes) -> String {
    let answer = client
        .upload_raw(
            "mutation($photo: PhotoInput!) { identifyFaces(photo: $photo) { job { id } } }",
            serde_json::json!({ "photo": { "upload": null } }),
            &[("photo.upload", photo)],
        )
        .await;
    data(answer)["identifyFaces"]["job"]["id"].as_str().unwrap().to_owned()
}

async fn only_the_last_claim_writes(mut world: World) {
    let (_, admin) = world.organization("School").await;
    world.hire().await;
    let school = School::enrolled(&admin, 2).await;
    world.dismiss().await;
    let session = school.open_session().await;
    let bytes = photo(&[person(0), person(1), person(99)]);
    let one = photo(&[person(7)]);
    let service = &world.service;
    for kind in [JobKind::Recognize, JobKind::Identify, JobKind::Enrol] {
        let (job, bytes) = match kind {
            JobKind::Recognize => (school.submit(&session, bytes.clone()).await, &bytes),
            JobKind::Identify => (identify(&admin, bytes.clone()).await, &bytes),
            JobKind::Enrol => (
                enrol(&admin, &school.students[0], std::slice::from_ref(&one)).await,
                &one,
            ),
            other => panic!("no step for {other:?}"),
        };
        let lost = claims::claim(service).await.unwrap().unwrap();
        assert_eq!(lost.id.0, rows::uuid(&job));
        assert!(claims::claim(service).await.unwrap().is_none(), "claimed by two");
        rows::expire(&world, &job).await;
        let held = claims::claim(service).await.unwrap().unwrap();
        assert_eq!((held.id, held.fence, held.attempts), (lost.id, lost.fence + 1, 2));

        let before = (rows::job(&world, &job).await, rows::all(&world).await);
        assert_lost(&write(service, &lost, bytes).await);
        assert!(!claims::renew(service, &lost).await.unwrap());
        assert!(!claims::progress(service, &lost, JobStage::Matching, 0.8).await.unwrap());
        let failure = Failure {
            code: "INTERNAL",
            message: "late".into(),
            retryable: true,
        };
        claims::fail(service, &lost, &failure).await.unwrap();
        claims::release(service, &lost, std::time::Duration::ZERO, true)
            .await
            .unwrap();
        assert_eq!((rows::job(&world, &job).await, rows::all(&world).await), before);

        // The same result twice at once, as when a commit's answer was lost: one of them counts.
        let both = tokio::join!(write(service, &held, bytes), write(service, &held, bytes));
        let (first, second) = if both.0.is_ok() { both } else { (both.1, both.0) };
        first.unwrap();
        assert_lost(&second);
        let written = (rows::job(&world, &job).await, rows::all(&world).await);
        assert_eq!(written.0.status, "SUCCEEDED");
        assert_ne!(written.1, before.1);
        assert_lost(&write(service, &held, bytes).await);
        assert_lost(&write(service, &lost, bytes).await);
        assert_eq!((rows::job(&world, &job).await, rows::all(&world).await), written);
    }
    assert_eq!(rows::of_session(&world, &session).await, [3, 2, 2, 2]);
    assert_eq!(school.marked(&session, "PRESENT").await.len(), 2);
}

both!(a_lost_lease, only_the_last_claim_writes, |setup| Setup {
    workers: 0,
    ..setup
});

async fn each_is_claimed_once(world: World) {
    const JOBS: usize = 20;
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    for _ in 0..JOBS {
        school.submit(&session, photo(&[person(0)])).await;
    }
    let service = &world.service;
    let workers = (0..8).map(|_| async move {
        let mut mine = Vec::new();
        // A look that meets another's may find nothing: the dispatcher has it repeated.
        for _ in 0..JOBS {
            mine.extend(claims::claim(service).await.unwrap().map(|claim| claim.id.0));
        }
        mine
    });
    let claimed: Vec<_> = join_all(workers).await.into_iter().flatten().collect();
    assert_eq!(claimed.len(), JOBS);
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>().len(), JOBS);
}

both!(many_claim, each_is_claimed_once, |setup| Setup { workers: 0, ..setup });
