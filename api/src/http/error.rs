//! Errors as clients read them: the code of the contract on every one, and no word about the
//! inside on those that are our own fault. Those are logged here, once, under the correlation
//! id that the client gets.

use std::any::Any;
use std::error::Error as StdError;

use async_graphql::{Error, ErrorExtensions, ServerError};
use poem::Response;
use poem::http::{StatusCode, header};
use service::error::About;

pub use super::codes::Codes;
use super::request;
use crate::graphql::ids::NodeId;

pub(super) const BAD_REQUEST: &str = "BAD_REQUEST";
const INTERNAL: &str = "INTERNAL";
const INTERNAL_MESSAGE: &str = "Something went wrong on our side";
/// After which a client may try again when something was away.
const RETRY_AFTER_SECONDS: &str = "5";

/// A service error as a resolver answers it.
pub fn extend(error: service::Error) -> Error {
    let readable = coded(error.code(), error.to_string());
    match error {
        service::Error::Internal(source) => {
            let id = correlation_id();
            tracing::error!(correlation_id = %id, error = %chain(&*source), "internal error");
            internal(&id)
        }
        service::Error::Invalid { field, .. } => readable.extend_with(|_, extensions| extensions.set("field", field)),
        service::Error::Conflict { reason, about, .. } => readable.extend_with(|_, extensions| {
            extensions.set("reason", reason);
            match about {
                Some(About::Session(session)) => extensions.set("sessionId", session.global().to_string()),
                Some(About::Job(job)) => extensions.set("jobId", job.global().to_string()),
                None => {}
            }
        }),
        service::Error::RateLimited { retry_after_seconds } => {
            readable.extend_with(|_, extensions| extensions.set("retryAfterSeconds", retry_after_seconds))
        }
        _ => readable,
    }
}

/// An error with a code of the contract that no service error stands for.
pub(super) fn coded(code: &'static str, message: impl Into<String>) -> Error {
    Error::new(message).extend_with(|_, extensions| extensions.set("code", code))
}

/// A panic was caught: log what it said, answer nothing of it.
pub(super) fn panicked(payload: &(dyn Any + Send)) -> Error {
    let id = correlation_id();
    // A text that was put together at run time may quote what it met.
    let said = payload
        .downcast_ref::<&str>()
        .copied()
        .unwrap_or("a message made at run time");
    tracing::error!(correlation_id = %id, panic = said, "a request panicked");
    internal(&id)
}

/// Sees to it that an error carries a code.
///
/// What async-graphql makes itself (parsing, validation, limits, a variable that isn't of its
/// type) has no source and is the caller's doing. One that has a source was converted from
/// some other error by a `?` without [`extend`]: nobody has decided that its text may be read.
pub(super) fn complete(error: &mut ServerError) {
    let has_code = error
        .extensions
        .as_ref()
        .is_some_and(|extensions| extensions.get("code").is_some());
    if has_code {
        return;
    }
    if error.source.is_none() {
        error.extensions.get_or_insert_default().set("code", BAD_REQUEST);
        return;
    }
    let id = correlation_id();
    tracing::error!(correlation_id = %id, error = %error.message, "an error without a code");
    let internal = internal(&id);
    error.message = internal.message;
    error.extensions = internal.extensions;
    error.source = None;
}

fn internal(id: &str) -> Error {
    Error::new(INTERNAL_MESSAGE).extend_with(|_, extensions| {
        extensions.set("code", INTERNAL);
        extensions.set("correlationId", id);
    })
}

/// The id of the request, which its answer and its other lines in the log have as well; on a socket, whose id is the
/// handshake's, one of its own.
fn correlation_id() -> String {
    request::id().unwrap_or_else(request::fresh)
}

fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

/// A request that is turned away before GraphQL sees it: the status says so, and the body is
/// shaped like a GraphQL answer all the same.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    error: Box<Error>,
    close: bool,
    /// In seconds, where it is known better than by the status.
    retry_after: Option<u64>,
}

