//! `muster backup` beside a server that takes photos, and `muster restore` elsewhere: all that was acknowledged
//! before is there, and works.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod cut;
mod place;
mod refused;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use place::{EMAIL, Place};
use serde_json::{Value, json};
use tests::client::Client;
use tests::fake::{person, photo};
use tests::school::{School, ended};
use tests::world::PASSWORD;

const STUDENTS: usize = 4;

/// What a client knows to be there: each job with its status and its photo's address, and the roll.
async fn seen(client: &Client, school: &School, session: &str, jobs: &[String]) -> Vec<Value> {
    let mut all = Vec::new();
    for job in jobs {
        let job = ended(client, job).await;
        assert_eq!(job["status"], "SUCCEEDED", "{job}");
        all.push(json!([job["id"], job["faces"], job["marks"]]));
    }
    all.push(json!(school.roll(session).await));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_comes_back_whole() {
    let mut here = Place::new();
    here.found();
    here.start().await;
    let admin = Client::new(here.base()).login(EMAIL, PASSWORD).await;
    let school = School::enrolled(&admin, STUDENTS).await;
    let session = school.open_session().await;
    let mut jobs = Vec::new();
    for n in 0..3 {
        jobs.push(school.submit(&session, photo(&[person(n), person(40 + n)])).await);
    }
    let before = seen(&admin, &school, &session, &jobs).await;
    // Acknowledged, and perhaps not recognized when the copy is made.
    let waits = school.submit(&session, photo(&[person(3)])).await;

    let over = Arc::new(AtomicBool::new(false));
    let load = {
        let (school, over) = (school.clone(), over.clone());
        // Another session: what is compared stays as it is.
        let busy = school.open_session().await;
        tokio::spawn(async move {
            let mut sent = 0;
            loop {
                school
                    .submit(&busy, photo(&[person(sent % STUDENTS), person(50)]))
                    .await;
                sent += 1;
                if over.load(Ordering::Relaxed) {
                    break sent;
                }
            }
        })
    };
    let archive = here.folder().join("backup of tonight.tar");
    let name = archive.to_str().unwrap().to_owned();
    let said = tokio::task::block_in_place(|| here.muster(&["backup", &name])).unwrap();
    over.store(true, Ordering::Relaxed);
    let sent = load.await.unwrap();
    println!("photos acknowledged while the backup was made: {sent}");
    assert!(said.contains("The secret is not in it"), "{said}");
    assert_eq!(archive.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let beside: Vec<_> = archive.parent().unwrap().read_dir().unwrap().collect();
    assert_eq!(beside.len(), 1, "no draft stays: {beside:?}");

    let mut there = Place::new();
    let said = there.muster(&["restore", &name]).unwrap();
    assert!(said.contains("put your copy of it at"), "{said}");
    std::fs::copy(here.secret_file(), there.secret_file()).unwrap();
    // Before anything runs on it: every object that a row names is there, and a few more at most that were on their way.
    let named = there.keys().await;
    assert!(named.len() > STUDENTS * 6 + 3 + 6, "{} objects", named.len());
    for key in &named {
        assert!(there.data().join("media").join(key).is_file(), "{key} is missing");
    }
    let mode = |name: &str| there.data().join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("muster.db"), 0o600);

    there.start().await;
    let admin = Client::new(there.base()).login(EMAIL, PASSWORD).await;
    let school = School {
        teacher: admin.clone(),
        ..school
    };
    let mut after = seen(&admin, &school, &session, &jobs).await;
    // The one that waited may have been recognized by either.
    let recognized = ended(&admin, &waits).await;
    assert_eq!(recognized["status"], "SUCCEEDED", "{recognized}");
    assert_eq!(recognized["marks"].as_array().unwrap().len(), 1, "{recognized}");
    let (rolls, marks) = (after.pop().unwrap(), before.last().unwrap());
    for line in marks.as_array().unwrap().iter().filter(|line| !line[1].is_null()) {
        assert!(rolls.as_array().unwrap().contains(line), "{line} is not in {rolls}");
    }
    assert_eq!(after, before[..before.len() - 1]);
    for job in &jobs {
        let url = ended(&admin, job).await["photos"][0]["url"]
            .as_str()
            .unwrap()
            .to_owned();
        let picture = admin.get(&url).await;
        assert_eq!(picture.status(), 200);
        assert!(!picture.bytes().await.unwrap().is_empty());
    }
    // The faces open with the secret: who is enrolled is known.
    let job = school.submit(&session, photo(&[person(2)])).await;
    let face = ended(&admin, &job).await["faces"][0].clone();
    assert_eq!(face["student"]["id"], school.students[2], "{face}");
}

/// What goes between the copy of the database and that of the objects is not named by the copy.
#[tokio::test(flavor = "multi_thread")]
async fn what_goes_meanwhile_goes_from_the_copy() {
    use service::backup::{self, Objects};
    use service::db::Db;
    use tests::world::{Mode, Setup};

    let mut world = Setup {
        workers: 0,
        ..Setup::new(Mode::Embedded)
    }
    .build()
    .await
    .unwrap();
    let (_, admin) = world.organization("Here").await;
    world.hire().await;
    let school = School::enrolled(&admin, 3).await;
    world.dismiss().await;
    let file = world.folder.path().join("copy.db");
    backup::copy_database(&world.service.db, &file).await.unwrap();
    let copy = Db::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    let erase = "mutation($id: ID!) { deleteUser(id: $id) { deletedId } }";
    admin.query(erase, json!({ "id": school.students[0] })).await;
    let lost = place::keys(&world.service.db).await.remove(0);
    world.service.media.remove(&lost).await.unwrap();

    let mut objects = Objects::new(&copy, &world.service.db, &world.service.media);
    let (mut held, mut let_go, mut missing) = (0, 0, Vec::new());
    while let Some(page) = objects.next().await.unwrap() {
        assert!(page.objects.len() <= 4, "few are in memory together");
        held += page.objects.len();
        let_go += page.let_go;
        missing.extend(page.missing);
    }
    assert_eq!(
        (held, let_go, &missing),
        (11, 6, &vec![lost.clone()]),
        "three photos and three crops each"
    );
    let named = place::keys(&copy).await;
    assert_eq!(named.len(), 12);
    assert!(named.contains(&lost), "what is lost is told, not hidden");
    assert!(backup::is_sound(&copy).await.unwrap());
}
