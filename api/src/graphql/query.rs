//! Root queries. Each may be null, so that one that is refused leaves the others whole.

use async_graphql::{Context, ID, MergedObject, Object};
use service::{accounts, audit, classes, health, organizations, people, queue, recognition, sessions, venues};

use super::connection::{page_cost, request, whole_list_cost};
use super::ids::{AnyId, NodeId};
use super::inputs::{DateRange, JobFilter, UserFilter};
use super::scalars::{SessionState, TemplateStatus};
use super::types::{
    AuditEntryConnection, Class, ClassConnection, ComponentHealth, Department, FaceConnection, FaceTemplateConnection,
    Health, Job, JobConnection, Node, Organization, Queue, Session, SessionConnection, User, UserConnection, Venue,
    VenueConnection,
};
use super::{Answer, node, scope, service};
use crate::http::auth::{Auth, auth};

mod statistics;

/// The root: what the school has, and what is counted of it.
#[derive(MergedObject, Default)]
pub struct Query(General, statistics::Statistics);

#[derive(Default)]
pub struct General;

#[Object]
#[expect(clippy::too_many_arguments, reason = "the arguments of the contract")]
impl General {
    /// the signed-in user; UNAUTHENTICATED without a valid token
    async fn viewer(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<User>> {
        accounts::viewer(service(ctx)?, &scope(ctx)?)
            .await
            .answer()
            .map(|person| Some(User(person)))
    }

    async fn node(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<Option<Node>> {
        scope(ctx)?;
        match AnyId::parse(&id) {
            Some(id) => node::find(ctx, id).await,
            None => Ok(None),
        }
    }

    async fn organization(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Organization>> {
        let scope = scope(ctx)?;
        let own = scope.viewer().answer()?.organization;
        organizations::by_ids(service(ctx)?, &scope, &[own])
            .await
            .answer()
            .map(|mut found| found.pop().map(Organization))
    }

    async fn user(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<Option<User>> {
        let (service, scope) = (service(ctx)?, scope(ctx)?);
        match NodeId::parse(&id) {
            Some(id) => people::find(service, &scope, id).await.answer().map(|p| p.map(User)),
            None => Ok(None),
        }
    }

    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        filter: Option<UserFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Option<UserConnection>> {
        let scope = scope(ctx)?;
        scope.staff().answer()?;
        let filter = filter.map(UserFilter::filter).transpose()?.unwrap_or_default();
        let page = request(ctx, first, after, last, before);
        people::list(service(ctx)?, &scope, &filter, &page)
            .await
            .answer()
            .map(|page| Some(page.into()))
    }

    async fn departments(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<Department>>> {
        organizations::departments(service(ctx)?, &scope(ctx)?)
            .await
            .answer()
            .map(|all| Some(all.into_iter().map(Department).collect()))
    }

    async fn class(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<Option<Class>> {
        let (service, scope) = (service(ctx)?, scope(ctx)?);
        let Some(id) = NodeId::parse(&id) else { return Ok(None) };
        classes::by_ids(service, &scope, &[id])
            .await
            .answer()
            .map(|mut found| found.pop().map(Class))
    }

    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn classes(
        &self,
        ctx: &Context<'_>,
        search: Option<String>,
        archived: Option<bool>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Option<ClassConnection>> {
        let page = request(ctx, first, after, last, before);
        classes::list(service(ctx)?, &scope(ctx)?, search.as_deref(), archived, &page)
            .await
            .answer()
            .map(|page| Some(page.into()))
    }

    async fn venue(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<Option<Venue>> {
        let (service, scope) = (service(ctx)?, scope(ctx)?);
        match NodeId::parse(&id) {
            Some(id) => venues::find(service, &scope, id).await.answer().map(|v| v.map(Venue)),
            None => Ok(None),
        }
    }

    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn venues(
        &self,
        ctx: &Context<'_>,
        search: Option<String>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Option<VenueConnection>> {
        let page = request(ctx, first, after, last, before);
        venues::list(service(ctx)?, &scope(ctx)?, search.as_deref(), &page)
            .await
            .answer()
            .map(|page| Some(page.into()))
    }

    async fn session(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<Option<Session>> {
        let (service, scope) = (service(ctx)?, scope(ctx)?);
        let Some(id) = NodeId::parse(&id) else { return Ok(None) };
        sessions::by_ids(service, &scope, &[id])
            .await
            .answer()
            .map(|mut found| found.pop().map(Session))
    }

    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn sessions(
        &self,
        ctx: &Context<'_>,
        range: Option<DateRange>,
        class_id: Option<ID>,
        venue_id: Option<ID>,
        teacher_id: Option<ID>,
        state: Option<SessionState>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Option<SessionConnection>> {
        let filter = sessions::SessionFilter {
            range: range.map(DateRange::days),
            class: NodeId::optional(class_id.as_ref())?,
            venue: NodeId::optional(venue_id.as_ref())?,
            teacher: NodeId::optional(teacher_id.as_ref())?,
            state: state.map(Into::into),
        };
        let page = request(ctx, first, after, last, before);
        sessions::list(service(ctx)?, &scope(ctx)?, &filter, &page)
            .await
            .answer()
            .map(|page| Some(page.into()))
    }

    async fn job(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<Option<Job>> {
        let (service, scope) = (service(ctx)?, scope(ctx)?);
        let Some(id) = NodeId::parse(&id) else { return Ok(None) };
        queue::by_ids(service, &scope, &[id])
            .await
            .answer()
            .map(|mut found| found.pop().map(Job::from))
    }

    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn jobs(
        &self,
        ctx: &Context<'_>,
        filter: Option<JobFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Option<JobConnection>> {
        let filter = filter.map(JobFilter::filter).transpose()?.unwrap_or_default();
        let page = request(ctx, first, after, last, before);
        queue::list(service(ctx)?, &scope(ctx)?, filter, &page)
            .await
            .answer()
            .map(|page| Some(page.into()))
    }

    /// one for each kind of job
    #[graphql(complexity = "whole_list_cost(child_complexity)")]
    async fn queues(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<Queue>>> {
        queue::administration::list(service(ctx)?, &scope(ctx)?)
            .await
            .answer()
            .map(|all| Some(all.into_iter().map(Into::into).collect()))
    }

    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        actor_id: Option<ID>,
        range: Option<DateRange>,
    ) -> async_graphql::Result<Option<AuditEntryConnection>> {
        let scope = scope(ctx)?;
        scope.admin().answer()?;
        let actor = NodeId::optional(actor_id.as_ref())?;
        let page = request(ctx, first, after, last, before);
        audit::list(service(ctx)?, &scope, actor, range.map(DateRange::days), &page)
            .await
            .answer()
            .map(|page| Some(page.into()))
    }

    /**
    of the students whom the viewer teaches (an admin: of all), oldest first; classId: of those who belong to it now.
    A photo is listed once, with its template of the gallery's embedder
    */
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn face_templates(
        &self,
        ctx: &Context<'_>,
        status: Option<TemplateStatus>,
        class_id: Option<ID>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Option<FaceTemplateConnection>> {
        let scope = scope(ctx)?;
        scope.staff().answer()?;
        let class = NodeId::optional(class_id.as_ref())?;
        let page = request(ctx, first, after, last, before);
        recognition::list_templates(service(ctx)?, &scope, status.map(Into::into), class, &page)
            .await
            .answer()
            .map(|page| Some(page.into()))
    }

    /// faces waiting for a person's decision, in the viewer's classes, oldest first
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn review_queue(
        &self,
        ctx: &Context<'_>,
        class_id: Option<ID>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Option<FaceConnection>> {
        let scope = scope(ctx)?;
        scope.staff().answer()?;
        let class = NodeId::optional(class_id.as_ref())?;
        let page = request(ctx, first, after, last, before);
        recognition::review_queue(service(ctx)?, &scope, class, &page)
            .await
            .answer()
            .map(|page| Some(page.into()))
    }

    /// public: the state alone; the rest for admins
    async fn health(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Health>> {
        let asker = match auth(ctx) {
            Auth::Viewer(viewer) => Some(viewer.into()),
            Auth::Anonymous | Auth::Rejected => None,
        };
        let health = Box::pin(health::check(service(ctx)?, asker.as_ref())).await;
        Ok(Some(Health {
            state: health.state.into(),
            version: health
                .components
                .is_some()
                .then(|| env!("CARGO_PKG_VERSION").to_owned()),
            components: health
                .components
                .map(|all| all.into_iter().map(ComponentHealth::from).collect()),
        }))
    }
}
