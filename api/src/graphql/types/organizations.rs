//! Organizations, their settings and departments.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use service::organizations;

use super::{User, UserConnection};
use crate::graphql::connection::{page_cost, request};
use crate::graphql::ids::NodeId;
use crate::graphql::loaders::DepartmentsOf;
use crate::graphql::scalars::Role;
use crate::graphql::{Answer, loaders, scope, service};

#[derive(Clone)]
pub struct Organization(pub organizations::Organization);

#[Object]
impl Organization {
    pub async fn id(&self) -> ID {
        self.0.id.global()
    }

    async fn name(&self) -> &str {
        &self.0.name
    }

    /// IANA name; decides which calendar day a session belongs to
    async fn timezone(&self) -> &str {
        &self.0.timezone
    }

    async fn settings(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<OrganizationSettings>> {
        let scope = scope(ctx)?;
        if scope.admin().is_err() {
            return Ok(None);
        }
        let thresholds = organizations::thresholds(service(ctx)?, &scope).await.answer()?;
        let own = &self.0;
        Ok(Some(OrganizationSettings {
            match_threshold: thresholds.match_threshold,
            review_threshold: thresholds.review_threshold,
            min_enrolment_photos: own.min_enrolment_photos,
            late_after_minutes: own.late_after_minutes,
            close_after_minutes: own.close_after_minutes,
            photo_retention_days: own.photo_retention_days,
            require_liveness: own.require_liveness,
            check_in_radius_meters: own.check_in_radius_meters,
            max_upload_megabytes: own.max_upload_megabytes,
        }))
    }

    async fn departments(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Department>> {
        let departments = loaders(ctx)?.many(DepartmentsOf(self.0.id)).await?;
        Ok(departments.into_iter().map(Department).collect())
    }

    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

#[derive(SimpleObject)]
pub struct OrganizationSettings {
    /// cosine similarity at or above which a face is marked without a person looking; null: the catalog's for the current embedder. Kept per embedder.
    match_threshold: Option<f64>,
    /// between this and matchThreshold a face goes to review; below it is unknown; never above matchThreshold
    review_threshold: Option<f64>,
    min_enrolment_photos: i32,
    /// minutes after startsAt from which a mark is LATE
    late_after_minutes: i32,
    /// minutes after endsAt at which the clock closes a session: the photo taken at the bell still counts
    close_after_minutes: i32,
    /// photos, selfies and detected crops go after this; enrolment crops live as long as their template
    photo_retention_days: i32,
    /// a selfie check-in must pass the liveness check
    require_liveness: bool,
    /// null: no distance check
    check_in_radius_meters: Option<i32>,
    max_upload_megabytes: i32,
}

#[derive(Clone)]
pub struct Department(pub organizations::Department);

impl Department {
    pub async fn load_optional(
        ctx: &Context<'_>,
        id: Option<service::id::DepartmentId>,
    ) -> async_graphql::Result<Option<Self>> {
        match id {
            Some(id) => Ok(loaders(ctx)?.one(id).await?.map(Self)),
            None => Ok(None),
        }
    }
}

#[Object]
impl Department {
    pub async fn id(&self) -> ID {
        self.0.id.global()
    }

    async fn name(&self) -> &str {
        &self.0.name
    }

    async fn code(&self) -> &str {
        &self.0.code
    }

    async fn head(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<User>> {
        User::load_optional(ctx, self.0.head_id).await
    }

    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        role: Option<Role>,
    ) -> async_graphql::Result<Option<UserConnection>> {
        let page = request(ctx, first, after, last, before);
        service::people::of_department(service(ctx)?, &scope(ctx)?, self.0.id, role.map(Into::into), &page)
            .await
            .answer()
            .map(|page| page.map(Into::into))
    }
}
