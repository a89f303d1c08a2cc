//! Whose turn it is: one at a time, when it is due, and not for ever where the one at it was cut off.

use chrono::{DateTime, TimeDelta, Utc};
use service::housekeeping::{self, Chore, Occasion};
use tests::both;
use tests::school::now;
use tests::world::{Setup, World};
use uuid::Uuid;

use super::{count, media_folder, query};

const CHORE: Chore = Chore::Codes;

async fn runs(world: &World, occasion: Occasion) -> bool {
    let ran = housekeeping::run(&world.service, CHORE, occasion).await.unwrap();
    ran.is_some_and(|ran| ran.done.is_ok())
}

async fn set(world: &World, column: &str, value: impl Into<sea_orm::Value>) {
    let sql = format!("UPDATE chore SET {column} = $1 WHERE name = $2");
    query(world, &sql, vec![value.into(), CHORE.name().into()]).await;
}

async fn turns(world: World) {
    assert!(housekeeping::due(&world.service).await.unwrap().contains(&CHORE));
    assert!(runs(&world, Occasion::Due).await, "it was never done");
    assert!(!runs(&world, Occasion::Due).await, "it was done a moment ago");
    assert!(!housekeeping::due(&world.service).await.unwrap().contains(&CHORE));
    assert!(runs(&world, Occasion::Asked).await);
    set(&world, "begun_at", now() - TimeDelta::minutes(9)).await;
    assert!(!runs(&world, Occasion::Due).await);
    set(&world, "begun_at", now() - TimeDelta::minutes(11)).await;
    assert!(runs(&world, Occasion::Due).await);

    // Another process began it a moment ago; and then it was not heard of any more.
    set(&world, "run", Uuid::new_v4()).await;
    set(&world, "until", now() + TimeDelta::seconds(60)).await;
    assert!(!runs(&world, Occasion::Due).await && !runs(&world, Occasion::Asked).await);
    let states = housekeeping::states(&world.service).await.unwrap();
    let state = states.iter().find(|state| state.chore == CHORE).unwrap();
    assert!(state.running && state.ended_at.is_some(), "{state:?}");
    set(&world, "until", now() - TimeDelta::seconds(1)).await;
    assert!(housekeeping::due(&world.service).await.unwrap().contains(&CHORE));
    assert!(runs(&world, Occasion::Due).await);
    assert_eq!(count(&world, "chore WHERE run IS NULL AND until IS NULL").await, 1);
}

both!(a_chore_is_done_by_one_when_it_is_due, turns, |setup| Setup {
    workers: 0,
    ..setup
});

/// A clock that was ahead of time and was set right.
async fn ahead(world: World) {
    let due = async || housekeeping::due(&world.service).await.unwrap().contains(&CHORE);
    assert!(runs(&world, Occasion::Due).await && !due().await);
    set(&world, "begun_at", now() + TimeDelta::days(365)).await;
    assert!(due().await);
    assert!(runs(&world, Occasion::Due).await);
    assert!(!due().await, "it was begun now");
    for occasion in [Occasion::Due, Occasion::Asked] {
        // Cut off while the clock was ahead.
        set(&world, "run", Uuid::new_v4()).await;
        set(&world, "until", now() + TimeDelta::days(365)).await;
        assert!(due().await);
        assert!(runs(&world, occasion).await);
    }
}

both!(a_clock_that_was_ahead_stops_nothing, ahead, |setup| Setup {
    workers: 0,
    ..setup
});

async fn failures(world: World) {
    let noted = "INSERT INTO discarded (media_key, created_at) VALUES ('photos/x', $1)";
    query(&world, noted, vec![now().into()]).await;
    let media = media_folder(&world);
    std::fs::remove_dir_all(&media).unwrap();
    std::fs::write(&media, "no folder").unwrap();
    let chore = Chore::DiscardedMedia;
    let ran = housekeeping::run(&world.service, chore, Occasion::Due)
        .await
        .unwrap()
        .unwrap();
    assert!(ran.done.is_err());
    let states = housekeeping::states(&world.service).await.unwrap();
    let state = states.iter().find(|state| state.chore == chore).unwrap();
    let error = state.error.as_deref().unwrap();
    assert!(error.contains("media store") && !state.running, "{state:?}");

    std::fs::remove_file(&media).unwrap();
    let ran = housekeeping::run(&world.service, chore, Occasion::Asked)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ran.done.unwrap(), 1);
    let states = housekeeping::states(&world.service).await.unwrap();
    let state = states.iter().find(|state| state.chore == chore).unwrap();
    assert_eq!((state.done, &state.error), (1, &None));
}

both!(a_chore_that_failed_says_why, failures, |setup| Setup {
    workers: 0,
    ..setup
});

/// A day's chore that failed is not left for a day.
async fn sooner(world: World) {
    let at = |minutes: i64| now() - TimeDelta::minutes(minutes);
    let put = |begun: DateTime<Utc>, error: Option<&'static str>| {
        let world = &world;
        async move {
            query(world, "DELETE FROM chore", vec![]).await;
            let sql = "INSERT INTO chore (name, begun_at, error) VALUES ('audit', $1, $2)";
            query(world, sql, vec![begun.into(), error.into()]).await;
            let due = housekeeping::due(&world.service).await.unwrap().contains(&Chore::Audit);
            let ran = housekeeping::run(&world.service, Chore::Audit, Occasion::Due)
                .await
                .unwrap();
            assert_eq!(due, ran.is_some(), "what is due is done, and nothing else");
            due
        }
    };
    assert!(!put(at(6), None).await);
    assert!(!put(at(4), Some("away")).await);
    assert!(put(at(6), Some("away")).await);
    assert!(put(at(24 * 60 + 1), None).await);
}

both!(a_chore_that_failed_is_tried_again_soon, sooner, |setup| Setup {
    workers: 0,
    ..setup
});
