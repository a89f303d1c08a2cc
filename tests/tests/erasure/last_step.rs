//! Who goes at the worst moment: the worker knows with whom it compares the faces, or was told that the job is its own
//! still and stores the crops, which takes so long that it says so.

use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use service::events::{Announcer, Topic};
use service::kinds::JobKind;
use service::queue::claims::{self, Claim, LEASE_LOST};
use service::recognition::{self, Embedder, EnrolledPhoto, Known};
use service::{Error, Service};
use tests::both;
use tests::client::{Client, data};
use tests::fake::{Colour, look, person, photo};
use tests::gate::{Point, Word, guarded};
use tests::school::{School, ended, enrol};
use tests::world::{Setup, World};
use tokio::sync::broadcast;

use crate::scan::query;

/// Does something once, when a job is heard of: between two steps of whoever announces.
struct Interrupt(Arc<Mutex<Waiting>>, broadcast::Sender<Topic>);

type Waiting = Option<Box<dyn FnOnce() + Send>>;

impl std::fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interrupt").finish_non_exhaustive()
    }
}

impl Announcer for Interrupt {
    fn announce(&self, _: &[Topic]) {
        let first = self.0.lock().unwrap().take();
        if let Some(first) = first {
            first();
        }
    }

    fn subscribe(&self) -> broadcast::Receiver<Topic> {
        self.1.subscribe()
    }
}

/// A worker in whose work somebody is erased, when it says that it comes to write.
fn interrupted(world: &World, admin: &Client, student: &str) -> Service {
    let (runtime, admin, student) = (tokio::runtime::Handle::current(), admin.clone(), student.to_owned());
    let erase = move || {
        tokio::task::block_in_place(|| {
            runtime.block_on(async {
                let erase = "mutation($id: ID!) { deleteUser(id: $id) { deletedId } }";
                admin.query(erase, json!({ "id": student })).await;
            });
        });
    };
    let waiting: Arc<Mutex<Waiting>> = Arc::new(Mutex::new(Some(Box::new(erase))));
    let slow = {
        let waiting = waiting.clone();
        move |point, _: Option<u16>, _: String| {
            let begun = Instant::now();
            while point == Point::Cropping && waiting.lock().unwrap().is_some() {
                assert!(begun.elapsed() < Duration::from_secs(20), "nothing is said");
                std::thread::sleep(Duration::from_millis(10));
            }
            Word::Pass
        }
    };
    world.twin(|parts| {
        parts.media = guarded(parts.media.clone(), slow);
        parts.announcer = Arc::new(Interrupt(waiting, broadcast::Sender::new(1)));
    })
}

fn embedder() -> Embedder {
    Embedder {
        name: "fake".into(),
        match_threshold: 0.9,
        review_threshold: 0.8,
    }
}

async fn looked(worker: &Service, claim: &Claim, people: &[Colour]) -> EnrolledPhoto {
    EnrolledPhoto {
        photo: recognition::photos_to_read(worker, claim).await.unwrap().remove(0),
        seen: Some(look(&photo(people), None)),
    }
}

async fn enrolment(world: World) {
    let (_, admin) = world.organization("Here").await;
    let school = School::with_students(&admin, 1).await;
    enrol(&admin, &school.students[0], &[photo(&[person(0)])]).await;
    let claim = claims::claim(&world.service).await.unwrap().unwrap();
    assert_eq!(world.media_files().len(), 1);

    let worker = interrupted(&world, &admin, &school.students[0]);
    let looked = [looked(&worker, &claim, &[person(0)]).await];
    let written = recognition::enrol(&worker, &claim, &embedder(), &looked).await;
    assert!(
        matches!(written, Err(Error::Conflict { reason: LEASE_LOST, .. })),
        "{written:?}"
    );
    assert!(world.media_files().is_empty(), "a crop of the erased stays");
    let left = query(&world, "SELECT id FROM face_template", vec![]).await;
    assert!(left.is_empty());
}

both!(a_worker_takes_its_crops_back, enrolment, |setup| Setup {
    workers: 0,
    ..setup
});

async fn class_photo(mut world: World) {
    let (_, admin) = world.organization("Here").await;
    world.hire().await;
    let school = School::enrolled(&admin, 2).await;
    world.dismiss().await;
    let session = school.open_session().await;
    let job = school.submit(&session, photo(&[person(0), person(1)])).await;
    let claim = claims::claim(&world.service).await.unwrap().unwrap();

    let gone = &school.students[1];
    let worker = interrupted(&world, &admin, gone);
    let looked = looked(&worker, &claim, &[person(0), person(1)]).await;
    let known = Known::read(&worker, &claim, &embedder()).await;
    recognition::recognize(&worker, &claim, ready(known), &looked.photo, looked.seen.unwrap(), None)
        .await
        .unwrap();
    let job = ended(&admin, &job).await;
    assert!(!job.to_string().contains(gone), "decided for, or a candidate: {job:#}");
    assert_eq!(job["marks"].as_array().unwrap().len(), 1);
    let decisions: Vec<_> = job["faces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| &f["decision"])
        .collect();
    assert_eq!(decisions, ["MATCHED", "UNKNOWN"]);
}

both!(a_face_matched_a_moment_ago_is_nobodys, class_photo, |setup| Setup {
    workers: 0,
    ..setup
});

/// Off the roll, and still there.
async fn left(mut world: World) {
    let (_, admin) = world.organization("Here").await;
    world.hire().await;
    let school = School::enrolled(&admin, 3).await;
    world.dismiss().await;
    let session = school.open_session().await;
    let bytes = photo(&[person(0), person(1)]);
    let service = &world.service;
    let marked = school.submit(&session, bytes.clone()).await;
    let named = admin
        .upload_raw(
            "mutation($class: ID!, $photo: PhotoInput!) { identifyFaces(photo: $photo, classId: $class) { job { id } } }",
            json!({ "class": school.class, "photo": { "upload": null } }),
            &[("photo.upload", bytes)],
        )
        .await;
    let named = data(named)["identifyFaces"]["job"]["id"].as_str().unwrap().to_owned();
    let mut last_steps = Vec::new();
    for _ in [&marked, &named] {
        let claim = claims::claim(service).await.unwrap().unwrap();
        let known = Known::read(service, &claim, &embedder()).await;
        let looked = looked(service, &claim, &[person(0), person(1)]).await;
        last_steps.push((claim, known, looked.photo, looked.seen.unwrap()));
    }

    let gone = &school.students[1];
    let leaves = "mutation($class: ID!, $id: ID!) { \
                  removeStudents(classId: $class, studentIds: [$id], from: \"2020-01-01\") { class { id } } }";
    admin.query(leaves, json!({ "class": school.class, "id": gone })).await;
    for (claim, known, photo, seen) in last_steps {
        let written = match claim.kind {
            JobKind::Recognize => recognition::recognize(service, &claim, ready(known), &photo, seen, None).await,
            _ => recognition::identify(service, &claim, ready(known), &photo, seen, None).await,
        };
        written.unwrap();
    }
    for job in [marked, named] {
        let job = ended(&admin, &job).await;
        assert!(!job.to_string().contains(gone), "decided for, or a candidate: {job:#}");
        let faces = job["faces"].as_array().unwrap().iter();
        let decisions: Vec<_> = faces.map(|face| &face["decision"]).collect();
        assert_eq!(decisions, ["MATCHED", "UNKNOWN"], "{job:#}");
    }
    assert_eq!(school.marked(&session, "PRESENT").await.len(), 1);
}

both!(who_has_left_the_class_meanwhile_is_nobody, left, |setup| Setup {
    workers: 0,
    ..setup
});
