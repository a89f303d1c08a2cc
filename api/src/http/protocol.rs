//! The messages and close codes of graphql-transport-ws.
//!
//! Source: <https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>

use async_graphql::{Request, Response, ServerError};
use serde::{Deserialize, Serialize};

pub(super) const NAME: &str = "graphql-transport-ws";

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ClientMessage {
    ConnectionInit {
        #[serde(default)]
        payload: Option<serde_json::Value>,
    },
    Subscribe {
        id: String,
        payload: Box<Request>,
    },
    Complete {
        id: String,
    },
    Ping {
        #[serde(default)]
        payload: Option<serde_json::Value>,
    },
    Pong {},
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ServerMessage<'a> {
    ConnectionAck,
    Next {
        id: &'a str,
        payload: &'a Response,
    },
    /// The operation was not begun; nothing follows for its id.
    Error {
        id: &'a str,
        payload: &'a [ServerError],
    },
    Complete {
        id: &'a str,
    },
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<serde_json::Value>,
    },
}

/// Why we close a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Close {
    /// The process is going; connect again, it may be to another.
    GoingAway,
    /// The message is over the size, or isn't WebSocket.
    TooLarge,
    /// We can't find out who it is now; try again later.
    TryAgain,
    Malformed,
    /// The login has ended or the token has run out, on a socket that was let in; or an
    /// operation came before the socket was let in.
    Unauthorized,
    /// The token of `connection_init` is not good: the protocol's code for a refused
    /// connection. Clients try again after it, with the token that they have refreshed.
    Forbidden,
    InitTimeout,
    DuplicateId,
    SecondInit,
}

impl Close {
    pub(super) const fn code(self) -> u16 {
        match self {
            Self::GoingAway => 1001,
            Self::TooLarge => 1009,
            Self::TryAgain => 1013,
            Self::Malformed => 4400,
            Self::Unauthorized => 4401,
            Self::Forbidden => 4403,
            Self::InitTimeout => 4408,
            Self::DuplicateId => 4409,
            Self::SecondInit => 4429,
        }
    }

    /// In the protocol's words where it has some: clients compare them.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::GoingAway => "Going away",
            Self::TooLarge => "Message too large or malformed",
            Self::TryAgain => "Try again later",
            Self::Malformed => "Invalid message",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::InitTimeout => "Connection initialisation timeout",
            Self::DuplicateId => "Subscriber already exists",
            Self::SecondInit => "Too many initialisation requests",
        }
    }
}
