//! Mutations of who was seen: faces that people decide, and students who check in.

use async_graphql::{Context, ID, Object, SimpleObject};
use service::recognition::{self, CheckIn};

use super::school::JobPayload;
use crate::graphql::ids::NodeId;
use crate::graphql::inputs::CheckInInput;
use crate::graphql::scalars::{FaceDecision, ReviewDecision};
use crate::graphql::types::{AttendanceMark, DetectedFace};
use crate::graphql::{Answer, scope, service};

#[derive(Default)]
pub struct ReviewMutation;

#[derive(SimpleObject)]
pub struct ReviewFacePayload {
    face: DetectedFace,
    mark: Option<AttendanceMark>,
}

#[Object]
impl ReviewMutation {
    /// a student marks their own attendance: a selfie, and the session's current code
    async fn check_in(&self, ctx: &Context<'_>, input: CheckInInput) -> async_graphql::Result<Option<JobPayload>> {
        let scope = scope(ctx)?;
        let session = NodeId::required(&input.session_id)?;
        let selfie = input.selfie.bytes(ctx).await?;
        let input = CheckIn {
            session,
            code: &input.code,
            selfie,
            latitude: input.latitude,
            longitude: input.longitude,
            idempotency_key: input.idempotency_key.as_deref(),
        };
        let job = recognition::submit_selfie(service(ctx)?, &scope, input)
            .await
            .answer()?;
        Ok(Some(job.into()))
    }

    /**
    CONFIRM: it is `student`, or the first candidate. REASSIGN: it is studentId, who is on the roll.
    DISMISS: nobody of ours. Sets, moves or withdraws the mark. MATCHED and decided faces may be
    corrected too. `expected`: CONFLICT if the decision is no longer that.
    */
    async fn review_face(
        &self,
        ctx: &Context<'_>,
        face_id: ID,
        decision: ReviewDecision,
        student_id: Option<ID>,
        expected: Option<FaceDecision>,
    ) -> async_graphql::Result<Option<ReviewFacePayload>> {
        let (face, mark) = recognition::review_face(
            service(ctx)?,
            &scope(ctx)?,
            NodeId::required(&face_id)?,
            decision.into(),
            NodeId::optional(student_id.as_ref())?,
            expected.map(Into::into),
        )
        .await
        .answer()?;
        Ok(Some(ReviewFacePayload {
            face: DetectedFace(face),
            mark: mark.map(Into::into),
        }))
    }
}
