//! Passwords: argon2id on blocking threads, on half of the cores at most, so that a rush of logins
//! leaves the other half to everybody else. What is no password is refused with the reason, never cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::Service;
use crate::error::{Error, Result};

const MIN_CHARACTERS: usize = 10;
const MAX_BYTES: usize = 128;
/// How long somebody waits for their turn to be hashed.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordCost {
    /// OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
    Recommended,
    /// For tests that log in a thousand times.
    Lowest,
}

impl PasswordCost {
    fn params(self) -> Result<Params> {
        let (memory_kib, passes) = match self {
            Self::Recommended => (19 * 1024, 2),
            Self::Lowest => (Params::MIN_M_COST, 1),
        };
        Params::new(memory_kib, passes, 1, None).map_err(internal)
    }

    fn argon2(self) -> Result<Argon2<'static>> {
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params()?))
    }
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::internal(error.to_string())
}

/// The right to hash, and how often it was used.
#[derive(Debug)]
pub(crate) struct Hashing {
    permits: Arc<Semaphore>,
    runs: AtomicU64,
}

impl Hashing {
    pub fn new(cores: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new((cores / 2).max(1))),
            runs: AtomicU64::new(0),
        }
    }

    /// Runs of argon2 so far.
    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }
}

async fn run<T: Send + 'static>(service: &Service, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let hashing = service.hashing();
    let permit = tokio::time::timeout(PATIENCE, hashing.permits.clone().acquire_owned()).await;
    let permit = permit
        .map_err(|_| Error::Unavailable("A free processor"))?
        .map_err(Error::internal)?;
    hashing.runs.fetch_add(1, Ordering::Relaxed);
    // The permit ends with the work, not with whoever waits for it.
    Ok(tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work()
    })
    .await?)
}

/// Whether this may be somebody's new password; guessing at it takes a while, so not on a thread
/// that others wait for. `about` holds what the person is known by: a password made of that is as
/// good as none.
pub(crate) async fn check(service: &Service, field: &'static str, password: &str, about: &[&str]) -> Result<()> {
    let password = password.to_owned();
    let about: Vec<String> = about.iter().map(ToString::to_string).collect();
    let weigh = move || {
        let about: Vec<&str> = about.iter().map(String::as_str).collect();
        weigh(field, &password, &about)
    };
    service.blocking(weigh).await?
}

fn weigh(field: &'static str, password: &str, about: &[&str]) -> Result<()> {
    let refuse = |problem: String| Err(Error::invalid(field, problem));
    if password.chars().count() < MIN_CHARACTERS {
        return refuse(format!("a password has at least {MIN_CHARACTERS} characters"));
    }
    if password.len() > MAX_BYTES {
        return refuse(format!("a password has at most {MAX_BYTES} bytes"));
    }
    // zxcvbn (Wheeler 2016): below 2 it falls within a million guesses, which is where the
    // commonest passwords, names, keyboard rows and repetitions are.
    if zxcvbn::zxcvbn(password, about).score() < zxcvbn::Score::Two {
        return refuse("this password is among the first that would be tried; take a longer or stranger one".into());
    }
    Ok(())
}

/// Hashes a password that was [checked](check).
pub(crate) async fn rehash(service: &Service, password: &str) -> Result<String> {
    let argon2 = service.password_cost.argon2()?;
    let mut salt = [0; 16];
    service.entropy.fill(&mut salt);
    let password = password.to_owned();
    run(service, move || {
        argon2
            .hash_password_with_salt(password.as_bytes(), &salt)
            .map(|hash| hash.to_string())
            .map_err(internal)
    })
    .await?
}

/// Checks and hashes a new password.
pub(crate) async fn hash(service: &Service, field: &'static str, password: &str, about: &[&str]) -> Result<String> {
    check(service, field, password, about).await?;
    rehash(service, password).await
}

/// Whether a hash was made with other parameters than are used now.
pub(crate) fn is_outdated(service: &Service, hash: &str) -> bool {
    let Ok(params) = service.password_cost.params() else {
        return false;
    };
    PasswordHash::new(hash)
        .ok()
        .and_then(|hash| Params::try_from(&hash).ok())
        .is_none_or(|used| {
            (used.m_cost(), used.t_cost(), used.p_cost()) != (params.m_cost(), params.t_cost(), params.p_cost())
        })
}

/// Without a hash the same work is done and the answer is no.
pub(crate) async fn verify(service: &Service, password: &str, hash: Option<String>) -> Result<bool> {
    let argon2 = service.password_cost.argon2()?;
    // Longer than any that was accepted: it cannot be right, and is not worth hashing.
    let password: Vec<u8> = password.bytes().take(MAX_BYTES + 1).collect();
    run(service, move || {
        let Some(hash) = hash else {
            argon2.hash_password_with_salt(&password, &[0; 16]).map_err(internal)?;
            return Ok(false);
        };
        let hash = PasswordHash::new(&hash).map_err(internal)?;
        Ok(argon2.verify_password(&password, &hash).is_ok())
    })
    .await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commonest_passwords_are_refused() {
        let about = ["ana.perez@example.org", "Ana Pérez"];
        for weak in [
            "short",
            "1234567890",
            "password123",
            "Password1234",
            "qwertyuiop",
            "qwertyuiop[]",
            "aaaaaaaaaaaa",
            "abcabcabcabc",
            "iloveyou123",
            "letmein123456",
            "0987654321",
            "ana.perez@example.org",
        ] {
            assert!(weigh("password", weak, &about).is_err(), "{weak}");
        }
        for good in [
            "correct horse battery",
            "Tür-87-Regenschirm",
            "vq9#Lm2!xTzz",
            "🦊🦊 läuft über die Brücke",
        ] {
            weigh("password", good, &about).unwrap();
        }
    }

    #[test]
    fn what_is_too_long_is_refused_and_not_cut() {
        let most = "vq9#Lm2!".repeat(16);
        assert_eq!(most.len(), MAX_BYTES);
        weigh("password", &most, &[]).unwrap();
        assert!(weigh("password", &format!("{most}x"), &[]).is_err());
        // Forty-three characters of three bytes each are one byte too many.
        assert!(weigh("password", &"€".repeat(43), &[]).is_err());
    }
}
