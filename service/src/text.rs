//! What people type, made fit to keep.

use crate::error::{Error, Result};

const NAME_MAX: usize = 200;

/// Trimmed, not empty, at most 200 characters, without control characters.
pub(crate) fn name(field: &'static str, text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::invalid(field, format!("{field} must not be empty")));
    }
    short(field, text, NAME_MAX)
}

/// As [`name`], but nothing where nothing was given.
pub(crate) fn optional(field: &'static str, text: Option<&str>) -> Result<Option<String>> {
    text.map(str::trim)
        .filter(|t| !t.is_empty())
        .map(|t| short(field, t, NAME_MAX))
        .transpose()
}

pub(crate) fn remark(text: Option<&str>) -> Result<Option<String>> {
    const MAX: usize = 2000;
    match text {
        Some(text) => prose("remark", text, MAX),
        None => Ok(None),
    }
}

/// Several lines perhaps; nothing where nothing was written.
pub(crate) fn prose(field: &'static str, text: &str, max: usize) -> Result<Option<String>> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if text.chars().count() > max {
        return Err(Error::invalid(field, format!("{field} has at most {max} characters")));
    }
    // NUL cannot be kept by PostgreSQL.
    if text.contains('\0') {
        return Err(Error::invalid(field, format!("{field} holds a NUL character")));
    }
    Ok(Some(text.to_owned()))
}

fn short(field: &'static str, text: &str, max: usize) -> Result<String> {
    if text.chars().count() > max {
        return Err(Error::invalid(field, format!("{field} has at most {max} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(field, format!("{field} holds a control character")));
    }
    Ok(text.to_owned())
}

/// A plausible address, in lower case; the mail itself is the proof.
pub(crate) fn email(field: &'static str, text: &str) -> Result<String> {
    let text = text.trim().to_lowercase();
    text.parse::<lettre::Address>()
        .ok()
        .filter(|a| a.domain().contains('.') && text.len() <= 254)
        .ok_or_else(|| Error::invalid(field, format!("{field} is not an e-mail address")))?;
    Ok(text)
}

/// The key by which names are ordered and searched.
pub(crate) fn key(name: &str) -> String {
    name.to_lowercase()
}

/// A pattern for `LIKE … ESCAPE '\'` that finds the words anywhere in a key.
/// More than any name is refused: `SQLite` matches no pattern beyond 50,000 bytes.
pub(crate) fn pattern(search: &str) -> Result<String> {
    if search.trim().chars().count() > NAME_MAX {
        return Err(Error::invalid(
            "search",
            format!("search has at most {NAME_MAX} characters"),
        ));
    }
    let mut pattern = String::from("%");
    for c in key(search.trim()).chars().filter(|c| *c != '\0') {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    Ok(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_clean() {
        assert_eq!(name("name", "  Zoë Ångström ").unwrap(), "Zoë Ångström");
        assert!(name("name", "  ").is_err());
        assert!(name("name", &"x".repeat(201)).is_err());
        assert!(name("name", "a\0b").is_err());
        assert_eq!(optional("title", Some(" ")).unwrap(), None);
    }

    #[test]
    fn addresses_are_plausible() {
        assert_eq!(email("email", " Ana@Example.ORG ").unwrap(), "ana@example.org");
        for bad in ["", "ana", "ana@", "@example.org", "ana@localhost", "a b@example.org"] {
            assert!(email("email", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_search_means_its_letters() {
        assert_eq!(pattern("50%_\\").unwrap(), "%50\\%\\_\\\\%");
        assert!(pattern(&"x".repeat(201)).is_err());
    }
}
