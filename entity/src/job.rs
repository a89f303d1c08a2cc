//! A piece of work for the workers: the truth of the queue.

use sea_orm::entity::prelude::*;

use crate::kinds::{JobKind, JobStage, JobStatus};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "job")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub organization_id: Uuid,
    pub kind: JobKind,
    pub status: JobStatus,
    pub stage: JobStage,
    pub progress: f64,
    pub attempts: i32,
    /// smaller is sooner
    pub priority: i32,
    pub available_at: DateTimeUtc,
    /// raised at every claim; a worker writes only under the number that it claimed
    pub fence: i64,
    pub lease_until: Option<DateTimeUtc>,
    pub payload_version: i32,
    pub payload: Json,
    pub trace: Option<String>,
    /// raised by every visible change
    pub revision: i64,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
    pub error_retryable: bool,
    pub submitted_by: Option<Uuid>,
    pub session_id: Option<Uuid>,
    pub class_id: Option<Uuid>,
    pub person_id: Option<Uuid>,
    pub timings: Option<Json>,
    pub created_at: DateTimeUtc,
    pub started_at: Option<DateTimeUtc>,
    pub finished_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
