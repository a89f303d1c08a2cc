//! What an operator's own machines ask, at an address of its own: numbers to draw, and whether the process is well.
//! Nobody is asked who they are here, so the address must not be open to the world.

use std::sync::Arc;

use poem::http::header;
use poem::{Endpoint, Request, Response, Result, Route, get};

use super::backend::Backend;
use super::media::{Live, Ready};
use super::shell::Shell;

/// Writes down everything that is measured, as `OpenMetrics` text.
pub type Render = Arc<dyn Fn() -> String + Send + Sync>;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

struct Metrics<B> {
    backend: B,
    render: Render,
}

impl<B: Backend> Endpoint for Metrics<B> {
    type Output = Response;

    async fn call(&self, _: Request) -> Result<Response> {
        self.backend.measure().await;
        Ok(Response::builder()
            .content_type(OPEN_METRICS)
            .header(header::CACHE_CONTROL, "no-store")
            .body((self.render)()))
    }
}

pub fn router<B: Backend>(backend: B, render: Render) -> impl Endpoint<Output = Response> + 'static {
    let metrics = Metrics {
        backend: backend.clone(),
        render,
    };
    let routes = Route::new()
        .at("/metrics", get(metrics))
        .at("/health/live", get(Live))
        .at("/health/ready", get(Ready(backend)));
    Shell::new(routes)
}
