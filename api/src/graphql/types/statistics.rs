//! What is counted of attendance.

use async_graphql::{Context, Object};
use chrono::{DateTime, NaiveDate, Utc};
use service::queue::administration;
use service::statistics::{self, Filter};
use tokio::sync::OnceCell;

use super::{AttendanceMark, AttendanceSummary, Class, Department, Queue, Session, User};
use crate::graphql::connection::{connection, exact, whole_list_cost};
use crate::graphql::scalars::Date;
use crate::graphql::{Answer, loaders, scope, service};
use crate::http::error::extend;

/// Each field is read where it is asked for.
pub struct Dashboard {
    range: Option<(NaiveDate, NaiveDate)>,
    /// Five fields of one statement.
    counts: OnceCell<statistics::Counts>,
}

impl Dashboard {
    pub fn new(range: Option<(NaiveDate, NaiveDate)>) -> Self {
        Self {
            range,
            counts: OnceCell::new(),
        }
    }

    async fn counts(&self, ctx: &Context<'_>) -> async_graphql::Result<statistics::Counts> {
        let read = async || statistics::counts(service(ctx)?, &scope(ctx)?).await.answer();
        self.counts.get_or_try_init(read).await.copied()
    }
}

#[Object]
impl Dashboard {
    async fn today(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<AttendanceSummary>> {
        let summary = statistics::today(service(ctx)?, &scope(ctx)?).await;
        summary.answer().map(|s| Some(s.into()))
    }

    async fn in_range(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<AttendanceSummary>> {
        let Some((from, to)) = self.range else { return Ok(None) };
        let summary = statistics::summary(service(ctx)?, &scope(ctx)?, &Filter::days(from, to)).await;
        summary.answer().map(|s| Some(s.into()))
    }

    async fn students(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<i32>> {
        Ok(Some(self.counts(ctx).await?.students))
    }

    async fn enrolled_students(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<i32>> {
        Ok(Some(self.counts(ctx).await?.enrolled))
    }

    async fn teachers(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<i32>> {
        Ok(Some(self.counts(ctx).await?.teachers))
    }

    async fn classes(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<i32>> {
        Ok(Some(self.counts(ctx).await?.classes))
    }

    async fn venues(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<i32>> {
        Ok(Some(self.counts(ctx).await?.venues))
    }

    #[graphql(complexity = "whole_list_cost(child_complexity)")]
    async fn open_sessions(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<Session>>> {
        let sessions = statistics::open_sessions(service(ctx)?, &scope(ctx)?).await;
        sessions
            .answer()
            .map(|all| Some(all.into_iter().map(Session).collect()))
    }

    async fn trend(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<TrendPoint>>> {
        let Some(range) = self.range else { return Ok(None) };
        let points = statistics::trend_of(service(ctx)?, &scope(ctx)?, range).await;
        points
            .answer()
            .map(|all| Some(all.into_iter().map(Into::into).collect()))
    }

    #[graphql(complexity = "10 * child_complexity")]
    async fn recent_marks(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<AttendanceMark>>> {
        let marks = statistics::recent_marks(service(ctx)?, &scope(ctx)?).await;
        marks
            .answer()
            .map(|all| Some(all.into_iter().map(Into::into).collect()))
    }

    /// an admin's
    #[graphql(complexity = "whole_list_cost(child_complexity)")]
    async fn queues(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<Queue>>> {
        let scope = scope(ctx)?;
        if scope.admin().is_err() {
            return Ok(None);
        }
        let queues = administration::list(service(ctx)?, &scope).await;
        queues
            .answer()
            .map(|all| Some(all.into_iter().map(Into::into).collect()))
    }

    async fn review_queue_length(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<i32>> {
        statistics::review_queue_length(service(ctx)?, &scope(ctx)?)
            .await
            .answer()
            .map(Some)
    }
}

/// bucket: its first day
pub struct TrendPoint(statistics::Point);

impl From<statistics::Point> for TrendPoint {
    fn from(point: statistics::Point) -> Self {
        Self(point)
    }
}

#[Object]
impl TrendPoint {
    async fn bucket(&self) -> Date {
        Date(self.0.bucket)
    }

    async fn summary(&self) -> AttendanceSummary {
        self.0.summary.into()
    }
}

pub struct ClassStatistics(pub statistics::ClassNumbers);

#[Object]
impl ClassStatistics {
    async fn class(&self, ctx: &Context<'_>) -> async_graphql::Result<Class> {
        let class = loaders(ctx)?.one(self.0.class).await?;
        class
            .map(Class)
            .ok_or_else(|| extend(service::Error::NotFound("class")))
    }

    async fn summary(&self) -> AttendanceSummary {
        self.0.summary.into()
    }
}

pub struct DepartmentStatistics(pub statistics::DepartmentNumbers);

#[Object]
impl DepartmentStatistics {
    async fn department(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Department>> {
        Department::load_optional(ctx, self.0.department).await
    }

    async fn students(&self) -> i32 {
        self.0.students
    }

    async fn summary(&self) -> AttendanceSummary {
        self.0.summary.into()
    }
}

#[derive(Clone)]
pub struct StudentStatistics(statistics::StudentNumbers);

impl From<statistics::StudentNumbers> for StudentStatistics {
    fn from(numbers: statistics::StudentNumbers) -> Self {
        Self(numbers)
    }
}

#[Object]
impl StudentStatistics {
    async fn student(&self) -> User {
        User(self.0.student.clone())
    }

    async fn summary(&self) -> AttendanceSummary {
        self.0.summary.into()
    }

    async fn consecutive_absences(&self) -> i32 {
        self.0.consecutive_absences
    }

    async fn last_present_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_present_at
    }
}

connection!(
    StudentStatisticsConnection,
    StudentStatisticsEdge,
    StudentStatistics,
    i32,
    exact
);