impl Refusal {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self::with_status(status(code), coded(code, message))
    }

    pub(super) fn with_status(status: StatusCode, error: Error) -> Self {
        Self {
            status,
            error: Box::new(error),
            close: false,
            retry_after: None,
        }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(BAD_REQUEST, message)
    }

    /// Also end the connection: there is more on it that we don't want to read.
    pub(super) fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    pub(super) fn error(&self) -> &Error {
        &self.error
    }

    /// The same inside an answer.
    pub(super) fn into_error(self) -> Error {
        *self.error
    }

    pub(super) fn into_response(self) -> Response {
        let body = serde_json::json!({ "errors": [&*self.error] });
        let mut response = Response::builder()
            .status(self.status)
            .content_type("application/json; charset=utf-8")
            .header(header::CACHE_CONTROL, "no-store");
        if self.close {
            response = response.header(header::CONNECTION, "close");
        }
        response = match self.status {
            StatusCode::UNAUTHORIZED => response.header(header::WWW_AUTHENTICATE, "Bearer"),
            StatusCode::TOO_MANY_REQUESTS => match self.retry_after {
                Some(seconds) => response.header(header::RETRY_AFTER, seconds),
                None => response,
            },
            StatusCode::SERVICE_UNAVAILABLE => response.header(header::RETRY_AFTER, RETRY_AFTER_SECONDS),
            _ => response,
        };
        response.body(body.to_string())
    }
}

impl From<service::Error> for Refusal {
    fn from(error: service::Error) -> Self {
        let status = status(error.code());
        let retry_after = match error {
            service::Error::RateLimited { retry_after_seconds } => Some(retry_after_seconds),
            _ => None,
        };
        Self {
            retry_after,
            ..Self::with_status(status, extend(error))
        }
    }
}

fn status(code: &str) -> StatusCode {
    match code {
        "BAD_REQUEST" | "INVALID_INPUT" => StatusCode::BAD_REQUEST,
        "UNAUTHENTICATED" => StatusCode::UNAUTHORIZED,
        "FORBIDDEN" => StatusCode::FORBIDDEN,
        "NOT_FOUND" => StatusCode::NOT_FOUND,
        "CONFLICT" => StatusCode::CONFLICT,
        "PAYLOAD_TOO_LARGE" => StatusCode::PAYLOAD_TOO_LARGE,
        "UNSUPPORTED_MEDIA" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "RATE_LIMITED" => StatusCode::TOO_MANY_REQUESTS,
        "UNAVAILABLE" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn json(error: &Error) -> serde_json::Value {
        serde_json::to_value(error).unwrap()
    }

    #[test]
    fn a_service_error_carries_its_code_and_details() {
        let invalid = extend(service::Error::Invalid {
            field: "photo",
            message: "empty".to_owned(),
        });
        let extensions = &json(&invalid)["extensions"];
        assert_eq!(extensions["code"], "INVALID_INPUT");
        assert_eq!(extensions["field"], "photo");

        let conflict = extend(service::Error::conflict("SESSION_CLOSED", "closed"));
        let extensions = &json(&conflict)["extensions"];
        assert_eq!(extensions["reason"], "SESSION_CLOSED");
        assert!(extensions.get("sessionId").is_none());

        let session = service::id::SessionId(Uuid::from_u128(7));
        let taken = extend(service::Error::conflict_with(
            "VENUE_TAKEN",
            About::Session(session),
            "taken",
        ));
        let extensions = &json(&taken)["extensions"];
        assert_eq!(extensions["reason"], "VENUE_TAKEN");
        assert_eq!(extensions["sessionId"], "ses_00000000000000000000000000000007");
    }

    #[test]
    fn an_internal_error_says_nothing_but_its_correlation_id() {
        let error = json(&extend(service::Error::internal("secret-of-the-database")));
        assert_eq!(error["extensions"]["code"], "INTERNAL");
        assert!(error["extensions"]["correlationId"].is_string());
        assert!(!error.to_string().contains("secret"));
    }
}
