//! A session's marks as they changed: history and event stream in one, numbered in the order of commits.

use sea_orm::entity::prelude::*;

use crate::kinds::{MarkSource, MarkStatus};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "mark_change")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub session_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    pub organization_id: Uuid,
    pub student_id: Uuid,
    pub from_status: Option<MarkStatus>,
    pub to_status: Option<MarkStatus>,
    pub source: MarkSource,
    pub by_id: Option<Uuid>,
    pub at: DateTimeUtc,
    pub remark: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
