//! Objects that no row names any more. They are noted in the transaction that let them go, and
//! removed behind it: a process that ends in between leaves a note, not a face.

use std::collections::BTreeSet;

use sea_orm::FromQueryResult;

use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::{Service, Tx};

/// Objects that one round takes.
const ROUND: usize = 500;

/// Several rows may have named one object: an enrolled photo has a template for every embedder, and
/// one crop.
pub(crate) async fn discard(tx: &Tx<'_>, keys: impl Iterator<Item = String>) -> Result<()> {
    let created_at = tx.service.now();
    let keys: BTreeSet<String> = keys.collect();
    let rows = keys
        .into_iter()
        .map(|media_key| entity::discarded::Model { media_key, created_at });
    tx.insert(rows.collect()).await?;
    Ok(())
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
pub async fn remove_discarded(service: &Service) -> Result<usize> {
    let (mut removed, mut after) = (0, String::new());
    let mut failed: Option<Error> = None;
    loop {
        let noted: Vec<Discarded> = service
            .db
            .reader()
            .all(
                &format!("SELECT media_key FROM discarded WHERE media_key > $1 ORDER BY media_key LIMIT {ROUND}"),
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
        removed += gone.len();
        let mut values = Values::default();
        let list = values.list(gone);
        let sql = format!("DELETE FROM discarded WHERE media_key IN {list}");
        service.db.writer().run(&sql, values.done()).await?;
    }
}
