//! How often somebody may do what costs us or guesses at secrets: by account and by address.
//!
//! A [`Rule`] names what is counted, [`Rates`] how much of it is allowed, a [`Limiter`] keeps the
//! counts: in this process, or in Redis for all processes. Who is counted leaves this module only
//! as a keyed hash.

mod attempt;
mod gcra;
mod limiter;
mod memory;
mod origin;
mod redis;
mod rules;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub(crate) use self::attempt::Turns;
pub use self::attempt::{Attempt, attempt};
pub use self::gcra::Limit;
pub use self::limiter::{Ask, Deed, Limiter, Subject};
pub use self::memory::MemoryLimiter;
pub use self::origin::Origin;
pub use self::redis::RedisLimiter;
pub use self::rules::{Rates, Rule};

use crate::Service;
use crate::error::{Error, Result};
use crate::keys::{KeyRing, Purpose};
use crate::scope::Viewer;

/// Counts one more of each; `RATE_LIMITED` where one of them is too many, and then none is counted.
///
/// What is asked for is whoever the rule counts: an [`Origin`] or a person as text, an address of
/// mail. Case and blanks around it make no other of it.
///
/// Where only failures shall count, as wrong passwords do, it is [`attempt`] that asks.
pub async fn admit(service: &Service, asks: &[(Rule, String)]) -> Result<()> {
    refused(apply(service, Deed::Admit, asks).await)
}

/// Whether [`admit`] would let these through; counts nothing.
pub async fn check(service: &Service, asks: &[(Rule, String)]) -> Result<()> {
    refused(apply(service, Deed::Check, asks).await)
}

/// After how many seconds [`admit`] would let these through: 0 where it would now. For answers that
/// tell when to come again.
pub async fn wait_seconds(service: &Service, asks: &[(Rule, String)]) -> u64 {
    seconds(apply(service, Deed::Check, asks).await)
}

/// Counts one more of each, whether or not there is room for it.
pub async fn count(service: &Service, asks: &[(Rule, String)]) {
    apply(service, Deed::Count, asks).await;
}

/// Takes back one of each that [`admit`] counted.
pub async fn forgive(service: &Service, asks: &[(Rule, String)]) {
    apply(service, Deed::Forgive, asks).await;
}

/// Lets one upload in, before a byte of it is read.
pub async fn admit_upload(service: &Service, viewer: &Viewer, origin: Origin) -> Result<()> {
    let asks = [
        (Rule::UploadByAccount, viewer.person.0.to_string()),
        (Rule::UploadByOrigin, origin.to_string()),
    ];
    admit(service, &asks).await
}

async fn apply(service: &Service, deed: Deed, asks: &[(Rule, String)]) -> Duration {
    let asks = limited(&service.rates, &service.keys, asks);
    if asks.is_empty() {
        return Duration::ZERO;
    }
    service.limiter.apply(deed, service.now(), &asks).await
}

/// What is to be asked of the limiter.
fn limited(rates: &Rates, keys: &KeyRing, asks: &[(Rule, String)]) -> Vec<Ask> {
    asks.iter()
        .flat_map(|(rule, who)| {
            let subject = subject(keys, who);
            let limits = rates.of(*rule).into_iter();
            limits.map(move |(bucket, limit)| Ask { bucket, subject, limit })
        })
        .filter(|ask| !ask.limit.is_unlimited())
        .collect()
}

/// Half of an HMAC: enough to tell everybody apart, and nobody is read back from it.
fn subject(keys: &KeyRing, who: &str) -> Subject {
    let who = who.trim().to_lowercase();
    let tag = keys.sign(Purpose::Limits, who.as_bytes());
    std::array::from_fn(|at| tag[at])
}

/// Rounded up: who comes after so many whole seconds is let in.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

fn refused(wait: Duration) -> Result<()> {
    match seconds(wait) {
        0 => Ok(()),
        retry_after_seconds => Err(Error::RateLimited { retry_after_seconds }),
    }
}
