//! News between processes: "look, this changed", never what changed. Whoever is told reads the
//! database; whoever is not told looks every second anyway.

mod hub;
mod redis;

use std::str::FromStr;

use tokio::sync::broadcast;
use uuid::Uuid;

pub(crate) use hub::{Hub, SessionsSeat};
pub use redis::RedisAnnouncer;

use crate::id::{JobId, LoginId, OrganizationId, SessionId};

/// How many announcements a slow listener may be behind; after that it looks at everything.
const BACKLOG: usize = 1024;

/// Something that others may be watching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    Session(SessionId),
    /// Any session of an organization.
    Sessions(OrganizationId),
    /// What waits for a person to look at, anywhere in an organization.
    Reviews(OrganizationId),
    Job(JobId),
    /// A login began or ended.
    Login(LoginId),
    /// A mail waits.
    Mail,
}

impl std::fmt::Display for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Session(id) => write!(f, "session/{}", id.0),
            Self::Sessions(id) => write!(f, "sessions/{}", id.0),
            Self::Reviews(id) => write!(f, "reviews/{}", id.0),
            Self::Job(id) => write!(f, "job/{}", id.0),
            Self::Login(id) => write!(f, "login/{}", id.0),
            Self::Mail => f.write_str("mail"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("not a topic")]
pub struct NoTopic;

impl FromStr for Topic {
    type Err = NoTopic;

    fn from_str(text: &str) -> Result<Self, NoTopic> {
        if text == "mail" {
            return Ok(Self::Mail);
        }
        let (kind, id) = text.split_once('/').ok_or(NoTopic)?;
        let id: Uuid = id.parse().map_err(|_| NoTopic)?;
        match kind {
            "session" => Ok(Self::Session(SessionId(id))),
            "sessions" => Ok(Self::Sessions(OrganizationId(id))),
            "reviews" => Ok(Self::Reviews(OrganizationId(id))),
            "job" => Ok(Self::Job(JobId(id))),
            "login" => Ok(Self::Login(LoginId(id))),
            _ => Err(NoTopic),
        }
    }
}

/// Carries topics to every process. Announcing never waits and may fail in silence.
pub trait Announcer: Send + Sync + std::fmt::Debug {
    fn announce(&self, topics: &[Topic]);
    fn subscribe(&self) -> broadcast::Receiver<Topic>;
}

/// For one process.
#[derive(Debug)]
pub struct LocalAnnouncer(broadcast::Sender<Topic>);

impl Default for LocalAnnouncer {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

impl Announcer for LocalAnnouncer {
    fn announce(&self, topics: &[Topic]) {
        for topic in topics {
            // An error says that nobody listens.
            let _ = self.0.send(*topic);
        }
    }

    fn subscribe(&self) -> broadcast::Receiver<Topic> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_survive_the_wire() {
        let id = Uuid::from_u128(7);
        for topic in [
            Topic::Session(SessionId(id)),
            Topic::Sessions(OrganizationId(id)),
            Topic::Reviews(OrganizationId(id)),
            Topic::Job(JobId(id)),
            Topic::Login(LoginId(id)),
            Topic::Mail,
        ] {
            assert_eq!(topic.to_string().parse::<Topic>().unwrap(), topic);
        }
        for bad in [
            "",
            "session",
            "session/",
            "job/xyz",
            "cat/00000000-0000-0000-0000-000000000007",
        ] {
            assert!(bad.parse::<Topic>().is_err());
        }
    }
}
