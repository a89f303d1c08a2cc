//! Mutations of one's own account, and the way in.

use async_graphql::{Context, Object, SimpleObject};
use chrono::{DateTime, Utc};
use service::accounts::{self, CodeSent, Registration};
use service::people;

use super::{UserPayload, count};
use crate::graphql::inputs::{RegisterInput, UserSettingsInput};
use crate::graphql::types::User;
use crate::graphql::{Answer, scope, service, sign_in, viewer};
use crate::http::auth::{Auth, auth};
use crate::http::error::extend;
use crate::http::origin::origin;

#[derive(Default)]
pub struct AccountMutation;

#[derive(SimpleObject)]
pub struct AuthPayload {
    user: User,
    access_token: String,
    access_token_expires_at: DateTime<Utc>,
    refresh_token: String,
    refresh_token_expires_at: DateTime<Utc>,
}

#[derive(SimpleObject)]
pub struct CodeSentPayload {
    expires_at: DateTime<Utc>,
    retry_after_seconds: i32,
}

impl From<CodeSent> for CodeSentPayload {
    fn from(sent: CodeSent) -> Self {
        Self {
            expires_at: sent.expires_at,
            retry_after_seconds: i32::try_from(sent.retry_after_seconds).unwrap_or(i32::MAX),
        }
    }
}

#[derive(SimpleObject)]
pub struct ConfirmEmailPayload {
    verification_token: String,
    expires_at: DateTime<Utc>,
}

#[derive(SimpleObject)]
pub struct LogoutPayload {
    ended_logins: i32,
}

#[derive(SimpleObject)]
pub struct ResetPasswordPayload {
    ended_logins: i32,
}

#[derive(SimpleObject)]
pub struct DeleteAccountPayload {
    erased_templates: i32,
    erased_photos: i32,
}

async fn signed_in(ctx: &Context<'_>, tokens: accounts::Tokens) -> async_graphql::Result<Option<AuthPayload>> {
    sign_in(ctx, &tokens.viewer)?;
    let person = people::find(service(ctx)?, &tokens.viewer.into(), tokens.person)
        .await
        .answer()?
        .ok_or_else(|| extend(service::Error::Unauthenticated))?;
    Ok(Some(AuthPayload {
        user: User(person),
        access_token: tokens.access,
        access_token_expires_at: tokens.access_expires_at,
        refresh_token: tokens.refresh,
        refresh_token_expires_at: tokens.refresh_expires_at,
    }))
}

#[Object]
impl AccountMutation {
    /// mails a 6-digit code; answers alike whether or not the address is known
    async fn request_email_verification(
        &self,
        ctx: &Context<'_>,
        email: String,
    ) -> async_graphql::Result<Option<CodeSentPayload>> {
        accounts::request_email_verification(service(ctx)?, origin(ctx), &email)
            .await
            .answer()
            .map(|sent| Some(sent.into()))
    }

    async fn confirm_email(
        &self,
        ctx: &Context<'_>,
        email: String,
        code: String,
    ) -> async_graphql::Result<Option<ConfirmEmailPayload>> {
        let verified = accounts::confirm_email(service(ctx)?, origin(ctx), &email, &code)
            .await
            .answer()?;
        Ok(Some(ConfirmEmailPayload {
            verification_token: verified.token,
            expires_at: verified.expires_at,
        }))
    }

    /// founds an organization (organizationName, where the installation allows it, else FORBIDDEN) as its admin, or joins one by invitation with the invitation's role
    async fn register(&self, ctx: &Context<'_>, input: RegisterInput) -> async_graphql::Result<Option<AuthPayload>> {
        let form = Registration {
            full_name: &input.full_name,
            email: &input.email,
            password: &input.password,
            verification_token: &input.verification_token,
            organization_name: input.organization_name.as_deref(),
            timezone: input.timezone.as_deref(),
            invitation_token: input.invitation_token.as_deref(),
        };
        let tokens = accounts::register(service(ctx)?, origin(ctx), form).await.answer()?;
        signed_in(ctx, tokens).await
    }

    async fn login(
        &self,
        ctx: &Context<'_>,
        email: String,
        password: String,
    ) -> async_graphql::Result<Option<AuthPayload>> {
        let tokens = accounts::login(service(ctx)?, origin(ctx), &email, &password)
            .await
            .answer()?;
        signed_in(ctx, tokens).await
    }

