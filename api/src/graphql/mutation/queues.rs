//! Jobs and queues, by those who answer for them.

use async_graphql::{Context, ID, Object, SimpleObject};
use service::queue::administration;

use super::school::JobPayload;
use crate::graphql::ids::NodeId;
use crate::graphql::scalars::JobKind;
use crate::graphql::types::Queue;
use crate::graphql::{Answer, scope, service};

#[derive(SimpleObject)]
pub struct QueuePayload {
    queue: Queue,
}

impl From<administration::Queue> for QueuePayload {
    fn from(queue: administration::Queue) -> Self {
        Self { queue: queue.into() }
    }
}

#[derive(SimpleObject)]
pub struct RetryFailedJobsPayload {
    retried: i32,
}

#[derive(Default)]
pub struct QueueMutation;

#[Object]
impl QueueMutation {
    /// sends a FAILED job again; CONFLICT where trying again can't help
    async fn retry_job(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<Option<JobPayload>> {
        let job = administration::retry(service(ctx)?, &scope(ctx)?, NodeId::required(&id)?).await;
        job.answer().map(|job| Some(job.into()))
    }

    /// ends a job that has not ended; one that is running stops before its next stage
    async fn cancel_job(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<Option<JobPayload>> {
        let job = administration::cancel(service(ctx)?, &scope(ctx)?, NodeId::required(&id)?).await;
        job.answer().map(|job| Some(job.into()))
    }

    /// sends all FAILED jobs again that can be, of a kind or of all
    async fn retry_failed_jobs(
        &self,
        ctx: &Context<'_>,
        kind: Option<JobKind>,
    ) -> async_graphql::Result<Option<RetryFailedJobsPayload>> {
        let retried = administration::retry_failed(service(ctx)?, &scope(ctx)?, kind.map(Into::into)).await;
        let retried = i32::try_from(retried.answer()?).unwrap_or(i32::MAX);
        Ok(Some(RetryFailedJobsPayload { retried }))
    }

    /// has no worker begin a job of the kind; what is running goes on
    async fn pause_queue(&self, ctx: &Context<'_>, kind: JobKind) -> async_graphql::Result<Option<QueuePayload>> {
        let queue = administration::pause(service(ctx)?, &scope(ctx)?, kind.into()).await;
        queue.answer().map(|queue| Some(queue.into()))
    }

    async fn resume_queue(&self, ctx: &Context<'_>, kind: JobKind) -> async_graphql::Result<Option<QueuePayload>> {
        let queue = administration::resume(service(ctx)?, &scope(ctx)?, kind.into()).await;
        queue.answer().map(|queue| Some(queue.into()))
    }
}
