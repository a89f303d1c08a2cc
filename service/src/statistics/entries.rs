//! Lines of rolls, as tables for SQL: where only some students of a session count.

use super::{Filter, own, reachable};
use crate::attendance::roll::belonged;
use crate::attendance::weeks::week;
use crate::db::Values;
use crate::error::Result;
use crate::id::PersonId;
use crate::organizations::day_of_number;
use crate::scope::Scope;

/// The columns of `Numbers` from [`all`] by the alias `s`.
pub(super) const NUMBERS: &str = "CAST(COUNT(DISTINCT s.session_id) AS INTEGER) AS sessions, \
     CAST(COALESCE(SUM(CASE WHEN s.status = 'PRESENT' THEN 1 ELSE 0 END), 0) AS INTEGER) AS present, \
     CAST(COALESCE(SUM(CASE WHEN s.status = 'LATE' THEN 1 ELSE 0 END), 0) AS INTEGER) AS late, \
     CAST(COALESCE(SUM(CASE WHEN s.status = 'EXCUSED' THEN 1 ELSE 0 END), 0) AS INTEGER) AS excused, \
     CAST(COALESCE(SUM(CASE WHEN s.status = 'ABSENT' THEN 1 ELSE 0 END), 0) AS INTEGER) AS absent, \
     CAST(COALESCE(SUM(CASE WHEN s.status IS NULL THEN 1 ELSE 0 END), 0) AS INTEGER) AS unmarked";

/// Of which students lines are wanted.
fn whose(scope: &Scope, filter: &Filter, column: &str, values: &mut Values) -> String {
    let mut sql = String::new();
    for student in [filter.student, own(scope)].into_iter().flatten() {
        sql += &format!(" AND {column} = {}", values.push(student));
    }
    if let Some(department) = filter.department {
        sql += &format!(
            " AND {column} IN (SELECT dp.id FROM person dp WHERE dp.department_id = {})",
            values.push(department)
        );
    }
    sql
}

/// The lines with a mark, of sessions that count.
fn marked(scope: &Scope, filter: &Filter, values: &mut Values) -> Result<String> {
    let which = reachable(scope, filter, values)?;
    let whose = whose(scope, filter, "m.student_id", values);
    Ok(format!(
        "SELECT s.id AS session_id, s.day, s.class_id, m.student_id, m.status FROM session s \
         JOIN mark m ON m.session_id = s.id WHERE s.state IN ('OPEN', 'CLOSED') AND {which}{whose}"
    ))
}

/// The lines without one, of sessions that are open: once closed, the marks are the roll.
fn unmarked(scope: &Scope, filter: &Filter, values: &mut Values) -> Result<String> {
    let which = reachable(scope, filter, values)?;
    let whose = whose(scope, filter, "rm.person_id", values);
    let belonged = belonged("s", "rm");
    Ok(format!(
        "SELECT DISTINCT s.id AS session_id, s.day, s.class_id, rm.person_id AS student_id, CAST(NULL AS TEXT) AS status \
         FROM session s JOIN membership rm ON rm.class_id = s.class_id AND {belonged} \
         WHERE s.state = 'OPEN' AND {which}{whose} AND NOT EXISTS (SELECT 1 FROM mark um \
         WHERE um.session_id = s.id AND um.student_id = rm.person_id)"
    ))
}

/// A table of `session_id`, `day`, `class_id`, `student_id`, `status` (null: unmarked): one row a
/// line of a roll.
pub(super) fn all(scope: &Scope, filter: &Filter, values: &mut Values) -> Result<String> {
    let marked = marked(scope, filter, values)?;
    let unmarked = unmarked(scope, filter, values)?;
    Ok(format!("({marked} UNION ALL {unmarked})"))
}

/// The same of these students alone.
pub(super) fn of(scope: &Scope, filter: &Filter, students: &[PersonId], values: &mut Values) -> Result<String> {
    let marked = marked(scope, filter, values)?;
    let first = values.list(students.iter().copied());
    let unmarked = unmarked(scope, filter, values)?;
    let second = values.list(students.iter().copied());
    Ok(format!(
        "({marked} AND m.student_id IN {first} UNION ALL {unmarked} AND rm.person_id IN {second})"
    ))
}

