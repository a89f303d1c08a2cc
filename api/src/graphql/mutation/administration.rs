//! Mutations of an organization's admins, and what everybody may tell the operator.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use service::accounts::{self, Invitation};
use service::id::{DepartmentId, PersonId};
use service::people::NewUser;
use service::{feedback, organizations, people};

use super::UserPayload;
use crate::graphql::ids::NodeId;
use crate::graphql::inputs::{
    CreateUserInput, DepartmentInput, InviteUserInput, UpdateDepartmentInput, UpdateOrganizationInput, UpdateUserInput,
};
use crate::graphql::scalars::UserStatus;
use crate::graphql::types::{Department, Organization, User};
use crate::graphql::{Answer, scope, service};

#[derive(Default)]
pub struct AdministrationMutation;

#[derive(SimpleObject)]
pub struct OrganizationPayload {
    organization: Organization,
}

impl From<organizations::Organization> for OrganizationPayload {
    fn from(organization: organizations::Organization) -> Self {
        Self {
            organization: Organization(organization),
        }
    }
}

#[derive(SimpleObject)]
pub struct DepartmentPayload {
    department: Department,
}

#[derive(SimpleObject)]
pub struct DeletePayload {
    pub(super) deleted_id: ID,
}

#[derive(SimpleObject)]
pub struct InviteUserPayload {
    user: User,
    expires_at: DateTime<Utc>,
}

#[derive(SimpleObject)]
pub struct FeedbackPayload {
    received: bool,
}

#[Object]
impl AdministrationMutation {
    async fn update_organization(
        &self,
        ctx: &Context<'_>,
        input: UpdateOrganizationInput,
    ) -> async_graphql::Result<Option<OrganizationPayload>> {
        organizations::update(service(ctx)?, &scope(ctx)?, input.change())
            .await
            .answer()
            .map(|organization| Some(organization.into()))
    }

    async fn create_department(
        &self,
        ctx: &Context<'_>,
        input: DepartmentInput,
    ) -> async_graphql::Result<Option<DepartmentPayload>> {
        let scope = scope(ctx)?;
        scope.admin().answer()?;
        let head = NodeId::optional(input.head_id.as_ref())?;
        organizations::create_department(service(ctx)?, &scope, &input.name, &input.code, head)
            .await
            .answer()
            .map(|department| Some(department.into()))
    }

    async fn update_department(
        &self,
        ctx: &Context<'_>,
        id: ID,
        input: UpdateDepartmentInput,
    ) -> async_graphql::Result<Option<DepartmentPayload>> {
        let scope = scope(ctx)?;
        organizations::update_department(service(ctx)?, &scope, NodeId::required(&id)?, input.change()?)
            .await
            .answer()
            .map(|department| Some(department.into()))
    }

    /// its people and classes are without a department then
    async fn delete_department(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<Option<DeletePayload>> {
        let scope = scope(ctx)?;
        let department: DepartmentId = NodeId::required(&id)?;
        organizations::delete_department(service(ctx)?, &scope, department)
            .await
            .answer()?;
        Ok(Some(DeletePayload { deleted_id: id }))
    }

    /// a person who is known (userId) or new (fullName, role); again: mails again, and the old token dies. A taken address answers as usual; the mail explains.
    async fn invite_user(
        &self,
        ctx: &Context<'_>,
        input: InviteUserInput,
    ) -> async_graphql::Result<Option<InviteUserPayload>> {
        let scope = scope(ctx)?;
        let invitation = Invitation {
            person: NodeId::optional(input.user_id.as_ref())?,
            full_name: input.full_name.as_deref(),
            email: &input.email,
            role: input.role.map(Into::into),
            department: NodeId::optional(input.department_id.as_ref())?,
        };
        let invited = accounts::invite(service(ctx)?, &scope, &invitation).await.answer()?;
        Ok(Some(InviteUserPayload {
            user: User(invited.person),
            expires_at: invited.expires_at,
        }))
    }

    /// a person without a login
    async fn create_user(
        &self,
        ctx: &Context<'_>,
        input: CreateUserInput,
    ) -> async_graphql::Result<Option<UserPayload>> {
        let scope = scope(ctx)?;
        scope.admin().answer()?;
        let new = NewUser {
            full_name: &input.full_name,
            role: input.role.into(),
            email: input.email.as_deref(),
            roll_number: input.roll_number.as_deref(),
            department: NodeId::optional(input.department_id.as_ref())?,
        };
        people::create(service(ctx)?, &scope, &new)
            .await
            .answer()
            .map(|person| Some(person.into()))
    }

    /// a login's address is changed by its owner alone
    async fn update_user(
        &self,
        ctx: &Context<'_>,
        id: ID,
        input: UpdateUserInput,
    ) -> async_graphql::Result<Option<UserPayload>> {
        let scope = scope(ctx)?;
        people::update(service(ctx)?, &scope, NodeId::required(&id)?, input.change()?)
            .await
            .answer()
            .map(|person| Some(person.into()))
    }

    /// ACTIVE or SUSPENDED
    async fn set_user_status(
        &self,
        ctx: &Context<'_>,
        id: ID,
        status: UserStatus,
    ) -> async_graphql::Result<Option<UserPayload>> {
        let scope = scope(ctx)?;
        people::set_user_status(service(ctx)?, &scope, NodeId::required(&id)?, status.into())
            .await
            .answer()
            .map(|person| Some(person.into()))
    }

    /// erases, as deleteAccount does
    async fn delete_user(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<Option<DeletePayload>> {
        let scope = scope(ctx)?;
        let person: PersonId = NodeId::required(&id)?;
        people::delete_user(service(ctx)?, &scope, person).await.answer()?;
        Ok(Some(DeletePayload { deleted_id: id }))
    }

    async fn submit_feedback(
        &self,
        ctx: &Context<'_>,
        message: String,
        rating: Option<i32>,
    ) -> async_graphql::Result<Option<FeedbackPayload>> {
        feedback::submit(service(ctx)?, &scope(ctx)?, &message, rating)
            .await
            .answer()?;
        Ok(Some(FeedbackPayload { received: true }))
    }
}

impl From<organizations::Department> for DepartmentPayload {
    fn from(department: organizations::Department) -> Self {
        Self {
            department: Department(department),
        }
    }
}
