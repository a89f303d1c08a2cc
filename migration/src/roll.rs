//! What statistics, reports, notices and live dashboards go by: the calendar day of each session,
//! what each student was in a week, the files of exports and the notices that were sent.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, Statement, Value};

#[derive(Debug)]
pub struct Roll;

impl MigrationName for Roll {
    fn name(&self) -> &'static str {
        "m20261121_000003_roll"
    }
}

/// Gives every session that is there its day, which no SQL of both databases can tell.
async fn fill_days(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let db = manager.get_connection();
    let backend = manager.get_database_backend();
    let sessions = db
        .query_all_raw(Statement::from_string(
            backend,
            "SELECT s.id, s.starts_at, o.timezone FROM session s JOIN organization o ON o.id = s.organization_id",
        ))
        .await?;
    let mut by_day: BTreeMap<i32, Vec<Value>> = BTreeMap::new();
    for row in sessions {
        let id: uuid::Uuid = row.try_get("", "id")?;
        let starts_at: DateTime<Utc> = row.try_get("", "starts_at")?;
        let zone: String = row.try_get("", "timezone")?;
        let zone: Tz = zone
            .parse()
            .map_err(|_| DbErr::Custom(format!("{zone} is no time zone")))?;
        let day = starts_at.with_timezone(&zone).date_naive() - NaiveDate::default();
        let day = <i32 as TryFrom<i64>>::try_from(day.num_days()).map_err(|e| DbErr::Custom(e.to_string()))?;
        by_day.entry(day).or_default().push(id.into());
    }
    for (day, ids) in by_day {
        for some in ids.chunks(500) {
            let places: Vec<String> = (2..some.len() + 2).map(|n| format!("${n}")).collect();
            let sql = format!("UPDATE session SET day = $1 WHERE id IN ({})", places.join(", "));
            let values: Vec<Value> = std::iter::once(day.into()).chain(some.iter().cloned()).collect();
            db.execute_raw(Statement::from_sql_and_values(backend, &sql, values))
                .await?;
        }
    }
    Ok(())
}

const FILL_WEEKS: &str = "INSERT INTO student_week (organization_id, week, student_id, present, late, excused, absent) \
     SELECT s.organization_id, (s.day + 3) / 7, m.student_id, \
     SUM(CASE WHEN m.status = 'PRESENT' THEN 1 ELSE 0 END), SUM(CASE WHEN m.status = 'LATE' THEN 1 ELSE 0 END), \
     SUM(CASE WHEN m.status = 'EXCUSED' THEN 1 ELSE 0 END), SUM(CASE WHEN m.status = 'ABSENT' THEN 1 ELSE 0 END) \
     FROM mark m JOIN session s ON s.id = m.session_id WHERE s.state IN ('OPEN', 'CLOSED') \
     GROUP BY s.organization_id, (s.day + 3) / 7, m.student_id";

#[async_trait::async_trait]
#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait counts a written one otherwise than the trait does"
)]
impl MigrationTrait for Roll {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, include_str!("roll.sql")).await?;
        fill_days(manager).await?;
        manager.get_connection().execute_unprepared(FILL_WEEKS).await?;
        Ok(())
    }
}
