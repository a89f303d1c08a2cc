//! Photos, the faces in them, and enrolled faces.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use service::media::{self, Shown};
use service::recognition;

use super::{Session, User};
use crate::graphql::connection::{connection, exact};
use crate::graphql::ids::NodeId;
use crate::graphql::loaders::FacesOfPhoto;
use crate::graphql::scalars::{FaceDecision, FaceReason, ReviewChange, TemplateStatus};
use crate::graphql::{loaders, service};

#[derive(Clone)]
pub struct Photo(pub recognition::Photo);

#[Object]
impl Photo {
    pub async fn id(&self) -> ID {
        self.0.id.global()
    }

    /// short-lived signed address of the image, upright, without its metadata; null once retention took it
    async fn url(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<String>> {
        let service = service(ctx)?;
        Ok(self.0.is_kept.then(|| media::address(service, Shown::Photo(self.0.id))))
    }

    /// the same with a box and a name drawn for each face
    async fn annotated_url(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<String>> {
        let service = service(ctx)?;
        Ok(self
            .0
            .is_kept
            .then(|| media::address(service, Shown::Annotated(self.0.id))))
    }

    /// upright pixels; null until decoded
    async fn width(&self) -> Option<i32> {
        self.0.width
    }

    async fn height(&self) -> Option<i32> {
        self.0.height
    }

    async fn byte_size(&self) -> i32 {
        i32::try_from(self.0.byte_size).unwrap_or(i32::MAX)
    }

    async fn session(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Session>> {
        Session::load_optional(ctx, self.0.session_id).await
    }

    async fn faces(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<DetectedFace>>> {
        let faces = loaders(ctx)?.many(FacesOfPhoto(self.0.id)).await?;
        Ok(Some(faces.into_iter().map(DetectedFace).collect()))
    }

    async fn uploaded_by(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<User>> {
        User::load_optional(ctx, self.0.uploaded_by).await
    }

    async fn created_at(&self) -> DateTime<Utc> {
        self.0.submitted_at
    }
}

/// A student is MATCHED to at most one face of a photo; a second claim goes to review.
#[derive(Clone)]
pub struct DetectedFace(pub recognition::Face);

#[derive(SimpleObject)]
pub struct Box {
    x: i32,
    y: i32,
    width: i32,
    height: i32,
}

#[derive(SimpleObject)]
pub struct Candidate {
    student: User,
    similarity: f64,
}

#[derive(SimpleObject)]
pub struct FaceQuality {
    /// 0 to 1, worst to best
    overall: f32,
    sharpness: f32,
    brightness: f32,
    /// degrees
    yaw: f32,
    pitch: f32,
    roll: f32,
    /// pixels between the eyes
    interocular: f32,
}

impl From<recognition::Quality> for FaceQuality {
    fn from(quality: recognition::Quality) -> Self {
        let recognition::Quality {
            overall,
            sharpness,
            brightness,
            yaw,
            pitch,
            roll,
            interocular,
        } = quality;
        Self {
            overall,
            sharpness,
            brightness,
            yaw,
            pitch,
            roll,
            interocular,
        }
    }
}

#[Object]
impl DetectedFace {
    pub async fn id(&self) -> ID {
        self.0.id.global()
    }

    async fn photo(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Photo>> {
        Ok(loaders(ctx)?.one(self.0.photo_id).await?.map(Photo))
    }

    async fn session(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Session>> {
        Session::load_optional(ctx, self.0.session_id).await
    }

    /// pixels of the upright photo
    async fn r#box(&self) -> Box {
        Box {
            x: self.0.x,
            y: self.0.y,
            width: self.0.width,
            height: self.0.height,
        }
    }

    async fn detection_score(&self) -> f64 {
        self.0.detection_score
    }

    async fn quality(&self) -> Option<FaceQuality> {
        self.0.quality().map(Into::into)
    }

    async fn decision(&self) -> FaceDecision {
        self.0.decision.into()
    }

    /// why it is not MATCHED
    async fn reason(&self) -> Option<FaceReason> {
        self.0.reason.map(Into::into)
    }

    async fn student(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<User>> {
        User::load_optional(ctx, self.0.student_id).await
    }

    async fn similarity(&self) -> Option<f64> {
        self.0.similarity
    }

    /// best three, best first
    async fn candidates(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Candidate>> {
        let loads = self.0.candidates().into_iter().map(|candidate| async move {
            let student = User::load_optional(ctx, Some(candidate.student)).await?;
            Ok::<_, async_graphql::Error>(student.map(|student| Candidate {
                student,
                similarity: candidate.similarity.into(),
            }))
        });
        let found = futures_util::future::try_join_all(loads).await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn crop_url(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<String>> {
        let service = service(ctx)?;
        Ok(self.0.has_crop.then(|| media::address(service, Shown::Face(self.0.id))))
    }

    async fn decided_by(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<User>> {
        User::load_optional(ctx, self.0.decided_by).await
    }

    async fn decided_at(&self) -> Option<DateTime<Utc>> {
        self.0.decided_at
    }
}

impl From<recognition::Face> for DetectedFace {
    fn from(face: recognition::Face) -> Self {
        Self(face)
    }
}

connection!(FaceConnection, FaceEdge, DetectedFace, i32, exact);

pub struct ReviewEvent(pub recognition::ReviewEvent);

#[Object]
impl ReviewEvent {
    async fn change(&self) -> ReviewChange {
        if self.0.entered {
            ReviewChange::Entered
        } else {
            ReviewChange::Left
        }
    }

    async fn face(&self) -> DetectedFace {
        DetectedFace(self.0.face.clone())
    }

    async fn queue_length(&self) -> i32 {
        exact(Some(self.0.queue_length))
    }
}

/// One enrolled photo of a person.
#[derive(Clone)]
pub struct FaceTemplate(pub recognition::Template);

#[Object]
impl FaceTemplate {
    pub async fn id(&self) -> ID {
        self.0.id.global()
    }

    async fn user(&self, ctx: &Context<'_>) -> async_graphql::Result<User> {
        User::load(ctx, self.0.person_id).await
    }

    async fn status(&self) -> TemplateStatus {
        self.0.status.into()
    }

    /// place of its photo in the enrolment, from 0
    async fn photo_index(&self) -> i32 {
        self.0.photo_index
    }

    /// null where no face was found
    async fn quality(&self) -> Option<FaceQuality> {
        self.0.quality().map(Into::into)
    }

    /// catalog name of the embedder
    async fn model(&self) -> &str {
        &self.0.model
    }

    /**
    why: NO_FACE, SEVERAL_FACES, TOO_SMALL, BLURRED, TOO_DARK, TOO_BRIGHT, TURNED_AWAY, NOT_LIVE, UNLIKE_THE_OTHERS,
    RESEMBLES_ANOTHER, UNREADABLE_IMAGE; all that apply. Of an ACCEPTED one: what was doubted before somebody looked
    */
    async fn rejections(&self) -> Vec<String> {
        self.0.rejections()
    }

    async fn crop_url(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<String>> {
        let service = service(ctx)?;
        Ok(self
            .0
            .has_crop
            .then(|| media::address(service, Shown::Template(self.0.id))))
    }

    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

impl From<recognition::Template> for FaceTemplate {
    fn from(template: recognition::Template) -> Self {
        Self(template)
    }
}

connection!(FaceTemplateConnection, FaceTemplateEdge, FaceTemplate, i32, exact);
