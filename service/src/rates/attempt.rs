//! Attempts at a secret, of which only the wrong ones count.
//!
//! Whether one is wrong is known after the secret was looked at, and looking takes a while: if it
//! were counted only then, everything that asks at the same time would come through. So each is
//! counted before, and a right one gets it back. That in turn would refuse somebody whose many
//! devices log in at once and rightly; so attempts at one account come in turns, a few at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limiter::Subject;
use super::{Rule, admit, forgive, subject};
use crate::Service;
use crate::error::{Error, Result};

/// Attempts at one account that are looked at together in one process. With five processes still
/// no more than the limit of [`Rule::LoginByAccount`].
const TOGETHER: usize = 2;

/// Counts one more of each, as [`admit`](super::admit) does; the answer is to be told if the
/// attempt was right. Waits while others are at the same account.
///
/// ```ignore
/// let attempt = rates::attempt(service, &[(Rule::LoginByOrigin, origin), (Rule::LoginByAccount, email)]).await?;
/// // look at the password; return WrongCredentials where it is wrong
/// attempt.right().await;
/// ```
pub async fn attempt<'s>(service: &'s Service, asks: &[(Rule, String)]) -> Result<Attempt<'s>> {
    let failures: Vec<_> = asks
        .iter()
        .filter(|(rule, _)| rule.counts_failures())
        .cloned()
        .collect();
    let turn = match failures.first() {
        Some((_, who)) => Some(service.turns().take(subject(&service.keys, who)).await?),
        None => None,
    };
    admit(service, asks).await?;
    Ok(Attempt {
        service,
        failures,
        _turn: turn,
    })
}

/// An attempt that is being looked at. Dropped it was wrong.
#[derive(Debug)]
#[must_use = "an attempt that nobody calls right was wrong"]
pub struct Attempt<'s> {
    service: &'s Service,
    failures: Vec<(Rule, String)>,
    _turn: Option<Turn>,
}

impl Attempt<'_> {
    /// Takes back what counts failures alone. Also for an attempt that came to no end, since the
    /// database was away: nothing was learnt by it.
    pub async fn right(self) {
        forgive(self.service, &self.failures).await;
    }
}

type Waiting = Arc<Mutex<HashMap<Subject, Arc<Semaphore>>>>;

/// Who is at which account now.
#[derive(Debug, Default)]
pub(crate) struct Turns(Waiting);

impl Turns {
    async fn take(&self, subject: Subject) -> Result<Turn> {
        let semaphore = {
            let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = waiting.entry(subject);
            Arc::clone(entry.or_insert_with(|| Arc::new(Semaphore::new(TOGETHER))))
        };
        // Before the wait: who gives it up cleans up too.
        let mut turn = Turn {
            waiting: Arc::clone(&self.0),
            subject,
            semaphore,
            permit: None,
        };
        let permit = Arc::clone(&turn.semaphore).acquire_owned().await;
        turn.permit = Some(permit.map_err(Error::internal)?);
        Ok(turn)
    }
}

#[derive(Debug)]
struct Turn {
    waiting: Waiting,
    subject: Subject,
    semaphore: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.permit = None;
        // The map's and ours: nobody else has it, and under the lock nobody gets it.
        if Arc::strong_count(&self.semaphore) == 2 {
            waiting.remove(&self.subject);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_few_at_a_time_and_nothing_stays() {
        let turns = Turns::default();
        let (one, other) = ([1; 16], [2; 16]);
        let first = turns.take(one).await.unwrap();
        let second = turns.take(one).await.unwrap();
        assert!(timeout(SOON, turns.take(one)).await.is_err());
        let third = turns.take(other).await.unwrap();
        drop(first);
        let fourth = timeout(SOON, turns.take(one)).await.unwrap().unwrap();
        drop((second, third, fourth));
        assert!(turns.0.lock().unwrap().is_empty());
    }
}
