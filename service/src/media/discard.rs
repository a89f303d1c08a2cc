//! Objects that no row names any more. They are noted in the transaction that let them go, and
//! removed behind it: a process that ends in between leaves a note, not a face.

use sea_orm::FromQueryResult;

use crate::db::{Sql, Values};
use crate::error::Result;
use crate::{Service, Tx};

/// Objects that one round takes.
const ROUND: usize = 500;

pub(crate) async fn discard(tx: &Tx<'_>, keys: impl Iterator<Item = String>) -> Result<()> {
    let created_at = tx.service.now();
    let rows = keys.map(|media_key| entity::discarded::Model { media_key, created_at });
    tx.insert(rows.collect()).await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Discarded {
    media_key: String,
}

/// Removes what was discarded; several may be at it. Answers how many objects went.
pub async fn remove_discarded(service: &Service) -> Result<usize> {
    let mut removed = 0;
    loop {
        let noted: Vec<Discarded> = service
            .db
            .reader()
            .all(
                &format!("SELECT media_key FROM discarded ORDER BY media_key LIMIT {ROUND}"),
                vec![],
            )
            .await?;
        if noted.is_empty() {
            return Ok(removed);
        }
        for object in &noted {
            service.media.remove(&object.media_key).await?;
        }
        removed += noted.len();
        let mut values = Values::default();
        let list = values.list(noted.into_iter().map(|object| object.media_key));
        let sql = format!("DELETE FROM discarded WHERE media_key IN {list}");
        service.db.writer().run(&sql, values.done()).await?;
    }
}
