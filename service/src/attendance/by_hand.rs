//! Staff mark students by hand: one, or a list that an offline phone may send twice.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::marks::{self, Locked, Mark, Statement, apply};
use super::roll::{self, Entry};
use crate::change::Change;
use crate::error::{Error, Result, RowError};
use crate::id::{MarkId, PersonId, SessionId};
use crate::idempotency::{self, Request};
use crate::keys::fingerprint;
use crate::kinds::{MarkSource, MarkStatus, SessionState};
use crate::scope::{Scope, Viewer};
use crate::{Service, Tx, audit, people, sessions, text};

const ROWS_MAX: usize = 1000;
/// Each is locked until the end.
const SESSIONS_MAX: usize = 100;

/// What a person says of a student.
#[derive(Clone, Debug, Serialize)]
pub struct NewMark {
    pub session: SessionId,
    pub student: PersonId,
    pub status: MarkStatus,
    pub remark: Change<String>,
}

/// The mark as it stands after a row, or what was wrong with it.
pub type MarkRow = Result<Mark, RowError>;

/// Marks one student.
pub async fn mark(service: &Service, scope: &Scope, new: NewMark) -> Result<Mark> {
    sessions::reach(service, scope, new.session).await?;
    let viewer = scope.staff()?;
    let mut tx = service.begin().await?;
    let mut rows = in_session(&mut tx, viewer, "markAttendance", new.session, &[&new]).await?;
    let mark = rows.pop().ok_or(Error::NotFound("mark"))??;
    tx.commit().await?;
    Ok(mark)
}

/// What is kept of a row for whoever sends it again.
#[derive(Serialize, Deserialize)]
enum Answer {
    Mark(MarkId),
    Wrong(RowError),
}

/// Marks many students, each row with a result of its own: one that is wrong spoils no other. All
/// of it is one transaction; of two rows about one student the later counts.
pub async fn mark_many(
    service: &Service,
    scope: &Scope,
    new: &[NewMark],
    idempotency_key: Option<&str>,
) -> Result<Vec<MarkRow>> {
    let viewer = scope.staff()?;
    if new.len() > ROWS_MAX {
        return Err(Error::invalid("inputs", format!("at most {ROWS_MAX} marks at a time")));
    }
    let hash = fingerprint(&[&serde_json::to_vec(new)?]);
    let request = Request::new("markAttendanceBulk", idempotency_key, hash)?;
    if let Some(request) = &request
        && let Some(answers) = idempotency::find(service, viewer, request).await?
    {
        return answered(service, scope, answers).await;
    }
    // In the order of ids, in which everybody locks sessions.
    let mut by_session: BTreeMap<SessionId, Vec<usize>> = BTreeMap::new();
    for (place, row) in new.iter().enumerate() {
        by_session.entry(row.session).or_default().push(place);
    }
    if by_session.len() > SESSIONS_MAX {
        return Err(Error::invalid(
            "inputs",
            format!("marks of at most {SESSIONS_MAX} sessions at a time"),
        ));
    }
    let ids: Vec<SessionId> = by_session.keys().copied().collect();
    let reached = sessions::by_ids(service, scope, &ids).await?;
    let reached: HashSet<SessionId> = reached.into_iter().map(|session| session.id).collect();
    let mut rows: Vec<Option<MarkRow>> = new.iter().map(|_| None).collect();
    let mut tx = service.begin().await?;
    for (session, places) in by_session {
        let of_session: Vec<&NewMark> = places.iter().map(|place| &new[*place]).collect();
        let answers = if reached.contains(&session) {
            match in_session(&mut tx, viewer, "markAttendanceBulk", session, &of_session).await {
                // Deleted since: nothing of it was written.
                Err(Error::NotFound(what)) => refused(&of_session, what),
                answers => answers?,
            }
        } else {
            refused(&of_session, "session")
        };
        for (place, answer) in places.into_iter().zip(answers) {
            rows[place] = Some(answer.map_err(RowError::from));
        }
    }
    let rows: Vec<MarkRow> = rows.into_iter().flatten().collect();
    if let Some(request) = &request {
        let answers: Vec<Answer> = rows
            .iter()
            .map(|row| match row {
                Ok(mark) => Answer::Mark(mark.id),
                Err(error) => Answer::Wrong(error.clone()),
            })
            .collect();
        if !idempotency::keep(&tx, viewer, request, &answers).await? {
            drop(tx);
            // Another request with the same key was faster: its answer is ours.
            let first = idempotency::find(service, viewer, request).await?;
            return answered(service, scope, first.ok_or(Error::NotFound("answer"))?).await;
        }
    }
    tx.commit().await?;
    Ok(rows)
}

fn refused(rows: &[&NewMark], what: &'static str) -> Vec<Result<Mark>> {
    rows.iter().map(|_| Err(Error::NotFound(what))).collect()
}

/// The first answer, with its marks as they are now.
async fn answered(service: &Service, scope: &Scope, answers: Vec<Answer>) -> Result<Vec<MarkRow>> {
    let ids: Vec<MarkId> = answers
        .iter()
        .filter_map(|answer| match answer {
            Answer::Mark(id) => Some(*id),
            Answer::Wrong(_) => None,
        })
        .collect();
    let marks = marks::by_ids(service, scope, &ids).await?;
    let marks: HashMap<MarkId, Mark> = marks.into_iter().map(|mark| (mark.id, mark)).collect();
    let row = |answer| match answer {
        Answer::Mark(id) => marks
            .get(&id)
            .cloned()
            .ok_or_else(|| RowError::from(Error::NotFound("mark: it was withdrawn since"))),
        Answer::Wrong(error) => Err(error),
    };
    Ok(answers.into_iter().map(row).collect())
}

