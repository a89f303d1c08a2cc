//! Which pages may call us from a browser: our own, and those of the origins that the operator
//! lists. A request that names another origin is refused before anything of it is looked at; the
//! handshake of a WebSocket, to which browsers apply no such rule of their own, as well.
//!
//! Not poem's middleware: it has no rule for our own pages, answers in a text of its own, and
//! takes a preflight in which a single one of the headers is allowed.

use poem::http::header::{self, HeaderValue};
use poem::http::{Method, StatusCode};
use poem::{Endpoint, Request, Response, Result};

use super::error::Refusal;
use super::exposure::WebOrigin;

const METHODS: &str = "GET, POST";
/// What our clients set besides what every page may; the last is Apollo's.
const HEADERS: &str = "authorization, content-type, accept, apollo-require-preflight";
const EXPOSED: &str = "retry-after";
/// Of a preflight's answer, in seconds; browsers keep it no longer than two hours.
const MAX_AGE: &str = "7200";

pub(super) struct Cors<E> {
    inner: E,
    /// Where our own pages come from, as far as we know.
    own: Option<WebOrigin>,
    listed: Vec<WebOrigin>,
}

enum Caller {
    /// No page, or one of ours: the browser asks for no permission.
    Own,
    /// A page of a listed origin; the header as it was sent.
    Listed(HeaderValue),
    Foreign,
}

impl<E: Endpoint<Output = Response>> Cors<E> {
    pub(super) fn new(inner: E, own: Option<WebOrigin>, listed: Vec<WebOrigin>) -> Self {
        Self { inner, own, listed }
    }

    fn caller(&self, req: &Request) -> Caller {
        let mut values = req.headers().get_all(header::ORIGIN).iter();
        let value = match (values.next(), values.next()) {
            (None, _) => return Caller::Own,
            (Some(value), None) => value,
            (Some(_), Some(_)) => return Caller::Foreign,
        };
        // "null", which is anybody's sandbox, is none either.
        let Some(origin) = value.to_str().ok().and_then(|text| text.parse::<WebOrigin>().ok()) else {
            return Caller::Foreign;
        };
        let host = req.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.or_else(|| req.uri().authority().map(poem::http::uri::Authority::as_str));
        if self.own.as_ref() == Some(&origin) || host.is_some_and(|host| origin.is_at(host)) {
            Caller::Own
        } else if self.listed.contains(&origin) {
            Caller::Listed(value.clone())
        } else {
            Caller::Foreign
        }
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Cors<E> {
    type Output = Response;

    async fn call(&self, req: Request) -> Result<Response> {
        let mut response = match self.caller(&req) {
            Caller::Own => self.inner.call(req).await?,
            Caller::Listed(origin) => {
                let mut response = if is_preflight(&req) {
                    preflight()
                } else {
                    self.inner.call(req).await?
                };
                let headers = response.headers_mut();
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                headers.insert(
                    header::ACCESS_CONTROL_EXPOSE_HEADERS,
                    HeaderValue::from_static(EXPOSED),
                );
                response
            }
            Caller::Foreign => Refusal::new(
                "FORBIDDEN",
                "Pages of this origin may not call this server; its operator lists those that may in MUSTER_CORS_ORIGINS",
            )
            .closing()
            .into_response(),
        };
        if !self.listed.is_empty() {
            response
                .headers_mut()
                .append(header::VARY, HeaderValue::from_static("Origin"));
        }
        Ok(response)
    }
}

fn is_preflight(req: &Request) -> bool {
    req.method() == Method::OPTIONS && req.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The browser compares what it wants to send with this; credentials of its own are not allowed.
fn preflight() -> Response {
    Response::builder()
        .status(StatusCode::NO_CONTENT)
        .header(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS)
        .header(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS)
        .header(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE)
        .finish()
}
