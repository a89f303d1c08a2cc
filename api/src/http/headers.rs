//! What every answer tells browsers: nothing of it is a page, a frame, a script or anybody
//! else's, unless the answer itself says so.

use poem::http::header::{self, HeaderName, HeaderValue};
use poem::{Endpoint, Request, Response, Result};

const ALWAYS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

pub(super) const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// For answers that say nothing else: pictures may be shown elsewhere, the page has its scripts,
/// and what is no secret may be kept.
const UNLESS_SAID: [(HeaderName, &str); 3] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (RESOURCE_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// A year. Not for the hosts below ours: they are somebody else's.
const ONLY_TLS: &str = "max-age=31536000";

pub(super) struct Headers<E> {
    inner: E,
    /// Clients reach us by https.
    tls: bool,
}

impl<E: Endpoint<Output = Response>> Headers<E> {
    pub(super) fn new(inner: E, tls: bool) -> Self {
        Self { inner, tls }
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Headers<E> {
    type Output = Response;

    async fn call(&self, req: Request) -> Result<Response> {
        let mut response = self.inner.call(req).await?;
        let failed = response.status().is_client_error() || response.status().is_server_error();
        let headers = response.headers_mut();
        for (name, value) in ALWAYS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if failed {
            headers.remove(header::CACHE_CONTROL);
        }
        for (name, value) in UNLESS_SAID {
            headers.entry(name).or_insert(HeaderValue::from_static(value));
        }
        if self.tls {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(ONLY_TLS));
        }
        Ok(response)
    }
}
