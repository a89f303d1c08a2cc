//! A session's events as subscribers see them: each once and in order, also across a
//! reconnection or a change of server.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{Stream, StreamExt, stream};
use sea_orm::FromQueryResult;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use super::marks::Mark;
use super::roll::{self, CHANGE, MarkChange};
use super::{Summary, Tally};
use crate::Service;
use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::follow::{Followed, Looks, may_stay};
use crate::id::{PersonId, SessionId};
use crate::kinds::{MarkStatus, Role, SessionState};
use crate::people::{self, Person};
use crate::scope::Scope;
use crate::sessions;

/// Events that are read at once.
const CHUNK: u32 = 500;
const CURSOR_LIVES: TimeDelta = TimeDelta::days(30);

/// A change of a mark; mark and summary are as they were when it was read.
#[derive(Clone, Debug)]
pub struct Event {
    pub cursor: String,
    /// Part of the state at the start, not news.
    pub replayed: bool,
    pub student: Person,
    pub mark: Option<Mark>,
    pub change: MarkChange,
    pub summary: Summary,
    state: SessionState,
}

fn cursor(session: SessionId, seq: i64) -> String {
    BASE64.encode([&session.0.as_bytes()[..], &seq.to_be_bytes()].concat())
}

fn read_cursor(text: &str, session: SessionId) -> Option<i64> {
    let bytes = BASE64.decode(text).ok()?;
    let (id, seq) = bytes.split_first_chunk::<16>()?;
    let seq = i64::from_be_bytes(seq.try_into().ok()?);
    (Uuid::from_bytes(*id) == session.0).then_some(seq)
}

#[derive(FromQueryResult)]
struct Head {
    event_seq: i64,
    state: SessionState,
    #[sea_orm(nested)]
    tally: Tally,
}

async fn head(service: &Service, session: SessionId) -> Result<Head> {
    service
        .db
        .reader()
        .one(
            "SELECT event_seq, state, present, late, excused, absent, expected FROM session WHERE id = $1",
            vec![session.into()],
        )
        .await?
        .ok_or(Error::NotFound("session"))
}

/// What came after `last`, and the number up to which was read. One statement where nothing came.
pub(crate) async fn look(service: &Service, session: SessionId, last: i64) -> Result<(Vec<Arc<Event>>, i64)> {
    if head(service, session).await?.event_seq <= last {
        return Ok((Vec::new(), last));
    }
    let events = after(service, session, last).await?;
    let seen = events.last().map_or(last, |e| e.change.seq);
    Ok((events, seen))
}

/// The next events behind a number, at most [`CHUNK`].
async fn after(service: &Service, session: SessionId, last: i64) -> Result<Vec<Arc<Event>>> {
    let mut values = Values::default();
    let (id, last) = (values.push(session), values.push(last));
    let sql = format!(
        "SELECT {CHANGE} FROM mark_change h WHERE h.session_id = {id} AND h.seq > {last} ORDER BY h.seq LIMIT {CHUNK}"
    );
    let changes = service.db.reader().all(&sql, values.done()).await?;
    load(service, session, changes, false).await
}

/// Each student's latest change, in the order of events: one statement, one moment.
async fn state(service: &Service, session: SessionId) -> Result<Vec<Arc<Event>>> {
    let sql = format!(
        "SELECT {CHANGE} FROM mark_change h WHERE h.session_id = $1 AND h.seq IN (\
         SELECT MAX(l.seq) FROM mark_change l WHERE l.session_id = $1 GROUP BY l.student_id) ORDER BY h.seq"
    );
    let changes = service.db.reader().all(&sql, vec![session.into()]).await?;
    load(service, session, changes, true).await
}

/// Adds what an event shows: people, marks and tally, each read once for all.
async fn load(
    service: &Service,
    session: SessionId,
    changes: Vec<MarkChange>,
    replayed: bool,
) -> Result<Vec<Arc<Event>>> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let mut students: Vec<PersonId> = changes.iter().map(|c| c.student_id).collect();
    students.sort_unstable();
    students.dedup();
    let people: HashMap<PersonId, Person> = people::by_ids(service, &Scope::System("events"), &students)
        .await?
        .into_iter()
        .map(|p| (p.id, p))
        .collect();
    let marks: HashMap<PersonId, Mark> = roll::marks_of(service, session, &students)
        .await?
        .into_iter()
        .map(|m| (m.student_id, m))
        .collect();
    let head = head(service, session).await?;
    let summary = Summary::of(head.state, &head.tally);
    Ok(changes
        .into_iter()
        .filter_map(|change| {
            Some(Arc::new(Event {
                cursor: cursor(session, change.seq),
                replayed,
                student: people.get(&change.student_id)?.clone(),
                mark: marks.get(&change.student_id).cloned(),
                change,
                summary,
                state: head.state,
            }))
        })
        .collect())
}

