//! What the transport needs of the service, as a seam: the tests of this module stand a small
//! one in for it, so they need neither a database nor keys.

use std::future::Future;

use service::Service;
use service::events::Topic;
use service::id::LoginId;
use service::media::Served;
use service::rates::Origin;
use service::scope::Viewer;
use tokio::sync::broadcast;

pub trait Backend: Clone + Send + Sync + 'static {
    /// Whose access token this is, as the database says now.
    fn authenticate(&self, token: &str) -> impl Future<Output = service::Result<Viewer>> + Send;

    /// Who is behind a login that was signed in with before, as the database says now.
    fn recheck(&self, login: LoginId) -> impl Future<Output = service::Result<Viewer>> + Send;

    /// Counts one more upload, before a byte of it is read: `RATE_LIMITED` where it is too many.
    fn admit_upload(&self, viewer: &Viewer, origin: Origin) -> impl Future<Output = service::Result<()>> + Send;

    /// What a signed media address leads to.
    fn media(&self, token: &str) -> impl Future<Output = service::Result<Served>> + Send;

    /// Whether requests can be answered now.
    fn ready(&self) -> impl Future<Output = bool> + Send;

    /// Brings up to date what is measured when somebody asks.
    fn measure(&self) -> impl Future<Output = ()> + Send;

    fn announcements(&self) -> broadcast::Receiver<Topic>;
}

impl Backend for Service {
    async fn authenticate(&self, token: &str) -> service::Result<Viewer> {
        service::accounts::authenticate(self, token).await
    }

    async fn recheck(&self, login: LoginId) -> service::Result<Viewer> {
        service::accounts::recheck(self, login).await
    }

    async fn admit_upload(&self, viewer: &Viewer, origin: Origin) -> service::Result<()> {
        service::rates::admit_upload(self, viewer, origin).await
    }

    async fn media(&self, token: &str) -> service::Result<Served> {
        service::media::open(self, token).await
    }

    async fn ready(&self) -> bool {
        service::health::ready(self).await
    }

    async fn measure(&self) {
        service::measure::refresh(self).await;
    }

    fn announcements(&self) -> broadcast::Receiver<Topic> {
        self.announcer.subscribe()
    }
}
