//! What runs while somebody is erased adds nothing of them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;
use service::events::{Announcer, Topic};
use service::kinds::Role;
use service::queue::claims::{self, LEASE_LOST};
use service::recognition::{self, Embedder, EnrolledPhoto, Quality, Seen, SeenFace};
use service::{Error, Scope, accounts};
use tests::both;
use tests::client::data;
use tests::fake::{SLOW, person, photo};
use tests::school::{School, ended, enrol};
use tests::world::{Setup, World};
use tokio::sync::broadcast;

use crate::people::{Land, assert_id_only_where_it_may, delete_account, delete_user, embedding, look, opens_to};
use crate::scan::{Kept, files, needle, query, uuid};

/// Waits until a worker's models look at the job's photo.
async fn looked_at(world: &World, job: &str) {
    let begun = Instant::now();
    loop {
        let sql = "SELECT COUNT(*) AS n FROM job WHERE id = $1 AND status = 'RUNNING' AND stage = 'DETECTING'";
        let row = &query(world, sql, vec![uuid(job).into()]).await[0];
        if row.try_get::<i64>("", "n").unwrap() == 1 {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "nobody looks at the photo");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn enrolment(world: World) {
    let land = Land::of(world).await;
    let student = &land.school.students[1];
    // One photo is done, the other takes three seconds: the job is in its middle.
    let photos: Vec<Bytes> = vec![photo(&[person(1)]), photo(&[SLOW, person(1)])];
    let job = enrol(&land.school.teacher, student, &photos).await;
    looked_at(&land.world, &job).await;
    delete_user(&land, student).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(ended(&land.admin, &job).await["status"], "CANCELLED");
    let kept = Kept::of(&land.world).await;
    for bytes in &photos {
        assert!(!kept.has_object(bytes));
    }
    assert!(!opens_to(&land, &embedding(person(1))).await);
    nothing_unnamed(&land.world).await;
}

both!(an_enrolment_meanwhile_leaves_nothing, enrolment);

async fn recognition(world: World) {
    let land = Land::of(world).await;
    let student = land.school.students[1].clone();
    let session = land.school.open_session().await;
    let job = land.school.submit(&session, photo(&[SLOW, person(0), person(1)])).await;
    let asked = land
        .admin
        .upload_raw(
            "mutation($photo: PhotoInput!) { identifyFaces(photo: $photo) { job { id } } }",
            json!({ "photo": { "upload": null } }),
            &[("photo.upload", photo(&[SLOW, person(0), person(1)]))],
        )
        .await;
    let asked = data(asked)["identifyFaces"]["job"]["id"].as_str().unwrap().to_owned();
    looked_at(&land.world, &job).await;
    looked_at(&land.world, &asked).await;
    delete_user(&land, &student).await;
    for job in [job, asked] {
        let done = ended(&land.admin, &job).await;
        assert_eq!(done["status"], "SUCCEEDED", "{done}");
        assert_eq!(done["faces"].as_array().unwrap().len(), 2, "{done}");
        assert!(!done.to_string().contains(&student), "{done:#}");
        assert!(done.to_string().contains(&land.school.students[0]));
    }
    nothing_unnamed(&land.world).await;
}

both!(a_recognition_meanwhile_does_not_know_them, recognition);

/// Every object of the store is named by a row.
async fn nothing_unnamed(world: &World) {
    let keys = "SELECT media_key AS k FROM photo WHERE media_key IS NOT NULL UNION ALL \
                SELECT crop_key FROM face WHERE crop_key IS NOT NULL UNION ALL \
                SELECT crop_key FROM face_template WHERE crop_key IS NOT NULL";
    let named = query(world, keys, vec![]).await.len();
    assert_eq!(files(&world.folder.path().join("media")).len(), named);
}

/// Does something once, when a job is heard of: between two steps of whoever announces.
struct Interrupt(Mutex<Option<Box<dyn FnOnce() + Send>>>, broadcast::Sender<Topic>);

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

/// The worst moment: the worker was told that the job is its own still, and stores the crops.
async fn before_the_last_step(world: World) {
    let (_, admin) = world.organization("Here").await;
    let school = School::with_students(&admin, 1).await;
    let student = school.students[0].clone();
    let picture = photo(&[person(0)]);
    enrol(&admin, &student, std::slice::from_ref(&picture)).await;
    let claim = claims::claim(&world.service).await.unwrap().unwrap();
    let media = world.folder.path().join("media");
    assert_eq!(files(&media).len(), 1);

    let (runtime, admin) = (tokio::runtime::Handle::current(), admin.clone());
    let erase = move || {
        tokio::task::block_in_place(|| {
            runtime.block_on(async {
                let erase = "mutation($id: ID!) { deleteUser(id: $id) { deletedId } }";
                admin.query(erase, json!({ "id": student })).await;
            });
        });
    };
    let worker = world.twin(|parts| {
        parts.announcer = Arc::new(Interrupt(Mutex::new(Some(Box::new(erase))), broadcast::Sender::new(1)));
    });
    let face = look(person(0));
    let seen = Seen {
        width: 1,
        height: 1,
        faces: vec![SeenFace {
            width: face.bounds.width,
            height: face.bounds.height,
            embedding: face.embedding,
            crop: face.crop.into(),
            x: 0,
            y: 0,
            score: face.score,
            quality: Quality::default(),
            too_small: false,
        }],
        ..Seen::default()
    };
    let looked = [EnrolledPhoto {
        photo: recognition::photos_to_read(&worker, &claim).await.unwrap().remove(0),
        seen: Some(seen),
    }];
    let embedder = Embedder {
        name: "fake".into(),
        match_threshold: 0.9,
        review_threshold: 0.8,
    };
    let written = recognition::enrol(&worker, &claim, &embedder, &looked).await;
    assert!(
        matches!(written, Err(Error::Conflict { reason: LEASE_LOST, .. })),
        "{written:?}"
    );
    assert_eq!(
        files(&media),
        Vec::<std::path::PathBuf>::new(),
        "a crop of the erased stays"
    );
    let left = query(&world, "SELECT id FROM face_template", vec![]).await;
    assert!(left.is_empty());
}

both!(a_worker_takes_its_crops_back, before_the_last_step, |setup| Setup {
    workers: 0,
    ..setup
});

/// Requests that were let in before the erasure and write behind it.
async fn late_requests(world: World) {
    let (organization, _) = world.organization("Here").await;
    let (id, client) = world.member(organization, "Zebulon Quisquilian", Role::Student).await;
    let token = client.token.clone().unwrap();
    let viewer = accounts::authenticate(&world.service, &token).await.unwrap();
    delete_account(&client).await;
    let scope = Scope::from(viewer);
    let renamed = accounts::rename(&world.service, &scope, "Quisquilian again").await;
    assert!(renamed.is_err(), "{renamed:?}");
    let said = service::feedback::submit(&world.service, &scope, "signed: Quisquilian", None).await;
    assert!(said.is_err(), "{said:?}");
    let kept = Kept::of(&world).await;
    kept.assert_none_here(&[needle("the name", "Quisquilian")]);
    assert_id_only_where_it_may(&kept.columns_with(id.0));
}

both!(a_request_from_before_writes_nothing_behind_it, late_requests);
