//! The states that a session goes through, by hand; `clock` moves it by the same steps.

use chrono::TimeDelta;

use super::{Session, reach, select};
use crate::attendance::marks::{self, Locked};
use crate::attendance::{notices, roll, weeks};
use crate::db::{Scalar, Sql};
use crate::error::{Error, Result};
use crate::events::Topic;
use crate::id::SessionId;
use crate::kinds::SessionState;
use crate::scope::Scope;
use crate::{Service, Tx, audit};

/// How long before its start a session may be opened by hand.
const OPENS_BEFORE: TimeDelta = TimeDelta::minutes(60);

/// Opens a session by hand; one that was closed opens again and its automatic absences go.
pub async fn open(service: &Service, scope: &Scope, id: SessionId) -> Result<Session> {
    reach(service, scope, id).await?;
    let viewer = scope.staff()?;
    let mut tx = service.begin().await?;
    let session = marks::lock(&tx, id).await?;
    match session.state {
        SessionState::Scheduled if service.now() < session.starts_at - OPENS_BEFORE => {
            return Err(Error::conflict(
                "TOO_EARLY",
                "a session opens from 60 minutes before its start",
            ));
        }
        SessionState::Scheduled | SessionState::Closed => begin(&mut tx, &session).await?,
        // The clock was faster by a moment: that is nobody's fault.
        SessionState::Open if by_the_clock(&tx, id).await? => {}
        SessionState::Open => return Err(Error::conflict("ALREADY_OPEN", "the session is open")),
        SessionState::Cancelled => return Err(cancelled()),
    }
    tx.run(
        "UPDATE session SET opened_at = $1 WHERE id = $2",
        vec![service.now().into(), id.into()],
    )
    .await?;
    audit::record(&tx, viewer, "openSession", ("Session", id.0), "opened").await?;
    finish(tx, scope, id).await
}

/// Whether nobody has opened it by hand.
async fn by_the_clock(tx: &Tx<'_>, id: SessionId) -> Result<bool> {
    let found: Option<Scalar> = tx
        .one(
            "SELECT COUNT(*) AS value FROM session WHERE id = $1 AND opened_at IS NULL",
            vec![id.into()],
        )
        .await?;
    Ok(found.is_some_and(|found| found.value > 0))
}

/// Closes a session; whoever is on its roll without a mark is absent.
pub async fn close(service: &Service, scope: &Scope, id: SessionId) -> Result<Session> {
    reach(service, scope, id).await?;
    let viewer = scope.staff()?;
    let mut tx = service.begin().await?;
    let session = marks::lock(&tx, id).await?;
    if session.state != SessionState::Open {
        return Err(Error::conflict("NOT_OPEN", "only an open session can be closed"));
    }
    end(&mut tx, &session).await?;
    audit::record(&tx, viewer, "closeSession", ("Session", id.0), "closed").await?;
    finish(tx, scope, id).await
}

/// Cancels a session; its marks stay, and count nowhere any more.
pub async fn cancel(service: &Service, scope: &Scope, id: SessionId) -> Result<Session> {
    reach(service, scope, id).await?;
    let viewer = scope.staff()?;
    let mut tx = service.begin().await?;
    let session = marks::lock(&tx, id).await?;
    match session.state {
        SessionState::Scheduled | SessionState::Open => {}
        SessionState::Closed => {
            return Err(Error::conflict("CLOSED", "a session that was held is not cancelled"));
        }
        SessionState::Cancelled => return Err(cancelled()),
    }
    move_to(&mut tx, &session, SessionState::Cancelled).await?;
    audit::record(&tx, viewer, "cancelSession", ("Session", id.0), "cancelled").await?;
    finish(tx, scope, id).await
}

fn cancelled() -> Error {
    Error::conflict("CANCELLED", "the session is cancelled")
}

/// SCHEDULED or CLOSED becomes OPEN.
pub(super) async fn begin(tx: &mut Tx<'_>, session: &Locked) -> Result<()> {
    move_to(tx, session, SessionState::Open).await?;
    marks::withdraw_automatic(tx, session).await?;
    Ok(())
}

/// OPEN becomes CLOSED.
pub(super) async fn end(tx: &mut Tx<'_>, session: &Locked) -> Result<()> {
    marks::mark_absent(tx, session).await?;
    move_to(tx, session, SessionState::Closed).await?;
    notices::of_the_absent(tx, session).await
}

/// Its marks begin or end to count with it.
async fn move_to(tx: &mut Tx<'_>, session: &Locked, state: SessionState) -> Result<()> {
    tx.run(
        "UPDATE session SET state = $1, touched_at = $2 WHERE id = $3",
        vec![state.into(), tx.service.now().into(), session.id.into()],
    )
    .await?;
    match (weeks::counts(session.state), weeks::counts(state)) {
        (false, true) => weeks::shift(tx, session, 1).await?,
        (true, false) => weeks::shift(tx, session, -1).await?,
        _ => {}
    }
    tx.announce(Topic::Sessions(session.organization_id));
    Ok(())
}

/// Commits a change of a session, with its roll counted anew.
pub(super) async fn finish(mut tx: Tx<'_>, scope: &Scope, id: SessionId) -> Result<Session> {
    roll::recount(&tx, id).await?;
    let session = select(&*tx, scope, &[id])
        .await?
        .pop()
        .ok_or(Error::NotFound("session"))?;
    tx.announce(Topic::Session(id));
    tx.commit().await?;
    Ok(session)
}
