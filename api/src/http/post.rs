//! POST /graphql. Who asks is settled before a byte of the body is read, since it decides how
//! many bytes will be.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_graphql::{Executor, Request};
use futures_util::StreamExt;
use poem::http::{HeaderMap, header};
use poem::{Body, Endpoint};
use service::rates::Origin;
use service::scope::Viewer;
use tokio::time::timeout;

use super::auth::{Auth, AuthCell, Credentials};
use super::backend::Backend;
use super::body::{self, Budget, Lease};
use super::error::Refusal;
use super::gate::Gate;
use super::limits::Limits;
use super::measure;
use super::multipart::{FileLimits, Parts};
use super::operations::{Answers, Operations, Prepare};
use super::turns::{Lane, Turns};
use super::upload::Uploads;

const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";
/// So much of a refused upload is read to its end, so that its sender hears the reason.
const DISCARD_BYTES: u64 = 4 * 1024 * 1024;

/// A body that takes longer to come gives its turn away meanwhile.
const AT_HAND: Duration = Duration::from_millis(20);

pub(super) struct Post<E, B> {
    executor: E,
    backend: B,
    limits: Arc<Limits>,
    budget: Budget,
    turns: Arc<Turns>,
}

impl<E: Executor, B: Backend> Post<E, B> {
    pub(super) fn new(executor: E, backend: B, limits: Arc<Limits>, turns: Arc<Turns>) -> Self {
        let budget = Budget::new(limits.bodies_bytes);
        Self {
            executor,
            backend,
            limits,
            budget,
            turns,
        }
    }

    async fn answer(&self, headers: &HeaderMap, origin: Origin, body: Body) -> Result<poem::Response, Refusal> {
        let credentials = Credentials::from_headers(headers);
        let mut lane = self.lane(headers, &credentials);
        let mut turn = match lane.begin().await {
            Ok(turn) => turn,
            Err(refusal) => return Err(self.put_off(headers, body, refusal).await),
        };
        let auth = credentials.identify(&self.backend).await;
        let auth = auth.map_err(|error| Refusal::from(error).closing())?;
        let seen = Instant::now();
        let signed_in = matches!(auth, Auth::Viewer(_));
        if !signed_in && !std::ptr::eq(lane, &raw const self.turns.strangers) {
            // Whoever shows a token that signs nobody in waits with those who show none.
            drop(turn);
            lane = &self.turns.strangers;
            turn = match lane.begin().await {
                Ok(turn) => turn,
                Err(refusal) => return Err(self.put_off(headers, body, refusal).await),
            };
        }
        let lease = self.budget.lease();
        // A body that is here is read in the same turn; one that has yet to come keeps nobody waiting.
        let mut reading = Box::pin(self.read(headers, &auth, origin, body, &lease));
        let (read, mut turn) = if let Ok(read) = timeout(AT_HAND, &mut reading).await {
            (read, Some(turn))
        } else {
            drop(turn);
            (reading.as_mut().await, None)
        };
        drop(reading);
        let (operations, uploads) = read?;
        if signed_in && !std::ptr::eq(lane, &raw const self.turns.uploads) && self.limits.is_large(lease.taken()) {
            // It said nothing of its length.
            turn = None;
            lane = &self.turns.uploads;
        }
        let shared = Shared {
            backend: &self.backend,
            auth: AuthCell::new(auth),
            seen: Mutex::new(seen),
            uploads,
            origin,
        };
        let turn = match turn {
            Some(turn) => turn,
            None => lane.go_on().await?,
        };
        let answers = operations.run(&self.executor, &shared).await?;
        drop(turn);
        drop(lease);
        Ok(render(answers, accepts_graphql_response(headers)))
    }

    /// Whom a request waits behind, by what shows before anything is done for it.
    fn lane(&self, headers: &HeaderMap, credentials: &Credentials) -> &Lane {
        let large = announced(headers).is_some_and(|bytes| self.limits.is_large(bytes));
        match (credentials, Kind::of(headers)) {
            (Credentials::None | Credentials::Malformed, _) => &self.turns.strangers,
            (_, Ok(Kind::Multipart(_))) => &self.turns.uploads,
            _ if large => &self.turns.uploads,
            _ => &self.turns.viewers,
        }
    }

