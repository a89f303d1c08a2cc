//! A picture that was submitted; the bytes are in the media store under its key.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "photo")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub organization_id: Uuid,
    pub job_id: Uuid,
    /// place in its job, from 0
    pub position: i32,
    pub session_id: Option<Uuid>,
    /// none once retention took the bytes
    pub media_key: Option<String>,
    pub byte_size: i64,
    pub width: Option<i32>,
    pub height: Option<i32>,
    pub submitted_at: DateTimeUtc,
    pub uploaded_by: Option<Uuid>,
    /// of an enrolment photo: SHA-256 of its bytes
    pub digest: Option<Vec<u8>>,
}

impl ActiveModelBehavior for ActiveModel {}