struct Subscriber<S> {
    service: Service,
    scope: Scope,
    session: SessionId,
    again: Looks,
    seat: S,
    waiting: VecDeque<Arc<Event>>,
    last: i64,
    /// More may be in the database than was read.
    behind: bool,
    /// A student sees their own events.
    only: Option<PersonId>,
}

/// The session's events for a subscriber: without a cursor the state first, with one what came
/// behind it; then what comes. Whenever `again` says so, it is looked whether the asker still
/// reaches the session; where not, the events end.
pub async fn subscribe(
    service: &Service,
    scope: &Scope,
    session: SessionId,
    after_cursor: Option<&str>,
    again: Looks,
) -> Result<impl Stream<Item = Arc<Event>> + Send + use<>> {
    let viewer = scope.viewer()?;
    let only = (viewer.role == Role::Student).then_some(viewer.person);
    if sessions::by_ids(service, scope, &[session]).await?.is_empty() {
        return Err(Error::NotFound("session"));
    }
    let (waiting, last) = if let Some(text) = after_cursor {
        (VecDeque::new(), check_cursor(service, session, text).await?)
    } else {
        let events = state(service, session).await?;
        let last = events.last().map_or(0, |e| e.change.seq);
        (VecDeque::from(events), last)
    };
    // A watcher that begins here begins at the head, however old this subscriber's cursor is.
    let start = head(service, session).await?.event_seq;
    let seat = service.hub().session(service, session, start);
    let subscriber = Subscriber {
        service: service.clone(),
        scope: scope.clone(),
        session,
        // Who brings no more looks is asked by nobody.
        again: again.chain(stream::pending()).boxed(),
        seat,
        waiting,
        last,
        behind: true,
        only,
    };
    Ok(stream::unfold(subscriber, |mut me| async move {
        loop {
            while let Some(event) = me.waiting.pop_front() {
                me.last = me.last.max(event.change.seq);
                match me.only {
                    None => return Some((event, me)),
                    Some(student) if student == event.change.student_id => return Some((own(&event), me)),
                    Some(_) => {}
                }
            }
            if me.behind {
                match after(&me.service, me.session, me.last).await {
                    Ok(events) => {
                        me.behind = events.len() >= CHUNK as usize;
                        me.waiting.extend(events);
                    }
                    Err(error) if error.is_transient() => {
                        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                    }
                    Err(error) => {
                        tracing::error!(%error, session = %me.session.0, "a subscription ends");
                        return None;
                    }
                }
                continue;
            }
            let received = tokio::select! {
                received = me.seat.receiver.recv() => received,
                Some(()) = me.again.next() => {
                    if may_stay(&me.service, &me.scope, Followed::Session(me.session)).await {
                        continue;
                    }
                    return None;
                }
            };
            match received {
                Ok(event) if event.change.seq == me.last + 1 => me.waiting.push_back(event),
                Ok(event) if event.change.seq <= me.last => {}
                // Numbers have no gaps: something was missed, and the database has it.
                Ok(_) | Err(RecvError::Lagged(_)) => me.behind = true,
                Err(RecvError::Closed) => return None,
            }
        }
    }))
}

#[derive(FromQueryResult)]
struct Moment {
    at: DateTime<Utc>,
}

/// The event as its student sees it: numbers of themselves alone.
fn own(event: &Event) -> Arc<Event> {
    let status = event.mark.as_ref().map(|m| m.status);
    let is = |wanted| i32::from(status == Some(wanted));
    let tally = Tally {
        present: is(MarkStatus::Present),
        late: is(MarkStatus::Late),
        excused: is(MarkStatus::Excused),
        absent: is(MarkStatus::Absent),
        expected: 1,
    };
    Arc::new(Event {
        summary: Summary::of(event.state, &tally),
        ..event.clone()
    })
}

async fn check_cursor(service: &Service, session: SessionId, text: &str) -> Result<i64> {
    let bad = || {
        Error::invalid(
            "after",
            "this cursor is not of this session, or older than 30 days; start without it",
        )
    };
    let seq = read_cursor(text, session).ok_or_else(bad)?;
    let moment: Option<Moment> = service
        .db
        .reader()
        .one(
            "SELECT at FROM mark_change WHERE session_id = $1 AND seq = $2",
            vec![session.into(), seq.into()],
        )
        .await?;
    moment
        .filter(|m| m.at > service.now() - CURSOR_LIVES)
        .map(|_| seq)
        .ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_belongs_to_its_session() {
        let (a, b) = (SessionId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(2)));
        let text = cursor(a, 42);
        assert_eq!(read_cursor(&text, a), Some(42));
        assert_eq!(read_cursor(&text, b), None);
        for bad in ["", "x", &text[1..], "AAAA"] {
            assert_eq!(read_cursor(bad, a), None);
        }
    }
}
