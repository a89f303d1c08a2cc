//! What a student was in a week: the sum of their marks in sessions that are open or closed.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "student_week")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization_id: Uuid,
    /// (day + 3) / 7 of a session's day: weeks begin on Monday
    #[sea_orm(primary_key, auto_increment = false)]
    pub week: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub student_id: Uuid,
    pub present: i32,
    pub late: i32,
    pub excused: i32,
    pub absent: i32,
}

impl ActiveModelBehavior for ActiveModel {}
