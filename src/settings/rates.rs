//! Settings about how often somebody may do what and how much is done at once, and about whose word is taken for who it is.

use std::ops::RangeInclusive;

use service::rates::Rates;

use super::bad;
use crate::Failure;

/// Beyond, a limit limits nothing.
const A_MINUTE: RangeInclusive<u32> = 1..=1_000_000;
const AT_ONCE: RangeInclusive<usize> = 1..=100_000;

pub(super) fn rates(logins: Option<String>, uploads: Option<String>) -> Result<Rates, Failure> {
    let mut rates = Rates::default();
    if let Some(text) = logins {
        rates = rates.with_logins_per_minute(times("MUSTER_LOGINS_PER_MINUTE", &text)?);
    }
    if let Some(text) = uploads {
        rates = rates.with_uploads_per_minute(times("MUSTER_UPLOADS_PER_MINUTE", &text)?);
    }
    Ok(rates)
}

fn times(variable: &str, text: &str) -> Result<u32, Failure> {
    match text.parse() {
        Ok(number) if A_MINUTE.contains(&number) => Ok(number),
        _ => bad(
            variable,
            format!("{text:?} is no number from {} to {}", A_MINUTE.start(), A_MINUTE.end()),
        ),
    }
}

pub(super) fn requests_at_once(value: Option<String>) -> Result<Option<usize>, Failure> {
    let Some(text) = value else { return Ok(None) };
    match text.parse() {
        Ok(number) if AT_ONCE.contains(&number) => Ok(Some(number)),
        _ => bad(
            "MUSTER_REQUESTS_AT_ONCE",
            format!("{text:?} is no number from {} to {}", AT_ONCE.start(), AT_ONCE.end()),
        ),
    }
}

pub(super) fn proxies(value: Option<String>) -> Result<api::Proxies, Failure> {
    value
        .unwrap_or_default()
        .parse()
        .or_else(|error| bad("MUSTER_TRUSTED_PROXIES", error))
}
