//! Store and database side by side, in both directions: objects that no row names, which go, and objects
//! that a row names and that are not there, which are told.

use std::future::ready;

use chrono::TimeDelta;
use futures_util::{StreamExt, TryStreamExt, stream};
use sea_orm::FromQueryResult;

use super::named::{self, NAMES};
use super::owner;
use crate::Service;
use crate::db::{Sql, Values};
use crate::error::Result;
use crate::housekeeping::{Occasion, PIECE, Turn};

/// An object is stored before the row that names it, and no request, no job takes so long in between.
const YOUNG: TimeDelta = TimeDelta::hours(1);
/// How many objects are asked for at once.
const AT_ONCE: usize = 16;
/// Keys that a run looks for when nobody asked for it: each is a request to the store.
const A_PART: u64 = 10_000;

/// Removes objects that no row names and that are no younger than an hour; answers how many. Of a store that is
/// another's it removes nothing, and of what came after the database's newest row neither: a dump that is tried out
/// beside the store it was made of knows nothing of that.
pub(crate) async fn remove_orphans(service: &Service, turn: &Turn<'_>) -> Result<u64> {
    let claim = owner::claim(&service.db, &service.media, service.entropy.as_ref());
    turn.beside(claim).await?;
    let Some(known) = named::known_until(service.db.reader()).await? else {
        return Ok(0);
    };
    let before = known.min(service.now()) - YOUNG;
    let mut removed = turn.beside(service.media.tidy(before)).await?;
    let old = service
        .media
        .list()
        .try_filter_map(move |object| ready(Ok((object.modified_at < before).then_some(object.key))))
        .try_chunks(usize::try_from(PIECE).unwrap_or(usize::MAX));
    let mut old = std::pin::pin!(old);
    // Few of very many may be old, and a piece of them long in coming.
    while let Some(keys) = turn
        .beside(async { old.next().await.transpose().map_err(|error| error.1) })
        .await?
    {
        let named = named::among(service.db.reader(), &keys).await?;
        let orphans: Vec<String> = keys.into_iter().filter(|key| !named.contains(key)).collect();
        let removing = stream::iter(orphans)
            .map(|key| async move { service.media.remove(&key).await })
            .buffer_unordered(AT_ONCE)
            .try_fold(0, |count, ()| ready(Ok(count + 1)));
        removed += turn.beside(removing).await?;
        turn.goes_on().await?;
    }
    Ok(removed)
}

#[derive(FromQueryResult)]
struct Missing {
    media_key: String,
}

#[derive(FromQueryResult)]
struct Count {
    value: i64,
}

/// Notes which objects are named by a row and not there; answers how many are known of. Nothing is changed
/// for it: a store that is mounted again has them again.
pub(crate) async fn look_for_missing(service: &Service, turn: &Turn<'_>) -> Result<u64> {
    look_again(service, turn).await?;
    let (mut place, mut after) = match (turn.occasion, &turn.place) {
        (Occasion::Due, Some(place)) => read_place(place),
        _ => (0, String::new()),
    };
    let mut looked = 0;
    while place < NAMES.len() && (turn.occasion == Occasion::Asked || looked < A_PART) {
        let keys = named::behind(service.db.reader(), place, &after, PIECE).await?;
        let Some(last) = keys.last().cloned() else {
            (place, after) = (place + 1, String::new());
            continue;
        };
        looked += keys.len() as u64;
        let gone = not_there(service, keys).await?;
        // A row that let its object go meanwhile names it no more.
        let named = named::among(service.db.writer(), &gone).await?;
        note(service, gone.into_iter().filter(|key| named.contains(key)).collect()).await?;
        after = last;
        turn.goes_on_at(Some(format!("{place} {after}"))).await?;
    }
    if place >= NAMES.len() {
        turn.goes_on_at(None).await?;
    }
    let sql = "SELECT COUNT(*) AS value FROM missing_media";
    let count: Option<Count> = service.db.reader().one(sql, vec![]).await?;
    Ok(count.map_or(0, |count| count.value.unsigned_abs()))
}

fn read_place(place: &str) -> (usize, String) {
    let (number, key) = place.split_once(' ').unwrap_or((place, ""));
    (number.parse().unwrap_or_default(), key.to_owned())
}

/// Those of these keys whose object is not there.
async fn not_there(service: &Service, keys: Vec<String>) -> Result<Vec<String>> {
    stream::iter(keys)
        .map(|key| async move { Ok((!service.media.holds(&key).await?).then_some(key)) })
        .buffer_unordered(AT_ONCE)
        .try_filter_map(|gone| ready(Ok(gone)))
        .try_collect()
        .await
}

/// Tells of those that nobody has told of.
async fn note(service: &Service, keys: Vec<String>) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut values = Values::default();
    let now = values.push(service.now());
    let rows: Vec<String> = keys
        .into_iter()
        .map(|key| format!("({}, {now})", values.push(key)))
        .collect();
    let sql = format!(
        "INSERT INTO missing_media (media_key, seen_at) VALUES {} ON CONFLICT (media_key) DO NOTHING \
         RETURNING media_key",
        rows.join(", ")
    );
    let noted: Vec<Missing> = service.db.writer().all(&sql, values.done()).await?;
    if let Some(first) = noted.first() {
        tracing::error!(
            objects = noted.len(),
            first = first.media_key,
            "rows name objects that the media store does not hold; bring them back from a backup"
        );
    }
    Ok(())
}

/// Forgets those that are there again, and those that no row names any more.
async fn look_again(service: &Service, turn: &Turn<'_>) -> Result<()> {
    let mut after = String::new();
    loop {
        let sql = format!("SELECT media_key FROM missing_media WHERE media_key > $1 ORDER BY media_key LIMIT {PIECE}");
        let known: Vec<Missing> = service.db.reader().all(&sql, vec![after.into()]).await?;
        let keys: Vec<String> = known.into_iter().map(|missing| missing.media_key).collect();
        let Some(last) = keys.last().cloned() else {
            return Ok(());
        };
        let mut settled = keys.clone();
        let gone = not_there(service, keys).await?;
        let named = named::among(service.db.reader(), &gone).await?;
        settled.retain(|key| !(gone.contains(key) && named.contains(key)));
        let mut values = Values::default();
        let these = values.list(settled);
        let sql = format!("DELETE FROM missing_media WHERE media_key IN {these}");
        service.db.writer().run(&sql, values.done()).await?;
        after = last;
        turn.goes_on().await?;
    }
}
