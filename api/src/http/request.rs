//! Each request has an id: it is in every line that is logged of the request, in its answer, and is what a client
//! may quote to us of an error. And each may belong to a trace that somebody before us began.

use std::time::Instant;

use poem::http::{HeaderMap, HeaderName, HeaderValue};
use poem::{Endpoint, Request, Response, Result};
use tracing::Instrument;
use uuid::Uuid;

use super::origin::Proxies;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Of an id that a proxy made.
const MAX_ID_BYTES: usize = 64;

tokio::task_local! {
    static ID: String;
}

/// The id of the request that is being answered.
pub(super) fn id() -> Option<String> {
    ID.try_with(Clone::clone).ok()
}

/// Ordered by time, so that a report is found in the log without a search through all of it.
#[expect(
    clippy::disallowed_methods,
    reason = "joins an answer to its log lines; no test decides it"
)]
pub(super) fn fresh() -> String {
    Uuid::now_v7().to_string()
}

/// The outermost layer.
pub(super) struct Known<E> {
    inner: E,
    proxies: Proxies,
}

impl<E: Endpoint<Output = Response>> Known<E> {
    /// An id that one of the proxies made stands.
    pub(super) fn new(inner: E, proxies: Proxies) -> Self {
        Self { inner, proxies }
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Known<E> {
    type Output = Response;

    async fn call(&self, req: Request) -> Result<Response> {
        let begun = Instant::now();
        let given = given(req.headers()).filter(|_| self.proxies.sent(&req));
        let id = given.unwrap_or_else(fresh);
        // Of the highest level, so that the lines of each level have it.
        let span = tracing::error_span!("request", request_id = id, otel.kind = "server");
        if let Some(parent) = req.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok()) {
            service::trace::follow(&span, parent);
        }
        let shown = HeaderValue::from_str(&id);
        let answered = async {
            let mut response = self.inner.call(req).await?;
            tracing::debug!(
                status = response.status().as_u16(),
                ms = begun.elapsed().as_secs_f64() * 1000.0,
                "answered"
            );
            if let Ok(shown) = shown {
                response.headers_mut().insert(REQUEST_ID, shown);
            }
            Ok(response)
        };
        ID.scope(id, answered).instrument(span).await
    }
}

/// The id that the request brings, where it can be one and nothing else.
fn given(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(REQUEST_ID)?.to_str().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let fits = (1..=MAX_ID_BYTES).contains(&text.len()) && text.bytes().all(plain);
    fits.then(|| text.to_owned())
}
