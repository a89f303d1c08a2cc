//! Marks that staff set, change and withdraw by hand.

use async_graphql::{Context, ID, Object, SimpleObject};
use service::attendance::{self, NewMark};

use super::ItemError;
use crate::graphql::ids::NodeId;
use crate::graphql::inputs::MarkInput;
use crate::graphql::types::{AttendanceMark, RollEntry};
use crate::graphql::{Answer, scope, service};

#[derive(Default)]
pub struct AttendanceMutation;

#[derive(SimpleObject)]
pub struct MarkPayload {
    mark: AttendanceMark,
}

#[derive(SimpleObject)]
pub struct RollEntryPayload {
    entry: RollEntry,
}

#[derive(SimpleObject)]
pub struct BulkMarkPayload {
    results: Vec<MarkResult>,
}

#[derive(SimpleObject)]
pub struct MarkResult {
    index: i32,
    mark: Option<AttendanceMark>,
    error: Option<ItemError>,
}

#[Object]
impl AttendanceMutation {
    async fn mark_attendance(&self, ctx: &Context<'_>, input: MarkInput) -> async_graphql::Result<Option<MarkPayload>> {
        let mark = attendance::mark(service(ctx)?, &scope(ctx)?, input.mark())
            .await
            .answer()?;
        Ok(Some(MarkPayload { mark: mark.into() }))
    }

    /// withdraws a mark; the history keeps it
    async fn clear_mark(
        &self,
        ctx: &Context<'_>,
        session_id: ID,
        student_id: ID,
        remark: Option<String>,
    ) -> async_graphql::Result<Option<RollEntryPayload>> {
        let scope = scope(ctx)?;
        let (session, student) = (NodeId::required(&session_id)?, NodeId::required(&student_id)?);
        let entry = attendance::clear(service(ctx)?, &scope, session, student, remark.as_deref())
            .await
            .answer()?;
        Ok(Some(RollEntryPayload { entry: entry.into() }))
    }

    /// each row has its own result; one bad row spoils no other
    async fn mark_attendance_bulk(
        &self,
        ctx: &Context<'_>,
        inputs: Vec<MarkInput>,
        idempotency_key: Option<String>,
    ) -> async_graphql::Result<Option<BulkMarkPayload>> {
        let scope = scope(ctx)?;
        let marks: Vec<NewMark> = inputs.into_iter().map(MarkInput::mark).collect();
        let rows = attendance::mark_many(service(ctx)?, &scope, &marks, idempotency_key.as_deref())
            .await
            .answer()?;
        let result = |(index, row)| match row {
            Ok(mark) => MarkResult {
                index,
                mark: Some(AttendanceMark::from(mark)),
                error: None,
            },
            Err(error) => MarkResult {
                index,
                mark: None,
                error: Some(ItemError::from(error)),
            },
        };
        Ok(Some(BulkMarkPayload {
            results: (0..).zip(rows).map(result).collect(),
        }))
    }
}
