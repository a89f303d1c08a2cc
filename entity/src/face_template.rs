//! One enrolled photo of a person; the embedding is sealed.

use sea_orm::entity::prelude::*;

use crate::kinds::TemplateStatus;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "face_template")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub organization_id: Uuid,
    pub person_id: Uuid,
    pub job_id: Uuid,
    pub photo_index: i32,
    pub model: String,
    pub status: TemplateStatus,
    pub embedding: Option<Vec<u8>>,
    pub quality: Option<Json>,
    pub rejections: Json,
    pub crop_key: Option<String>,
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