    /// rotates: a refresh token works once; using one twice ends its whole family
    async fn refresh(&self, ctx: &Context<'_>, refresh_token: String) -> async_graphql::Result<Option<AuthPayload>> {
        let tokens = accounts::refresh(service(ctx)?, &refresh_token).await.answer()?;
        signed_in(ctx, tokens).await
    }

    /// by access token or, when that has run out, by refresh token; from the next request on, on every server, neither works
    async fn logout(
        &self,
        ctx: &Context<'_>,
        refresh_token: Option<String>,
    ) -> async_graphql::Result<Option<LogoutPayload>> {
        let viewer = match auth(ctx) {
            Auth::Viewer(viewer) => Some(viewer),
            Auth::Anonymous | Auth::Rejected => None,
        };
        let ended = accounts::logout(service(ctx)?, viewer.as_ref(), refresh_token.as_deref())
            .await
            .answer()?;
        Ok(Some(LogoutPayload {
            ended_logins: count(ended),
        }))
    }

    async fn logout_everywhere(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<LogoutPayload>> {
        let ended = accounts::logout_everywhere(service(ctx)?, &viewer(ctx)?)
            .await
            .answer()?;
        Ok(Some(LogoutPayload {
            ended_logins: count(ended),
        }))
    }

    /// answers alike whether or not the address is known
    async fn request_password_reset(
        &self,
        ctx: &Context<'_>,
        email: String,
    ) -> async_graphql::Result<Option<CodeSentPayload>> {
        accounts::request_password_reset(service(ctx)?, origin(ctx), &email)
            .await
            .answer()
            .map(|sent| Some(sent.into()))
    }

    /// ends every login of the account
    async fn reset_password(
        &self,
        ctx: &Context<'_>,
        email: String,
        code: String,
        new_password: String,
    ) -> async_graphql::Result<Option<ResetPasswordPayload>> {
        let ended = accounts::reset_password(service(ctx)?, origin(ctx), &email, &code, &new_password)
            .await
            .answer()?;
        Ok(Some(ResetPasswordPayload {
            ended_logins: count(ended),
        }))
    }

    /// ends every other login
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        current_password: String,
        new_password: String,
    ) -> async_graphql::Result<Option<AuthPayload>> {
        let tokens = accounts::change_password(service(ctx)?, &viewer(ctx)?, &current_password, &new_password)
            .await
            .answer()?;
        signed_in(ctx, tokens).await
    }

    async fn change_email(
        &self,
        ctx: &Context<'_>,
        new_email: String,
        verification_token: String,
        password: String,
    ) -> async_graphql::Result<Option<UserPayload>> {
        accounts::change_email(service(ctx)?, &viewer(ctx)?, &new_email, &verification_token, &password)
            .await
            .answer()
            .map(|person| Some(person.into()))
    }

    /// erases the person, their faces and photos of them alone; marks stay, without a name. The last admin gets CONFLICT unless eraseOrganization, which erases all of it.
    async fn delete_account(
        &self,
        ctx: &Context<'_>,
        password: String,
        #[graphql(default = false)] erase_organization: bool,
    ) -> async_graphql::Result<Option<DeleteAccountPayload>> {
        let erased = people::delete_account(service(ctx)?, &viewer(ctx)?, &password, erase_organization)
            .await
            .answer()?;
        Ok(Some(DeleteAccountPayload {
            erased_templates: count(erased.templates),
            erased_photos: count(erased.photos),
        }))
    }

    async fn update_my_profile(
        &self,
        ctx: &Context<'_>,
        full_name: String,
    ) -> async_graphql::Result<Option<UserPayload>> {
        accounts::rename(service(ctx)?, &scope(ctx)?, &full_name)
            .await
            .answer()
            .map(|person| Some(person.into()))
    }

    async fn update_my_settings(
        &self,
        ctx: &Context<'_>,
        input: UserSettingsInput,
    ) -> async_graphql::Result<Option<UserPayload>> {
        accounts::set_settings(service(ctx)?, &scope(ctx)?, &input.change())
            .await
            .answer()
            .map(|person| Some(person.into()))
    }
}
