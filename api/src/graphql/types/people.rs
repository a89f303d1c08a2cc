//! People.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use service::people::Person;

use super::{
    AttendanceSummary, ClassConnection, Department, FaceTemplate, MarkConnection, Organization,
    StudentSessionConnection,
};
use crate::graphql::connection::{connection, exact, page_cost, request};
use crate::graphql::ids::NodeId;
use crate::graphql::inputs::DateRange;
use crate::graphql::loaders::{EnrolledOf, StudentSummary, TemplatesOf};
use crate::graphql::scalars::{Role, StudentSessionState, UserStatus};
use crate::graphql::{Answer, loaders, scope, service, viewer};
use crate::http::error::extend;

#[derive(SimpleObject)]
pub struct UserSettings {
    locale: String,
    email_on_absence: bool,
    email_on_mark: bool,
}

#[derive(Clone)]
pub struct User(pub Person);

impl From<Person> for User {
    fn from(person: Person) -> Self {
        Self(person)
    }
}

impl User {
    /// Someone whom a visible row names.
    pub async fn load(ctx: &Context<'_>, id: service::id::PersonId) -> async_graphql::Result<Self> {
        Self::load_optional(ctx, Some(id))
            .await?
            .ok_or_else(|| extend(service::Error::NotFound("user")))
    }

    pub async fn load_optional(
        ctx: &Context<'_>,
        id: Option<service::id::PersonId>,
    ) -> async_graphql::Result<Option<Self>> {
        match id {
            Some(id) => Ok(loaders(ctx)?.one(id).await?.map(Self)),
            None => Ok(None),
        }
    }
}

#[Object]
impl User {
    pub async fn id(&self) -> ID {
        self.0.id.global()
    }

    async fn full_name(&self) -> &str {
        &self.0.full_name
    }

    /// contact address; by itself not a login
    async fn email(&self) -> Option<&str> {
        self.0.email.as_deref()
    }

    /// a login's address is verified and unique in the installation
    async fn has_login(&self) -> bool {
        self.0.has_login
    }

    /// unique in the organization
    async fn roll_number(&self) -> Option<&str> {
        self.0.roll_number.as_deref()
    }

    async fn role(&self) -> Role {
        self.0.role.into()
    }

    async fn status(&self) -> UserStatus {
        self.0.status.into()
    }

    async fn organization(&self, ctx: &Context<'_>) -> async_graphql::Result<Organization> {
        loaders(ctx)?
            .one(self.0.organization_id)
            .await?
            .map(Organization)
            .ok_or_else(|| extend(service::Error::NotFound("organization")))
    }

    async fn department(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Department>> {
        Department::load_optional(ctx, self.0.department_id).await
    }

    async fn settings(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<UserSettings>> {
        let viewer = viewer(ctx)?;
        let theirs = viewer.person == self.0.id || viewer.role == service::kinds::Role::Admin;
        Ok(
            (theirs && self.0.status != service::kinds::PersonStatus::Erased).then(|| UserSettings {
                locale: self.0.locale.clone(),
                email_on_absence: self.0.email_on_absence,
                email_on_mark: self.0.email_on_mark,
            }),
        )
    }

    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// classes taught (teacher, admin) or attended (student)
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn classes(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Option<ClassConnection>> {
        if !self.0.in_full {
            return Ok(None);
        }
        let page = request(ctx, first, after, last, before);
        let found = service::classes::of_person(service(ctx)?, &scope(ctx)?, self.0.id, &page).await;
        found.answer().map(|page| Some(page.into()))
    }

    async fn face_templates(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<FaceTemplate>>> {
        if !self.0.in_full {
            return Ok(None);
        }
        let templates = loaders(ctx)?.many(TemplatesOf(self.0.id)).await?;
        Ok(Some(templates.into_iter().map(FaceTemplate).collect()))
    }

    /// enough accepted templates to be recognized
    async fn enrolled(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<bool>> {
        loaders(ctx)?.one(EnrolledOf(self.0.id)).await
    }

    /// a student's sessions by what has become of them
    #[expect(clippy::too_many_arguments, reason = "the arguments of the contract")]
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn sessions(
        &self,
        ctx: &Context<'_>,
        state: Option<StudentSessionState>,
        range: Option<DateRange>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Option<StudentSessionConnection>> {
        if !self.0.in_full {
            return Ok(None);
        }
        let (state, range) = (state.map(Into::into), range.map(DateRange::days));
        let page = request(ctx, first, after, last, before);
        service::sessions::of_student(service(ctx)?, &scope(ctx)?, self.0.id, state, range, &page)
            .await
            .answer()
            .map(|page| Some(page.into()))
    }

    #[expect(clippy::too_many_arguments, reason = "the arguments of the contract")]
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn marks(
        &self,
        ctx: &Context<'_>,
        range: Option<DateRange>,
        class_id: Option<ID>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Option<MarkConnection>> {
        if !self.0.in_full {
            return Ok(None);
        }
        let filter = service::attendance::MarkFilter {
            student: Some(self.0.id),
            range: range.map(DateRange::days),
            class: NodeId::optional(class_id.as_ref())?,
            ..Default::default()
        };
        let page = request(ctx, first, after, last, before);
        service::attendance::list(service(ctx)?, &scope(ctx)?, &filter, &page)
            .await
            .answer()
            .map(|page| Some(page.into()))
    }

    async fn statistics(
        &self,
        ctx: &Context<'_>,
        range: Option<DateRange>,
        class_id: Option<ID>,
    ) -> async_graphql::Result<Option<AttendanceSummary>> {
        if !self.0.in_full {
            return Ok(None);
        }
        let class = NodeId::optional(class_id.as_ref())?;
        let key = StudentSummary((self.0.id, range.map(DateRange::days), class));
        Ok(loaders(ctx)?.one(key).await?.map(Into::into))
    }
}

connection!(UserConnection, UserEdge, User, i32, exact);
