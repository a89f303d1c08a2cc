//! Summaries by student, and who is at risk.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{Filter, Numbers, entries, reachable};
use crate::attendance::Summary;
use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::id::{ClassId, PersonId};
use crate::organizations::day_number;
use crate::page::{self, KeyKind, Order, Page, PageRequest, Placed, SortKey};
use crate::people::{self, Person};
use crate::scope::Scope;
use crate::{Service, access};

/// The columns of `Numbers` but `sessions`, from `entries::by_student` by the alias `e`.
pub(super) const SUMS: &str = "CAST(SUM(e.present) AS INTEGER) AS present, CAST(SUM(e.late) AS INTEGER) AS late, \
     CAST(SUM(e.excused) AS INTEGER) AS excused, CAST(SUM(e.absent) AS INTEGER) AS absent, \
     CAST(SUM(e.unmarked) AS INTEGER) AS unmarked";

#[derive(Clone, Debug)]
pub struct StudentNumbers {
    pub student: Person,
    pub summary: Summary,
    /// How many of the latest sessions, up to the range's end, they missed in a row. An excuse
    /// neither counts nor ends it.
    pub consecutive_absences: i32,
    pub last_present_at: Option<DateTime<Utc>>,
}

/// By name.
#[derive(FromQueryResult)]
struct Row {
    #[sea_orm(nested)]
    student: Person,
    #[sea_orm(nested)]
    numbers: Numbers,
}

impl Placed for Row {
    fn place(&self) -> (SortKey, Uuid) {
        self.student.place()
    }
}

/// By rate.
#[derive(FromQueryResult)]
struct Rated {
    rate: f64,
    #[sea_orm(nested)]
    row: Row,
}

impl Placed for Rated {
    fn place(&self) -> (SortKey, Uuid) {
        (SortKey::number(self.rate), self.row.student.id.0)
    }
}

/// One row for each student who was on a roll; nobody lists who is erased.
fn listed(scope: &Scope, filter: &Filter, values: &mut Values) -> Result<String> {
    let entries = entries::by_student(scope, filter, values)?;
    Ok(format!(
        "SELECT t.* FROM (SELECT e.student_id, {SUMS} FROM {entries} e GROUP BY e.student_id) t \
         JOIN person lp ON lp.id = t.student_id WHERE lp.status <> 'ERASED'"
    ))
}

const BODY: &str = "FROM listed t JOIN person p ON p.id = t.student_id WHERE TRUE";

/// A student has at most one line in a session.
const NUMBERS: &str = "t.present + t.late + t.excused + t.absent + t.unmarked AS sessions, \
     t.present, t.late, t.excused, t.absent, t.unmarked";

const DUE: &str = "(t.present + t.late + t.absent)";
const RATE: &str = "(CAST(t.present + t.late AS DOUBLE PRECISION) / (t.present + t.late + t.absent))";

const BY_RATE: Order = Order {
    key: RATE,
    id: "p.id",
    kind: KeyKind::Number,
    descending: false,
};

