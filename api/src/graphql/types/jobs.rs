//! Jobs as clients watch them.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use service::queue;

use super::{AttendanceMark, DetectedFace, FaceTemplate, Photo, Session, User};
use crate::graphql::connection::{bounded, connection};
use crate::graphql::ids::NodeId;
use crate::graphql::loaders;
use crate::graphql::loaders::{ExportOf, FacesOfJob, MarksOfJob, PhotosOfJob, TemplatesOfJob};
use crate::graphql::scalars::{JobKind, JobStage, JobStatus};

#[derive(Clone)]
pub struct Job(pub Arc<queue::Job>);

impl From<queue::Job> for Job {
    fn from(job: queue::Job) -> Self {
        Self(Arc::new(job))
    }
}

/// code: UNREADABLE_IMAGE, IMAGE_TOO_LARGE, NO_FACE, SEVERAL_FACES, LOW_QUALITY, NOT_LIVE, NO_MATCH, MODEL_UNAVAILABLE, TIMED_OUT, INTERNAL
#[derive(SimpleObject)]
pub struct JobError {
    code: String,
    message: String,
    retryable: bool,
}

/// milliseconds; a stage that the job does not have is 0
#[derive(SimpleObject)]
pub struct JobTimings {
    queued: f64,
    decode: f64,
    detect: f64,
    embed: f64,
    r#match: f64,
    write: f64,
    total: f64,
}

/// url is signed at each read, for its reader, good for a few minutes
#[derive(SimpleObject)]
pub struct ExportFile {
    url: String,
    expires_at: DateTime<Utc>,
    rows: i32,
    byte_size: i32,
}

impl From<service::reports::ExportFile> for ExportFile {
    fn from(file: service::reports::ExportFile) -> Self {
        Self {
            url: file.url,
            expires_at: file.expires_at,
            rows: file.rows,
            byte_size: i32::try_from(file.byte_size).unwrap_or(i32::MAX),
        }
    }
}

/// the organization's jobs of a kind that have not succeeded; a paused one's are not begun
#[derive(SimpleObject)]
pub struct Queue {
    kind: JobKind,
    paused: bool,
    queued: i32,
    running: i32,
    failed: i32,
    /// how long the oldest QUEUED job waits; 0 where none does
    oldest_queued_seconds: f64,
}

impl From<queue::administration::Queue> for Queue {
    fn from(queue: queue::administration::Queue) -> Self {
        let count = |jobs: i64| i32::try_from(jobs).unwrap_or(i32::MAX);
        Self {
            kind: queue.kind.into(),
            paused: queue.paused,
            queued: count(queue.queued),
            running: count(queue.running),
            failed: count(queue.failed),
            oldest_queued_seconds: queue.oldest_queued_seconds,
        }
    }
}

#[Object]
impl Job {
    /// of an EXPORT that succeeded; its submitter only
    async fn export(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<ExportFile>> {
        if self.0.kind != service::kinds::JobKind::Export {
            return Ok(None);
        }
        Ok(loaders(ctx)?.one(ExportOf(self.0.id)).await?.map(Into::into))
    }

    pub async fn id(&self) -> ID {
        self.0.id.global()
    }

    async fn kind(&self) -> JobKind {
        self.0.kind.into()
    }

    async fn status(&self) -> JobStatus {
        self.0.status.into()
    }

    async fn stage(&self) -> JobStage {
        self.0.stage.into()
    }

    /// 0 to 1, never falling within an attempt
    async fn progress(&self) -> f64 {
        self.0.progress
    }

    async fn attempts(&self) -> i32 {
        self.0.attempts
    }

    /// set when FAILED; safe to show a teacher
    async fn error(&self) -> Option<JobError> {
        Some(JobError {
            code: self.0.error_code.clone()?,
            message: self.0.error_message.clone()?,
            retryable: self.0.error_retryable,
        })
    }

    async fn submitted_by(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<User>> {
        User::load_optional(ctx, self.0.submitted_by).await
    }

    async fn session(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Session>> {
        Session::load_optional(ctx, self.0.session_id).await
    }

    /// whom an ENROL or CHECK_IN job is about
    async fn user(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<User>> {
        User::load_optional(ctx, self.0.person_id).await
    }

    async fn photos(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Photo>> {
        let photos = loaders(ctx)?.many(PhotosOfJob(self.0.id)).await?;
        Ok(photos.into_iter().map(Photo).collect())
    }

    async fn faces(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<DetectedFace>> {
        let faces = loaders(ctx)?.many(FacesOfJob(self.0.id)).await?;
        Ok(faces.into_iter().map(DetectedFace).collect())
    }

    /// marks that this job set
    async fn marks(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<AttendanceMark>> {
        let marks = loaders(ctx)?.many(MarksOfJob(self.0.id)).await?;
        Ok(marks.into_iter().map(AttendanceMark::from).collect())
    }

    /// what an ENROL job made, one a photo; it SUCCEEDS even if every photo is rejected
    async fn templates(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<FaceTemplate>> {
        let templates = loaders(ctx)?.many(TemplatesOfJob(self.0.id)).await?;
        Ok(templates.into_iter().map(FaceTemplate).collect())
    }

    async fn timings(&self) -> Option<JobTimings> {
        let queue::Timings {
            queued,
            decode,
            detect,
            embed,
            r#match,
            write,
            total,
        } = self.0.timings()?;
        Some(JobTimings {
            queued,
            decode,
            detect,
            embed,
            r#match,
            write,
            total,
        })
    }

    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    async fn started_at(&self) -> Option<DateTime<Utc>> {
        self.0.started_at
    }

    async fn finished_at(&self) -> Option<DateTime<Utc>> {
        self.0.finished_at
    }
}

connection!(JobConnection, JobEdge, Job, Option<i32>, bounded);
