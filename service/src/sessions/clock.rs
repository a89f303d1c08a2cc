//! The states that the clock moves a session through: it opens at its start, and closes a while
//! after its end, by the same steps as by hand.
//!
//! That while (`closeAfterMinutes`) begins at the end or, where that came later, when the session
//! was entered or last opened by hand: whoever opens a closed session again has the usual while
//! for what they opened it for. A session that nobody opened in time, since no worker ran, opens
//! and closes at once.
//!
//! The clock opens no session of an archived class. What was planned for it and is over when the
//! class is taken out of the archive was not held: it is cancelled then.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::FromQueryResult;

use super::states;
use crate::attendance::{marks, roll};
use crate::db::{Sql, Values};
use crate::error::Result;
use crate::events::Topic;
use crate::id::{OrganizationId, SessionId};
use crate::kinds::SessionState;
use crate::{Service, audit};

/// Sessions that one round moves.
const ROUND: usize = 100;

#[derive(FromQueryResult)]
struct Waiting {
    id: SessionId,
    organization_id: OrganizationId,
    state: SessionState,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    opened_at: Option<DateTime<Utc>>,
    archived: bool,
    close_after_minutes: i32,
}

impl Waiting {
    /// The state that the clock gives it now.
    fn due(&self, now: DateTime<Utc>) -> Option<SessionState> {
        match self.state {
            SessionState::Scheduled => (!self.archived && self.starts_at <= now).then_some(SessionState::Open),
            SessionState::Open => {
                let begun = self.ends_at.max(self.created_at);
                let begun = self.opened_at.map_or(begun, |opened| begun.max(opened));
                let closes = begun + TimeDelta::minutes(self.close_after_minutes.into());
                (closes <= now).then_some(SessionState::Closed)
            }
            SessionState::Closed | SessionState::Cancelled => None,
        }
    }
}

/// The state is named twice: `SQLite` takes a partial index for its own condition alone.
fn waiting(state: &str, column: &str, now: &str) -> String {
    format!(
        "SELECT s.id, s.organization_id, s.state, s.starts_at, s.ends_at, s.created_at, s.opened_at, c.archived, \
         o.close_after_minutes FROM session s JOIN class c ON c.id = s.class_id \
         JOIN organization o ON o.id = s.organization_id WHERE s.state IN ('SCHEDULED', 'OPEN') AND s.state = '{state}' \
         AND s.starts_at <= {now} AND s.{column} <= {now}"
    )
}

/// Moves the sessions that are due, and answers how many steps it took. Several may do it at
/// once; where nothing is due it is one statement.
pub async fn tick(service: &Service) -> Result<usize> {
    let now = service.now();
    let mut values = Values::default();
    let bound = values.push(now);
    let sql = format!(
        "{} UNION ALL {}",
        waiting("SCHEDULED", "starts_at", &bound),
        waiting("OPEN", "ends_at", &bound)
    );
    let mut found: Vec<Waiting> = service.db.reader().all(&sql, values.done()).await?;
    found.retain(|session| session.due(now).is_some());
    found.sort_by_key(|session| (session.starts_at, session.id));
    let mut steps = 0;
    for session in found.into_iter().take(ROUND) {
        // One that cannot be moved keeps no other.
        match catch_up(service, session.id).await {
            Ok(taken) => steps += taken,
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => tracing::error!(%error, session = %session.id.0, "the clock cannot move a session"),
        }
    }
    Ok(steps)
}

/// Opens it, closes it, or both.
async fn catch_up(service: &Service, id: SessionId) -> Result<usize> {
    let mut steps = 0;
    while step(service, id).await? {
        steps += 1;
    }
    Ok(steps)
}

/// One step in its own transaction; false where none is due, or another worker was faster.
async fn step(service: &Service, id: SessionId) -> Result<bool> {
    let mut tx = service.begin().await?;
    let session = match marks::lock(&tx, id).await {
        Ok(session) => session,
        Err(crate::Error::NotFound(_)) => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut values = Values::default();
    let key = values.push(id);
    let now = values.push(service.now());
    let sql = format!(
        "{} AND s.id = {key} UNION ALL {} AND s.id = {key}",
        waiting("SCHEDULED", "starts_at", &now),
        waiting("OPEN", "ends_at", &now)
    );
    let Some(found) = tx.one::<Waiting>(&sql, values.done()).await? else {
        return Ok(false);
    };
    let (action, summary) = match found.due(service.now()) {
        Some(SessionState::Open) => {
            states::begin(&mut tx, &session).await?;
            ("openSession", "opened by the clock")
        }
        Some(SessionState::Closed) => {
            states::end(&mut tx, &session).await?;
            ("closeSession", "closed by the clock")
        }
        _ => return Ok(false),
    };
    roll::recount(&tx, id).await?;
    audit::entry(&tx, found.organization_id, None, action, ("Session", id.0), summary).await?;
    tx.announce(Topic::Session(id));
    tx.commit().await?;
    Ok(true)
}
