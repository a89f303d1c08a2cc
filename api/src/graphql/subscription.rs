//! Subscriptions over graphql-transport-ws.

use async_graphql::{Context, ID, Subscription};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, stream};
use service::{Scope, attendance, queue};

use super::ids::NodeId;
use super::types::{AttendanceEvent, Job};
use super::{Answer, scope, service};
use crate::http::auth::{Auth, AuthCell};
use crate::http::error::extend;

pub struct Subscription;

/// Ends with `NOT_FOUND` once the viewer's role is another than when they subscribed: what they may
/// see was decided by that. The socket keeps what is read here up to date.
fn while_allowed<T: Send + 'static>(
    ctx: &Context<'_>,
    scope: &Scope,
    stream: BoxStream<'static, T>,
    what: &'static str,
) -> impl Stream<Item = async_graphql::Result<T>> + Send + use<T> {
    let asker = ctx.data_opt::<AuthCell>().cloned();
    let role = scope.viewer().map(|viewer| viewer.role).ok();
    let same = move || match asker.as_ref().map(AuthCell::get) {
        Some(Auth::Viewer(viewer)) => Some(viewer.role) == role,
        _ => false,
    };
    stream::unfold((Some(stream), same), move |(stream, same)| async move {
        let mut stream = stream?;
        let item = stream.next().await?;
        if same() {
            Some((Ok(item), (Some(stream), same)))
        } else {
            Some((Err(extend(service::Error::NotFound(what))), (None, same)))
        }
    })
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
    ) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<AttendanceEvent>> + use<>> {
        let scope = scope(ctx)?;
        let session = NodeId::required(&session_id)?;
        let events = attendance::stream::subscribe(service(ctx)?, &scope, session, after.as_deref())
            .await
            .answer()?;
        Ok(while_allowed(
            ctx,
            &scope,
            events.map(AttendanceEvent).boxed(),
            "session",
        ))
    }

    /// the job as it is now, then as it changes (several changes may come as one, the last always comes); completes when the job has ended
    async fn job(
        &self,
        ctx: &Context<'_>,
        id: ID,
    ) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<Job>> + use<>> {
        let scope = scope(ctx)?;
        let changes = queue::watch(service(ctx)?, &scope, NodeId::required(&id)?)
            .await
            .answer()?;
        Ok(while_allowed(ctx, &scope, changes.map(Job).boxed(), "job"))
    }
}
