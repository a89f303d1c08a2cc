//! The server: HTTP in, service calls, GraphQL out. Resolvers decode ids, ask the service and
//! map its answer; no rule lives here.

mod graphql;
mod http;

use poem::listener::{Acceptor, TcpAcceptor};
use service::Service;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use graphql::{class_id, sdl};
use http::Patient;
pub use http::{Exposure, Limits, Proxies, Render, WebOrigin, register};

/// How long requests in flight may take after a shutdown was asked for.
const GRACE: std::time::Duration = std::time::Duration::from_secs(15);
const SOCKETS_GRACE: std::time::Duration = std::time::Duration::from_secs(3);

/// Serves what an operator's own machines ask, until `shutdown`.
pub async fn serve_status(
    service: Service,
    listener: TcpListener,
    render: Render,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let acceptor = Patient::new(TcpAcceptor::from_tokio(listener)?, &Limits::default());
    poem::Server::new_with_acceptor(acceptor)
        .run_with_graceful_shutdown(http::status(service, render), shutdown.cancelled_owned(), Some(GRACE))
        .await
}

/// Serves until `shutdown`; then finishes what is in flight and closes every socket.
pub async fn serve(
    service: Service,
    listener: TcpListener,
    limits: Limits,
    exposure: Exposure,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    serve_accepted(service, TcpAcceptor::from_tokio(listener)?, limits, exposure, shutdown).await
}

/// The same on connections that come from anywhere: the fuzz targets make theirs in memory.
#[doc(hidden)]
pub async fn serve_accepted(
    service: Service,
    acceptor: impl Acceptor + 'static,
    limits: Limits,
    exposure: Exposure,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let schema = graphql::schema(service.clone(), exposure.introspection);
    let public_url = service.public_url.clone();
    let lifetime = http::Lifetime {
        shutdown: shutdown.clone(),
        sockets: TaskTracker::new(),
    };
    let acceptor = Patient::new(acceptor, &limits);
    let router = http::router(schema, service, limits, exposure, &public_url, lifetime.clone());
    let served = poem::Server::new_with_acceptor(acceptor)
        .run_with_graceful_shutdown(router, shutdown.cancelled_owned(), Some(GRACE))
        .await;
    lifetime.sockets.close();
    // A client that does not take its last message is not waited for.
    let _ = tokio::time::timeout(SOCKETS_GRACE, lifetime.sockets.wait()).await;
    served
}
