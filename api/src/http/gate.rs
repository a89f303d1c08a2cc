//! How many uploads are let in. A multipart request is one, and so is JSON that is [large](Limits::is_large).
//! A request counts once whatever it holds; [`Limits::photos_per_request`] bounds that.

use service::rates::Origin;
use service::scope::Viewer;

use super::auth::{Auth, AuthCell};
use super::backend::Backend;
use super::error::Refusal;
use super::limits::Limits;

pub(super) struct Gate<'a, B> {
    pub backend: &'a B,
    pub limits: &'a Limits,
    pub viewer: Option<&'a Viewer>,
    pub origin: Origin,
}

impl<B: Backend> Gate<'_, B> {
    /// Before the body is read. Whoever isn't signed in uploads nothing.
    pub async fn announced(&self, multipart: bool, announced: Option<u64>) -> Result<(), Refusal> {
        if !multipart && announced.is_none_or(|bytes| !self.limits.is_large(bytes)) {
            return Ok(());
        }
        // What was announced stays unread.
        self.admit().await.map_err(Refusal::closing)
    }

    /// JSON that came in chunks shows only at its end what it was; most of it is small.
    pub async fn arrived(&self, announced: Option<u64>, bytes: usize) -> Result<(), Refusal> {
        if announced.is_none() && self.limits.is_large(bytes as u64) {
            return self.admit().await;
        }
        Ok(())
    }

    async fn admit(&self) -> Result<(), Refusal> {
        match self.viewer {
            Some(viewer) => Ok(self.backend.admit_upload(viewer, self.origin).await?),
            None => Ok(()),
        }
    }
}

/// The same for a large message on a socket, of which all was read before.
pub(super) async fn admit_upload(backend: &impl Backend, auth: &AuthCell, origin: Origin) -> service::Result<()> {
    match auth.get() {
        Auth::Viewer(viewer) => backend.admit_upload(&viewer, origin).await,
        Auth::Anonymous | Auth::Rejected => Ok(()),
    }
}
