//! Between the steps of a re-embedding: somebody is enrolled, somebody is erased, the lease is lost.

use serde_json::json;
use service::queue::claims::{self, Claim, LEASE_LOST};
use service::recognition::{self, Embedder, EnrolledPhoto, GALLERY_SWITCHED, Reembedding, Switch};
use service::{Error, Service};
use tests::both;
use tests::client::Client;
use tests::fake::{look, person, photo};
use tests::school::{ENROLMENT, School, ended, enrol};
use tests::world::{Setup, World};

use super::{NEW, OLD, announce, crops, marked, model_of, query, reembed, restart_with, run, templates, uuid};

/// Looks at what lacks a template and writes at most so many; answers how many.
async fn make(service: &Service, work: &mut Reembedding<'_>, most: usize) -> service::Result<usize> {
    let mut seen = Vec::new();
    for template in work.next(None).await?.into_iter().take(most) {
        let crop = service.media.get(template.crop().unwrap()).await?;
        seen.push((template, Some(look(&crop, Some(NEW)))));
    }
    let count = seen.len();
    work.keep(seen).await?;
    Ok(count)
}

async fn claim(world: &World) -> Claim {
    claims::claim(&world.service).await.unwrap().unwrap()
}

async fn expire(world: &World, job: &str) {
    let past = world.service.now() - chrono::TimeDelta::minutes(1);
    let sql = "UPDATE job SET lease_until = $1 WHERE id = $2";
    run(world, sql, vec![past.into(), uuid(job).into()]).await;
}

fn assert_lost<T: std::fmt::Debug>(written: &service::Result<T>) {
    assert!(
        matches!(written, Err(Error::Conflict { reason: LEASE_LOST, .. })),
        "{written:?}"
    );
}

/// A school enrolled by the old embedder, without workers now.
async fn school(world: &mut World, students: usize) -> (Client, School) {
    world.hire().await;
    let (_, admin) = world.organization("Here").await;
    let school = School::enrolled(&admin, students).await;
    world.dismiss().await;
    announce(world, NEW).await;
    (admin, school)
}

async fn enrolled_meanwhile(mut world: World) {
    let (admin, school) = school(&mut world, 1).await;
    let service = world.service.clone();
    let added = School::with_students(&admin, 2).await;
    let photos = |n: usize| vec![photo(&[person(n)]); ENROLMENT];
    reembed(&admin).await;
    let reembedding = claim(&world).await;
    let mut work = Reembedding::begin(&service, &reembedding).await.unwrap();
    assert_eq!(make(&service, &mut work, 100).await.unwrap(), 3);

    // By the old embedder still, whose gallery it is, whatever the workers run with.
    world.hire_with(NEW).await;
    let early = ended(&admin, &enrol(&admin, &added.students[0], &photos(1)).await).await;
    assert!(
        early["templates"].as_array().unwrap().iter().all(|t| t["model"] == OLD),
        "{early:#}"
    );
    world.dismiss().await;
    // And one that is looked at before the switch, and written behind it.
    let late = enrol(&admin, &added.students[1], &photos(2)).await;
    let enrolment = claim(&world).await;
    assert_eq!(enrolment.gallery_model.as_deref(), Some(OLD));

    assert_eq!(work.switch().await.unwrap(), Switch::MoreCame);
    assert_eq!(make(&service, &mut work, 100).await.unwrap(), 3);
    assert_eq!(work.switch().await.unwrap(), Switch::Done);
    assert_eq!(model_of(&admin, &added.students[0]).await, NEW);

    let looked: Vec<EnrolledPhoto> = recognition::photos_to_read(&service, &enrolment)
        .await
        .unwrap()
        .into_iter()
        .map(|read| EnrolledPhoto {
            photo: read,
            seen: Some(look(&photos(2)[0], Some(OLD))),
        })
        .collect();
    let embedder = Embedder {
        name: OLD.into(),
        match_threshold: 0.9,
        review_threshold: 0.8,
    };
    let written = recognition::enrol(&service, &enrolment, &embedder, &looked).await;
    assert!(
        matches!(
            written,
            Err(Error::Conflict {
                reason: GALLERY_SWITCHED,
                ..
            })
        ),
        "{written:?}"
    );
    claims::release(&service, &enrolment, std::time::Duration::ZERO, true)
        .await
        .unwrap();
    world.hire_with(NEW).await;
    assert_eq!(ended(&admin, &late).await["status"], "SUCCEEDED");
    assert_eq!(model_of(&admin, &added.students[1]).await, NEW);
    assert_eq!(marked(&school, &[person(0)]).await, ["Student 000"]);
    assert_eq!(
        marked(&added, &[person(1), person(2)]).await,
        ["Student 000", "Student 001"]
    );
}

