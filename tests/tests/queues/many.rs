//! One organization's many queued photos delay another's single one by no more than what is being worked on already:
//! by the order of rows, not by the clock. A hundred, or a thousand with `MUSTER_LONG=1`.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;
use service::id::OrganizationId;
use tests::both;
use tests::fake::{SLOW, person, photo};
use tests::school::{School, ended};
use tests::world::{Setup, World};

/// Of a hired worker.
const SLOTS: i64 = 2;
/// Photos that are submitted at once.
const AT_ONCE: usize = 4;

async fn count(world: &World, organization: OrganizationId, which: &str) -> i64 {
    let db = world.service.db.reader();
    let statement = Statement::from_sql_and_values(
        db.get_database_backend(),
        format!("SELECT COUNT(*) AS n FROM job a WHERE a.organization_id = $1 AND {which}"),
        [organization.0.into()],
    );
    db.query_one_raw(statement)
        .await
        .unwrap()
        .unwrap()
        .try_get("", "n")
        .unwrap()
}

async fn one_among_many(mut world: World) {
    let queued: usize = if std::env::var("MUSTER_LONG").is_ok_and(|long| long == "1") {
        1000
    } else {
        100
    };
    let (many, admin) = world.organization("Many").await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    // A photo takes seconds, so that what is claimed meanwhile is no matter of milliseconds.
    let slow = photo(&[SLOW]);
    for _ in 0..queued / AT_ONCE {
        join_all((0..AT_ONCE).map(|_| school.submit(&session, slow.clone()))).await;
    }
    let (_, their_admin) = world.organization("One").await;
    let theirs = School::with_students(&their_admin, 1).await;
    let their_session = theirs.open_session().await;
    world.hire().await;
    let begun = Instant::now();
    while count(&world, many, "a.status = 'RUNNING'").await < SLOTS {
        assert!(begun.elapsed() < Duration::from_mins(1), "nobody works");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let job = theirs.submit(&their_session, photo(&[person(0)])).await;
    assert_eq!(ended(&their_admin, &job).await["status"], json!("SUCCEEDED"));
    let between = "EXISTS (SELECT 1 FROM job b WHERE b.organization_id <> a.organization_id \
         AND a.started_at > b.created_at AND a.started_at < b.started_at)";
    let before = count(&world, many, between).await;
    assert!(before <= SLOTS, "{before} photos were begun before it");
    let waiting = count(&world, many, "a.status = 'QUEUED'").await;
    assert!(
        waiting > i64::try_from(queued / 2).unwrap(),
        "only {waiting} wait: there was no crowd"
    );
}

both!(a_thousand_delay_one_by_one, one_among_many, |setup| Setup {
    workers: 0,
    ..setup
});
