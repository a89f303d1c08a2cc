//! What a session's roll says of one student.

use sea_orm::entity::prelude::*;

use crate::kinds::{MarkSource, MarkStatus};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "mark")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub organization_id: Uuid,
    pub session_id: Uuid,
    pub student_id: Uuid,
    pub status: MarkStatus,
    pub source: MarkSource,
    pub similarity: Option<f64>,
    pub face_id: Option<Uuid>,
    pub remark: Option<String>,
    pub marked_at: DateTimeUtc,
    pub marked_by: Option<Uuid>,
    /// the job that set it
    pub job_id: Option<Uuid>,
}

impl ActiveModelBehavior for ActiveModel {}
