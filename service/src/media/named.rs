//! Which rows name an object of the media store. Every column that holds a key is in this table: what is
//! not named here is taken for an orphan and removed.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;

use crate::db::{Sql, Values};
use crate::error::Result;

/// Tables and the column of each that holds a key, null where there is no object.
pub(crate) const NAMES: [(&str, &str); 4] = [
    ("photo", "media_key"),
    ("face", "crop_key"),
    ("face_template", "crop_key"),
    ("export", "media_key"),
];

/// The same tables: when a row came to be, and the key that grows with time.
const MADE: [(&str, &str, &str); 4] = [
    ("photo", "submitted_at", "id"),
    ("face", "created_at", "id"),
    ("face_template", "created_at", "id"),
    ("export", "created_at", "job_id"),
];

#[derive(FromQueryResult)]
struct Made {
    at: DateTime<Utc>,
}

/// Up to when the database knows of objects: when the newest row came to be that may name one. None where
/// there is no such row.
pub(crate) async fn known_until(db: &impl Sql) -> Result<Option<DateTime<Utc>>> {
    let mut newest = None;
    for (table, at, key) in MADE {
        let sql = format!("SELECT {at} AS at FROM {table} ORDER BY {key} DESC LIMIT 1");
        let made: Option<Made> = db.one(&sql, vec![]).await?;
        newest = newest.max(made.map(|made| made.at));
    }
    Ok(newest)
}

#[derive(FromQueryResult)]
struct Named {
    key: String,
}

/// The next `most` keys behind `after` of one of [`NAMES`], in their order.
pub(crate) async fn behind(db: &impl Sql, place: usize, after: &str, most: u64) -> Result<Vec<String>> {
    let Some((table, key)) = NAMES.get(place) else {
        return Ok(Vec::new());
    };
    let sql = format!(
        "SELECT DISTINCT {key} AS key FROM {table} WHERE {key} IS NOT NULL AND {key} > $1 ORDER BY {key} LIMIT {most}"
    );
    let found: Vec<Named> = db.all(&sql, vec![after.into()]).await?;
    Ok(found.into_iter().map(|named| named.key).collect())
}

/// Those of these keys that a row names.
pub(crate) async fn among(db: &impl Sql, keys: &[String]) -> Result<HashSet<String>> {
    if keys.is_empty() {
        return Ok(HashSet::new());
    }
    let mut values = Values::default();
    let parts: Vec<String> = NAMES
        .iter()
        .map(|(table, key)| {
            let list = values.list(keys.iter().cloned());
            format!("SELECT {key} AS key FROM {table} WHERE {key} IN {list}")
        })
        .collect();
    let found: Vec<Named> = db.all(&parts.join(" UNION "), values.done()).await?;
    Ok(found.into_iter().map(|named| named.key).collect())
}

/// Has no row name these any more.
pub(crate) async fn forget(db: &impl Sql, keys: &[String]) -> Result<()> {
    for (table, key) in NAMES {
        let mut values = Values::default();
        let list = values.list(keys.iter().cloned());
        let sql = format!("UPDATE {table} SET {key} = NULL WHERE {key} IN {list}");
        db.run(&sql, values.done()).await?;
    }
    Ok(())
}