both!(whoever_is_enrolled_meanwhile_is_not_lost, enrolled_meanwhile, |setup| {
    Setup { workers: 0, ..setup }
});

async fn lease_lost(mut world: World) {
    let (admin, school) = school(&mut world, 2).await;
    let job = reembed(&admin).await;
    let again = admin.raw("mutation { reembedGallery { job { id } } }", json!({})).await;
    let extensions = &again["errors"][0]["extensions"];
    assert_eq!(
        (&extensions["reason"], &extensions["jobId"]),
        (&json!("ALREADY_RUNNING"), &json!(job))
    );

    let lost = claim(&world).await;
    let mut late = Reembedding::begin(&world.service, &lost).await.unwrap();
    assert_eq!(make(&world.service, &mut late, 2).await.unwrap(), 2);
    expire(&world, &job).await;
    let held = claim(&world).await;
    assert_eq!((held.id, held.attempts), (lost.id, 2));
    assert_lost(&make(&world.service, &mut late, 2).await);
    assert_lost(&late.switch().await);
    assert_eq!(templates(&world, NEW).await, (2, 2));

    // What is there is not made again, though somebody tries twice.
    let mut work = Reembedding::begin(&world.service, &held).await.unwrap();
    let rest = work.next(None).await.unwrap();
    assert_eq!(rest.len(), 4);
    let mut seen = Vec::new();
    for template in rest {
        let crop = world.service.media.get(template.crop().unwrap()).await.unwrap();
        seen.push((template, Some(look(&crop, Some(NEW)))));
    }
    work.keep(seen.clone()).await.unwrap();
    work.keep(seen).await.unwrap();
    assert_eq!(templates(&world, NEW).await, (6, 6));
    assert_eq!(work.switch().await.unwrap(), Switch::Done);
    assert_lost(&late.switch().await);
    world.hire_with(NEW).await;
    assert_eq!(model_of(&admin, &school.students[1]).await, NEW);
    assert_eq!(marked(&school, &[person(1)]).await, ["Student 001"]);
}

both!(a_lost_lease_writes_nothing, lease_lost, |setup| Setup {
    workers: 0,
    ..setup
});

async fn erased_meanwhile(mut world: World) {
    let (admin, school) = school(&mut world, 2).await;
    let [first, second] = &school.students[..] else {
        panic!()
    };
    reembed(&admin).await;
    let reembedding = claim(&world).await;
    let mut work = Reembedding::begin(&world.service, &reembedding).await.unwrap();
    // One of each student has its counterpart, and of all the worker has read the rest.
    let mut seen = Vec::new();
    for template in work.next(None).await.unwrap() {
        let crop = world.service.media.get(template.crop().unwrap()).await.unwrap();
        seen.push((template, Some(look(&crop, Some(NEW)))));
    }
    let rest = seen.split_off(4);
    work.keep(seen).await.unwrap();
    let gone = crops(&world, second).await;
    let erase = "mutation($id: ID!) { deleteUser(id: $id) { deletedId } }";
    admin.query(erase, json!({ "id": second })).await;
    work.keep(rest).await.unwrap();
    assert_eq!(work.switch().await.unwrap(), Switch::Done);

    let sql = "SELECT id FROM face_template WHERE person_id = $1";
    assert!(query(&world, sql, vec![uuid(second).into()]).await.is_empty());
    for crop in gone {
        assert!(
            world.service.media.get(&crop).await.is_err(),
            "a crop of the erased stays"
        );
    }
    assert!(
        query(&world, "SELECT media_key FROM discarded", vec![])
            .await
            .is_empty()
    );
    restart_with(&mut world, NEW).await;
    assert_eq!(model_of(&admin, first).await, NEW);
    assert_eq!(marked(&school, &[person(0), person(1)]).await, ["Student 000"]);
}

both!(whoever_is_erased_meanwhile_is_gone, erased_meanwhile, |setup| Setup {
    workers: 0,
    ..setup
});
