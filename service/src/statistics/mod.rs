//! Statistics by the contract's definitions. What is asked of sessions is read from the tallies in
//! their rows; what is asked of students from their weeks, or from the marks of few sessions.
//! Never from all marks.

mod classes;
mod dashboard;
mod departments;
mod entries;
mod students;
mod summary;
mod trend;

use chrono::NaiveDate;
use sea_orm::FromQueryResult;

pub use classes::{ClassNumbers, classes, of_classes};
pub use dashboard::{Counts, counts, open_sessions, recent_marks, review_queue_length, today, trend_of};
pub use departments::{DepartmentNumbers, departments};
pub use students::{StudentNumbers, at_risk, of_students, students};
pub use summary::summary;
pub use trend::{Interval, Point, trend};

use crate::access;
use crate::attendance::Summary;
use crate::db::Values;
use crate::error::{Error, Result};
use crate::id::{ClassId, DepartmentId, PersonId, VenueId};
use crate::kinds::Role;
use crate::organizations::day_number;
use crate::scope::Scope;

/// Longer than any school keeps its rolls.
const LONGEST_DAYS: i32 = 73_050;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Calendar days of the organization, both within.
    pub range: Option<(NaiveDate, NaiveDate)>,
    pub class: Option<ClassId>,
    pub department: Option<DepartmentId>,
    pub student: Option<PersonId>,
    pub venue: Option<VenueId>,
}

impl Filter {
    pub fn days(from: NaiveDate, to: NaiveDate) -> Self {
        Self {
            range: Some((from, to)),
            ..Self::default()
        }
    }

    /// Whether a session counts for some of its students only.
    fn of_some(&self, scope: &Scope) -> bool {
        self.student.is_some() || self.department.is_some() || own(scope).is_some()
    }

    /// The range in numbers of days.
    fn numbers(&self) -> Result<Option<(i32, i32)>> {
        self.range.map(days).transpose()
    }
}

/// Checks a range and answers its days by number.
pub(crate) fn days((from, to): (NaiveDate, NaiveDate)) -> Result<(i32, i32)> {
    if to < from {
        return Err(Error::invalid("range", "range begins on or before its last day"));
    }
    let (from, to) = (day_number(from), day_number(to));
    if to - from > LONGEST_DAYS {
        return Err(Error::invalid("range", "range is 200 years at most"));
    }
    Ok((from, to))
}

/// The student whose own numbers are all that the asker may see.
fn own(scope: &Scope) -> Option<PersonId> {
    match scope {
        Scope::Viewer(viewer) if viewer.role == Role::Student => Some(viewer.person),
        _ => None,
    }
}

/// Which sessions (alias `s`) the filter and the asker's rights select, whatever their state.
fn reachable(scope: &Scope, filter: &Filter, values: &mut Values) -> Result<String> {
    let mut sql = match scope {
        // Of their sessions, entries and marks are chosen by student.
        Scope::Viewer(viewer) if viewer.role == Role::Student => {
            format!("s.organization_id = {}", values.push(viewer.organization))
        }
        _ => access::by_class(scope, values, "s.organization_id", "s.class_id"),
    };
    if let Some((from, to)) = filter.numbers()? {
        let (from, to) = (values.push(from), values.push(to));
        sql += &format!(" AND s.day >= {from} AND s.day <= {to}");
    }
    if let Some(class) = filter.class {
        sql += &format!(" AND s.class_id = {}", values.push(class));
    }
    if let Some(venue) = filter.venue {
        sql += &format!(" AND s.venue_id = {}", values.push(venue));
    }
    Ok(sql)
}

/// The numbers of a statement's row, as `CAST(… AS INTEGER)`: sums are wider than their terms, on
/// each database in its own way.
#[derive(Clone, Copy, Debug, Default, FromQueryResult)]
pub(crate) struct Numbers {
    sessions: i32,
    present: i32,
    late: i32,
    excused: i32,
    absent: i32,
    unmarked: i32,
}

impl From<Numbers> for Summary {
    fn from(n: Numbers) -> Self {
        Self {
            sessions: n.sessions,
            expected: n.present + n.late + n.excused + n.absent + n.unmarked,
            present: n.present,
            late: n.late,
            excused: n.excused,
            absent: n.absent,
            unmarked: n.unmarked,
        }
    }
}

/// The columns of [`Numbers`] from the tallies of `session s`, as `Summary::of` reads one: in a
/// closed session whoever has no mark is absent.
const TALLIES: &str = "CAST(COUNT(*) AS INTEGER) AS sessions, \
     CAST(COALESCE(SUM(s.present), 0) AS INTEGER) AS present, CAST(COALESCE(SUM(s.late), 0) AS INTEGER) AS late, \
     CAST(COALESCE(SUM(s.excused), 0) AS INTEGER) AS excused, \
     CAST(COALESCE(SUM(CASE WHEN s.state = 'CLOSED' THEN s.expected - s.present - s.late - s.excused \
     ELSE s.absent END), 0) AS INTEGER) AS absent, \
     CAST(COALESCE(SUM(CASE WHEN s.state = 'OPEN' THEN s.expected - s.present - s.late - s.excused - s.absent \
     ELSE 0 END), 0) AS INTEGER) AS unmarked";

/// `SELECT key, numbers … GROUP BY key` over the sessions or the entries that the filter selects.
/// `key` is a column of both, such as `day`; without one there is a single row.
fn grouped(scope: &Scope, filter: &Filter, key: Option<&str>, values: &mut Values) -> Result<String> {
    let (table, columns, condition) = if filter.of_some(scope) {
        (
            format!("{} s", entries::all(scope, filter, values)?),
            entries::NUMBERS,
            "TRUE".to_owned(),
        )
    } else {
        let which = reachable(scope, filter, values)?;
        (
            "session s".to_owned(),
            TALLIES,
            format!("s.state IN ('OPEN', 'CLOSED') AND {which}"),
        )
    };
    Ok(match key {
        Some(key) => format!("SELECT s.{key} AS place, {columns} FROM {table} WHERE {condition} GROUP BY s.{key}"),
        None => format!("SELECT {columns} FROM {table} WHERE {condition}"),
    })
}
