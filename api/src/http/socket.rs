//! GET /graphql/ws: the handshake. What goes over the socket afterwards is
//! [`connection`](super::connection)'s.

use std::sync::Arc;

use async_graphql::Executor;
use poem::http::{HeaderMap, header};
use poem::web::websocket::{WebSocket, WebSocketConfig};
use poem::{Endpoint, FromRequest, IntoResponse, Request, Response, Result};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};

use super::backend::Backend;
use super::connection::Connection;
use super::error::Refusal;
use super::limits::Limits;
use super::measure::Counted;
use super::protocol::NAME;
use super::revocations::Revocations;
use super::turns::Turns;

/// The default is a zeroed 128 KiB for every socket, and most of them are silent.
const READ_BUFFER_BYTES: usize = 4096;

/// What the sockets need to end well with the process.
#[derive(Clone, Debug, Default)]
pub struct Lifetime {
    /// Cancelled at shutdown: every socket is closed with 1001.
    pub shutdown: CancellationToken,
    /// Holds the open sockets, which the HTTP server doesn't wait for: after it has ended,
    /// `close()` this and `wait()`, with a limit.
    pub sockets: TaskTracker,
}

pub(super) struct Socket<E, B> {
    executor: E,
    backend: B,
    limits: Arc<Limits>,
    turns: Arc<Turns>,
    lifetime: Lifetime,
    revocations: Revocations,
}

impl<E: Executor, B: Backend> Socket<E, B> {
    pub(super) fn new(executor: E, backend: B, limits: Arc<Limits>, turns: Arc<Turns>, lifetime: Lifetime) -> Self {
        let revocations = Revocations::new(lifetime.shutdown.clone());
        Self {
            executor,
            backend,
            limits,
            turns,
            lifetime,
            revocations,
        }
    }
}

impl<E: Executor, B: Backend> Endpoint for Socket<E, B> {
    type Output = Response;

    async fn call(&self, req: Request) -> Result<Response> {
        if !offers_protocol(req.headers()) {
            let refusal = Refusal::bad_request(format!("Connect a WebSocket that speaks {NAME}"));
            return Ok(refusal.into_response());
        }
        let origin = self.limits.trusted_proxies.origin(&req);
        let (req, mut body) = req.split();
        let Ok(websocket) = WebSocket::from_request(&req, &mut body).await else {
            let refusal = Refusal::bad_request("This is not a WebSocket handshake");
            return Ok(refusal.into_response());
        };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .max_message_size(Some(self.limits.socket_message_bytes))
            .max_frame_size(Some(self.limits.socket_message_bytes));
        let (executor, backend) = (self.executor.clone(), self.backend.clone());
        let (limits, turns) = (Arc::clone(&self.limits), Arc::clone(&self.turns));
        let shutdown = self.lifetime.shutdown.clone();
        let revocations = self.revocations.clone();
        let token = self.lifetime.sockets.token();
        let span = Span::current();
        Ok(websocket
            .config(config)
            .protocols([NAME])
            .on_upgrade(move |socket| async move {
                let _counted = Counted::socket();
                let revoked = revocations.subscribe(&backend);
                Connection::new(socket, origin, executor, backend, limits, turns)
                    .run(revoked, shutdown)
                    .instrument(span)
                    .await;
                drop(token);
            })
            .into_response())
    }
}

fn offers_protocol(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim() == NAME)
}
