//! Subscriptions over graphql-transport-ws.

use async_graphql::{Context, ID, Subscription};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use service::attendance::stream;
use service::id::{ClassId, JobId};
use service::{Scope, Service, classes, queue, recognition, sessions};

use super::ids::NodeId;
use super::types::{AttendanceEvent, Job, ReviewEvent, Session};
use super::{Answer, scope, service};
use crate::http::auth::checks;

pub struct Subscription;

/// Ends when a look says that the asker no longer reaches what they follow; where that cannot be
/// told now, they do.
async fn lost<F>(mut looks: BoxStream<'static, ()>, reaches: impl Fn() -> F)
where
    F: Future<Output = service::Result<bool>>,
{
    while looks.next().await.is_some() {
        if !reaches().await.unwrap_or(true) {
            return;
        }
    }
    std::future::pending::<()>().await;
}

/// [`lost`] of a class; of no class in particular never.
async fn class_lost(looks: BoxStream<'static, ()>, service: Service, scope: Scope, class: Option<ClassId>) {
    let reaches = || async {
        let found = classes::by_ids(&service, &scope, class.as_slice()).await?;
        Ok(class.is_none() || !found.is_empty())
    };
    lost(looks, reaches).await;
}

/// [`lost`] of a job.
async fn job_lost(looks: BoxStream<'static, ()>, service: Service, scope: Scope, id: JobId) {
    let reaches = || async { Ok(!queue::by_ids(&service, &scope, &[id]).await?.is_empty()) };
    lost(looks, reaches).await;
}

#[Subscription]
impl Subscription {
    /**
    Changes of a session's marks. Without `after` it starts with each student's latest change,
    in event order (replayed: true), then goes on live; with the cursor of an earlier event it
    resumes right behind it: nothing is missed or repeated across a reconnection, a server
    restart or a change of server. Cursors live 30 days; an expired or foreign one is
    INVALID_INPUT (field: after).
    */
    async fn attendance(
        &self,
        ctx: &Context<'_>,
        session_id: ID,
        after: Option<String>,
    ) -> async_graphql::Result<impl Stream<Item = AttendanceEvent> + use<>> {
        let scope = scope(ctx)?;
        let session = NodeId::required(&session_id)?;
        let events = stream::subscribe(service(ctx)?, &scope, session, after.as_deref(), checks(ctx))
            .await
            .answer()?;
        Ok(events.map(AttendanceEvent))
    }

    /// sessions of the viewer's classes as they are created or change state or numbers: what a live dashboard needs
    async fn session_changed(
        &self,
        ctx: &Context<'_>,
        class_id: Option<ID>,
    ) -> async_graphql::Result<impl Stream<Item = Session> + use<>> {
        let scope = scope(ctx)?;
        let class = NodeId::optional(class_id.as_ref())?;
        let service = service(ctx)?;
        let changes = sessions::watch(service, &scope, class).await.answer()?;
        let lost = class_lost(checks(ctx), service.clone(), scope, class);
        Ok(changes
            .take_until(Box::pin(lost))
            .map(|session| Session((*session).clone())))
    }

    /// the job as it is now, then as it changes (several changes may come as one, the last always comes); completes when the job has ended
    async fn job(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<impl Stream<Item = Job> + use<>> {
        let scope = scope(ctx)?;
        let (service, id) = (service(ctx)?, NodeId::required(&id)?);
        let changes = queue::watch(service, &scope, id).await.answer()?;
        let lost = job_lost(checks(ctx), service.clone(), scope, id);
        Ok(changes.take_until(Box::pin(lost)).map(Job))
    }

    /// waiting faces first (ENTERED), then as they enter or leave the review queue of the viewer's classes
    async fn review_queue(
        &self,
        ctx: &Context<'_>,
        class_id: Option<ID>,
    ) -> async_graphql::Result<impl Stream<Item = ReviewEvent> + use<>> {
        let scope = scope(ctx)?;
        scope.staff().answer()?;
        let class = NodeId::optional(class_id.as_ref())?;
        let service = service(ctx)?;
        let events = recognition::follow_queue(service, &scope, class).await.answer()?;
        let lost = class_lost(checks(ctx), service.clone(), scope, class);
        Ok(events.take_until(Box::pin(lost)).map(ReviewEvent))
    }
}
