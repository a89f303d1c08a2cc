//! Photos, selfies and crops go after the organization's days; what is still to be recognized doesn't.

use chrono::TimeDelta;
use serde_json::json;
use service::housekeeping::Chore;
use tests::both;
use tests::client::code;
use tests::fake::{person, photo};
use tests::school::{School, ended};
use tests::world::{Setup, World};

use super::{after, count, done, done_by_two, media_folder, query, uuid};

const PHOTOS: &str = "photo WHERE media_key IS NOT NULL";
const CROPS: &str = "face WHERE crop_key IS NOT NULL";
const TEMPLATES: &str = "face_template WHERE crop_key IS NOT NULL";

async fn days(mut world: World) {
    let (_, admin) = world.organization("Thirty").await;
    let (other, strict) = world.organization("Sixty").await;
    query(
        &world,
        "UPDATE organization SET photo_retention_days = 60 WHERE id = $1",
        vec![other.0.into()],
    )
    .await;
    world.hire().await;
    let school = School::enrolled(&admin, 2).await;
    let session = school.open_session().await;
    let job = school.submit(&session, photo(&[person(0), person(1), person(7)])).await;
    assert_eq!(ended(&admin, &job).await["status"], "SUCCEEDED");
    let elsewhere = School::enrolled(&strict, 1).await;
    world.dismiss().await;
    let waits = school.submit(&session, photo(&[person(0)])).await;
    // As one that a worker could not do, whose photo would do another time.
    let failed = school.submit(&session, photo(&[person(1)])).await;
    query(
        &world,
        "UPDATE job SET status = 'FAILED', error_code = 'INTERNAL', error_message = 'It failed', error_retryable = TRUE \
         WHERE id = $1",
        vec![uuid(&failed).into()],
    )
    .await;
    // Three an enrolment; the class photo, the one that waits and the one that failed.
    assert_eq!(count(&world, PHOTOS).await, 9 + 3);
    assert_eq!((count(&world, CROPS).await, count(&world, TEMPLATES).await), (3, 9));

    for (age, chore) in [
        (0, Chore::Photos),
        (0, Chore::Crops),
        (29, Chore::Photos),
        (29, Chore::Crops),
    ] {
        assert_eq!(
            done(&after(&world, TimeDelta::days(age)), chore).await,
            0,
            "{chore:?} after {age} days"
        );
    }
    let month = TimeDelta::days(31);
    assert_eq!(done_by_two(&world, month, Chore::Photos).await, 6 + 2);
    assert_eq!(done_by_two(&world, month, Chore::Crops).await, 3);
    assert_eq!(
        count(&world, PHOTOS).await,
        1 + 3,
        "the one that waits, and the other organization's"
    );
    assert_eq!((count(&world, CROPS).await, count(&world, TEMPLATES).await), (0, 9));
    for chore in [Chore::Photos, Chore::Crops] {
        assert_eq!(done(&after(&world, month), chore).await, 0, "{chore:?} again");
    }

    let kept = [
        "SELECT media_key AS k FROM photo WHERE media_key IS NOT NULL",
        "SELECT crop_key FROM face_template",
    ];
    let discarded = done(&world.service, Chore::DiscardedMedia).await;
    assert_eq!(discarded, 8 + 3);
    let kept = query(&world, &kept.join(" UNION "), vec![]).await;
    for row in &kept {
        let key: String = row.try_get("", "k").unwrap();
        assert!(media_folder(&world).join(&key).is_file(), "{key} went");
    }
    assert_eq!(world.media_files().len(), kept.len(), "nothing else is kept");

    let shown = ended(&admin, &job).await;
    assert!(shown["photos"][0]["url"].is_null(), "{shown}");
    assert_eq!(shown["faces"].as_array().unwrap().len(), 3, "the faces stay");
    assert_eq!(school.marked(&session, "PRESENT").await.len(), 2, "the marks stay");
    let again = admin
        .raw(
            "mutation($id: ID!) { retryJob(id: $id) { job { id } } }",
            json!({ "id": failed }),
        )
        .await;
    assert_eq!(code(&again), "CONFLICT", "{again}");

    world.hire().await;
    assert_eq!(ended(&admin, &waits).await["status"], "SUCCEEDED");
    assert_eq!(elsewhere.students.len(), 1);
}

both!(pictures_go_after_the_organizations_days, days, |setup| Setup {
    workers: 0,
    ..setup
});
