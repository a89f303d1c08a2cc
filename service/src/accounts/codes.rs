//! Codes: six digits that are mailed to show that an address is somebody's. Of each purpose an
//! address has one at a time, for five minutes and five tries, and a minute passes between mails.
//! An address that is known and one that is not are answered alike, after the same work: what is
//! the matter is told in the mail.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::FromQueryResult;

use super::{letters, tokens};
use crate::clock::Entropy;
use crate::db::{Scalar, Sql, Values};
use crate::error::{Error, Result};
use crate::housekeeping::Turn;
use crate::keys::fingerprint;
use crate::mail;
use crate::rates::{self, Origin, Rule};
use crate::{Service, Tx, keys, text};

const LASTS: TimeDelta = TimeDelta::minutes(5);
const PAUSE: TimeDelta = TimeDelta::minutes(1);
const TRIES: i32 = 5;
/// For the form that is filled in once an address is shown to be somebody's.
const VERIFIED_LASTS: TimeDelta = TimeDelta::minutes(30);

/// What a code is good for; a code of one purpose is none of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Email,
    Reset,
    /// A token of ours that stands for a code which was right.
    Verified,
}

impl Purpose {
    const fn word(self) -> &'static str {
        match self {
            Self::Email => "EMAIL",
            Self::Reset => "RESET",
            Self::Verified => "VERIFIED",
        }
    }
}

/// A mail is on its way; another may be asked for after a while.
#[derive(Clone, Copy, Debug)]
pub struct CodeSent {
    pub expires_at: DateTime<Utc>,
    pub retry_after_seconds: i64,
}

/// An address was shown to be somebody's.
#[derive(Clone)]
pub struct Verified {
    pub token: String,
    pub expires_at: DateTime<Utc>,
}

impl std::fmt::Debug for Verified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verified").finish_non_exhaustive()
    }
}

/// Under a key, so that who reads the table learns neither addresses nor codes: there are only a
/// million codes to try.
fn address_hash(service: &Service, email: &str) -> Vec<u8> {
    sign(service, &[b"address", email.as_bytes()])
}

fn code_hash(service: &Service, purpose: Purpose, email: &str, code: &str) -> Vec<u8> {
    let parts: [&[u8]; 4] = [b"code", purpose.word().as_bytes(), email.as_bytes(), code.as_bytes()];
    sign(service, &parts)
}

fn sign(service: &Service, parts: &[&[u8]]) -> Vec<u8> {
    let message = fingerprint(parts);
    service.keys.sign(keys::Purpose::Code, &message).to_vec()
}

/// Each of the million with the same chance: numbers beyond the last whole million are drawn again.
fn six_digits(entropy: &dyn Entropy) -> String {
    const CODES: u32 = 1_000_000;
    const FAIR: u32 = u32::MAX - u32::MAX % CODES;
    loop {
        let mut bytes = [0; 4];
        entropy.fill(&mut bytes);
        let number = u32::from_le_bytes(bytes);
        if number < FAIR {
            return format!("{:06}", number % CODES);
        }
    }
}

/// Mails a code with which the address can be registered or moved to.
pub async fn request_email_verification(service: &Service, origin: Origin, email: &str) -> Result<CodeSent> {
    send(service, origin, Purpose::Email, email).await
}

/// Mails a code with which the password can be set anew.
pub async fn request_password_reset(service: &Service, origin: Origin, email: &str) -> Result<CodeSent> {
    send(service, origin, Purpose::Reset, email).await
}

#[derive(FromQueryResult)]
struct Sent {
    sent_at: DateTime<Utc>,
}