/// Whoever was on a roll, by name.
pub async fn students(
    service: &Service,
    scope: &Scope,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<StudentNumbers>> {
    scope.staff()?;
    filter.numbers()?;
    let columns = |values: &mut Values| {
        let full = access::person_in_full(scope, values, "p.id");
        format!("{}, {NUMBERS}", people::columns(&full))
    };
    let listed = |values: &mut Values| listed(scope, filter, values);
    let page: Page<Row> = page::fetch_listed(service.db.reader(), page, people::ORDER, listed, columns, BODY).await?;
    with_streaks(service, scope, filter, page).await
}

/// Whose rate is below the given one, worst first.
pub async fn at_risk(
    service: &Service,
    scope: &Scope,
    filter: &Filter,
    below: f64,
    page: &PageRequest,
) -> Result<Page<StudentNumbers>> {
    scope.staff()?;
    filter.numbers()?;
    if !(0.0..=1.0).contains(&below) {
        return Err(Error::invalid("belowRate", "belowRate is between 0 and 1"));
    }
    let columns = |values: &mut Values| {
        let full = access::person_in_full(scope, values, "p.id");
        format!("{}, {NUMBERS}, {RATE} AS rate", people::columns(&full))
    };
    let listed = |values: &mut Values| {
        let listed = listed(scope, filter, values)?;
        let below = values.push(below);
        // A rate of nothing is none: CASE divides only where something is due.
        Ok(format!(
            "SELECT * FROM ({listed}) t WHERE CASE WHEN {DUE} > 0 THEN {RATE} < {below} ELSE FALSE END"
        ))
    };
    let page: Page<Rated> = page::fetch_listed(service.db.reader(), page, BY_RATE, listed, columns, BODY).await?;
    with_streaks(service, scope, filter, page.map(|rated| rated.row)).await
}

#[derive(FromQueryResult)]
struct Streak {
    student_id: PersonId,
    absences: i64,
    last_present_at: Option<DateTime<Utc>>,
}

/// Days in which nearly everybody was seen once.
const LATELY: i32 = 60;

/// Adds what a page says of the latest sessions: in one statement for all of its students, and in a
/// second for those who were never there lately.
async fn with_streaks(
    service: &Service,
    scope: &Scope,
    filter: &Filter,
    page: Page<Row>,
) -> Result<Page<StudentNumbers>> {
    let ids: Vec<PersonId> = page.rows.iter().map(|(_, row)| row.student.id).collect();
    let until = match filter.numbers()? {
        Some((_, to)) => to,
        None => day_number(service.now().with_timezone(&scope.viewer()?.timezone).date_naive()),
    };
    let mut streaks = streaks(service, scope, filter, &ids, Some(until - LATELY)).await?;
    let unseen = |id: &PersonId| streaks.get(id).is_none_or(|s| s.last_present_at.is_none());
    let unseen: Vec<PersonId> = ids.into_iter().filter(unseen).collect();
    if !unseen.is_empty() {
        streaks.extend(self::streaks(service, scope, filter, &unseen, None).await?);
    }
    Ok(page.map(|row| {
        let streak = streaks.get(&row.student.id);
        StudentNumbers {
            summary: row.numbers.into(),
            consecutive_absences: streak.map_or(0, |s| i32::try_from(s.absences).unwrap_or(i32::MAX)),
            last_present_at: streak.and_then(|s| s.last_present_at),
            student: row.student,
        }
    }))
}

/// What went before the range belongs to the same row of absences. `since`: a day number.
async fn streaks(
    service: &Service,
    scope: &Scope,
    filter: &Filter,
    students: &[PersonId],
    since: Option<i32>,
) -> Result<HashMap<PersonId, Streak>> {
    let mut values = Values::default();
    let ever = Filter { range: None, ..*filter };
    let mut which = reachable(scope, &ever, &mut values)?;
    if let Some((_, to)) = filter.numbers()? {
        which += &format!(" AND s.day <= {}", values.push(to));
    }
    if let Some(since) = since {
        which += &format!(" AND s.day >= {}", values.push(since));
    }
    let list = values.list(students.iter().copied());
    let sql = format!(
        "WITH said AS (SELECT m.student_id, m.status, s.starts_at FROM mark m JOIN session s ON s.id = m.session_id \
         WHERE m.student_id IN {list} AND s.state IN ('OPEN', 'CLOSED') AND {which}), \
         seen AS (SELECT student_id, MAX(CASE WHEN status IN ('PRESENT', 'LATE') THEN starts_at END) AS last_present_at \
         FROM said GROUP BY student_id) \
         SELECT seen.student_id, seen.last_present_at, COUNT(CASE WHEN a.status = 'ABSENT' AND \
         (seen.last_present_at IS NULL OR a.starts_at > seen.last_present_at) THEN 1 END) AS absences \
         FROM seen JOIN said a ON a.student_id = seen.student_id GROUP BY seen.student_id, seen.last_present_at"
    );
    let streaks: Vec<Streak> = service.db.reader().all(&sql, values.done()).await?;
    Ok(streaks.into_iter().map(|s| (s.student_id, s)).collect())
}

#[derive(FromQueryResult)]
struct One {
    id: PersonId,
    #[sea_orm(nested)]
    numbers: Numbers,
}

/// Of each of these people of whom the asker sees everything; a teacher's numbers are those of the
/// classes they teach.
pub async fn of_students(
    service: &Service,
    scope: &Scope,
    ids: &[PersonId],
    range: Option<(NaiveDate, NaiveDate)>,
    class: Option<ClassId>,
) -> Result<BTreeMap<PersonId, Summary>> {
    let viewer = scope.viewer()?;
    let filter = Filter {
        range,
        class,
        ..Filter::default()
    };
    let mut values = Values::default();
    let lines = entries::of(scope, &filter, ids, &mut values)?;
    let organization = values.push(viewer.organization);
    let seen = access::person_in_full(scope, &mut values, "p.id");
    let list = values.list(ids.iter().copied());
    let sql = format!(
        "SELECT p.id, {} FROM person p LEFT JOIN {lines} s ON s.student_id = p.id \
         WHERE p.organization_id = {organization} AND p.status <> 'ERASED' AND {seen} AND p.id IN {list} GROUP BY p.id",
        entries::NUMBERS.replace("s.status IS NULL", "s.session_id IS NOT NULL AND s.status IS NULL")
    );
    let rows: Vec<One> = service.db.reader().all(&sql, values.done()).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.numbers.into())).collect())
}
