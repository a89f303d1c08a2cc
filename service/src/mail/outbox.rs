//! What waits to be sent: a row for each mail, written in the transaction of its reason, with all
//! that it says sealed.

use std::time::{Duration, SystemTime};

use chrono::DateTime;

use super::{Letter, Mailer};
use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::events::Topic;
use crate::keys::{KeyRing, Purpose};
use crate::scope::Scope;
use crate::{Service, Tx};

/// The keyed hashes of an address: one for each key of the ring, the current one's first.
pub(super) fn address_hashes(keys: &KeyRing, address: &str) -> Vec<[u8; 32]> {
    keys.signatures(Purpose::Address, address.trim().to_lowercase().as_bytes())
}

/// What a mail's file is found by.
pub(super) fn file_mark(hash: &[u8]) -> String {
    use std::fmt::Write as _;
    hash.iter().take(16).fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Puts a mail into the queue in the transaction of its reason: it is sent once that is committed,
/// however long the mail server is away.
pub(crate) async fn post(tx: &mut Tx<'_>, letter: Letter) -> Result<()> {
    post_all(tx, vec![letter]).await
}

/// The same of many.
pub(crate) async fn post_all(tx: &mut Tx<'_>, letters: Vec<Letter>) -> Result<()> {
    let service = tx.service;
    let mut rows = Vec::with_capacity(letters.len());
    for letter in letters {
        let id = service.new_id();
        let plain = serde_json::to_vec(&letter)?;
        let sealed = service
            .keys
            .seal_as(Purpose::Mail, &*service.entropy, id.as_bytes(), &plain)
            .map_err(Error::internal)?;
        let hash = address_hashes(&service.keys, &letter.to).swap_remove(0);
        rows.push(entity::mail::Model {
            id,
            address_hash: hash.to_vec(),
            sealed,
            attempts: 0,
            // Since ever: no difference between two machines' clocks makes it wait.
            available_at: DateTime::UNIX_EPOCH,
            lease_until: None,
            created_at: service.now(),
        });
    }
    tx.insert(rows).await?;
    tx.announce(Topic::Mail);
    Ok(())
}

/// Queues a mail that has no change for its reason; for Muster itself.
pub async fn send(service: &Service, scope: &Scope, letter: Letter) -> Result<()> {
    let Scope::System(_) = scope else {
        return Err(Error::Forbidden);
    };
    let mut tx = service.begin().await?;
    post(&mut tx, letter).await?;
    tx.commit().await
}

/// Withdraws what waits for an address.
pub(crate) async fn forget(tx: &Tx<'_>, address: &str) -> Result<()> {
    let mut values = Values::default();
    let hashes = address_hashes(&tx.service.keys, address);
    let list = values.list(hashes.iter().map(|hash| hash.to_vec()));
    tx.run(&format!("DELETE FROM mail WHERE address_hash IN {list}"), values.done())
        .await?;
    Ok(())
}

/// Removes the `.eml` files of mails that were written a month ago.
pub(super) async fn sweep(service: &Service) {
    const KEPT: Duration = Duration::from_hours(30 * 24);
    let Mailer::Folder { folder, .. } = &service.mailer else {
        return;
    };
    let Ok(mut files) = tokio::fs::read_dir(folder).await else {
        return;
    };
    let now = SystemTime::from(service.now());
    while let Ok(Some(file)) = files.next_entry().await {
        let written = file.metadata().await.and_then(|data| data.modified());
        let is_mail = file.path().extension().is_some_and(|end| end == "eml");
        let old = written.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age > KEPT));
        if is_mail
            && old
            && let Err(error) = tokio::fs::remove_file(file.path()).await
        {
            tracing::warn!(%error, "an old mail could not be removed");
        }
    }
}

/// Removes the `.eml` files of mails that went to an address. What an SMTP server took is its
/// recipient's.
pub async fn erase_delivered(service: &Service, address: &str) {
    let Mailer::Folder { folder, .. } = &service.mailer else {
        return;
    };
    let ends: Vec<String> = address_hashes(&service.keys, address)
        .iter()
        .map(|hash| format!(".{}.eml", file_mark(hash)))
        .collect();
    let Ok(mut files) = tokio::fs::read_dir(folder).await else {
        return;
    };
    while let Ok(Some(file)) = files.next_entry().await {
        let name = file.file_name();
        if ends.iter().any(|end| name.to_string_lossy().ends_with(end))
            && let Err(error) = tokio::fs::remove_file(file.path()).await
        {
            tracing::warn!(%error, "a delivered mail could not be removed");
        }
    }
}
