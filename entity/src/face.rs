//! A face that was found in a photo, and what was decided about it.

use sea_orm::entity::prelude::*;

use crate::kinds::{FaceDecision, FaceReason};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "face")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub organization_id: Uuid,
    pub photo_id: Uuid,
    pub job_id: Uuid,
    pub session_id: Option<Uuid>,
    pub x: i32,
    pub y: i32,
    pub width: i32,
    pub height: i32,
    pub detection_score: f64,
    pub quality: Json,
    pub decision: FaceDecision,
    pub reason: Option<FaceReason>,
    pub student_id: Option<Uuid>,
    pub similarity: Option<f64>,
    pub candidates: Json,
    pub crop_key: Option<String>,
    pub decided_by: Option<Uuid>,
    pub decided_at: Option<DateTimeUtc>,
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
