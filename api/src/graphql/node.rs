//! What a global id leads to.

use async_graphql::Context;
use service::people;

use super::ids::AnyId;
use super::types::{
    AttendanceMark, AuditEntry, Class, Department, DetectedFace, FaceTemplate, Job, Node, Organization, Photo, Session,
    User, Venue,
};
use super::{Answer, loaders, scope, service};

/// What the asker may look up by itself; of people and venues that is less than what they meet
/// beside something else.
pub async fn find(ctx: &Context<'_>, id: AnyId) -> async_graphql::Result<Option<Node>> {
    match id {
        AnyId::PersonId(id) => {
            let found = people::find(service(ctx)?, &scope(ctx)?, id).await.answer()?;
            Ok(found.map(|person| User(person).into()))
        }
        AnyId::VenueId(id) => {
            let found = service::venues::find(service(ctx)?, &scope(ctx)?, id).await.answer()?;
            Ok(found.map(|venue| Venue(venue).into()))
        }
        id => beside(ctx, id).await,
    }
}

/// What something visible names.
pub async fn beside(ctx: &Context<'_>, id: AnyId) -> async_graphql::Result<Option<Node>> {
    let loaders = loaders(ctx)?;
    Ok(match id {
        AnyId::OrganizationId(id) => loaders.one(id).await?.map(|o| Organization(o).into()),
        AnyId::PersonId(id) => loaders.one(id).await?.map(|p| User(p).into()),
        AnyId::ClassId(id) => loaders.one(id).await?.map(|c| Class(c).into()),
        AnyId::VenueId(id) => loaders.one(id).await?.map(|v| Venue(v).into()),
        AnyId::SessionId(id) => loaders.one(id).await?.map(|s| Session(s).into()),
        AnyId::MarkId(id) => loaders.one(id).await?.map(|m| AttendanceMark::from(m).into()),
        AnyId::JobId(id) => loaders.one(id).await?.map(|j| Job::from(j).into()),
        AnyId::PhotoId(id) => loaders.one(id).await?.map(|p| Photo(p).into()),
        AnyId::FaceId(id) => loaders.one(id).await?.map(|f| DetectedFace(f).into()),
        AnyId::TemplateId(id) => loaders.one(id).await?.map(|t| FaceTemplate(t).into()),
        AnyId::DepartmentId(id) => loaders.one(id).await?.map(|d| Department(d).into()),
        AnyId::AuditId(id) => loaders.one(id).await?.map(|a| AuditEntry(a).into()),
    })
}
