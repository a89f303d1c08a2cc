//! Mutations of classes, venues and sessions that are there, and of whole terms.

use async_graphql::{Context, ID, Object, SimpleObject};
use service::id::{ClassId, VenueId};
use service::{classes, sessions, venues};

use super::administration::DeletePayload;
use super::school::{ClassPayload, SessionPayload, VenuePayload};
use crate::graphql::ids::NodeId;
use crate::graphql::inputs::{ScheduleInput, UpdateClassInput, UpdateSessionInput, UpdateVenueInput};
use crate::graphql::scalars::Date;
use crate::graphql::types::Session;
use crate::graphql::{Answer, scope, service};

#[derive(Default)]
pub struct TimetableMutation;

#[derive(SimpleObject)]
pub struct ScheduleSessionsPayload {
    sessions: Vec<Session>,
}

#[Object]
impl TimetableMutation {
    async fn update_class(
        &self,
        ctx: &Context<'_>,
        id: ID,
        input: UpdateClassInput,
    ) -> async_graphql::Result<Option<ClassPayload>> {
        let scope = scope(ctx)?;
        let class = classes::update(service(ctx)?, &scope, NodeId::required(&id)?, input.change()?)
            .await
            .answer()?;
        Ok(Some(class.into()))
    }

    async fn archive_class(
        &self,
        ctx: &Context<'_>,
        id: ID,
        archived: bool,
    ) -> async_graphql::Result<Option<ClassPayload>> {
        let scope = scope(ctx)?;
        let class = classes::archive(service(ctx)?, &scope, NodeId::required(&id)?, archived)
            .await
            .answer()?;
        Ok(Some(class.into()))
    }

    /// CONFLICT once it has marks: archive it
    async fn delete_class(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<Option<DeletePayload>> {
        let scope = scope(ctx)?;
        let class: ClassId = NodeId::required(&id)?;
        classes::delete(service(ctx)?, &scope, class).await.answer()?;
        Ok(Some(DeletePayload { deleted_id: id }))
    }

    async fn remove_students(
        &self,
        ctx: &Context<'_>,
        class_id: ID,
        student_ids: Vec<ID>,
        from: Option<Date>,
    ) -> async_graphql::Result<Option<ClassPayload>> {
        let scope = scope(ctx)?;
        let class = NodeId::required(&class_id)?;
        let students: Vec<_> = student_ids
            .iter()
            .map(NodeId::required)
            .collect::<async_graphql::Result<_>>()?;
        let class = classes::remove_students(service(ctx)?, &scope, class, &students, from.map(|d| d.0))
            .await
            .answer()?;
        Ok(Some(class.into()))
    }

    async fn update_venue(
        &self,
        ctx: &Context<'_>,
        id: ID,
        input: UpdateVenueInput,
    ) -> async_graphql::Result<Option<VenuePayload>> {
        let scope = scope(ctx)?;
        let venue = venues::update(service(ctx)?, &scope, NodeId::required(&id)?, input.change())
            .await
            .answer()?;
        Ok(Some(venue.into()))
    }

    /// its sessions are without a venue then
    async fn delete_venue(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<Option<DeletePayload>> {
        let scope = scope(ctx)?;
        let venue: VenueId = NodeId::required(&id)?;
        venues::delete(service(ctx)?, &scope, venue).await.answer()?;
        Ok(Some(DeletePayload { deleted_id: id }))
    }

    /// weekly meetings between two days, holidays left out; all or nothing
    async fn schedule_sessions(
        &self,
        ctx: &Context<'_>,
        input: ScheduleInput,
    ) -> async_graphql::Result<Option<ScheduleSessionsPayload>> {
        let scope = scope(ctx)?;
        let sessions = sessions::schedule(service(ctx)?, &scope, input.term()?)
            .await
            .answer()?;
        Ok(Some(ScheduleSessionsPayload {
            sessions: sessions.into_iter().map(Session).collect(),
        }))
    }

    async fn update_session(
        &self,
        ctx: &Context<'_>,
        id: ID,
        input: UpdateSessionInput,
    ) -> async_graphql::Result<Option<SessionPayload>> {
        let scope = scope(ctx)?;
        let session = sessions::update(service(ctx)?, &scope, NodeId::required(&id)?, input.change()?)
            .await
            .answer()?;
        Ok(Some(session.into()))
    }

    async fn cancel_session(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<Option<SessionPayload>> {
        let scope = scope(ctx)?;
        let session = sessions::cancel(service(ctx)?, &scope, NodeId::required(&id)?)
            .await
            .answer()?;
        Ok(Some(session.into()))
    }
}

impl From<classes::Class> for ClassPayload {
    fn from(class: classes::Class) -> Self {
        Self { class: class.into() }
    }
}

impl From<venues::Venue> for VenuePayload {
    fn from(venue: venues::Venue) -> Self {
        Self { venue: venue.into() }
    }
}

impl From<sessions::Session> for SessionPayload {
    fn from(session: sessions::Session) -> Self {
        Self {
            session: session.into(),
        }
    }
}
