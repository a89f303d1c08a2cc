//! What somebody says of themselves, and how they wish to be told of things.

use crate::change::Change;
use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::people::{self, Person};
use crate::scope::Scope;
use crate::{Service, audit, text};

/// The signed-in person themselves.
pub async fn viewer(service: &Service, scope: &Scope) -> Result<Person> {
    let me = scope.viewer()?.person;
    people::by_ids(service, scope, &[me])
        .await?
        .pop()
        .ok_or(Error::Unauthenticated)
}

pub async fn rename(service: &Service, scope: &Scope, full_name: &str) -> Result<Person> {
    let me = scope.viewer()?;
    let name = text::name("fullName", full_name)?;
    let tx = service.begin().await?;
    people::rename(&tx, me.person, &name).await?;
    audit::record(&tx, me, "updateMyProfile", ("User", me.person.0), "fullName").await?;
    tx.commit().await?;
    viewer(service, scope).await
}

#[derive(Clone, Debug, Default)]
pub struct SettingsChange {
    pub locale: Change<String>,
    pub email_on_absence: Change<bool>,
    pub email_on_mark: Change<bool>,
}

/// A language tag such as en, de-AT or zh-Hant-TW (the shape of BCP 47, without its extensions).
fn locale(tag: &str) -> Result<String> {
    let mut parts = tag.trim().split('-');
    let fits = |part: &str, least: usize, plain: fn(&u8) -> bool| {
        (least..=8).contains(&part.len()) && part.bytes().all(|b| plain(&b))
    };
    let language = parts
        .next()
        .is_some_and(|p| p.len() <= 3 && fits(p, 2, u8::is_ascii_alphabetic));
    if language && parts.all(|p| fits(p, 2, u8::is_ascii_alphanumeric)) && tag.trim().len() <= 35 {
        Ok(tag.trim().to_owned())
    } else {
        Err(Error::invalid(
            "locale",
            "locale is not a language tag, such as en or de-AT",
        ))
    }
}

pub async fn set_settings(service: &Service, scope: &Scope, change: &SettingsChange) -> Result<Person> {
    let me = scope.viewer()?;
    let mut values = Values::default();
    let mut set = Vec::new();
    if let Some(tag) = change.locale.required("locale")? {
        set.push(format!("locale = {}", values.push(locale(tag)?)));
    }
    for (column, field, on) in [
        ("email_on_absence", "emailOnAbsence", &change.email_on_absence),
        ("email_on_mark", "emailOnMark", &change.email_on_mark),
    ] {
        if let Some(on) = on.required(field)? {
            set.push(format!("{column} = {}", values.push(*on)));
        }
    }
    if !set.is_empty() {
        let id = values.push(me.person);
        let tx = service.begin().await?;
        let sql = format!("UPDATE person SET {} WHERE id = {id}", set.join(", "));
        tx.run(&sql, values.done()).await?;
        audit::record(&tx, me, "updateMySettings", ("User", me.person.0), "changed").await?;
        tx.commit().await?;
    }
    viewer(service, scope).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_has_the_shape_of_a_tag() {
        for good in ["en", "de-AT", " es ", "zh-Hant-TW"] {
            assert_eq!(locale(good).unwrap(), good.trim());
        }
        for bad in ["", "e", "en_US", "english-of-course", "en-", "12", "en\u{0}"] {
            assert!(locale(bad).is_err(), "{bad}");
        }
    }
}
