//! Reports, made by workers.

use async_graphql::{Context, ID, InputObject, Object};
use service::reports::{self, Filter};

use super::school::JobPayload;
use crate::graphql::ids::NodeId;
use crate::graphql::inputs::DateRange;
use crate::graphql::scalars::ExportFormat;
use crate::graphql::{Answer, scope, service};

#[derive(InputObject)]
pub struct ExportInput {
    range: DateRange,
    class_id: Option<ID>,
    student_id: Option<ID>,
    department_id: Option<ID>,
    format: ExportFormat,
}

#[derive(Default)]
pub struct ReportMutation;

#[Object]
impl ReportMutation {
    async fn export_attendance(
        &self,
        ctx: &Context<'_>,
        input: ExportInput,
    ) -> async_graphql::Result<Option<JobPayload>> {
        let scope = scope(ctx)?;
        let (from, to) = input.range.days();
        let filter = Filter {
            from,
            to,
            class: NodeId::optional(input.class_id.as_ref())?,
            student: NodeId::optional(input.student_id.as_ref())?,
            department: NodeId::optional(input.department_id.as_ref())?,
        };
        let job = reports::request(service(ctx)?, &scope, filter, input.format.into())
            .await
            .answer()?;
        Ok(Some(job.into()))
    }
}
