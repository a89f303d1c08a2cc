//! What lies in the media store against what rows name.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, DatabaseConnection, QueryResult, Statement};
use service::clock::ManualClock;
use service::housekeeping::{self, Chore, Occasion};
use tests::school::now;
use tests::world::World;
use uuid::Uuid;

use super::checks::{Run, get, list, rows};

/// Every key that a row names.
async fn named(db: &DatabaseConnection) -> BTreeSet<String> {
    let sql = "SELECT media_key AS k FROM photo WHERE media_key IS NOT NULL \
         UNION SELECT crop_key FROM face WHERE crop_key IS NOT NULL \
         UNION SELECT crop_key FROM face_template WHERE crop_key IS NOT NULL";
    rows(db, sql).await.iter().map(|row| get(row, "k")).collect()
}

/// Every file below a folder, by its path in it: also those of writes that were cut off. Not the marker that says
/// whose the store is.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found.remove("installation");
    found
}

/// What rows name is in the store. Answers what is there besides.
async fn unnamed(db: &DatabaseConnection, media: &Path) -> BTreeSet<String> {
    let (named, files) = (named(db).await, files(media));
    let lost: Vec<_> = named.difference(&files).collect();
    assert!(lost.is_empty(), "rows name what is not there: {lost:?}");
    files.difference(&named).cloned().collect()
}

/// Where the attempts that ended the run's jobs put their crops.
async fn last_attempts(db: &DatabaseConnection, run: &Run) -> Vec<String> {
    let sql = format!("SELECT id, fence FROM job WHERE id IN ({})", list(run.jobs.values()));
    let found = rows(db, &sql).await;
    let attempt = |row: &QueryResult| {
        format!(
            "crops/{}/{}/",
            get::<Uuid>(row, "id").simple(),
            get::<i64>(row, "fence")
        )
    };
    found.iter().map(attempt).collect()
}

/// Has a chore done so much later.
async fn sweep(world: &World, chore: Chore, later: TimeDelta) {
    let then = world.twin(|parts| parts.clock = Arc::new(ManualClock::at(now() + later)));
    for _ in 0..600 {
        // A worker may be at it.
        if let Some(ran) = housekeeping::run(&then, chore, Occasion::Asked).await.unwrap() {
            ran.done.unwrap();
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("somebody is still at {}", chore.name());
}

/// As if one more photo were sent in so much later: what came after the newest row is spared.
async fn goes_on(db: &DatabaseConnection, later: TimeDelta) {
    let sql = "UPDATE photo SET submitted_at = $1 WHERE id = (SELECT id FROM photo ORDER BY id DESC LIMIT 1)";
    let values = [(now() + later).into()];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    assert_eq!(db.execute_raw(statement).await.unwrap().rows_affected(), 1);
}

/// Nothing that rows name is missing; what nobody names was left by somebody who was killed or by a write that
/// failed; and when the hour is over that such objects are spared for, the sweep leaves none. Answers how many there
/// were before it and behind it.
pub async fn assert_none_stay(world: &World, run: &Run, photo_keys: &HashMap<String, u16>) -> (usize, usize) {
    let (db, media) = (world.service.db.writer(), world.folder.path().join("media"));
    let last = last_attempts(db, run).await;
    sweep(world, Chore::DiscardedMedia, TimeDelta::zero()).await;
    let left = unnamed(db, &media).await;
    for key in &left {
        let of_a_cut_off = match key.split_once('/') {
            Some(("photos", _)) => photo_keys.contains_key(key),
            Some(("crops", _)) => !last.iter().any(|attempt| key.starts_with(attempt)),
            _ => false,
        };
        assert!(of_a_cut_off, "{key} is nobody's");
    }
    goes_on(db, TimeDelta::minutes(61)).await;
    sweep(world, Chore::OrphanedMedia, TimeDelta::minutes(61)).await;
    let stay = unnamed(db, &media).await;
    assert!(stay.is_empty(), "swept and there: {stay:?}");
    (left.len(), stay.len())
}
