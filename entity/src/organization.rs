//! A school: everything else belongs to exactly one.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "organization")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    pub timezone: String,
    pub min_enrolment_photos: i32,
    pub late_after_minutes: i32,
    pub close_after_minutes: i32,
    pub photo_retention_days: i32,
    pub require_liveness: bool,
    pub check_in_radius_meters: Option<i32>,
    pub max_upload_megabytes: i32,
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
