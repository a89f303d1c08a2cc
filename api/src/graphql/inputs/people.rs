//! Inputs about people, their organization and its departments.

use async_graphql::{ID, InputObject, MaybeUndefined};
use service::accounts::SettingsChange;
use service::change::Change;
use service::organizations::{DepartmentChange, OrganizationChange};
use service::people::UserChange;

use crate::graphql::ids::NodeId;
use crate::graphql::scalars::{Role, UserStatus};

/// What an input field says of what it updates.
pub(super) fn change<T>(field: MaybeUndefined<T>) -> Change<T> {
    match field {
        MaybeUndefined::Undefined => Change::Unchanged,
        MaybeUndefined::Null => Change::Cleared,
        MaybeUndefined::Value(value) => Change::To(value),
    }
}

pub(super) fn id_change<T: NodeId>(field: MaybeUndefined<ID>) -> async_graphql::Result<Change<T>> {
    Ok(match change(field) {
        Change::Unchanged => Change::Unchanged,
        Change::Cleared => Change::Cleared,
        Change::To(id) => Change::To(T::required(&id)?),
    })
}

#[derive(InputObject)]
pub struct RegisterInput {
    pub full_name: String,
    pub email: String,
    pub password: String,
    pub verification_token: String,
    pub organization_name: Option<String>,
    pub timezone: Option<String>,
    pub invitation_token: Option<String>,
}

#[derive(InputObject)]
pub struct UserSettingsInput {
    locale: MaybeUndefined<String>,
    email_on_absence: MaybeUndefined<bool>,
    email_on_mark: MaybeUndefined<bool>,
}

impl UserSettingsInput {
    pub fn change(self) -> SettingsChange {
        SettingsChange {
            locale: change(self.locale),
            email_on_absence: change(self.email_on_absence),
            email_on_mark: change(self.email_on_mark),
        }
    }
}

#[derive(InputObject)]
pub struct UpdateOrganizationInput {
    name: MaybeUndefined<String>,
    timezone: MaybeUndefined<String>,
    match_threshold: MaybeUndefined<f64>,
    review_threshold: MaybeUndefined<f64>,
    min_enrolment_photos: MaybeUndefined<i32>,
    late_after_minutes: MaybeUndefined<i32>,
    close_after_minutes: MaybeUndefined<i32>,
    photo_retention_days: MaybeUndefined<i32>,
    require_liveness: MaybeUndefined<bool>,
    check_in_radius_meters: MaybeUndefined<i32>,
    max_upload_megabytes: MaybeUndefined<i32>,
}

impl UpdateOrganizationInput {
    pub fn change(self) -> OrganizationChange {
        OrganizationChange {
            name: change(self.name),
            timezone: change(self.timezone),
            match_threshold: change(self.match_threshold),
            review_threshold: change(self.review_threshold),
            min_enrolment_photos: change(self.min_enrolment_photos),
            late_after_minutes: change(self.late_after_minutes),
            close_after_minutes: change(self.close_after_minutes),
            photo_retention_days: change(self.photo_retention_days),
            require_liveness: change(self.require_liveness),
            check_in_radius_meters: change(self.check_in_radius_meters),
            max_upload_megabytes: change(self.max_upload_megabytes),
        }
    }
}

#[derive(InputObject)]
pub struct DepartmentInput {
    pub name: String,
    pub code: String,
    pub head_id: Option<ID>,
}

#[derive(InputObject)]
pub struct UpdateDepartmentInput {
    name: MaybeUndefined<String>,
    code: MaybeUndefined<String>,
    head_id: MaybeUndefined<ID>,
}

impl UpdateDepartmentInput {
    pub fn change(self) -> async_graphql::Result<DepartmentChange> {
        Ok(DepartmentChange {
            name: change(self.name),
            code: change(self.code),
            head: id_change(self.head_id)?,
        })
    }
}

#[derive(InputObject)]
pub struct InviteUserInput {
    pub user_id: Option<ID>,
    pub full_name: Option<String>,
    pub email: String,
    pub role: Option<Role>,
    pub department_id: Option<ID>,
}

#[derive(InputObject)]
pub struct CreateUserInput {
    pub full_name: String,
    pub role: Role,
    pub email: Option<String>,
    pub roll_number: Option<String>,
    pub department_id: Option<ID>,
}

#[derive(InputObject)]
pub struct UpdateUserInput {
    full_name: MaybeUndefined<String>,
    email: MaybeUndefined<String>,
    roll_number: MaybeUndefined<String>,
    role: MaybeUndefined<Role>,
    department_id: MaybeUndefined<ID>,
}

impl UpdateUserInput {
    pub fn change(self) -> async_graphql::Result<UserChange> {
        Ok(UserChange {
            full_name: change(self.full_name),
            email: change(self.email),
            roll_number: change(self.roll_number),
            role: change(self.role.map_value(Into::into)),
            department: id_change(self.department_id)?,
        })
    }
}

#[derive(InputObject)]
pub struct UserFilter {
    role: Option<Role>,
    status: Option<UserStatus>,
    department_id: Option<ID>,
    class_id: Option<ID>,
    enrolled: Option<bool>,
    roll_number: Option<String>,
    search: Option<String>,
}

impl UserFilter {
    pub fn filter(self) -> async_graphql::Result<service::people::UserFilter> {
        Ok(service::people::UserFilter {
            role: self.role.map(Into::into),
            status: self.status.map(Into::into),
            department: NodeId::optional(self.department_id.as_ref())?,
            class: NodeId::optional(self.class_id.as_ref())?,
            enrolled: self.enrolled,
            roll_number: self.roll_number,
            search: self.search,
        })
    }
}
