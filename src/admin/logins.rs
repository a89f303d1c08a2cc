//! The logins of an installation, and what their people told its operator.

use chrono::{DateTime, Utc};
use service::accounts::{self, Account};
use service::feedback::{self, Feedback};
use service::kinds::{PersonStatus, Role};
use service::{Scope, Service};

use super::refused;
use crate::table::{plain, table};
use crate::{Outcome, say};

pub(super) async fn list(service: &Service) -> Outcome {
    let all = accounts::list(service, &Scope::System("muster admin list"))
        .await
        .map_err(refused)?;
    if all.is_empty() {
        return say("Nobody can log in yet; `muster admin create` founds an organization with its first admin.");
    }
    let lines: Vec<_> = all.iter().map(line).collect();
    let heads = ["ORGANIZATION", "NAME", "ADDRESS", "ROLE", "STATUS", "LAST SEEN"];
    say(table(heads, &lines).trim_end())
}

fn line(account: &Account) -> [String; 6] {
    let role = match account.role {
        Role::Admin => "admin",
        Role::Teacher => "teacher",
        Role::Student => "student",
    };
    let status = match account.status {
        PersonStatus::Invited => "invited",
        PersonStatus::Active => "active",
        PersonStatus::Suspended => "suspended",
        PersonStatus::Erased => "erased",
    };
    [
        plain(&account.organization),
        plain(&account.full_name),
        plain(&account.email),
        role.to_owned(),
        status.to_owned(),
        account.last_seen.map_or_else(|| "never".to_owned(), minute),
    ]
}

fn minute(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M UTC").to_string()
}

pub(super) async fn set_active(service: &Service, email: &str, active: bool) -> Outcome {
    let scope = Scope::System(if active {
        "muster admin activate"
    } else {
        "muster admin suspend"
    });
    accounts::set_active(service, &scope, email, active)
        .await
        .map_err(refused)?;
    let email = plain(email.trim());
    if active {
        say(&format!("{email} can log in again."))
    } else {
        say(&format!(
            "{email} is suspended: no request of theirs is answered from now on, and what they watch closes within \
             half a minute."
        ))
    }
}

pub(super) async fn set_password(service: &Service, email: &str, password: &str) -> Outcome {
    let scope = Scope::System("muster admin reset-password");
    let ended = accounts::set_password(service, &scope, email, password)
        .await
        .map_err(refused)?;
    say(&format!(
        "{} has the new password; logins ended: {ended}",
        plain(email.trim())
    ))
}

pub(super) async fn feedback(service: &Service, limit: u32) -> Outcome {
    let all = feedback::list(service, &Scope::System("muster admin feedback"), limit)
        .await
        .map_err(refused)?;
    if all.is_empty() {
        return say("Nobody has said anything yet.");
    }
    let all: Vec<String> = all.iter().map(message).collect();
    say(&all.join("\n\n"))
}

fn message(said: &Feedback) -> String {
    let rating = said
        .rating
        .map_or_else(String::new, |rating| format!(", {rating} of 5"));
    let mut text = format!(
        "{}  {}, {}{rating}",
        minute(said.created_at),
        plain(&said.full_name),
        plain(&said.organization)
    );
    for line in said.message.lines() {
        text.push_str("\n    ");
        text.push_str(&plain(line));
    }
    text
}
