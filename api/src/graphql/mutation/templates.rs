//! Mutations of enrolled photos: what waits is decided, what should not be there is deleted.

use async_graphql::{Context, ID, Object, SimpleObject};
use service::recognition;

use super::administration::DeletePayload;
use crate::graphql::ids::NodeId;
use crate::graphql::types::FaceTemplate;
use crate::graphql::{Answer, scope, service};

#[derive(Default)]
pub struct TemplateMutation;

#[derive(SimpleObject)]
pub struct FaceTemplatePayload {
    template: FaceTemplate,
}

#[Object]
impl TemplateMutation {
    /// of one that is PENDING, by staff; nobody decides about their own face
    async fn review_face_template(
        &self,
        ctx: &Context<'_>,
        id: ID,
        accept: bool,
    ) -> async_graphql::Result<Option<FaceTemplatePayload>> {
        let id = NodeId::required(&id)?;
        let template = recognition::review_template(service(ctx)?, &scope(ctx)?, id, accept)
            .await
            .answer()?;
        Ok(Some(FaceTemplatePayload {
            template: template.into(),
        }))
    }

    /// the enrolled photo's face and numbers go, by whatever embedder; marks that it led to stay
    async fn delete_face_template(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<Option<DeletePayload>> {
        recognition::delete_template(service(ctx)?, &scope(ctx)?, NodeId::required(&id)?)
            .await
            .answer()?;
        Ok(Some(DeletePayload { deleted_id: id }))
    }
}
