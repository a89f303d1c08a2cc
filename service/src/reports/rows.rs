//! The lines of a report, in the order of the sessions' starts and ids, and of the names within.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sea_orm::FromQueryResult;
use tokio::sync::mpsc::Sender;

use super::Filter;
use crate::attendance::roll;
use crate::db::{Sql, Values};
use crate::error::Result;
use crate::id::{PersonId, SessionId};
use crate::kinds::{MarkSource, MarkStatus};
use crate::organizations::day_number;
use crate::scope::Scope;
use crate::{Service, access};

/// Sessions read at once.
const SESSIONS: usize = 200;
/// Lines read at once, unless a single session has more.
const LINES: i64 = 5_000;

/// A line, as it is read in the organization's time zone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    pub date: String,
    pub class: String,
    /// The title, or from when to when.
    pub session: String,
    pub roll_number: String,
    pub name: String,
    pub status: &'static str,
    pub time: String,
    pub source: &'static str,
    pub similarity: Option<f64>,
    pub remark: String,
}

#[derive(FromQueryResult)]
struct Held {
    id: SessionId,
    class: String,
    title: Option<String>,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    expected: i32,
}

#[derive(FromQueryResult)]
struct Line {
    session_id: SessionId,
    person_id: PersonId,
    roll_number: Option<String>,
    full_name: String,
    status: Option<MarkStatus>,
    source: Option<MarkSource>,
    similarity: Option<f64>,
    remark: Option<String>,
    marked_at: Option<DateTime<Utc>>,
}

/// Sends the report in pieces. Whoever no longer receives ends it.
pub(super) async fn read(
    service: &Service,
    scope: &Scope,
    filter: &Filter,
    zone: Tz,
    sender: &Sender<Vec<Row>>,
) -> Result<()> {
    let mut after = None;
    loop {
        let held = sessions(service, scope, filter, after).await?;
        let mut rest = held.as_slice();
        while !rest.is_empty() {
            let (some, later) = rest.split_at(piece(rest));
            let rows = lines(service, filter, zone, some).await?;
            if !rows.is_empty() && sender.send(rows).await.is_err() {
                return Ok(());
            }
            rest = later;
        }
        match held.last() {
            Some(last) if held.len() == SESSIONS => after = Some((last.starts_at, last.id)),
            _ => return Ok(()),
        }
    }
}

/// How many of these sessions are read together: at least one.
fn piece(sessions: &[Held]) -> usize {
    let mut sum = 0;
    let within = sessions.iter().take_while(|session| {
        sum += i64::from(session.expected);
        sum <= LINES
    });
    within.count().max(1)
}

async fn sessions(
    service: &Service,
    scope: &Scope,
    filter: &Filter,
    after: Option<(DateTime<Utc>, SessionId)>,
) -> Result<Vec<Held>> {
    let mut values = Values::default();
    let visible = access::by_class(scope, &mut values, "s.organization_id", "s.class_id");
    let from = values.push(day_number(filter.from));
    let to = values.push(day_number(filter.to));
    let mut sql = format!(
        "SELECT s.id, c.name AS class, s.title, s.starts_at, s.ends_at, s.expected \
         FROM session s JOIN class c ON c.id = s.class_id \
         WHERE {visible} AND s.state IN ('OPEN', 'CLOSED') AND s.day >= {from} AND s.day <= {to}"
    );
    if let Some(class) = filter.class {
        sql += &format!(" AND s.class_id = {}", values.push(class));
    }
    if let Some((starts_at, id)) = after {
        sql += &format!(
            " AND (s.starts_at, s.id) > ({}, {})",
            values.push(starts_at),
            values.push(id)
        );
    }
    sql += &format!(" ORDER BY s.starts_at, s.id LIMIT {SESSIONS}");
    service.db.reader().all(&sql, values.done()).await
}

async fn lines(service: &Service, filter: &Filter, zone: Tz, sessions: &[Held]) -> Result<Vec<Row>> {
    let mut values = Values::default();
    let list = values.list(sessions.iter().map(|session| session.id));
    let belonged = roll::belonged("rs", "rm");
    let mut sql = format!(
        "SELECT r.session_id, p.id AS person_id, p.roll_number, p.full_name, m.status, m.source, m.similarity, \
         m.remark, m.marked_at FROM (SELECT rs.id AS session_id, rm.person_id FROM session rs \
         JOIN membership rm ON rm.class_id = rs.class_id WHERE rs.id IN {list} AND rs.state = 'OPEN' \
         AND {belonged} \
         UNION SELECT rk.session_id, rk.student_id FROM mark rk WHERE rk.session_id IN {list}) r \
         JOIN person p ON p.id = r.person_id \
         LEFT JOIN mark m ON m.session_id = r.session_id AND m.student_id = r.person_id"
    );
    sql += " WHERE TRUE";
    if let Some(student) = filter.student {
        sql += &format!(" AND p.id = {}", values.push(student));
    }
    if let Some(department) = filter.department {
        sql += &format!(" AND p.department_id = {}", values.push(department));
    }
    let mut lines: Vec<Line> = service.db.reader().all(&sql, values.done()).await?;
    let places: HashMap<SessionId, usize> = (0..).zip(sessions).map(|(place, s)| (s.id, place)).collect();
    // Here and not in SQL: the databases compare text each by rules of their own.
    lines.sort_by(|a, b| {
        let key = |line: &Line| places.get(&line.session_id).copied();
        (key(a), &a.full_name, a.person_id).cmp(&(key(b), &b.full_name, b.person_id))
    });
    Ok(lines
        .into_iter()
        .filter_map(|line| {
            let held = sessions.get(*places.get(&line.session_id)?)?;
            Some(row(held, line, zone))
        })
        .collect())
}

fn row(session: &Held, line: Line, zone: Tz) -> Row {
    let local = |instant: DateTime<Utc>, format: &str| instant.with_timezone(&zone).format(format).to_string();
    Row {
        date: local(session.starts_at, "%Y-%m-%d"),
        class: session.class.clone(),
        session: session.title.clone().unwrap_or_else(|| {
            let (from, to) = (local(session.starts_at, "%H:%M"), local(session.ends_at, "%H:%M"));
            format!("{from} to {to}")
        }),
        roll_number: line.roll_number.unwrap_or_default(),
        name: line.full_name,
        status: line.status.map_or("", MarkStatus::word),
        time: line
            .marked_at
            .map(|at| local(at, "%Y-%m-%d %H:%M:%S"))
            .unwrap_or_default(),
        source: line.source.map_or("", MarkSource::word),
        similarity: line.similarity,
        remark: line.remark.unwrap_or_default(),
    }
}
