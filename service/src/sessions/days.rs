//! The calendar day that each session belongs to, which moves with the organization's time zone.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;

use crate::Tx;
use crate::attendance::weeks;
use crate::db::{Sql, Values};
use crate::error::Result;
use crate::id::{OrganizationId, SessionId};
use crate::organizations::{day_number, zone_of};

#[derive(FromQueryResult)]
struct Placed {
    id: SessionId,
    starts_at: DateTime<Utc>,
    day: i32,
}

/// After a change of the time zone: sessions near midnight come to another day. Nobody marks
/// anything meanwhile.
pub(crate) async fn move_days(tx: &Tx<'_>, organization: OrganizationId) -> Result<()> {
    let zone = zone_of(tx, organization).await?;
    let sessions: Vec<Placed> = tx
        .all(
            &format!(
                "SELECT id, starts_at, day FROM session WHERE organization_id = $1 ORDER BY id{}",
                tx.for_update()
            ),
            vec![organization.into()],
        )
        .await?;
    let mut moved: BTreeMap<i32, Vec<SessionId>> = BTreeMap::new();
    for session in sessions {
        let day = day_number(session.starts_at.with_timezone(&zone).date_naive());
        if day != session.day {
            moved.entry(day).or_default().push(session.id);
        }
    }
    if moved.is_empty() {
        return Ok(());
    }
    for (day, ids) in moved {
        for some in ids.chunks(500) {
            let mut values = Values::default();
            let day = values.push(day);
            let list = values.list(some.iter().copied());
            let sql = format!("UPDATE session SET day = {day} WHERE id IN {list}");
            tx.run(&sql, values.done()).await?;
        }
    }
    weeks::recount(tx, organization).await
}
