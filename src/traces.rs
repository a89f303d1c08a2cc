//! Traces: what our own spans tell, sent to a collector by OTLP over HTTP. Spans hold ids of requests and jobs, and
//! nothing of a person; what is logged within them stays in the log.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;
use ureq::Agent;

use crate::Failure;
use crate::logs::is_own;

/// A collector that has not answered by then is away.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of a collector's answer, which says hardly anything.
const MOST_BYTES: u64 = 64 * 1024;

/// Sends until it is dropped; then what is left.
pub(crate) struct Traces(SdkTracerProvider);

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Traces")
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // Whoever stops the process does not wait for a collector that is away.
        let _ = self.0.shutdown_with_timeout(PATIENCE);
    }
}

impl Traces {
    /// Sends to the collector at this address, as its standard has it. How many are sent is for the SDK's own
    /// variables, such as `OTEL_TRACES_SAMPLER`, to say.
    pub fn start(endpoint: &str, role: &str) -> Result<Self, Failure> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new())
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .build()
            // Not the error's own text: it repeats the address, which may hold a password.
            .map_err(|_| {
                Failure::Usage(
                    "OTEL_EXPORTER_OTLP_ENDPOINT: the address cannot be read; it looks like http://HOST:4318".into(),
                )
            })?;
        let mut resource = Resource::builder();
        if std::env::var_os("OTEL_SERVICE_NAME").is_none_or(|name| name.is_empty()) {
            resource = resource.with_service_name(format!("muster-{role}"));
        }
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_batch_exporter(exporter)
            .build();
        Ok(Self(provider))
    }

    /// Follows our own spans, whatever is logged.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'s> LookupSpan<'s> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("muster"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|about| {
                about.is_span() && *about.level() <= tracing::Level::INFO && is_own(about)
            }))
    }
}

/// The client that the models are fetched with. Blocking, on the thread that the SDK has for it.
struct Client {
    agent: Agent,
    /// It was told that the collector is away.
    away: AtomicBool,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    fn new() -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .build();
        Self {
            agent: config.into(),
            away: AtomicBool::new(false),
        }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let mut answer = self.agent.run(Request::from_parts(parts, &body[..]))?;
        let body = answer.body_mut().with_config().limit(MOST_BYTES).read_to_vec()?;
        let (parts, _) = answer.into_parts();
        Ok(Response::from_parts(parts, body.into()))
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.send(request);
        let well = sent.as_ref().is_ok_and(|answer| answer.status().is_success());
        // Not the error's own text: it may repeat the address, which may hold a password.
        if !well && !self.away.swap(true, Ordering::Relaxed) {
            tracing::warn!("traces are lost: the collector at OTEL_EXPORTER_OTLP_ENDPOINT does not take them");
        } else if well && self.away.swap(false, Ordering::Relaxed) {
            tracing::info!("traces are taken again");
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_read_is_not_repeated() {
        match Traces::start("http://zoe:hunter2@[x", "api") {
            Err(Failure::Usage(line)) => {
                assert!(line.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT: "), "{line}");
                assert!(!line.contains("hunter2"), "{line}");
            }
            other => panic!("{other:?}"),
        }
    }
}