/// Withdraws a mark; the history keeps it. In a closed session a student of the class is absent
/// then, since everyone on its roll has a mark.
pub async fn clear(
    service: &Service,
    scope: &Scope,
    session: SessionId,
    student: PersonId,
    remark: Option<&str>,
) -> Result<Entry> {
    sessions::reach(service, scope, session).await?;
    let viewer = scope.staff()?;
    let remark = text::remark(remark)?;
    let mut tx = service.begin().await?;
    let locked = marks::lock(&tx, session).await?;
    if locked.state == SessionState::Cancelled {
        return Err(Error::conflict("CANCELLED", "the session is cancelled"));
    }
    let standing = marks::of_session(&tx, session).await?.remove(&student);
    let standing = standing.ok_or(Error::NotFound("mark of this student in this session"))?;
    if standing.source == MarkSource::Auto {
        return Err(Error::conflict(
            "AUTOMATIC",
            "this absence follows from the session's end; mark the student otherwise, or open the session again",
        ));
    }
    // What is said of somebody erased could tell who they were.
    let remark = if people::still_here(&tx, [student]).await?.is_empty() {
        None
    } else {
        remark
    };
    let by = Some(viewer.person);
    marks::withdraw(&mut tx, &locked, &[student], MarkSource::Manual, by, remark.as_deref()).await?;
    audit::record(&tx, viewer, "clearMark", ("Session", session.0), "withdrawn").await?;
    tx.commit().await?;
    roll::entry(service, scope, session, student)
        .await?
        .ok_or(Error::NotFound("student"))
}

/// Says all of it of one session, whose row is locked first. The number of statements does not
/// depend on that of the rows, but for students who are named several times.
async fn in_session(
    tx: &mut Tx<'_>,
    viewer: &Viewer,
    operation: &'static str,
    session: SessionId,
    rows: &[&NewMark],
) -> Result<Vec<Result<Mark>>> {
    let mut locked = marks::lock(tx, session).await?;
    // What is said of somebody erased could tell who they were.
    let here = people::still_here(tx, rows.iter().map(|row| row.student)).await?;
    let roll: HashSet<PersonId> = roll::ids(&**tx, session).await?.into_iter().collect();
    let now = tx.service.now();
    let standing = marks::of_session(tx, session).await?;
    let mut remarks: HashMap<PersonId, Option<String>> = standing
        .into_iter()
        .map(|(student, mark)| (student, mark.remark))
        .collect();
    let said: Vec<Result<Statement>> = rows
        .iter()
        .map(|row| {
            let given = row.remark.given().map(|given| text::remark(given.map(String::as_str)));
            allowed(&locked, row.status)?;
            if !here.contains(&row.student) || !roll.contains(&row.student) {
                return Err(Error::NotFound("student on this roll"));
            }
            let remark = remarks.entry(row.student).or_default();
            if let Some(given) = given {
                *remark = given?;
            }
            Ok(Statement {
                student: row.student,
                status: row.status,
                source: MarkSource::Manual,
                evidence: None,
                remark: remark.clone(),
                at: now,
                by: Some(viewer.person),
                job: None,
            })
        })
        .collect();
    let mut changed = 0;
    for round in rounds(said.iter().flatten()) {
        if changed > 0 {
            // Its events went on.
            locked = marks::lock(tx, session).await?;
        }
        changed += apply(tx, &locked, &round).await?;
    }
    if changed > 0 {
        let summary = match rows {
            [one] => one.status.word().to_owned(),
            _ => format!("{changed} marks"),
        };
        audit::record(tx, viewer, operation, ("Session", session.0), &summary).await?;
    }
    let marks = marks::of_session(tx, session).await?;
    let mark = |said: Statement| marks.get(&said.student).cloned().ok_or(Error::NotFound("mark"));
    Ok(said.into_iter().map(|said| said.and_then(mark)).collect())
}

/// Whether a person may say this of somebody while the session is in its state.
fn allowed(session: &Locked, status: MarkStatus) -> Result<()> {
    match session.state {
        SessionState::Cancelled => Err(Error::conflict("CANCELLED", "the session is cancelled")),
        SessionState::Scheduled if !matches!(status, MarkStatus::Excused | MarkStatus::Absent) => Err(Error::conflict(
            "NOT_OPEN",
            "before the session is open, students can only be EXCUSED or ABSENT",
        )),
        _ => Ok(()),
    }
}

/// The statements in their order, in rounds that name nobody twice.
fn rounds<'a>(said: impl Iterator<Item = &'a Statement>) -> Vec<Vec<Statement>> {
    let mut rounds: Vec<Vec<Statement>> = Vec::new();
    let mut named: HashMap<PersonId, usize> = HashMap::new();
    for statement in said {
        let round = named.entry(statement.student).or_default();
        if *round == rounds.len() {
            rounds.push(Vec::new());
        }
        rounds[*round].push(statement.clone());
        *round += 1;
    }
    rounds
}
