//! What is measured, at an address of its own: nobody is asked who they are there, so an operator decides whether it
//! is there at all.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use service::Service;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{Failure, Outcome};

/// What every room measures.
fn registry() -> Registry {
    let mut registry = Registry::with_prefix("muster");
    let version = vec![("version", env!("CARGO_PKG_VERSION"))];
    registry.register("build", "What this process is", Info::new(version));
    api::register(&mut registry);
    models::register(&mut registry);
    service::measure::register(&mut registry);
    worker::register(&mut registry);
    registry
}

/// The address, where there is to be one.
pub(crate) async fn bind(listen: Option<&str>) -> Result<Option<TcpListener>, Failure> {
    let Some(listen) = listen else { return Ok(None) };
    match TcpListener::bind(listen).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) => Err(Failure::Failed(format!(
            "MUSTER_METRICS_LISTEN: cannot serve at {listen}: {error}"
        ))),
    }
}

pub(crate) fn serve(
    parts: &mut JoinSet<Outcome>,
    service: Service,
    listener: Option<TcpListener>,
    shutdown: &CancellationToken,
) {
    let Some(listener) = listener else { return };
    let (registry, shutdown) = (registry(), shutdown.clone());
    let render = move || {
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &registry) {
            tracing::error!(%error, "what is measured could not be written down");
        }
        text
    };
    parts.spawn(async move {
        api::serve_status(service, listener, std::sync::Arc::new(render), shutdown)
            .await
            .map_err(|error| Failure::Failed(format!("the server of metrics ended: {error}")))
    });
}
