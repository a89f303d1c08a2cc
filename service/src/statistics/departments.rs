//! Summaries by department: a student counts for the one they are in.

use std::collections::HashMap;

use chrono::NaiveDate;
use sea_orm::FromQueryResult;

use super::{Filter, Numbers, entries, reachable};
use crate::attendance::{Summary, roll};
use crate::db::{Sql, Values};
use crate::error::Result;
use crate::id::DepartmentId;
use crate::scope::Scope;
use crate::{Service, access, organizations};

#[derive(Clone, Copy, Debug)]
pub struct DepartmentNumbers {
    /// None: the students without one.
    pub department: Option<DepartmentId>,
    pub students: i32,
    pub summary: Summary,
}

#[derive(FromQueryResult)]
struct Row {
    department_id: Option<DepartmentId>,
    #[sea_orm(nested)]
    numbers: Numbers,
}

#[derive(FromQueryResult)]
struct Count {
    department_id: Option<DepartmentId>,
    value: i64,
}

fn counts(rows: Vec<Count>) -> HashMap<Option<DepartmentId>, i32> {
    let number = |n| i32::try_from(n).unwrap_or(i32::MAX);
    rows.into_iter().map(|c| (c.department_id, number(c.value))).collect()
}

/// Every department of the organization, then those without where there are any. A teacher's
/// numbers are those of the classes they teach.
pub async fn departments(
    service: &Service,
    scope: &Scope,
    range: (NaiveDate, NaiveDate),
) -> Result<Vec<DepartmentNumbers>> {
    let viewer = scope.staff()?;
    let (db, filter) = (service.db.reader(), Filter::days(range.0, range.1));
    let mut values = Values::default();
    let table = entries::by_student(scope, &filter, &mut values)?;
    let sql = format!(
        "SELECT p.department_id, 0 AS sessions, {} FROM {table} e JOIN person p ON p.id = e.student_id \
         GROUP BY p.department_id",
        super::students::SUMS
    );
    let numbers: Vec<Row> = db.all(&sql, values.done()).await?;
    let mut numbers: HashMap<_, _> = numbers
        .into_iter()
        .map(|row| (row.department_id, Summary::from(row.numbers)))
        .collect();
    let sessions = counts(sessions(service, scope, &filter).await?);

    let mut values = Values::default();
    let organization = values.push(viewer.organization);
    let seen = access::person_in_full(scope, &mut values, "p.id");
    let sql = format!(
        "SELECT p.department_id, COUNT(*) AS value FROM person p WHERE p.organization_id = {organization} \
         AND p.role = 'STUDENT' AND p.status <> 'ERASED' AND {seen} GROUP BY p.department_id"
    );
    let students = counts(db.all(&sql, values.done()).await?);

    let all = organizations::departments(service, scope).await?;
    let places = all.iter().map(|d| Some(d.id)).chain([None]);
    Ok(places
        .map(|department| DepartmentNumbers {
            department,
            students: students.get(&department).copied().unwrap_or_default(),
            summary: Summary {
                sessions: sessions.get(&department).copied().unwrap_or_default(),
                ..numbers.remove(&department).unwrap_or_default()
            },
        })
        .filter(|n| n.department.is_some() || n.students > 0 || n.summary.expected > 0)
        .collect())
}

/// In how many sessions somebody of each department was on the roll. Each line of those rolls is
/// looked at once, for a student's department may change behind them all.
async fn sessions(service: &Service, scope: &Scope, filter: &Filter) -> Result<Vec<Count>> {
    let mut values = Values::default();
    let marked = reachable(scope, filter, &mut values)?;
    let open = reachable(scope, filter, &mut values)?;
    let belonged = roll::belonged("s", "rm");
    let sql = format!(
        "SELECT r.department_id, COUNT(*) AS value FROM (\
         SELECT s.id, p.department_id FROM session s JOIN mark m ON m.session_id = s.id \
         JOIN person p ON p.id = m.student_id WHERE s.state IN ('OPEN', 'CLOSED') AND {marked} \
         UNION SELECT s.id, p.department_id FROM session s JOIN membership rm ON rm.class_id = s.class_id AND {belonged} \
         JOIN person p ON p.id = rm.person_id WHERE s.state = 'OPEN' AND {open}) r GROUP BY r.department_id"
    );
    service.db.reader().all(&sql, values.done()).await
}
