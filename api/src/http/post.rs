//! POST /graphql. Who asks is settled before a byte of the body is read, since it decides how
//! many bytes will be.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_graphql::{Executor, Request, Response};
use futures_util::FutureExt;
use poem::http::{HeaderMap, StatusCode, header};
use poem::{Body, Endpoint};
use service::rates::Origin;
use service::scope::Viewer;

use super::auth::{Auth, AuthCell, Credentials};
use super::backend::Backend;
use super::body::{self, Budget, Lease};
use super::error::{Refusal, panicked};
use super::gate::Gate;
use super::limits::Limits;
use super::multipart::{FileLimits, Parts};
use super::upload::Uploads;

const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";
/// So much of a refused upload is read to its end, so that its sender hears the reason.
const DISCARD_BYTES: u64 = 4 * 1024 * 1024;

pub(super) struct Post<E, B> {
    executor: E,
    backend: B,
    limits: Arc<Limits>,
    budget: Budget,
}

impl<E: Executor, B: Backend> Post<E, B> {
    pub(super) fn new(executor: E, backend: B, limits: Arc<Limits>) -> Self {
        let budget = Budget::new(limits.bodies_bytes);
        Self {
            executor,
            backend,
            limits,
            budget,
        }
    }

    async fn answer(&self, headers: &HeaderMap, origin: Origin, body: Body) -> Result<poem::Response, Refusal> {
        let auth = Credentials::from_headers(headers)
            .identify(&self.backend)
            .await
            .map_err(|error| Refusal::from(error).closing())?;
        let lease = self.budget.lease();
        let (request, uploads) = self.read(headers, &auth, origin, body, &lease).await?;
        let request = request.data(AuthCell::new(auth)).data(uploads).data(origin);
        let response = AssertUnwindSafe(self.executor.execute(request))
            .catch_unwind()
            .await
            .map_err(|panic| Refusal::with_status(StatusCode::INTERNAL_SERVER_ERROR, panicked(&*panic)))?;
        drop(lease);
        render(response, accepts_graphql_response(headers))
    }

    async fn read(
        &self,
        headers: &HeaderMap,
        auth: &Auth,
        origin: Origin,
        body: Body,
        lease: &Arc<Lease>,
    ) -> Result<(Request, Uploads), Refusal> {
        let kind = Kind::of(headers)?;
        let viewer = match auth {
            Auth::Viewer(viewer) => Some(viewer),
            Auth::Anonymous | Auth::Rejected => None,
        };
        if viewer.is_none() && matches!(kind, Kind::Multipart(_)) {
            return Err(Refusal::from(service::Error::Unauthenticated).closing());
        }
        let limit = self.body_limit(viewer, &kind);
        let announced = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|bytes| bytes > limit) {
            return Err((&body::BodyError::TooLarge(limit)).into());
        }
        let gate = Gate {
            backend: &self.backend,
            limits: &self.limits,
            viewer,
            origin,
        };
        let multipart = matches!(kind, Kind::Multipart(_));
        gate.announced(multipart, announced).await?;
        let pieces = body::pieces(body, limit, &self.limits, Arc::clone(lease));
        let boundary = match kind {
            Kind::Json => {
                let whole = body::collect(pieces).await.map_err(|e| Refusal::from(&e))?;
                gate.arrived(announced, whole.len()).await?;
                return Ok((parse_request(&whole)?, Uploads::default()));
            }
            Kind::Multipart(boundary) => boundary,
        };
        let mut parts = Parts::new(pieces, boundary);
        let limits = FileLimits {
            bytes: viewer.map_or(0, |viewer| viewer.max_upload_bytes),
            count: self.limits.files_per_request,
        };
        match parts.read(limits).await {
            Ok(read) => Ok(read),
            Err(refusal) => {
                let left = announced.map(|bytes| bytes.saturating_sub(lease.taken()));
                if left.is_some_and(|bytes| bytes <= DISCARD_BYTES) {
                    parts.discard().await;
                    Err(refusal)
                } else {
                    Err(refusal.closing())
                }
            }
        }
    }

    fn body_limit(&self, viewer: Option<&Viewer>, kind: &Kind) -> u64 {
        let limits = &self.limits;
        // Query, variables and the frame around the photos.
        let rest = limits.anonymous_body_bytes;
        let photos = viewer.map_or(0, |viewer| {
            limits.photos_per_request.saturating_mul(viewer.max_upload_bytes)
        });
        let photos = match kind {
            Kind::Multipart(_) => photos,
            // As base64.
            Kind::Json => photos.div_ceil(3).saturating_mul(4),
        };
        photos.saturating_add(rest).min(limits.max_body_bytes)
    }
}

impl<E: Executor, B: Backend> Endpoint for Post<E, B> {
    type Output = poem::Response;

    async fn call(&self, req: poem::Request) -> poem::Result<poem::Response> {
        let origin = self.limits.trusted_proxies.origin(&req);
        let (parts, body) = req.into_parts();
        let answer = self.answer(&parts.headers, origin, body).await;
        Ok(answer.unwrap_or_else(Refusal::into_response))
    }
}

/// How the request is written.
enum Kind {
    Json,
    /// With its boundary.
    Multipart(String),
}

impl Kind {
    fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let plain = headers
            .get_all(header::CONTENT_ENCODING)
            .iter()
            .all(|encoding| encoding == "identity");
        if !plain {
            return Err(Refusal::new("UNSUPPORTED_MEDIA", "Compressed requests are not accepted").closing());
        }
        let content_type = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/json") {
            Ok(Self::Json)
        } else if essence.eq_ignore_ascii_case("multipart/form-data") {
            multer::parse_boundary(content_type)
                .map(Self::Multipart)
                .map_err(|_| Refusal::bad_request("The content type has no usable boundary").closing())
        } else {
            Err(Refusal::new("UNSUPPORTED_MEDIA", "Send application/json or multipart/form-data").closing())
        }
    }
}

/// One request from its JSON.
pub(super) fn parse_request(json: &[u8]) -> Result<Request, Refusal> {
    let first = json.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'[') {
        return Err(Refusal::bad_request(
            "Send one operation a request: lists are not accepted",
        ));
    }
    serde_json::from_slice(json)
        .map_err(|error| Refusal::bad_request(format!("The request is not valid JSON: {error}")))
}

fn accepts_graphql_response(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .any(|range| range.trim().eq_ignore_ascii_case(GRAPHQL_RESPONSE))
}

fn render(response: Response, graphql_response: bool) -> Result<poem::Response, Refusal> {
    let body = serde_json::to_vec(&response).map_err(|error| Refusal::from(service::Error::internal(error)))?;
    let content_type = if graphql_response {
        "application/graphql-response+json; charset=utf-8"
    } else {
        "application/json; charset=utf-8"
    };
    let mut answer = poem::Response::builder()
        .content_type(content_type)
        .header(header::CACHE_CONTROL, "no-store")
        .body(body);
    answer.headers_mut().extend(response.http_headers);
    Ok(answer)
}
