//! A living worker process and its slots, so that the dispatcher knows who is idle.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "worker_node")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub slots: i32,
    pub tells_liveness: bool,
    pub seen_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