async fn send(service: &Service, origin: Origin, purpose: Purpose, email: &str) -> Result<CodeSent> {
    let email = text::email("email", email)?;
    let address = address_hash(service, &email);
    let now = service.now();
    let last: Option<Sent> = service
        .db
        .reader()
        .one(
            "SELECT sent_at FROM code WHERE purpose = $1 AND address_hash = $2 AND sent_at > $3",
            vec![purpose.word().into(), address.clone().into(), (now - PAUSE).into()],
        )
        .await?;
    if let Some(last) = last {
        return Err(too_early(last.sent_at, now));
    }
    rates::admit(
        service,
        &[
            (Rule::CodeByOrigin, origin.to_string()),
            (Rule::CodeByAddress, format!("{} {email}", purpose.word())),
        ],
    )
    .await?;
    let code = six_digits(&*service.entropy);
    let expires_at = now + LASTS;
    let mut tx = service.begin().await?;
    let known: Option<Scalar> = tx
        .one(
            "SELECT COUNT(*) AS value FROM person WHERE login_email = $1",
            vec![email.clone().into()],
        )
        .await?;
    let known = known.is_some_and(|k| k.value > 0);
    let serves = known == (purpose == Purpose::Reset);
    // A code that was told to nobody: it is as hard to guess as any, and leads nowhere.
    let kept = if serves {
        code.clone()
    } else {
        BASE64.encode(tokens::new_secret(service))
    };
    let written = put(
        &tx,
        purpose,
        &address,
        code_hash(service, purpose, &email, &kept),
        expires_at,
    )
    .await?;
    if !written {
        return Err(too_early(now, now));
    }
    mail::post(&mut tx, letters::of_code(purpose, serves, email, code)).await?;
    tx.commit().await?;
    Ok(CodeSent {
        expires_at,
        retry_after_seconds: PAUSE.num_seconds(),
    })
}

fn too_early(sent_at: DateTime<Utc>, now: DateTime<Utc>) -> Error {
    let left = sent_at + PAUSE - now;
    // Rounded up: who comes after so many whole seconds is let in.
    let left = left.num_seconds() + i64::from(left.subsec_nanos() > 0);
    let left = left.clamp(1, PAUSE.num_seconds());
    Error::RateLimited {
        retry_after_seconds: left.unsigned_abs(),
    }
}

/// Writes the code of an address unless one was sent less than a pause ago.
async fn put(
    tx: &Tx<'_>,
    purpose: Purpose,
    address: &[u8],
    secret: Vec<u8>,
    expires_at: DateTime<Utc>,
) -> Result<bool> {
    let now = tx.service.now();
    // A token of ours replaces the one before, whatever another server's clock said of that.
    let pause = if purpose == Purpose::Verified {
        -TimeDelta::days(1)
    } else {
        PAUSE
    };
    let written = tx
        .run(
            "INSERT INTO code (purpose, address_hash, secret_hash, tries, sent_at, expires_at) \
             VALUES ($1, $2, $3, 0, $4, $5) ON CONFLICT (purpose, address_hash) DO UPDATE SET \
             secret_hash = excluded.secret_hash, tries = 0, sent_at = excluded.sent_at, \
             expires_at = excluded.expires_at WHERE code.sent_at <= $6",
            vec![
                purpose.word().into(),
                address.to_vec().into(),
                secret.into(),
                now.into(),
                expires_at.into(),
                (now - pause).into(),
            ],
        )
        .await?;
    Ok(written > 0)
}

#[derive(FromQueryResult)]
struct Kept {
    secret_hash: Vec<u8>,
}

/// Whether a code is right. Counts a try, also of those that come at the same time, and leaves the
/// code where it is: [`spend`] it with what it was asked for.
pub(super) async fn check(service: &Service, purpose: Purpose, email: &str, code: &str) -> Result<()> {
    let given = code_hash(service, purpose, email, code.trim());
    let tried: Option<Kept> = service
        .db
        .writer()
        .one(
            "UPDATE code SET tries = tries + 1 WHERE purpose = $1 AND address_hash = $2 AND expires_at > $3 \
             AND tries < $4 RETURNING secret_hash",
            vec![
                purpose.word().into(),
                address_hash(service, email).into(),
                service.now().into(),
                TRIES.into(),
            ],
        )
        .await?;
    // Both are outputs of a keyed hash: how long the comparison takes tells nothing of the code.
    match tried {
        Some(kept) if kept.secret_hash == given => Ok(()),
        _ => Err(wrong_code()),
    }
}

fn wrong_code() -> Error {
    Error::invalid(
        "code",
        "the code is wrong, was used, has run out or was tried too often; ask for a new one",
    )
}

/// Uses a code up, in the transaction of what it is good for.
pub(super) async fn spend(tx: &Tx<'_>, purpose: Purpose, email: &str, code: &str) -> Result<()> {
    let secret = code_hash(tx.service, purpose, email, code.trim());
    if take(tx, purpose, email, secret).await? {
        Ok(())
    } else {
        Err(wrong_code())
    }
}

