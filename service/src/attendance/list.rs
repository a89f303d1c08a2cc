//! Marks by the time at which they were made.

use chrono::NaiveDate;
use uuid::Uuid;

use super::marks::{COLUMNS, Mark};
use crate::db::Values;
use crate::error::Result;
use crate::id::{ClassId, DepartmentId, PersonId, SessionId, VenueId};
use crate::kinds::{MarkSource, MarkStatus};
use crate::page::{self, KeyKind, Order, Page, PageRequest, Placed, SortKey};
use crate::scope::Scope;
use crate::{Service, access, statistics};

#[derive(Clone, Copy, Debug, Default)]
pub struct MarkFilter {
    /// Calendar days of the sessions, both within.
    pub range: Option<(NaiveDate, NaiveDate)>,
    pub class: Option<ClassId>,
    pub session: Option<SessionId>,
    pub student: Option<PersonId>,
    pub venue: Option<VenueId>,
    pub department: Option<DepartmentId>,
    pub status: Option<MarkStatus>,
    pub source: Option<MarkSource>,
}

impl Placed for Mark {
    fn place(&self) -> (SortKey, Uuid) {
        (SortKey::Time(self.marked_at), self.id.0)
    }
}

const ORDER: Order = Order {
    key: "m.marked_at",
    id: "m.id",
    kind: KeyKind::Time,
    descending: false,
};

/// The marks that the asker reaches; a student's are their own.
pub async fn list(service: &Service, scope: &Scope, filter: &MarkFilter, page: &PageRequest) -> Result<Page<Mark>> {
    let organization = scope.viewer()?.organization;
    let days = filter.range.map(statistics::days).transpose()?;
    let body = |values: &mut Values| {
        // Said of the mark itself, so that its index by time is read in order.
        let organization = values.push(organization);
        let visible = access::mark(scope, values);
        let mut sql = format!(
            "FROM mark m JOIN session s ON s.id = m.session_id WHERE m.organization_id = {organization} AND {visible}"
        );
        if let Some((from, to)) = days {
            let (from, to) = (values.push(from), values.push(to));
            sql += &format!(" AND s.day >= {from} AND s.day <= {to}");
        }
        let mut equal = |column: &str, value: Option<sea_orm::Value>| {
            if let Some(value) = value {
                sql += &format!(" AND {column} = {}", values.push(value));
            }
        };
        equal("s.class_id", filter.class.map(Into::into));
        equal("m.session_id", filter.session.map(Into::into));
        equal("m.student_id", filter.student.map(Into::into));
        equal("s.venue_id", filter.venue.map(Into::into));
        equal("m.status", filter.status.map(Into::into));
        equal("m.source", filter.source.map(Into::into));
        if let Some(department) = filter.department {
            sql += &format!(
                " AND m.student_id IN (SELECT dp.id FROM person dp WHERE dp.department_id = {})",
                values.push(department)
            );
        }
        sql
    };
    page::fetch_long(service.db.reader(), page, ORDER, |_| COLUMNS.into(), body).await
}
