//! Classes and venues.

use async_graphql::{Context, ID, Object, SimpleObject};

use super::{AttendanceSummary, Department, Session, SessionConnection, User, UserConnection};
use crate::graphql::connection::{connection, exact, page_cost, request};
use crate::graphql::ids::NodeId;
use crate::graphql::inputs::DateRange;
use crate::graphql::loaders::{ClassSummary, LatestSessionOf, StudentCountOf, TeachersOf};
use crate::graphql::scalars::SessionState;
use crate::graphql::{Answer, loaders, scope, service};

#[derive(Clone)]
pub struct Class(pub service::classes::Class);

impl From<service::classes::Class> for Class {
    fn from(class: service::classes::Class) -> Self {
        Self(class)
    }
}

#[Object]
impl Class {
    pub async fn id(&self) -> ID {
        self.0.id.global()
    }

    async fn name(&self) -> &str {
        &self.0.name
    }

    async fn code(&self) -> &str {
        &self.0.code
    }

    async fn department(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Department>> {
        Department::load_optional(ctx, self.0.department_id).await
    }

    async fn archived(&self) -> bool {
        self.0.archived
    }

    async fn teachers(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<User>> {
        let teachers = loaders(ctx)?.many(TeachersOf(self.0.id)).await?;
        Ok(teachers.into_iter().map(User).collect())
    }

    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn students(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        search: Option<String>,
    ) -> async_graphql::Result<Option<UserConnection>> {
        let page = request(ctx, first, after, last, before);
        service::people::of_class(service(ctx)?, &scope(ctx)?, self.0.id, search.as_deref(), &page)
            .await
            .answer()
            .map(|page| page.map(Into::into))
    }

    async fn student_count(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<i32>> {
        let count = loaders(ctx)?.one(StudentCountOf(self.0.id)).await?;
        Ok(count.and_then(|n| i32::try_from(n).ok()))
    }

    /// students who cannot be recognized yet
    async fn unenrolled_students(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<User>>> {
        service::recognition::unenrolled(service(ctx)?, &scope(ctx)?, self.0.id)
            .await
            .answer()
            .map(|people| people.map(|p| p.into_iter().map(User).collect()))
    }

    #[expect(clippy::too_many_arguments, reason = "the arguments of the contract")]
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn sessions(
        &self,
        ctx: &Context<'_>,
        range: Option<DateRange>,
        state: Option<SessionState>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<SessionConnection> {
        let filter = service::sessions::SessionFilter {
            range: range.map(DateRange::days),
            class: Some(self.0.id),
            state: state.map(Into::into),
            ..Default::default()
        };
        let page = request(ctx, first, after, last, before);
        service::sessions::list(service(ctx)?, &scope(ctx)?, &filter, &page)
            .await
            .answer()
            .map(Into::into)
    }

    /// the latest with startsAt not after now, not cancelled
    async fn latest_session(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Session>> {
        Ok(loaders(ctx)?.one(LatestSessionOf(self.0.id)).await?.map(Session))
    }

    async fn statistics(
        &self,
        ctx: &Context<'_>,
        range: Option<DateRange>,
    ) -> async_graphql::Result<Option<AttendanceSummary>> {
        let key = ClassSummary((self.0.id, range.map(DateRange::days)));
        Ok(loaders(ctx)?.one(key).await?.map(Into::into))
    }
}

connection!(ClassConnection, ClassEdge, Class, i32, exact);

#[derive(Clone)]
pub struct Venue(pub service::venues::Venue);

impl From<service::venues::Venue> for Venue {
    fn from(venue: service::venues::Venue) -> Self {
        Self(venue)
    }
}

#[derive(Clone, Copy, SimpleObject)]
pub struct GeoPoint {
    latitude: f64,
    longitude: f64,
}

#[Object]
impl Venue {
    pub async fn id(&self) -> ID {
        self.0.id.global()
    }

    async fn name(&self) -> &str {
        &self.0.name
    }

    async fn building(&self) -> Option<&str> {
        self.0.building.as_deref()
    }

    async fn capacity(&self) -> Option<i32> {
        self.0.capacity
    }

    async fn location(&self) -> Option<GeoPoint> {
        let (latitude, longitude) = self.0.latitude.zip(self.0.longitude)?;
        Some(GeoPoint { latitude, longitude })
    }

    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn sessions(
        &self,
        ctx: &Context<'_>,
        range: Option<DateRange>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Option<SessionConnection>> {
        let filter = service::sessions::SessionFilter {
            range: range.map(DateRange::days),
            venue: Some(self.0.id),
            ..Default::default()
        };
        let page = request(ctx, first, after, last, before);
        service::sessions::list(service(ctx)?, &scope(ctx)?, &filter, &page)
            .await
            .answer()
            .map(|page| Some(page.into()))
    }
}

connection!(VenueConnection, VenueEdge, Venue, i32, exact);
