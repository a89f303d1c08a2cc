//! Whoever takes the waiting mail to the server: each mail under a lease, again and again until it
//! is taken. A process that ends between the server's answer and the row's end sends a mail twice,
//! under the same Message-ID; nothing else does.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::Letter;
use super::outbox::{file_mark, sweep};
use super::transport::Sent;
use crate::Service;
use crate::clock::Entropy;
use crate::db::{Scalar, Sql, Values};
use crate::error::Result;
use crate::keys::Purpose;
use crate::queue::claims::{later, now};

/// Longer than a mail server may take over all of its answers.
const LEASE: Duration = Duration::from_mins(3);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
const GIVES_UP: TimeDelta = TimeDelta::days(3);
/// Between two looks for files of mails that are old. No chore of one for all: each process has its own folder.
const SWEEPS: TimeDelta = TimeDelta::hours(1);

#[derive(Debug)]
pub struct Courier {
    service: Service,
    /// Sent, and not yet known to be gone from the queue.
    sent: HashSet<Uuid>,
    swept_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct Waiting {
    id: Uuid,
    address_hash: Vec<u8>,
    sealed: Vec<u8>,
    attempts: i32,
    created_at: DateTime<Utc>,
}

/// Doubling, with up to a quarter more by chance: mails that failed together come back apart.
fn pause(entropy: &dyn Entropy, attempts: i32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << attempts.clamp(1, 16).saturating_sub(1));
    let mut byte = [0];
    entropy.fill(&mut byte);
    doubled.min(LONGEST_PAUSE).mul_f64(1.0 + f64::from(byte[0]) / 1024.0)
}

impl Courier {
    pub fn new(service: Service) -> Self {
        Self {
            service,
            sent: HashSet::new(),
            swept_at: DateTime::UNIX_EPOCH,
        }
    }

    /// Takes what is due, until nothing is or `stop` says so; answers how many mails went out.
    pub async fn round(&mut self, stop: impl Fn() -> bool) -> Result<usize> {
        if self.service.now() - self.swept_at >= SWEEPS {
            self.swept_at = self.service.now();
            sweep(&self.service).await;
        }
        let mut gone = 0;
        for id in self.sent.clone() {
            self.finish(id).await?;
        }
        while !stop() && self.is_due().await? {
            let Some(mail) = self.claim().await? else { break };
            gone += usize::from(self.take(mail).await?);
        }
        Ok(gone)
    }

    /// Looked at first, for nothing is written where nothing waits.
    async fn is_due(&self) -> Result<bool> {
        let mut values = Values::default();
        let now = now(&self.service, &mut values);
        let sql = format!(
            "SELECT COUNT(*) AS value FROM (SELECT 1 FROM mail WHERE {} LIMIT 1) m",
            due(&now)
        );
        let found: Option<Scalar> = self.service.db.reader().one(&sql, values.done()).await?;
        Ok(found.is_some_and(|f| f.value > 0))
    }

    async fn claim(&self) -> Result<Option<Waiting>> {
        let mut values = Values::default();
        let now = now(&self.service, &mut values);
        let until = later(&self.service, &mut values, LEASE);
        let skip = if self.service.db.is_postgres() {
            " FOR UPDATE SKIP LOCKED"
        } else {
            ""
        };
        let due = due(&now);
        let sql = format!(
            "UPDATE mail SET attempts = attempts + 1, lease_until = {until} WHERE id = (SELECT id FROM mail \
             WHERE {due} ORDER BY available_at, created_at LIMIT 1{skip}) AND {due} \
             RETURNING id, address_hash, sealed, attempts, created_at"
        );
        self.service.db.writer().one(&sql, values.done()).await
    }

    /// Whether it went out.
    async fn take(&mut self, mail: Waiting) -> Result<bool> {
        let service = &self.service;
        let opened = service
            .keys
            .open_as(Purpose::Mail, mail.id.as_bytes(), &mail.sealed)
            .ok()
            .and_then(|plain| serde_json::from_slice::<Letter>(&plain).ok());
        let sent = match opened {
            Some(letter) => {
                let mark = file_mark(&mail.address_hash);
                service.mailer.send(mail.id, &mark, &letter, service.now().into()).await
            }
            None => Sent::NotNow("the key that sealed it is missing".into()),
        };
        match sent {
            Sent::Yes => {
                self.sent.insert(mail.id);
                if !self.finish(mail.id).await? {
                    // Its addressee was erased while it was on its way.
                    self.service
                        .mailer
                        .take_back(mail.id, &file_mark(&mail.address_hash))
                        .await;
                }
                Ok(true)
            }
            Sent::Refused(code) => {
                tracing::warn!(mail = %mail.id, code, "the mail server knows no such recipient; the mail is dropped");
                self.finish(mail.id).await?;
                Ok(false)
            }
            Sent::NotNow(reason) if mail.created_at < service.now() - GIVES_UP => {
                tracing::error!(mail = %mail.id, reason, "a mail could not be sent for three days and is dropped");
                self.finish(mail.id).await?;
                Ok(false)
            }
            Sent::NotNow(reason) => {
                tracing::warn!(mail = %mail.id, attempts = mail.attempts, reason, "a mail waits");
                let mut values = Values::default();
                let due = later(service, &mut values, pause(&*service.entropy, mail.attempts));
                let id = values.push(mail.id);
                let sql = format!("UPDATE mail SET lease_until = NULL, available_at = {due} WHERE id = {id}");
                service.db.writer().run(&sql, values.done()).await?;
                Ok(false)
            }
        }
    }

    /// Whether it was still in the queue.
    async fn finish(&mut self, id: Uuid) -> Result<bool> {
        let delete = "DELETE FROM mail WHERE id = $1";
        let gone = self.service.db.writer().run(delete, vec![id.into()]).await?;
        self.sent.remove(&id);
        Ok(gone > 0)
    }
}

fn due(now: &str) -> String {
    format!("(available_at <= {now} AND (lease_until IS NULL OR lease_until < {now}))")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemEntropy;

    #[test]
    fn pauses_double_up_to_five_minutes() {
        for (attempts, least) in [(1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (40, 300), (i32::MAX, 300)] {
            let pause = pause(&SystemEntropy, attempts).as_secs_f64();
            let least = f64::from(least);
            assert!((least..=least * 1.25).contains(&pause), "{attempts}: {pause}");
        }
    }
}
