//! What a row of the table is, how it is asked, and what came of it.
//!
//! A row has three letters for each role: for the own class, another class of the organization,
//! and a class of another organization. `v` a value, `-` null without an error, `y` and `n`
//! whether a list names the thing, `F` FORBIDDEN, `4` `NOT_FOUND`, `I` `INVALID_INPUT`,
//! `C` CONFLICT, `U` UNAUTHENTICATED.

use std::time::Duration;

use serde_json::{Value, json};
use tests::client::{Client, code};
use tests::school::now;
use tests::socket::{Got, Socket};

use crate::place::{Land, Place};

#[derive(Clone, Copy)]
pub struct Row {
    /// `Type.field`, or `node:Type`.
    pub field: &'static str,
    /// `@name` is the place's, `#name` that of the own place.
    pub operation: &'static str,
    /// Where to look in the answer; absent: the root field.
    at: &'static str,
    /// What a list is searched for.
    has: &'static str,
    admin: &'static str,
    teacher: &'static str,
    student: &'static str,
    stranger: &'static str,
}

pub const fn row(
    field: &'static str,
    operation: &'static str,
    admin: &'static str,
    teacher: &'static str,
    student: &'static str,
) -> Row {
    Row {
        field,
        operation,
        at: "",
        has: "",
        admin,
        teacher,
        student,
        stranger: "UUU",
    }
}

impl Row {
    pub const fn at(self, at: &'static str) -> Self {
        Self { at, ..self }
    }

    pub const fn has(self, at: &'static str, has: &'static str) -> Self {
        Self { at, has, ..self }
    }

    pub const fn stranger(self, stranger: &'static str) -> Self {
        Self { stranger, ..self }
    }

    pub fn kind(&self) -> &'static str {
        match self.field.split_once('.').map(|f| f.0) {
            Some("Mutation") => "mutation",
            Some("Subscription") => "subscription",
            _ => "query",
        }
    }

    pub fn root(&self) -> &'static str {
        let end = self.operation.find(|c: char| !c.is_alphanumeric());
        &self.operation[..end.unwrap_or(self.operation.len())]
    }

    /// The operation's text at a place.
    pub async fn text(&self, place: &Place, own: &Place) -> String {
        let mut text = String::new();
        let mut rest = self.operation;
        while let Some(start) = rest.find(['@', '#']) {
            let (before, name) = rest.split_at(start);
            let end = name[1..]
                .find(|c: char| !c.is_alphanumeric())
                .map_or(name.len(), |n| n + 1);
            let whose = if name.starts_with('@') { place } else { own };
            text += before;
            text += &json!(whose.name(&name[1..end]).await).to_string();
            rest = &name[end..];
        }
        format!("{} {{ {text}{rest} }}", self.kind())
    }

    /// The letter for an answer.
    fn letter(&self, answer: &Value, place: &Place) -> char {
        if answer.get("errors").is_some() {
            assert_eq!(
                answer["data"].get(self.root()).unwrap_or(&Value::Null),
                &Value::Null,
                "{answer:#}"
            );
            return match code(answer) {
                "FORBIDDEN" => 'F',
                "NOT_FOUND" => '4',
                "INVALID_INPUT" => 'I',
                "CONFLICT" => 'C',
                "UNAUTHENTICATED" => 'U',
                _ => panic!("{}: {answer:#}", self.field),
            };
        }
        let path = if self.at.is_empty() { self.root() } else { self.at };
        let found = path
            .split('.')
            .fold(&answer["data"], |value, step| match step.parse::<usize>() {
                Ok(index) => &value[index],
                Err(_) => &value[step],
            });
        match (found, self.has) {
            (Value::Null, _) => '-',
            (_, "") => 'v',
            (Value::Array(all), has) => {
                let id = &place.names[has];
                if all.iter().any(|one| one.to_string().contains(id)) {
                    'y'
                } else {
                    'n'
                }
            }
            _ => panic!("{} is no list: {answer:#}", self.field),
        }
    }

    /// Asks once and answers the letter.
    pub async fn ask(&self, client: &Client, text: &str, place: &Place) -> char {
        if self.root() == "logout" {
            // By the refresh token alone: with an access token it would end the asker's own login.
            let bare = Client::new(&client.base);
            return self.letter(&bare.raw(text, json!({})).await, place);
        }
        if self.kind() != "subscription" {
            return self.letter(&client.raw(text, json!({})).await, place);
        }
        let mut socket = Socket::open(client).await;
        socket.subscribe("1", text, json!({})).await;
        let mut first = None;
        if self.root() == "sessionChanged" {
            // Says nothing before something changes.
            first = socket.within(Duration::from_millis(500)).await;
            if first.is_none() {
                place.school.session(now()).await;
            }
        }
        if first.is_none() {
            first = socket.within(Duration::from_secs(20)).await;
        }
        let answer = match first {
            Some(Got::Next(data)) => json!({ "data": data }),
            Some(Got::Error(error)) => json!({ "errors": [error] }),
            other => panic!("{}: {other:?}", self.field),
        };
        self.letter(&answer, place)
    }

    /// Everybody who asks, with the letters that they should get.
    pub fn askers(&self, land: &Land) -> [(&'static str, Client, &'static str); 4] {
        [
            ("admin", land.admin.clone(), self.admin),
            ("teacher", land.teacher.clone(), self.teacher),
            ("student", land.student.clone(), self.student),
            ("stranger", land.stranger(), self.stranger),
        ]
    }
}

/// Asks every cell of the rows that only look, and tells of all that are wrong at once.
pub async fn check(land: &Land, rows: &[Row]) {
    let mut wrong = Vec::new();
    for row in rows {
        for (role, client, expected) in row.askers(land) {
            let mut got = String::new();
            for place in &land.places {
                let text = row.text(place, &land.places[0]).await;
                got.push(row.ask(&client, &text, place).await);
            }
            if got != expected {
                wrong.push(format!(
                    "{} {role}: {got} and not {expected}: {}",
                    row.field, row.operation
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