async fn take(tx: &Tx<'_>, purpose: Purpose, email: &str, secret: Vec<u8>) -> Result<bool> {
    let taken = tx
        .run(
            "DELETE FROM code WHERE purpose = $1 AND address_hash = $2 AND secret_hash = $3 AND expires_at > $4",
            vec![
                purpose.word().into(),
                address_hash(tx.service, email).into(),
                secret.into(),
                tx.service.now().into(),
            ],
        )
        .await?;
    Ok(taken > 0)
}

/// Trades a right code for a token that stands for the address.
pub async fn confirm_email(service: &Service, origin: Origin, email: &str, code: &str) -> Result<Verified> {
    let email = text::email("email", email)?;
    rates::admit(service, &[(Rule::LoginByOrigin, origin.to_string())]).await?;
    check(service, Purpose::Email, &email, code).await?;
    let token = BASE64.encode(tokens::new_secret(service));
    let expires_at = service.now() + VERIFIED_LASTS;
    let tx = service.begin().await?;
    spend(&tx, Purpose::Email, &email, code).await?;
    let secret = code_hash(service, Purpose::Verified, &email, &token);
    put(
        &tx,
        Purpose::Verified,
        &address_hash(service, &email),
        secret,
        expires_at,
    )
    .await?;
    tx.commit().await?;
    Ok(Verified { token, expires_at })
}

fn unverified() -> Error {
    Error::invalid(
        "verificationToken",
        "this token does not show that the address is yours: it is of another address, was used or has run out",
    )
}

/// Whether a token stands for an address, before anything is made of it.
pub(super) async fn is_verified(service: &Service, email: &str, token: &str) -> Result<()> {
    let found: Option<Scalar> = service
        .db
        .reader()
        .one(
            "SELECT COUNT(*) AS value FROM code WHERE purpose = $1 AND address_hash = $2 AND secret_hash = $3 \
             AND expires_at > $4",
            vec![
                Purpose::Verified.word().into(),
                address_hash(service, email).into(),
                code_hash(service, Purpose::Verified, email, token).into(),
                service.now().into(),
            ],
        )
        .await?;
    if found.is_some_and(|f| f.value > 0) {
        Ok(())
    } else {
        Err(unverified())
    }
}

/// Uses the token of an address up, in the transaction of what it is good for.
pub(super) async fn spend_verified(tx: &Tx<'_>, email: &str, token: &str) -> Result<()> {
    let secret = code_hash(tx.service, Purpose::Verified, email, token);
    if take(tx, Purpose::Verified, email, secret).await? {
        Ok(())
    } else {
        Err(unverified())
    }
}

/// Removes codes that ran out an hour ago, and invitations that did a month ago; answers how many.
pub(crate) async fn clear_codes(service: &Service, turn: &Turn<'_>) -> Result<u64> {
    let now = service.now();
    let over = |since: TimeDelta| move |values: &mut Values| format!("expires_at < {}", values.push(now - since));
    Ok(turn
        .clear("code", "purpose, address_hash", over(TimeDelta::hours(1)))
        .await?
        + turn.clear("invitation", "person_id", over(TimeDelta::days(30))).await?)
}

/// Leaves nothing of what was mailed to these addresses.
pub(crate) async fn forget(tx: &Tx<'_>, emails: &[String]) -> Result<()> {
    let mut values = Values::default();
    // A code from before the secret was rotated is one as well.
    let hashes = emails.iter().flat_map(|email| {
        let message = fingerprint(&[b"address", email.as_bytes()]);
        tx.service.keys.signatures(keys::Purpose::Code, &message)
    });
    let list = values.list(hashes.map(|hash| hash.to_vec()));
    tx.run(&format!("DELETE FROM code WHERE address_hash IN {list}"), values.done())
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemEntropy;

    #[derive(Debug)]
    struct Numbers(std::sync::Mutex<Vec<u32>>);

    impl Entropy for Numbers {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.copy_from_slice(&self.0.lock().unwrap().remove(0).to_le_bytes());
        }
    }

    #[test]
    fn a_code_is_six_digits_and_fair() {
        for _ in 0..1000 {
            let code = six_digits(&SystemEntropy);
            assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()), "{code}");
        }
        // What lies beyond the last whole million would favour the low codes.
        let numbers = Numbers(vec![u32::MAX, 4_294_000_000, 7].into());
        assert_eq!(six_digits(&numbers), "000007");
    }
}
