//! Root queries of marks and statistics.

use async_graphql::{Context, Object};
use service::{attendance, statistics};

use crate::graphql::connection::{page_cost, request, whole_list_cost};
use crate::graphql::inputs::{DateRange, MarkFilter, StatisticsFilter};
use crate::graphql::scalars::Interval;
use crate::graphql::types::{
    AttendanceSummary, ClassStatistics, Dashboard, DepartmentStatistics, MarkConnection, StudentStatisticsConnection,
    TrendPoint,
};
use crate::graphql::{Answer, scope, service};

#[derive(Default)]
pub struct Statistics;

#[Object]
#[expect(clippy::too_many_arguments, reason = "the arguments of the contract")]
impl Statistics {
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn marks(
        &self,
        ctx: &Context<'_>,
        filter: Option<MarkFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Option<MarkConnection>> {
        let scope = scope(ctx)?;
        let filter = filter.map(MarkFilter::filter).transpose()?.unwrap_or_default();
        let page = request(ctx, first, after, last, before);
        attendance::list(service(ctx)?, &scope, &filter, &page)
            .await
            .answer()
            .map(|page| Some(page.into()))
    }

    #[expect(clippy::unused_async, reason = "a resolver; its fields read")]
    async fn dashboard(&self, ctx: &Context<'_>, range: Option<DateRange>) -> async_graphql::Result<Option<Dashboard>> {
        scope(ctx)?.staff().answer()?;
        Ok(Some(Dashboard::new(range.map(DateRange::days))))
    }

    async fn attendance_summary(
        &self,
        ctx: &Context<'_>,
        filter: StatisticsFilter,
    ) -> async_graphql::Result<Option<AttendanceSummary>> {
        let scope = scope(ctx)?;
        scope.staff().answer()?;
        statistics::summary(service(ctx)?, &scope, &filter.filter()?)
            .await
            .answer()
            .map(|summary| Some(summary.into()))
    }

    /// every bucket of the range, empty ones too; at most 1,000; a week is an ISO week
    async fn attendance_trend(
        &self,
        ctx: &Context<'_>,
        filter: StatisticsFilter,
        interval: Interval,
    ) -> async_graphql::Result<Option<Vec<TrendPoint>>> {
        let scope = scope(ctx)?;
        scope.staff().answer()?;
        statistics::trend(service(ctx)?, &scope, &filter.filter()?, interval.into())
            .await
            .answer()
            .map(|points| Some(points.into_iter().map(Into::into).collect()))
    }

    #[graphql(complexity = "whole_list_cost(child_complexity)")]
    async fn class_statistics(
        &self,
        ctx: &Context<'_>,
        filter: StatisticsFilter,
    ) -> async_graphql::Result<Option<Vec<ClassStatistics>>> {
        let scope = scope(ctx)?;
        scope.staff().answer()?;
        statistics::classes(service(ctx)?, &scope, &filter.filter()?)
            .await
            .answer()
            .map(|all| Some(all.into_iter().map(ClassStatistics).collect()))
    }

    /// students without a department are one row with a null department
    #[graphql(complexity = "whole_list_cost(child_complexity)")]
    async fn department_statistics(
        &self,
        ctx: &Context<'_>,
        range: DateRange,
    ) -> async_graphql::Result<Option<Vec<DepartmentStatistics>>> {
        statistics::departments(service(ctx)?, &scope(ctx)?, range.days())
            .await
            .answer()
            .map(|all| Some(all.into_iter().map(DepartmentStatistics).collect()))
    }

    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn student_statistics(
        &self,
        ctx: &Context<'_>,
        filter: StatisticsFilter,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Option<StudentStatisticsConnection>> {
        let scope = scope(ctx)?;
        scope.staff().answer()?;
        let page = request(ctx, first, after, last, before);
        statistics::students(service(ctx)?, &scope, &filter.filter()?, &page)
            .await
            .answer()
            .map(|page| Some(page.into()))
    }

    /// students whose rate in the range is below the given one, worst first
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn students_at_risk(
        &self,
        ctx: &Context<'_>,
        filter: StatisticsFilter,
        below_rate: f64,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Option<StudentStatisticsConnection>> {
        let scope = scope(ctx)?;
        scope.staff().answer()?;
        let page = request(ctx, first, after, last, before);
        statistics::at_risk(service(ctx)?, &scope, &filter.filter()?, below_rate, &page)
            .await
            .answer()
            .map(|page| Some(page.into()))
    }
}
