//! Passwords: argon2id, on blocking threads and no more at once than there are cores. What is
//! no password is refused with its length, never cut.

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::Service;
use crate::error::{Error, Result};

const MIN_CHARACTERS: usize = 10;
const MAX_BYTES: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordCost {
    /// OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
    Recommended,
    /// For tests that log in a thousand times.
    Lowest,
}

impl PasswordCost {
    fn argon2(self) -> Result<Argon2<'static>> {
        let (memory_kib, passes) = match self {
            Self::Recommended => (19 * 1024, 2),
            Self::Lowest => (Params::MIN_M_COST, 1),
        };
        let params = Params::new(memory_kib, passes, 1, None).map_err(internal)?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::internal(error.to_string())
}

pub(super) async fn hash(service: &Service, password: &str) -> Result<String> {
    if password.chars().count() < MIN_CHARACTERS {
        return Err(Error::invalid(
            "password",
            format!("a password has at least {MIN_CHARACTERS} characters"),
        ));
    }
    if password.len() > MAX_BYTES {
        return Err(Error::invalid(
            "password",
            format!("a password has at most {MAX_BYTES} bytes"),
        ));
    }
    let argon2 = service.password_cost.argon2()?;
    let mut salt = [0; 16];
    service.entropy.fill(&mut salt);
    let password = password.to_owned();
    service
        .blocking(move || {
            argon2
                .hash_password_with_salt(password.as_bytes(), &salt)
                .map(|hash| hash.to_string())
                .map_err(internal)
        })
        .await?
}

/// Without a hash the same work is done and the answer is no.
pub(super) async fn verify(service: &Service, password: &str, hash: Option<String>) -> Result<bool> {
    let argon2 = service.password_cost.argon2()?;
    // Longer than any that was accepted: it cannot be right, and is not worth hashing.
    let password: Vec<u8> = password.bytes().take(MAX_BYTES + 1).collect();
    service
        .blocking(move || {
            let Some(hash) = hash else {
                argon2.hash_password_with_salt(&password, &[0; 16]).map_err(internal)?;
                return Ok(false);
            };
            let hash = PasswordHash::new(&hash).map_err(internal)?;
            Ok(argon2.verify_password(&password, &hash).is_ok())
        })
        .await?
}
