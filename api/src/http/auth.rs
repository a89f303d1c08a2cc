//! Who is asking. A bearer token is looked up once for each HTTP request and once for each
//! operation on a socket; what came out lies in an [`AuthCell`] in the operation's data, where
//! resolvers find it by [`viewer`]. Nothing here remembers a token's answer for longer.

use std::any::TypeId;
use std::sync::{Arc, PoisonError, RwLock};

use async_graphql::extensions::ExtensionContext;
use async_graphql::{Context, Request};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, stream};
use poem::http::{HeaderMap, header};
use service::scope::Viewer;
use tokio::sync::watch;

use super::backend::Backend;
use super::error::extend;

/// Longer tokens are none of ours, and are not worth a look at the database.
const MAX_TOKEN_BYTES: usize = 4096;

#[derive(Clone, Debug)]
pub enum Auth {
    /// No token was sent.
    Anonymous,
    /// A token was sent that is wrong, expired or of a login that has ended. Login, refresh and
    /// logout still work with it; everything else answers UNAUTHENTICATED.
    Rejected,
    Viewer(Viewer),
}

/// The asker of an operation. On a socket all operations share one, and each look at the
/// database renews it: a long subscription reads there what the viewer is now.
#[derive(Clone, Debug)]
pub struct AuthCell {
    auth: Arc<RwLock<Auth>>,
    checked: Arc<watch::Sender<()>>,
}

impl AuthCell {
    pub fn new(auth: Auth) -> Self {
        Self {
            auth: Arc::new(RwLock::new(auth)),
            checked: Arc::default(),
        }
    }

    pub fn get(&self) -> Auth {
        self.auth.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, auth: Auth) {
        *self.auth.write().unwrap_or_else(PoisonError::into_inner) = auth;
    }

    /// The login was looked at between two operations, by the clock or because something about
    /// its person was announced.
    pub(super) fn tell_checked(&self) {
        self.checked.send_replace(());
    }

    /// One item whenever that happens: who watches one thing for long looks then whether they
    /// still may.
    fn checks(&self) -> impl Stream<Item = ()> + Send + use<> {
        stream::unfold(self.checked.subscribe(), |mut checked| async move {
            checked.changed().await.ok()?;
            Some(((), checked))
        })
    }
}

/// Who is asking, over HTTP and sockets alike; UNAUTHENTICATED when nobody is signed in.
pub fn viewer(ctx: &Context<'_>) -> async_graphql::Result<Viewer> {
    match auth(ctx) {
        Auth::Viewer(viewer) => Ok(viewer),
        Auth::Anonymous | Auth::Rejected => Err(extend(service::Error::Unauthenticated)),
    }
}

/// The same for fields that answer people who are not signed in as well.
pub fn auth(ctx: &Context<'_>) -> Auth {
    ctx.data_opt::<AuthCell>().map_or(Auth::Anonymous, AuthCell::get)
}

/// When a subscription looks again whether its asker still reaches what it shows.
pub fn checks(ctx: &Context<'_>) -> BoxStream<'static, ()> {
    stream::iter(ctx.data_opt::<AuthCell>().map(AuthCell::checks))
        .flatten()
        .boxed()
}

/// The same before the operation has begun: the request brings it, or the socket has it.
pub fn asker(ctx: &ExtensionContext<'_>, request: &Request) -> Option<Auth> {
    let brought = request.data.get(&TypeId::of::<AuthCell>());
    brought
        .and_then(|cell| cell.downcast_ref::<AuthCell>())
        .or_else(|| ctx.data_opt::<AuthCell>())
        .map(AuthCell::get)
}

/// What a client showed of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Credentials {
    None,
    Token(String),
    /// Something that can't be a token: another scheme, two headers, not text.
    Malformed,
}

impl Credentials {
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::None,
            (Some(value), None) => value.to_str().map_or(Self::Malformed, Self::from_value),
            (Some(_), Some(_)) => Self::Malformed,
        }
    }

    /// A socket's `connection_init` payload. Clients write the key as they would the header,
    /// so its case doesn't matter.
    pub(super) fn from_payload(payload: Option<&serde_json::Value>) -> Self {
        let mut values = payload
            .and_then(serde_json::Value::as_object)
            .into_iter()
            .flatten()
            .filter(|(key, _)| key.eq_ignore_ascii_case("authorization"))
            .map(|(_, value)| value);
        match (values.next(), values.next()) {
            // A client that isn't signed in may well send `authorization: null`.
            (None, _) | (Some(serde_json::Value::Null), None) => Self::None,
            (Some(serde_json::Value::String(value)), None) => Self::from_value(value),
            _ => Self::Malformed,
        }
    }

    fn from_value(value: &str) -> Self {
        let Some((scheme, token)) = value.trim().split_once(' ') else {
            return Self::Malformed;
        };
        let token = token.trim();
        if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= MAX_TOKEN_BYTES {
            Self::Token(token.to_owned())
        } else {
            Self::Malformed
        }
    }

    /// Errors: only what keeps us from knowing; a token that is not (or no longer) good is
    /// [`Auth::Rejected`].
    pub(super) async fn identify(&self, backend: &impl Backend) -> service::Result<Auth> {
        match self {
            Self::None => Ok(Auth::Anonymous),
            Self::Malformed => Ok(Auth::Rejected),
            Self::Token(token) => match backend.authenticate(token).await {
                Ok(viewer) => Ok(Auth::Viewer(viewer)),
                Err(service::Error::Unauthenticated) => Ok(Auth::Rejected),
                Err(other) => Err(other),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn payload(value: &serde_json::Value) -> Credentials {
        Credentials::from_payload(Some(value))
    }

    #[test]
    fn a_token_is_taken_from_one_bearer_header_only() {
        let token = Credentials::Token("abc".to_owned());
        assert_eq!(Credentials::from_value("Bearer abc"), token);
        assert_eq!(Credentials::from_value("bearer  abc "), token);
        assert_eq!(Credentials::from_value("Basic abc"), Credentials::Malformed);
        assert_eq!(Credentials::from_value("abc"), Credentials::Malformed);
        assert_eq!(Credentials::from_value("Bearer "), Credentials::Malformed);
        let long = format!("Bearer {}", "a".repeat(MAX_TOKEN_BYTES + 1));
        assert_eq!(Credentials::from_value(&long), Credentials::Malformed);

        let mut headers = HeaderMap::new();
        assert_eq!(Credentials::from_headers(&headers), Credentials::None);
        headers.append("authorization", "Bearer abc".parse().unwrap());
        assert_eq!(Credentials::from_headers(&headers), token);
        headers.append("authorization", "Bearer def".parse().unwrap());
        assert_eq!(Credentials::from_headers(&headers), Credentials::Malformed);
    }

    #[test]
    fn the_payload_of_a_socket_is_read_like_headers() {
        let token = Credentials::Token("abc".to_owned());
        assert_eq!(payload(&json!({"Authorization": "Bearer abc"})), token);
        assert_eq!(payload(&json!({"authorization": "Bearer abc"})), token);
        assert_eq!(payload(&json!({"authorization": null})), Credentials::None);
        assert_eq!(payload(&json!({})), Credentials::None);
        assert_eq!(payload(&json!([1])), Credentials::None);
        assert_eq!(payload(&json!({"authorization": 7})), Credentials::Malformed);
    }
}
