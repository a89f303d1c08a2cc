//! What accounts write to people. No letter holds a password.

use super::codes::Purpose;
use crate::kinds::Role;
use crate::mail::{Block, Letter};

/// What is mailed where somebody asked for a code; `serves`: whether the code leads anywhere.
pub(super) fn of_code(purpose: Purpose, serves: bool, to: String, code: String) -> Letter {
    let said = |subject: &str, body: Vec<Block>| Letter {
        to,
        subject: subject.to_owned(),
        body,
    };
    let text = |text: &str| Block::Text(text.to_owned());
    let nothing = text("If you did not ask for this, you need do nothing: without the code nothing happens.");
    match (purpose, serves) {
        (Purpose::Reset, true) => said(
            "Your code for a new password",
            vec![
                text("With this code you can set a new password at Muster. It is good for five minutes."),
                Block::Code(code),
                nothing,
            ],
        ),
        (Purpose::Reset, false) => said(
            "There is no login with this address",
            vec![
                text("Somebody asked for a new password at Muster for this address, but no login has it."),
                text("If it was you, try the address with which you registered. Otherwise you need do nothing."),
            ],
        ),
        (_, true) => said(
            "Your code for Muster",
            vec![
                text("With this code you show that this address is yours. It is good for five minutes."),
                Block::Code(code),
                nothing,
            ],
        ),
        (_, false) => said(
            "This address already has a login",
            vec![
                text("Somebody asked to register this address at Muster, but it already has a login."),
                text("If it was you, log in, or ask for a new password. Otherwise you need do nothing."),
            ],
        ),
    }
}

fn notice(to: String, subject: &str, what: &str) -> Letter {
    Letter {
        to,
        subject: subject.to_owned(),
        body: vec![
            Block::Text(what.to_owned()),
            Block::Text("If it was not you, ask for a new password at once and tell your school.".to_owned()),
        ],
    }
}

pub(super) fn password_changed(to: String) -> Letter {
    notice(
        to,
        "Your password was changed",
        "The password of your login at Muster was changed.",
    )
}

pub(super) fn address_changed(to: String) -> Letter {
    notice(
        to,
        "Your address was changed",
        "Your login at Muster has another address from now on; this one no longer serves.",
    )
}

pub(super) fn invitation(to: String, school: &str, role: Role, address: &str, token: String) -> Letter {
    let role = match role {
        Role::Admin => "an admin",
        Role::Teacher => "a teacher",
        Role::Student => "a student",
    };
    Letter {
        to,
        subject: format!("{school} invites you to Muster"),
        body: vec![
            Block::Text(format!(
                "{school} keeps its attendance with Muster and invites you as {role}."
            )),
            Block::Text(format!(
                "Register with this address at {address} and enter the invitation below. It is good for seven days."
            )),
            Block::Code(token),
            Block::Text("If you do not know the school, you need do nothing.".to_owned()),
        ],
    }
}

/// To an address that has a login already: only its owner is told.
pub(super) fn invitation_elsewhere(to: String, school: &str) -> Letter {
    Letter {
        to,
        subject: format!("{school} invites you to Muster"),
        body: vec![
            Block::Text(format!(
                "{school} keeps its attendance with Muster and invites you, but this address already has a login there."
            )),
            Block::Text(
                "A login belongs to one school. Ask to be invited at another address of yours, or give this login \
                 another address first."
                    .to_owned(),
            ),
        ],
    }
}