    /// Refuses a request that got no turn. Its body is read over, where that is little: who is still
    /// sending hears nothing.
    async fn put_off(&self, headers: &HeaderMap, body: Body, refusal: Refusal) -> Refusal {
        if announced(headers).is_none_or(|bytes| bytes > DISCARD_BYTES) {
            return refusal.closing();
        }
        let mut pieces = body::pieces(body, DISCARD_BYTES, &self.limits, self.budget.lease());
        loop {
            match pieces.next().await {
                None => return refusal,
                Some(Ok(_)) => {}
                Some(Err(_)) => return refusal.closing(),
            }
        }
    }

    async fn read(
        &self,
        headers: &HeaderMap,
        auth: &Auth,
        origin: Origin,
        body: Body,
        lease: &Arc<Lease>,
    ) -> Result<(Operations, Uploads), Refusal> {
        let kind = Kind::of(headers)?;
        let viewer = match auth {
            Auth::Viewer(viewer) => Some(viewer),
            Auth::Anonymous | Auth::Rejected => None,
        };
        if viewer.is_none() && matches!(kind, Kind::Multipart(_)) {
            return Err(Refusal::from(service::Error::Unauthenticated).closing());
        }
        let limit = self.body_limit(viewer, &kind);
        let announced = announced(headers);
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
                let operations = Operations::parse(&whole, self.limits.operations_per_request)?;
                return Ok((operations, Uploads::default()));
            }
            Kind::Multipart(boundary) => boundary,
        };
        let mut parts = Parts::new(pieces, boundary);
        let limits = FileLimits {
            bytes: viewer.map_or(0, |viewer| viewer.max_upload_bytes),
            count: self.limits.files_per_request,
        };
        match parts.read(limits).await {
            Ok((request, uploads)) => Ok((Operations::One(Box::new(request)), uploads)),
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

/// After so long it is asked again who somebody is: a body that drips in, or the last of a list of
/// operations, outlives no suspension by more.
const FRESH: Duration = Duration::from_secs(1);

/// What the operations of a request have in common.
struct Shared<'p, B> {
    backend: &'p B,
    auth: AuthCell,
    /// When the database was asked who that is.
    seen: Mutex<Instant>,
    uploads: Uploads,
    origin: Origin,
}

impl<B: Backend> Prepare for Shared<'_, B> {
    async fn prepare(&self, request: Request) -> Result<Request, Refusal> {
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Auth::Viewer(viewer) = self.auth.get()
            && seen.elapsed() >= FRESH
        {
            let now = Instant::now();
            self.auth.set(match self.backend.recheck(viewer.login).await {
                Ok(viewer) => Auth::Viewer(viewer),
                Err(service::Error::Unauthenticated) => Auth::Rejected,
                Err(away) => return Err(away.into()),
            });
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = now;
        }
        let request = request.data(self.auth.clone()).data(self.uploads.clone());
        Ok(request.data(self.origin))
    }
}

impl<E: Executor, B: Backend> Endpoint for Post<E, B> {
    type Output = poem::Response;

    async fn call(&self, req: poem::Request) -> poem::Result<poem::Response> {
        let origin = self.limits.trusted_proxies.origin(&req);
        let (parts, body) = req.into_parts();
        let answer = self.answer(&parts.headers, origin, body).await;
        Ok(answer.unwrap_or_else(|refusal| {
            measure::refused(refusal.error());
            refusal.into_response()
        }))
    }
}

/// How long a body says that it is.
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
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

fn accepts_graphql_response(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .any(|range| range.trim().eq_ignore_ascii_case(GRAPHQL_RESPONSE))
}

fn render(answers: Answers, graphql_response: bool) -> poem::Response {
    let content_type = if graphql_response {
        "application/graphql-response+json; charset=utf-8"
    } else {
        "application/json; charset=utf-8"
    };
    let mut answer = poem::Response::builder()
        .content_type(content_type)
        .header(header::CACHE_CONTROL, "no-store")
        .body(answers.body);
    answer.headers_mut().extend(answers.headers);
    answer
}
