//! An object of the media store that no row names any more; gone once the object is.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "discarded")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub media_key: String,
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
