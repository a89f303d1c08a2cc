//! A user of the contract (`user` is a reserved word in SQL). The only table that holds names and addresses.

use sea_orm::entity::prelude::*;

use crate::kinds::{PersonStatus, Role};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "person")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub organization_id: Uuid,
    pub full_name: String,
    /// lower-case name: the order and the search of people are the same on every database
    pub name_key: String,
    pub email: Option<String>,
    pub roll_number: Option<String>,
    pub role: Role,
    pub status: PersonStatus,
    /// lower-case, verified, unique in the installation
    pub login_email: Option<String>,
    pub password_hash: Option<String>,
    pub department_id: Option<Uuid>,
    /// language tag of mails, such as en
    pub locale: String,
    pub email_on_absence: bool,
    pub email_on_mark: bool,
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