/// The whole weeks of a span of days.
fn whole_weeks((from, to): (i32, i32)) -> Option<(i32, i32)> {
    let (first, last) = (week(from + 6), week(to + 1) - 1);
    (first <= last).then_some((first, last))
}

/// The days before and behind the whole weeks.
fn edges((from, to): (i32, i32), (first, last): (i32, i32)) -> Vec<(i32, i32)> {
    [(from, first * 7 - 4), (last * 7 + 4, to)]
        .into_iter()
        .filter(|(from, to)| from <= to)
        .collect()
}

/// A table of `student_id`, `present`, `late`, `excused`, `absent`, `unmarked`, to be summed by
/// student: several rows each. From the students' weeks where all that happened in a week counts.
pub(super) fn by_student(scope: &Scope, filter: &Filter, values: &mut Values) -> Result<String> {
    let everywhere = scope.admin().is_ok() && filter.class.is_none() && filter.venue.is_none();
    let span = filter.numbers()?;
    let weeks = span
        .and_then(whole_weeks)
        .filter(|_| everywhere && filter.student.is_none());
    let mut parts = Vec::new();
    let marks = match (span, weeks) {
        (Some(span), Some(weeks)) => {
            let organization = values.push(scope.viewer()?.organization);
            let (first, last) = (values.push(weeks.0), values.push(weeks.1));
            let whose = whose(scope, filter, "w.student_id", values);
            parts.push(format!(
                "SELECT w.student_id, w.present, w.late, w.excused, w.absent, 0 AS unmarked FROM student_week w \
                 WHERE w.organization_id = {organization} AND w.week >= {first} AND w.week <= {last}{whose}"
            ));
            edges(span, weeks)
                .into_iter()
                .map(|(from, to)| Filter {
                    range: Some((day_of_number(from), day_of_number(to))),
                    ..*filter
                })
                .collect()
        }
        _ => vec![*filter],
    };
    for filter in marks {
        let marked = marked(scope, &filter, values)?;
        parts.push(format!(
            "SELECT k.student_id, SUM(CASE WHEN k.status = 'PRESENT' THEN 1 ELSE 0 END), \
             SUM(CASE WHEN k.status = 'LATE' THEN 1 ELSE 0 END), SUM(CASE WHEN k.status = 'EXCUSED' THEN 1 ELSE 0 END), \
             SUM(CASE WHEN k.status = 'ABSENT' THEN 1 ELSE 0 END), 0 FROM ({marked}) k GROUP BY k.student_id"
        ));
    }
    let unmarked = unmarked(scope, filter, values)?;
    parts.push(format!(
        "SELECT u.student_id, 0, 0, 0, 0, COUNT(*) FROM ({unmarked}) u GROUP BY u.student_id"
    ));
    // The first part names the columns.
    let names = "SELECT id AS student_id, 0 AS present, 0 AS late, 0 AS excused, 0 AS absent, 0 AS unmarked \
         FROM person WHERE FALSE";
    Ok(format!("({names} UNION ALL {})", parts.join(" UNION ALL ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_weeks_and_edges_are_the_span() {
        for from in 20_000..20_010 {
            for to in from..from + 30 {
                let Some(weeks) = whole_weeks((from, to)) else {
                    assert!(to - from < 12, "{from} {to}");
                    continue;
                };
                let mut days: Vec<i32> = edges((from, to), weeks).into_iter().flat_map(|(a, b)| a..=b).collect();
                days.extend(
                    (weeks.0 - 1..=weeks.1 + 1)
                        .flat_map(|w| w * 7 - 3..w * 7 + 4)
                        .filter(|day| (weeks.0..=weeks.1).contains(&week(*day))),
                );
                days.sort_unstable();
                assert_eq!(days, (from..=to).collect::<Vec<_>>(), "{from} {to}");
            }
        }
    }
}
