//! The code on a classroom's screen, which shows that a student is there: it changes every 30
//! seconds, and nothing of it is stored.

use chrono::{DateTime, TimeDelta, Utc};

use super::Session;
use crate::Service;
use crate::id::SessionId;
use crate::keys::Purpose;
use crate::kinds::SessionState;
use crate::scope::Scope;

const STEP_SECONDS: i64 = 30;
const LENGTH: usize = 8;
/// Crockford's base 32: no I, L, O or U, which are read wrong.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A code as it is shown.
#[derive(Clone, Debug)]
pub struct CheckInCode {
    pub code: String,
    /// When the next takes its place on the screen.
    pub expires_at: DateTime<Utc>,
}

/// The code of now, for those who teach the session, while it is open.
pub fn check_in_code(service: &Service, scope: &Scope, session: &Session) -> Option<CheckInCode> {
    if scope.staff().is_err() || session.state != SessionState::Open {
        return None;
    }
    let step = step(service.now());
    let signature = service.keys.sign(Purpose::CheckIn, &message(session.id, step));
    Some(CheckInCode {
        code: String::from_utf8_lossy(&digits(&signature)).into_owned(),
        expires_at: DateTime::from_timestamp((step + 1) * STEP_SECONDS, 0)
            .unwrap_or_else(|| service.now() + TimeDelta::seconds(STEP_SECONDS)),
    })
}

/// Whether this is the code of now, or of the step before or after: it takes a while to type, and
/// to take a selfie. Made by any key of the ring, since the keys may have been changed meanwhile.
pub(crate) fn is_check_in_code(service: &Service, session: SessionId, typed: &str) -> bool {
    let Some(typed) = read(typed) else { return false };
    let now = step(service.now());
    let mut right = false;
    for step in now - 1..=now + 1 {
        for signature in service.keys.signatures(Purpose::CheckIn, &message(session, step)) {
            right |= are_equal(digits(&signature), typed);
        }
    }
    right
}

fn step(now: DateTime<Utc>) -> i64 {
    now.timestamp().div_euclid(STEP_SECONDS)
}

fn message(session: SessionId, step: i64) -> [u8; 24] {
    let mut message = [0; 24];
    message[..16].copy_from_slice(session.0.as_bytes());
    message[16..].copy_from_slice(&step.to_be_bytes());
    message
}

/// The first 40 bits.
fn digits(signature: &[u8; 32]) -> [u8; LENGTH] {
    let mut bits = signature[..5]
        .iter()
        .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let mut digits = [0; LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[usize::try_from(bits & 31).unwrap_or_default()];
        bits >>= 5;
    }
    digits
}

/// What was typed, as the digits are written: in capitals, without dashes, and letters that look
/// like digits for those. None where it is no code at all.
fn read(typed: &str) -> Option<[u8; LENGTH]> {
    // A code with a dash between all of its digits is still one; a book is not.
    if typed.len() > 4 * LENGTH {
        return None;
    }
    let digits: Vec<u8> = typed
        .bytes()
        .filter(|byte| !matches!(byte, b'-' | b' '))
        .map(|byte| match byte.to_ascii_uppercase() {
            b'I' | b'L' => b'1',
            b'O' => b'0',
            other => other,
        })
        .collect();
    digits.try_into().ok()
}

/// In a time that tells nothing of where they differ.
fn are_equal(one: [u8; LENGTH], other: [u8; LENGTH]) -> bool {
    std::hint::black_box(one.iter().zip(&other).fold(0, |differ, (a, b)| differ | (a ^ b))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_type_them() {
        let code = digits(&[0xff; 32]);
        assert_eq!(&code, b"ZZZZZZZZ");
        assert_eq!(&digits(&[0; 32]), b"00000000");
        assert_eq!(read("zzzz-zzzz"), Some(code));
        assert_eq!(read("oO0o iIl1").as_ref(), Some(b"00001111"));
        for none in ["", "zzzzzzz", "zzzzzzzzz", "----------", &"-".repeat(10_000)] {
            assert_eq!(read(none), None);
        }
        assert!(read("ééééé").is_none_or(|typed| !are_equal(typed, code)));
    }

    #[test]
    fn one_wrong_digit_is_wrong() {
        let code = *b"0123ABCD";
        for place in 0..LENGTH {
            let mut other = code;
            other[place] ^= 1;
            assert!(!are_equal(code, other));
        }
        assert!(are_equal(code, code));
    }
}
