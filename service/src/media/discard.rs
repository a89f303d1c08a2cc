//! Objects that no row names any more. They are noted in the transaction that let them go, and
//! removed behind it: a process that ends in between leaves a note, not a face.

use std::collections::BTreeSet;

use sea_orm::{FromQueryResult, Value};

use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::housekeeping::{PIECE, Turn};
use crate::{Service, Tx};

/// Rows of one statement.
const AT_ONCE: usize = 500;

/// Several rows may have named one object: an enrolled photo has a template for every embedder, and
/// one crop. And one that is let go by somebody else meanwhile is let go once.
pub(crate) async fn discard(tx: &Tx<'_>, keys: impl Iterator<Item = String>) -> Result<()> {
    let keys: BTreeSet<String> = keys.collect();
    let mut keys = keys.into_iter().peekable();
    while keys.peek().is_some() {
        let mut values = Values::default();
        let now = values.push(tx.service.now());
        let some = keys.by_ref().take(AT_ONCE);
        let rows: Vec<String> = some.map(|key| format!("({}, {now})", values.push(key))).collect();
        let sql = format!(
            "INSERT INTO discarded (media_key, created_at) VALUES {} ON CONFLICT (media_key) DO NOTHING",
            rows.join(", ")
        );
        tx.run(&sql, values.done()).await?;
    }
    Ok(())
}

#[derive(FromQueryResult)]
struct Named {
    key: String,
}

/// Discards what the rows of these tables name, each with its column, for which `which` holds. The rows are locked
/// before anything is noted, as retention locks them: whoever notes a key first and then waits for its row has the
/// other wait for the note.
pub(crate) async fn discard_of(tx: &Tx<'_>, tables: &[(&str, &str)], which: &str, values: &[Value]) -> Result<()> {
    let lock = if tx.service.db.is_postgres() { " FOR UPDATE" } else { "" };
    let mut keys = Vec::new();
    for (table, key) in tables {
        let sql = format!("SELECT {key} AS key FROM {table} WHERE {key} IS NOT NULL AND {which}{lock}");
        let named: Vec<Named> = tx.all(&sql, values.to_vec()).await?;
        keys.extend(named.into_iter().map(|row| row.key));
    }
    discard(tx, keys.into_iter()).await
}

/// Lets go of objects that were stored for rows which never came to be.
pub(crate) async fn abandon(service: &Service, keys: &[String]) {
    for (done, key) in keys.iter().enumerate() {
        // A store that is away is not asked for each of them.
        if service.media.remove(key).await.is_err() {
            if let Err(error) = note(service, keys[done..].to_vec()).await {
                tracing::warn!(%error, "objects that nobody names stay in the media store");
            }
            return;
        }
    }
}

async fn note(service: &Service, keys: Vec<String>) -> Result<()> {
    let tx = service.begin().await?;
    discard(&tx, keys.into_iter()).await?;
    tx.commit().await
}

#[derive(FromQueryResult)]
struct Discarded {
    media_key: String,
}

/// Removes what was discarded; several may be at it. Answers how many objects went. One that the
/// store does not give up keeps no other.
pub(crate) async fn remove_discarded(service: &Service, turn: Option<&Turn<'_>>) -> Result<u64> {
    let (mut removed, mut after) = (0, String::new());
    let mut failed: Option<Error> = None;
    loop {
        let noted: Vec<Discarded> = service
            .db
            .reader()
            .all(
                &format!("SELECT media_key FROM discarded WHERE media_key > $1 ORDER BY media_key LIMIT {PIECE}"),
                vec![after.into()],
            )
            .await?;
        let Some(end) = noted.last() else {
            return failed.map_or(Ok(removed), Err);
        };
        after = end.media_key.clone();
        let mut gone = Vec::with_capacity(noted.len());
        for object in noted {
            match service.media.remove(&object.media_key).await {
                Ok(()) => gone.push(object.media_key),
                Err(error) if !service.media.probe().await => return Err(error),
                Err(error) => failed = Some(error),
            }
        }
        removed += gone.len() as u64;
        let mut values = Values::default();
        let list = values.list(gone);
        let sql = format!("DELETE FROM discarded WHERE media_key IN {list}");
        service.db.writer().run(&sql, values.done()).await?;
        if let Some(turn) = turn {
            turn.goes_on().await?;
        }
    }
}
