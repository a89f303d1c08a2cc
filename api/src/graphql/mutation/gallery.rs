//! Which embedder an organization's gallery is made with.

use async_graphql::{Context, Object};
use service::recognition;

use super::administration::OrganizationPayload;
use super::school::JobPayload;
use crate::graphql::{Answer, scope, service};

#[derive(Default)]
pub struct GalleryMutation;

#[Object]
impl GalleryMutation {
    /// recomputes every template with the current embedder beside the old ones, then switches at once
    async fn reembed_gallery(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<JobPayload>> {
        recognition::reembed_gallery(service(ctx)?, &scope(ctx)?)
            .await
            .answer()
            .map(|job| Some(job.into()))
    }

    /// to an embedder whose templates are complete, forward or back
    async fn switch_gallery(
        &self,
        ctx: &Context<'_>,
        model: String,
    ) -> async_graphql::Result<Option<OrganizationPayload>> {
        recognition::switch_gallery(service(ctx)?, &scope(ctx)?, &model)
            .await
            .answer()
            .map(|organization| Some(organization.into()))
    }
}
