//! GET /media/:token, and the two health addresses: what isn't GraphQL.

use poem::http::{StatusCode, header};
use poem::{Endpoint, IntoResponse, Request, Response, Result};

use super::backend::Backend;
use super::error::Refusal;
use super::headers::RESOURCE_POLICY;

/// The process runs.
pub(super) struct Live;

impl Endpoint for Live {
    type Output = &'static str;

    async fn call(&self, _: Request) -> Result<&'static str> {
        Ok("ok")
    }
}

/// Requests can be answered now.
pub(super) struct Ready<B>(pub B);

impl<B: Backend> Endpoint for Ready<B> {
    type Output = Response;

    async fn call(&self, _: Request) -> Result<Response> {
        Ok(if self.0.ready().await {
            "ok".into_response()
        } else {
            "unavailable"
                .with_status(StatusCode::SERVICE_UNAVAILABLE)
                .into_response()
        })
    }
}

pub(super) struct Media<B> {
    pub backend: B,
    /// Pages of other origins may show the pictures.
    pub embeddable: bool,
}

impl<B: Backend> Endpoint for Media<B> {
    type Output = Response;

    async fn call(&self, req: Request) -> Result<Response> {
        let token = req.raw_path_param("token").unwrap_or_default();
        let served = match self.backend.media(token).await {
            Ok(served) => served,
            Err(error) => return Ok(refuse(error).into_response()),
        };
        // A picture's address is known to whom it was told; a page that may call us may show it.
        let policy = if self.embeddable { "cross-origin" } else { "same-origin" };
        Ok(Response::builder()
            .content_type(served.content_type)
            .header(RESOURCE_POLICY, policy)
            // The address is a secret that soon ends; a proxy must not outlive it.
            .header(header::CACHE_CONTROL, "private, max-age=300")
            .header(
                header::CONTENT_DISPOSITION,
                served.file_name.map_or_else(
                    || "inline".to_owned(),
                    |name| format!("attachment; filename=\"{name}\""),
                ),
            )
            .header(
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; frame-ancestors 'none'; sandbox",
            )
            .body(served.bytes))
    }
}

/// An address that was never good and one that no longer is look the same.
fn refuse(error: service::Error) -> Refusal {
    match error {
        error @ (service::Error::Unavailable(_) | service::Error::Internal(_)) => error.into(),
        _ => Refusal::from(service::Error::NotFound("picture")),
    }
}
