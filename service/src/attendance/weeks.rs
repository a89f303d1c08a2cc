//! What each student was in each week: moved with every mark and every session that begins or
//! ends to count, so that statistics of many students read weeks and not marks.
//!
//! The changes of a transaction are written as its last statement, in one order: two that touch the
//! same students never wait for each other in a circle.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{EntityTrait, FromQueryResult, IntoActiveModel};

use super::marks::Locked;
use crate::db::Sql;
use crate::error::Result;
use crate::id::{OrganizationId, PersonId};
use crate::kinds::{MarkStatus, SessionState};
use crate::{ROWS, Tx};

/// Weeks begin on Monday: 1970-01-01, day 0, was a Thursday.
pub(crate) const fn week(day: i32) -> i32 {
    (day + 3).div_euclid(7)
}

/// Whether a session in this state counts in statistics.
pub(crate) const fn counts(state: SessionState) -> bool {
    matches!(state, SessionState::Open | SessionState::Closed)
}

/// What a transaction adds, by organization, week and student: present, late, excused, absent.
#[derive(Debug, Default)]
pub(crate) struct Moved(BTreeMap<(OrganizationId, i32, PersonId), [i32; 4]>);

impl Moved {
    pub fn add(&mut self, session: &Locked, student: PersonId, status: MarkStatus, by: i32) {
        let place = match status {
            MarkStatus::Present => 0,
            MarkStatus::Late => 1,
            MarkStatus::Excused => 2,
            MarkStatus::Absent => 3,
        };
        let key = (session.organization_id, week(session.day), student);
        self.0.entry(key).or_default()[place] += by;
    }
}

#[derive(FromQueryResult)]
struct Said {
    student_id: PersonId,
    status: MarkStatus,
}

/// Counts all marks of a session that begins (1) or ends (-1) to count, or comes to or leaves its
/// day.
pub(crate) async fn shift(tx: &mut Tx<'_>, session: &Locked, by: i32) -> Result<()> {
    let marks: Vec<Said> = tx
        .all(
            "SELECT student_id, status FROM mark WHERE session_id = $1",
            vec![session.id.into()],
        )
        .await?;
    for mark in marks {
        tx.weeks.add(session, mark.student_id, mark.status, by);
    }
    Ok(())
}

/// Writes what was moved.
pub(crate) async fn write(tx: &mut Tx<'_>) -> Result<()> {
    use entity::student_week::{Column, Entity, Model};
    let rows: Vec<_> = std::mem::take(&mut tx.weeks.0)
        .into_iter()
        .filter(|(_, counts)| *counts != [0; 4])
        .map(
            |((organization, week, student), [present, late, excused, absent])| Model {
                organization_id: organization.0,
                week,
                student_id: student.0,
                present,
                late,
                excused,
                absent,
            },
        )
        .collect();
    let mut standing = OnConflict::columns([Column::OrganizationId, Column::Week, Column::StudentId]);
    for column in [Column::Present, Column::Late, Column::Excused, Column::Absent] {
        let sum = Expr::col((Entity, column)).add(Expr::col(("excluded", column)));
        standing.value(column, sum);
    }
    for some in rows.chunks(ROWS) {
        Entity::insert_many(some.iter().cloned().map(Model::into_active_model))
            .on_conflict(standing.clone())
            .exec_without_returning(&**tx)
            .await?;
    }
    Ok(())
}

/// Counts an organization's weeks anew, after its sessions came to other days.
pub(crate) async fn recount(tx: &Tx<'_>, organization: OrganizationId) -> Result<()> {
    for statement in [
        "DELETE FROM student_week WHERE organization_id = $1",
        "INSERT INTO student_week (organization_id, week, student_id, present, late, excused, absent) \
         SELECT s.organization_id, (s.day + 3) / 7, m.student_id, \
         SUM(CASE WHEN m.status = 'PRESENT' THEN 1 ELSE 0 END), SUM(CASE WHEN m.status = 'LATE' THEN 1 ELSE 0 END), \
         SUM(CASE WHEN m.status = 'EXCUSED' THEN 1 ELSE 0 END), SUM(CASE WHEN m.status = 'ABSENT' THEN 1 ELSE 0 END) \
         FROM mark m JOIN session s ON s.id = m.session_id WHERE s.organization_id = $1 \
         AND s.state IN ('OPEN', 'CLOSED') GROUP BY s.organization_id, (s.day + 3) / 7, m.student_id",
    ] {
        tx.run(statement, vec![organization.into()]).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{Datelike, NaiveDate, Weekday};

    #[test]
    fn weeks_begin_on_monday() {
        for number in [-10, -4, -3, 0, 3, 4, 10, 20_000, 20_417] {
            let day = NaiveDate::default() + chrono::TimeDelta::days(number.into());
            let before = week(number - 1) != week(number);
            assert_eq!(before, day.weekday() == Weekday::Mon, "{day}");
        }
    }
}
