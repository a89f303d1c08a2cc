//! What statistics and lists of marks are asked for.

use async_graphql::{ID, InputObject};
use service::{attendance, statistics};

use super::DateRange;
use crate::graphql::ids::NodeId;
use crate::graphql::scalars::{MarkSource, MarkStatus};

#[derive(InputObject)]
pub struct StatisticsFilter {
    range: DateRange,
    class_id: Option<ID>,
    department_id: Option<ID>,
    student_id: Option<ID>,
    venue_id: Option<ID>,
}

impl StatisticsFilter {
    pub fn filter(self) -> async_graphql::Result<statistics::Filter> {
        Ok(statistics::Filter {
            range: Some(self.range.days()),
            class: NodeId::optional(self.class_id.as_ref())?,
            department: NodeId::optional(self.department_id.as_ref())?,
            student: NodeId::optional(self.student_id.as_ref())?,
            venue: NodeId::optional(self.venue_id.as_ref())?,
        })
    }
}

#[derive(InputObject)]
pub struct MarkFilter {
    range: Option<DateRange>,
    class_id: Option<ID>,
    session_id: Option<ID>,
    student_id: Option<ID>,
    venue_id: Option<ID>,
    department_id: Option<ID>,
    status: Option<MarkStatus>,
    source: Option<MarkSource>,
}

impl MarkFilter {
    pub fn filter(self) -> async_graphql::Result<attendance::MarkFilter> {
        Ok(attendance::MarkFilter {
            range: self.range.map(DateRange::days),
            class: NodeId::optional(self.class_id.as_ref())?,
            session: NodeId::optional(self.session_id.as_ref())?,
            student: NodeId::optional(self.student_id.as_ref())?,
            venue: NodeId::optional(self.venue_id.as_ref())?,
            department: NodeId::optional(self.department_id.as_ref())?,
            status: self.status.map(Into::into),
            source: self.source.map(Into::into),
        })
    }
}
