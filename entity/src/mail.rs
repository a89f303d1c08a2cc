//! A mail that waits to be sent; gone once it is.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "mail")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// keyed, so that what is addressed to somebody can be found without their address
    pub address_hash: Vec<u8>,
    /// the address and all that the mail says
    pub sealed: Vec<u8>,
    pub attempts: i32,
    pub available_at: DateTimeUtc,
    pub lease_until: Option<DateTimeUtc>,
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
