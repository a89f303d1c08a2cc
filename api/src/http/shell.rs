//! Around every route: whatever goes wrong outside GraphQL is answered in the same shape, and a
//! panic says no more than its correlation id.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use poem::http::StatusCode;
use poem::{Endpoint, IntoResponse, Request, Response, Result};

use super::error::{Refusal, coded, panicked};

pub(super) struct Shell<E>(E);

impl<E: Endpoint> Shell<E> {
    pub(super) fn new(inner: E) -> Self {
        Self(inner)
    }
}

impl<E: Endpoint> Endpoint for Shell<E> {
    type Output = Response;

    async fn call(&self, req: Request) -> Result<Response> {
        let answer = AssertUnwindSafe(self.0.call(req)).catch_unwind().await;
        let response = match answer {
            Ok(Ok(output)) => output.into_response(),
            Ok(Err(error)) => refuse(error.status()).into_response(),
            Err(panic) => {
                let error = panicked(&*panic);
                Refusal::with_status(StatusCode::INTERNAL_SERVER_ERROR, error).into_response()
            }
        };
        Ok(response)
    }
}

/// What poem itself turns away: its own texts are for developers.
fn refuse(status: StatusCode) -> Refusal {
    let (code, message) = match status {
        StatusCode::NOT_FOUND => ("NOT_FOUND", "There is nothing at this address"),
        StatusCode::METHOD_NOT_ALLOWED => ("BAD_REQUEST", "This address does not take this method"),
        status if status.is_client_error() => ("BAD_REQUEST", "The request is malformed"),
        _ => {
            let error = service::Error::internal(format!("poem answered {status}"));
            return Refusal::from(error);
        }
    };
    Refusal::with_status(status, coded(code, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_one_500_without_detail() {
        let shell = Shell::new(poem::endpoint::make_sync(|_| -> String { panic!("secret") }));
        let response = shell.get_response(Request::default()).await;
        assert_eq!(response.status(), 500);
        let body = response.into_body().into_string().await.unwrap();
        assert!(body.contains("correlationId") && !body.contains("secret"));
    }
}
