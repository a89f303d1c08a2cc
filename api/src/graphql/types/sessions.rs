//! Sessions with their roll.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use service::attendance::roll::{self, RollFilter};

use super::{AttendanceMark, AttendanceSummary, Class, Job, Photo, RollEntryConnection, Venue};
use crate::graphql::connection::{connection, exact, page_cost, request};
use crate::graphql::ids::NodeId;
use crate::graphql::loaders::{JobsOfSession, PhotosOfSession};
use crate::graphql::scalars::{MarkStatus, SessionState, StudentSessionState};
use crate::graphql::{Answer, loaders, scope, service};
use crate::http::error::extend;

/// One meeting of a class. A class may meet several times a day.
#[derive(Clone)]
pub struct Session(pub service::sessions::Session);

impl From<service::sessions::Session> for Session {
    fn from(session: service::sessions::Session) -> Self {
        Self(session)
    }
}

impl Session {
    pub async fn load(ctx: &Context<'_>, id: service::id::SessionId) -> async_graphql::Result<Self> {
        Self::load_optional(ctx, Some(id))
            .await?
            .ok_or_else(|| extend(service::Error::NotFound("session")))
    }

    pub async fn load_optional(
        ctx: &Context<'_>,
        id: Option<service::id::SessionId>,
    ) -> async_graphql::Result<Option<Self>> {
        match id {
            Some(id) => Ok(loaders(ctx)?.one(id).await?.map(Self)),
            None => Ok(None),
        }
    }
}

#[derive(SimpleObject)]
pub struct CheckInCode {
    code: String,
    expires_at: DateTime<Utc>,
}

#[Object]
impl Session {
    pub async fn id(&self) -> ID {
        self.0.id.global()
    }

    async fn class(&self, ctx: &Context<'_>) -> async_graphql::Result<Class> {
        loaders(ctx)?
            .one(self.0.class_id)
            .await?
            .map(Class)
            .ok_or_else(|| extend(service::Error::NotFound("class")))
    }

    async fn venue(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Venue>> {
        match self.0.venue_id {
            Some(id) => Ok(loaders(ctx)?.one(id).await?.map(Venue)),
            None => Ok(None),
        }
    }

    async fn title(&self) -> Option<&str> {
        self.0.title.as_deref()
    }

    async fn starts_at(&self) -> DateTime<Utc> {
        self.0.starts_at
    }

    async fn ends_at(&self) -> DateTime<Utc> {
        self.0.ends_at
    }

    async fn state(&self) -> SessionState {
        self.0.state.into()
    }

    /**
    Until CLOSED: who belonged to the class at any time from startsAt on (until endsAt for a
    session entered after it), and whoever has a mark. Once CLOSED everyone on it has a mark.
    */
    #[expect(clippy::too_many_arguments, reason = "the arguments of the contract")]
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn roll(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        status: Option<MarkStatus>,
        unmarked: Option<bool>,
    ) -> async_graphql::Result<Option<RollEntryConnection>> {
        let filter = RollFilter {
            status: status.map(Into::into),
            unmarked,
        };
        let page = request(ctx, first, after, last, before);
        roll::list(service(ctx)?, &scope(ctx)?, self.0.id, filter, &page)
            .await
            .answer()
            .map(|page| Some(page.into()))
    }

    async fn summary(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<AttendanceSummary>> {
        Ok(service::sessions::summary(&scope(ctx)?, &self.0).map(AttendanceSummary::from))
    }

    async fn photos(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<Photo>>> {
        let photos = loaders(ctx)?.many(PhotosOfSession(self.0.id)).await?;
        Ok(Some(photos.into_iter().map(Photo).collect()))
    }

    async fn jobs(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<Job>>> {
        let jobs = loaders(ctx)?.many(JobsOfSession(self.0.id)).await?;
        Ok(Some(jobs.into_iter().map(Job::from).collect()))
    }

    /// the code that a student types or scans to check in; changes every 30 s; teachers only
    async fn check_in_code(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<CheckInCode>> {
        let code = service::sessions::check_in_code(service(ctx)?, &scope(ctx)?, &self.0);
        Ok(code.map(|shown| CheckInCode {
            code: shown.code,
            expires_at: shown.expires_at,
        }))
    }
}

connection!(SessionConnection, SessionEdge, Session, i32, exact);

#[derive(Clone)]
pub struct StudentSession(service::sessions::StudentSession);

impl From<service::sessions::StudentSession> for StudentSession {
    fn from(session: service::sessions::StudentSession) -> Self {
        Self(session)
    }
}

#[Object]
impl StudentSession {
    async fn session(&self) -> Session {
        Session(self.0.session.clone())
    }

    async fn state(&self) -> StudentSessionState {
        self.0.state().into()
    }

    async fn mark(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<AttendanceMark>> {
        match self.0.mark_id {
            Some(id) => Ok(loaders(ctx)?.one(id).await?.map(Into::into)),
            None => Ok(None),
        }
    }
}

connection!(StudentSessionConnection, StudentSessionEdge, StudentSession, i32, exact);
