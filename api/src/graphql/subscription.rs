//! Subscriptions over graphql-transport-ws.

use async_graphql::{Context, ID, Subscription};
use futures_util::{Stream, StreamExt};
use service::attendance::stream;
use service::{queue, recognition, sessions};

use super::ids::NodeId;
use super::types::{AttendanceEvent, Job, ReviewEvent, Session};
use super::{Answer, scope, service};
use crate::http::auth::checks;

pub struct Subscription;

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
        let changes = sessions::watch(service(ctx)?, &scope, class, checks(ctx))
            .await
            .answer()?;
        Ok(changes.map(|session| Session((*session).clone())))
    }

    /// the job as it is now, then as it changes (several changes may come as one, the last always comes); completes when the job has ended
    async fn job(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<impl Stream<Item = Job> + use<>> {
        let scope = scope(ctx)?;
        let id = NodeId::required(&id)?;
        let changes = queue::watch(service(ctx)?, &scope, id, checks(ctx)).await.answer()?;
        Ok(changes.map(Job))
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
        let events = recognition::follow_queue(service(ctx)?, &scope, class, checks(ctx))
            .await
            .answer()?;
        Ok(events.map(ReviewEvent))
    }
}
