//! One meeting of a class, with its tally and the number of its latest event.

use sea_orm::entity::prelude::*;

use crate::kinds::SessionState;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub organization_id: Uuid,
    pub class_id: Uuid,
    pub venue_id: Option<Uuid>,
    pub title: Option<String>,
    pub starts_at: DateTimeUtc,
    pub ends_at: DateTimeUtc,
    /// in the organization's time zone, days since 1970-01-01
    pub day: i32,
    pub state: SessionState,
    pub event_seq: i64,
    pub present: i32,
    pub late: i32,
    pub excused: i32,
    pub absent: i32,
    pub expected: i32,
    pub created_by: Option<Uuid>,
    pub created_at: DateTimeUtc,
    /// when anything that is shown changed last
    pub touched_at: DateTimeUtc,
    /// by hand, the last time
    pub opened_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
