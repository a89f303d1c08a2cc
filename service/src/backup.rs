//! What a backup is made of: a copy of the database as it was at one instant, and the objects of the
//! media store that its rows name.
//!
//! The objects are copied after the database, and the two agree for three reasons. An object is
//! stored, and synced, before the transaction whose row names it: whatever the copy names was there
//! when it was made. An object never changes under its key. And an object goes only after its row let
//! go of it: one that is found gone meanwhile, and that no row of the database in use names any more,
//! was let go by retention or by an erasure, and so the copy lets go of it as well. What was stored
//! for rows that came after the copy isn't asked for.

use std::collections::VecDeque;
use std::path::Path;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use sea_orm::ConnectionTrait;

use crate::db::{Db, Sql};
use crate::error::{Error, Result};
use crate::media::{self, Store, named};

/// Keys that are looked for together.
const PAGE: u64 = 100;
/// Objects that are fetched at once, and so in memory together: each may be as large as a photo or a report gets.
const AT_ONCE: usize = 4;

/// Writes the database as it is now, whole and without gaps, into a file that isn't there or empty. For
/// `SQLite`; others may write meanwhile.
pub async fn copy_database(db: &Db, file: &Path) -> Result<()> {
    let file = file
        .to_str()
        .ok_or_else(|| Error::invalid("file", "the name of the file is not UTF-8 text"))?;
    let statement = db.reader().statement("VACUUM INTO $1", vec![file.into()]);
    db.reader().execute_raw(statement).await?;
    Ok(())
}

/// Whether a copy is whole: `SQLite`'s own check of every page, and of every reference.
pub async fn is_sound(copy: &Db) -> Result<bool> {
    let said = copy
        .reader()
        .query_all_raw(copy.reader().statement("PRAGMA integrity_check", vec![]))
        .await?;
    let whole = said.len() == 1 && said[0].try_get_by_index::<String>(0).is_ok_and(|word| word == "ok");
    let dangling = copy
        .reader()
        .query_all_raw(copy.reader().statement("PRAGMA foreign_key_check", vec![]))
        .await?;
    Ok(whole && dangling.is_empty())
}

/// An object, or none where the store doesn't have it.
type Fetched = (String, Option<Bytes>);

/// The objects that the rows of a copy name, a few at a time.
#[derive(Debug)]
pub struct Objects<'a> {
    /// The copy.
    pub copy: &'a Db,
    /// The database that it was made of.
    pub live: &'a Db,
    pub media: &'a Store,
    place: usize,
    after: String,
    /// Keys that were read and not fetched.
    ahead: VecDeque<String>,
}

/// Some of them.
#[derive(Debug, Default)]
pub struct Page {
    pub objects: Vec<(String, Bytes)>,
    /// Let go by the database in use since the copy was made; the copy's rows name them no more.
    pub let_go: usize,
    /// Named by the database in use, and not in the store.
    pub missing: Vec<String>,
}

impl<'a> Objects<'a> {
    pub fn new(copy: &'a Db, live: &'a Db, media: &'a Store) -> Self {
        Self {
            copy,
            live,
            media,
            place: 0,
            after: String::new(),
            ahead: VecDeque::new(),
        }
    }

    /// The next few keys; none behind the last.
    async fn keys(&mut self) -> Result<Vec<String>> {
        while self.ahead.is_empty() && self.place < media::NAMES.len() {
            let keys = named::behind(self.copy.reader(), self.place, &self.after, PAGE).await?;
            if let Some(last) = keys.last() {
                self.after.clone_from(last);
            } else {
                (self.place, self.after) = (self.place + 1, String::new());
            }
            self.ahead.extend(keys);
        }
        let few = self.ahead.len().min(AT_ONCE);
        Ok(self.ahead.drain(..few).collect())
    }

    /// None behind the last.
    pub async fn next(&mut self) -> Result<Option<Page>> {
        let keys = self.keys().await?;
        if keys.is_empty() {
            return Ok(None);
        }
        let media = self.media;
        let fetched: Vec<Fetched> = stream::iter(keys)
            .map(|key| async move {
                match media.get(&key).await {
                    Ok(bytes) => Ok((key, Some(bytes))),
                    Err(Error::NotFound(_)) => Ok((key, None)),
                    Err(error) => Err(error),
                }
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut page = Page::default();
        let mut gone = Vec::new();
        for (key, bytes) in fetched {
            match bytes {
                Some(bytes) => page.objects.push((key, bytes)),
                None => gone.push(key),
            }
        }
        let named = named::among(self.live.reader(), &gone).await?;
        (page.missing, gone) = gone.into_iter().partition(|key| named.contains(key));
        named::forget(self.copy.writer(), &gone).await?;
        page.let_go = gone.len();
        Ok(Some(page))
    }
}
