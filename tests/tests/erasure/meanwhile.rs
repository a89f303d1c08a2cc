//! What runs while somebody is erased adds nothing of them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;
use service::keys::KeyRing;
use service::kinds::Role;
use service::rates::Origin;
use service::{Scope, accounts};
use tests::both;
use tests::client::data;
use tests::fake::{SLOW, person, photo};
use tests::school::{ended, enrol};
use tests::world::{SECRET, World};

use crate::people::{Land, assert_id_only_where_it_may, delete_account, delete_user, embedding, opens_to};
use crate::scan::{Kept, needle, query, uuid};

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
    assert_eq!(world.media_files().len(), named);
}

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

/// A code that was mailed before the secret was rotated is found under the old one.
async fn an_old_code(world: World) {
    let (organization, admin) = world.organization("Here").await;
    let (id, client) = world.member(organization, "Zebulon Quisquilian", Role::Student).await;
    let mine = client.query("{ viewer { email } }", json!({})).await;
    let email = mine["viewer"]["email"].as_str().unwrap();
    accounts::request_password_reset(&world.service, Origin::default(), email)
        .await
        .unwrap();
    let codes = "SELECT purpose FROM code";
    assert_eq!(query(&world, codes, vec![]).await.len(), 1);
    let rotated = world.twin(|parts| parts.keys = KeyRing::new(&"7".repeat(64), &[SECRET.to_owned()]).unwrap());
    let token = admin.token.clone().unwrap();
    let scope = Scope::from(accounts::authenticate(&rotated, &token).await.unwrap());
    service::people::delete_user(&rotated, &scope, id).await.unwrap();
    assert!(query(&world, codes, vec![]).await.is_empty());
}

both!(a_code_from_before_a_rotation_goes_too, an_old_code);
