//! How much a client may send and how long it may take over it.

use std::time::Duration;

use super::origin::Proxies;

const MIB: u64 = 1024 * 1024;

#[derive(Clone, Debug)]
pub struct Limits {
    /// Body of a request without a valid token.
    pub anonymous_body_bytes: u64,
    /// Largest body of all, whatever an organization allows for a photo.
    pub max_body_bytes: u64,
    /// A viewer's body may hold this many photos of the organization's largest size.
    pub photos_per_request: u64,
    pub files_per_request: usize,
    /// In a list, which is answered by a list.
    pub operations_per_request: usize,
    /// Bodies of all requests together; above it new bytes are turned away until some request
    /// is answered. Without it a few dozen viewers could fill the memory within their limits.
    pub bodies_bytes: u64,
    /// Requests of those who are signed in that are worked on at once: twice as many as the database
    /// has connections, since none holds one for all of its time. Half as many uploads besides.
    pub requests_at_once: usize,
    /// How long a request waits for its turn, as long as others had theirs at once.
    pub burst: Duration,
    /// The same where all have had to wait for longer than `burst`.
    pub crowded: Duration,
    /// How long a request waits to go on once its body has come, if that took a while.
    pub resumed: Duration,
    /// From the opening of a connection to the end of its first request's head.
    pub head: Duration,
    /// From the last byte of an answer that was taken to the end of the next request's head, and the longest
    /// silence on HTTP/2. Longer than proxies keep theirs: whoever closes a connection first
    /// should be the one that sends on it.
    pub keep_alive: Duration,
    /// A body of which no byte comes for so long is given up.
    pub body_idle: Duration,
    /// From the first byte of a body to its last.
    pub body_total: Duration,
    /// From here on a body must have come, on average since then, at `body_rate` at least: what
    /// drips would hold its connection and memory for all of `body_total`.
    pub body_grace: Duration,
    /// Bytes a second.
    pub body_rate: u64,
    /// One message on a socket.
    pub socket_message_bytes: usize,
    /// Operations at once on one socket.
    pub socket_operations: usize,
    /// From the opening of a socket to its `connection_init`.
    pub socket_init: Duration,
    /// Between two WebSocket pings; a peer that is silent for three of them is gone.
    pub socket_ping: Duration,
    /// For one message to be taken by the peer.
    pub socket_send: Duration,
    /// Between two looks at whether a socket's login still stands.
    pub socket_check: Duration,
    /// Whose word is taken for where a request came from.
    pub trusted_proxies: Proxies,
}

impl Limits {
    /// Whether JSON of so many bytes can be nothing but photos in base64: more than is read of a stranger.
    pub(super) fn is_large(&self, bytes: u64) -> bool {
        bytes > self.anonymous_body_bytes
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            anonymous_body_bytes: 64 * 1024,
            max_body_bytes: 256 * MIB,
            photos_per_request: 10,
            files_per_request: 20,
            operations_per_request: 10,
            bodies_bytes: 1024 * MIB,
            requests_at_once: 32,
            burst: Duration::from_millis(500),
            crowded: Duration::from_millis(50),
            resumed: Duration::from_secs(5),
            head: Duration::from_secs(15),
            keep_alive: Duration::from_mins(2),
            body_idle: Duration::from_secs(10),
            body_total: Duration::from_mins(5),
            body_grace: Duration::from_secs(10),
            body_rate: 1024,
            socket_message_bytes: 256 * 1024,
            socket_operations: 100,
            socket_init: Duration::from_secs(10),
            socket_ping: Duration::from_secs(20),
            socket_send: Duration::from_secs(10),
            socket_check: Duration::from_secs(30),
            trusted_proxies: Proxies::default(),
        }
    }
}
