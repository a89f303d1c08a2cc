//! A student's sessions, by what has become of them.

use chrono::NaiveDate;
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{COLUMNS, ORDER, Session};
use crate::attendance::roll;
use crate::db::Values;
use crate::error::Result;
use crate::id::{MarkId, PersonId};
use crate::kinds::{MarkStatus, Role, SessionState};
use crate::page::{self, Page, PageRequest, Placed, SortKey};
use crate::scope::Scope;
use crate::{Service, access, statistics};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StudentState {
    Upcoming,
    Pending,
    Marked,
    Missed,
}

impl StudentState {
    /// As `s` and `m`, the mark that may be missing, say.
    fn condition(self) -> &'static str {
        match self {
            Self::Upcoming => "s.state = 'SCHEDULED' AND m.id IS NULL",
            Self::Pending => "s.state = 'OPEN' AND m.id IS NULL",
            Self::Marked => "m.status <> 'ABSENT'",
            Self::Missed => "(m.status = 'ABSENT' OR (s.state = 'CLOSED' AND m.id IS NULL))",
        }
    }
}

#[derive(Clone, Debug, FromQueryResult)]
pub struct StudentSession {
    #[sea_orm(nested)]
    pub session: Session,
    pub mark_id: Option<MarkId>,
    mark_status: Option<MarkStatus>,
}

impl StudentSession {
    pub fn state(&self) -> StudentState {
        match (self.mark_status, self.session.state) {
            (Some(MarkStatus::Absent), _) | (None, SessionState::Closed | SessionState::Cancelled) => {
                StudentState::Missed
            }
            (Some(_), _) => StudentState::Marked,
            (None, SessionState::Scheduled) => StudentState::Upcoming,
            (None, SessionState::Open) => StudentState::Pending,
        }
    }
}

impl Placed for StudentSession {
    fn place(&self) -> (SortKey, Uuid) {
        self.session.place()
    }
}

/// The sessions on whose roll a student is, but the cancelled; to a teacher those of their classes.
pub async fn of_student(
    service: &Service,
    scope: &Scope,
    student: PersonId,
    state: Option<StudentState>,
    range: Option<(NaiveDate, NaiveDate)>,
    page: &PageRequest,
) -> Result<Page<StudentSession>> {
    let viewer = scope.viewer()?;
    let days = range.map(statistics::days).transpose()?;
    let body = |values: &mut Values| {
        let id = values.push(student);
        let visible = if viewer.role == Role::Student {
            let (organization, me) = (values.push(viewer.organization), values.push(viewer.person));
            format!("s.organization_id = {organization} AND {id} = {me}")
        } else {
            access::by_class(scope, values, "s.organization_id", "s.class_id")
        };
        let belonged = roll::belonged("o", "rm");
        let mut sql = format!(
            "FROM session s LEFT JOIN mark m ON m.session_id = s.id AND m.student_id = {id} \
             WHERE s.state <> 'CANCELLED' AND {visible} AND s.id IN (SELECT k.session_id FROM mark k WHERE k.student_id = {id} \
             UNION SELECT o.id FROM membership rm JOIN session o ON o.class_id = rm.class_id WHERE rm.person_id = {id} \
             AND o.state <> 'CLOSED' AND {belonged})"
        );
        if let Some((from, to)) = days {
            let (from, to) = (values.push(from), values.push(to));
            sql += &format!(" AND s.day >= {from} AND s.day <= {to}");
        }
        if let Some(state) = state {
            sql += &format!(" AND {}", state.condition());
        }
        sql
    };
    let columns = |_: &mut Values| format!("{COLUMNS}, m.id AS mark_id, m.status AS mark_status");
    page::fetch(service.db.reader(), page, ORDER, columns, body).await
}
