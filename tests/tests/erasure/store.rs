//! The store may be away when somebody is erased: what it holds is noted, and goes when it is back.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tests::both;
use tests::world::World;

use crate::people::{Land, delete_user};
use crate::scan::{query, uuid};

async fn noted(world: &World) -> Vec<String> {
    let rows = query(world, "SELECT media_key AS k FROM discarded", vec![]).await;
    rows.iter().map(|row| row.try_get("", "k").unwrap()).collect()
}

/// The workers look every thirty seconds.
async fn swept(world: &World, down_to: usize) {
    let begun = Instant::now();
    while noted(world).await.len() > down_to {
        assert!(begun.elapsed() < Duration::from_secs(45), "nobody sweeps");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn away(world: World) {
    let land = Land::of(world).await;
    let media = land.world.folder.path().join("media");
    let aside = land.world.folder.path().join("aside");
    let before = land.world.media_files().len();
    // Whatever is asked of it now fails, and not for want of the object.
    std::fs::rename(&media, &aside).unwrap();
    std::fs::write(&media, "no folder").unwrap();
    let student = &land.school.students[1];
    delete_user(&land, student).await;
    let sql = "SELECT id FROM face_template WHERE person_id = $1";
    let left = query(&land.world, sql, vec![uuid(student).into()]).await;
    assert!(left.is_empty(), "the database does not wait for the store");
    let keys = noted(&land.world).await;
    assert_eq!(keys.len(), 6, "three portraits and their crops");

    std::fs::remove_file(&media).unwrap();
    std::fs::rename(&aside, &media).unwrap();
    for key in &keys {
        assert!(media.join(key).is_file(), "it is there, and noted");
    }
    swept(&land.world, 0).await;
    for key in &keys {
        assert!(!media.join(key).exists());
    }
    assert_eq!(land.world.media_files().len(), before - keys.len());
}

both!(what_a_store_that_was_away_holds_goes_later, away);

async fn one_object(world: World) {
    let land = Land::of(world).await;
    let media = land.world.folder.path().join("media");
    let student = &land.school.students[1];
    let sql = "SELECT crop_key AS k FROM face_template WHERE person_id = $1 ORDER BY crop_key";
    let row = &query(&land.world, sql, vec![uuid(student).into()]).await[0];
    // A folder with something in it where the first object was: it can be removed as little as
    // an object that the store refuses to give up.
    let stuck: PathBuf = media.join(row.try_get::<String>("", "k").unwrap());
    std::fs::remove_file(&stuck).unwrap();
    std::fs::create_dir(&stuck).unwrap();
    std::fs::write(stuck.join("in the way"), "").unwrap();
    delete_user(&land, student).await;
    let left = noted(&land.world).await;
    assert_eq!(left.len(), 1, "one that stays keeps no other: {left:?}");
    assert!(stuck.ends_with(&left[0]));
    std::fs::remove_dir_all(&stuck).unwrap();
    std::fs::write(&stuck, "a face").unwrap();
    swept(&land.world, 0).await;
    assert!(!stuck.exists());
}

both!(an_object_that_stays_keeps_no_other, one_object);
