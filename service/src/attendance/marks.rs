//! Marks change here and nowhere else: under the lock of the session's row, with their numbered
//! changes and the session's tally in one transaction.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait, FromQueryResult, IntoActiveModel};

use super::{Tally, notices, roll, rules, weeks};
use crate::db::{Scalar, Sql, Values};
use crate::error::{Error, Result};
use crate::events::Topic;
use crate::id::{ClassId, FaceId, JobId, MarkId, OrganizationId, PersonId, SessionId};
use crate::kinds::{MarkSource, MarkStatus, SessionState};
use crate::scope::Scope;
use crate::{ROWS, Service, Tx, access};

#[derive(Clone, Debug, FromQueryResult)]
pub struct Mark {
    pub id: MarkId,
    pub session_id: SessionId,
    pub student_id: PersonId,
    pub status: MarkStatus,
    pub source: MarkSource,
    pub similarity: Option<f64>,
    pub face_id: Option<FaceId>,
    pub remark: Option<String>,
    pub marked_at: DateTime<Utc>,
    pub marked_by: Option<PersonId>,
    pub job_id: Option<JobId>,
}

pub(crate) const COLUMNS: &str = "m.id, m.session_id, m.student_id, m.status, m.source, m.similarity, \
     m.face_id, m.remark, m.marked_at, m.marked_by, m.job_id";

/// The face that speaks for a mark.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Evidence {
    /// To the student; none where a person named somebody whom it was not compared with closely.
    pub similarity: Option<f64>,
    pub face: Option<FaceId>,
}

/// What somebody or something says of a student in a session.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statement {
    pub student: PersonId,
    pub status: MarkStatus,
    pub source: MarkSource,
    pub evidence: Option<Evidence>,
    pub remark: Option<String>,
    /// When the photo was submitted or the mark entered.
    pub at: DateTime<Utc>,
    pub by: Option<PersonId>,
    pub job: Option<JobId>,
}

impl Statement {
    /// What the end of a session says of somebody of whom nobody said anything.
    fn absent(student: PersonId, at: DateTime<Utc>) -> Self {
        Self {
            student,
            status: MarkStatus::Absent,
            source: MarkSource::Auto,
            evidence: None,
            remark: None,
            at,
            by: None,
            job: None,
        }
    }
}

impl From<&Mark> for Statement {
    fn from(mark: &Mark) -> Self {
        Self {
            student: mark.student_id,
            status: mark.status,
            source: mark.source,
            evidence: (mark.similarity.is_some() || mark.face_id.is_some()).then_some(Evidence {
                similarity: mark.similarity,
                face: mark.face_id,
            }),
            remark: mark.remark.clone(),
            at: mark.marked_at,
            by: mark.marked_by,
            job: mark.job_id,
        }
    }
}

/// A session whose row is locked: until the commit nobody else changes its marks.
#[derive(Debug, FromQueryResult)]
pub(crate) struct Locked {
    pub id: SessionId,
    pub organization_id: OrganizationId,
    pub starts_at: DateTime<Utc>,
    pub day: i32,
    pub state: SessionState,
    pub late_after_minutes: i32,
    event_seq: i64,
    #[sea_orm(nested)]
    tally: Tally,
}

pub(crate) async fn lock(tx: &Tx<'_>, id: SessionId) -> Result<Locked> {
    let lock = if tx.for_update().is_empty() {
        ""
    } else {
        " FOR UPDATE OF s"
    };
    tx.one(
        &format!(
            "SELECT s.id, s.organization_id, s.starts_at, s.day, s.state, o.late_after_minutes, \
             s.event_seq, s.present, s.late, s.excused, s.absent, s.expected \
             FROM session s JOIN organization o ON o.id = s.organization_id WHERE s.id = $1{lock}"
        ),
        vec![id.into()],
    )
    .await?
    .ok_or(Error::NotFound("session"))
}

/// Locks the sessions of classes, but for the cancelled, in the order in which everybody locks
/// several: whoever marks in two of them never waits for us while we wait for them.
pub(crate) async fn lock_all_of(tx: &Tx<'_>, classes: &[ClassId]) -> Result<()> {
    let mut values = Values::default();
    let list = values.list(classes.iter().copied());
    let sql = format!(
        "SELECT CAST(1 AS BIGINT) AS value FROM session WHERE class_id IN {list} AND state <> 'CANCELLED' ORDER BY id{}",
        tx.for_update()
    );
    let _locked: Vec<Scalar> = tx.all(&sql, values.done()).await?;
    Ok(())
}

struct Change {
    student: PersonId,
    from: Option<MarkStatus>,
    to: Option<MarkStatus>,
    source: MarkSource,
    by: Option<PersonId>,
    remark: Option<String>,
}

impl Change {
    /// To a mark where none was.
    fn first(said: &Statement) -> Self {
        Self {
            student: said.student,
            from: None,
            to: Some(said.status),
            source: said.source,
            by: said.by,
            remark: said.remark.clone(),
        }
    }
}

/// Lets each statement have its effect by the rules, at most one a student; answers how many
/// marks changed. The number of SQL statements depends on hundreds of changes, not on each.
pub(crate) async fn apply(tx: &mut Tx<'_>, session: &Locked, said: &[Statement]) -> Result<usize> {
    let existing = of_session(tx, session.id).await?;
    let mut written = Vec::new();
    let mut changes = Vec::new();
    for new in said {
        let old = existing.get(&new.student);
        if let Some(mark) = rules::decide(old.map(Statement::from).as_ref(), new) {
            changes.push(Change {
                student: mark.student,
                from: old.map(|o| o.status),
                to: Some(mark.status),
                source: mark.source,
                by: mark.by,
                remark: mark.remark.clone(),
            });
            let id = old.map_or_else(|| MarkId(tx.service.new_id()), |o| o.id);
            written.push((id, mark));
        }
    }
    upsert(tx, session, written).await?;
    record(tx, session, &changes).await?;
    Ok(changes.len())
}

/// Sets marks whatever stood before, since what that rested on is gone; `by` did it. Nothing
/// changes where the same stands already. As [`apply`], it is to be called once a lock.
pub(crate) async fn replace(
    tx: &mut Tx<'_>,
    session: &Locked,
    said: &[Statement],
    by: Option<PersonId>,
) -> Result<usize> {
    let existing = of_session(tx, session.id).await?;
    let mut written = Vec::new();
    let mut changes = Vec::new();
    for new in said {
        let old = existing.get(&new.student);
        if old.map(Statement::from).as_ref() == Some(new) {
            continue;
        }
        changes.push(Change {
            student: new.student,
            from: old.map(|o| o.status),
            to: Some(new.status),
            source: new.source,
            by,
            remark: new.remark.clone(),
        });
        let id = old.map_or_else(|| MarkId(tx.service.new_id()), |o| o.id);
        written.push((id, new.clone()));
    }
    upsert(tx, session, written).await?;
    record(tx, session, &changes).await?;
    Ok(changes.len())
}

/// The mark as this transaction sees it.
pub(crate) async fn of_student(tx: &Tx<'_>, session: SessionId, student: PersonId) -> Result<Option<Mark>> {
    tx.one(
        &format!("SELECT {COLUMNS} FROM mark m WHERE m.session_id = $1 AND m.student_id = $2"),
        vec![session.into(), student.into()],
    )
    .await
}

pub(super) async fn of_session(tx: &Tx<'_>, session: SessionId) -> Result<HashMap<PersonId, Mark>> {
    let marks: Vec<Mark> = tx
        .all(
            &format!("SELECT {COLUMNS} FROM mark m WHERE m.session_id = $1"),
            vec![session.into()],
        )
        .await?;
    Ok(marks.into_iter().map(|m| (m.student_id, m)).collect())
}

/// Takes back the absences that closing wrote.
pub(crate) async fn withdraw_automatic(tx: &mut Tx<'_>, session: &Locked) -> Result<usize> {
    let mut absences: Vec<Mark> = of_session(tx, session.id)
        .await?
        .into_values()
        .filter(|m| m.source == MarkSource::Auto)
        .collect();
    absences.sort_by_key(|m| m.student_id);
    tx.run(
        "DELETE FROM mark WHERE session_id = $1 AND source = 'AUTO'",
        vec![session.id.into()],
    )
    .await?;
    let changes: Vec<Change> = absences
        .iter()
        .map(|mark| Change {
            student: mark.student_id,
            from: Some(mark.status),
            to: None,
            source: MarkSource::Auto,
            by: None,
            remark: None,
        })
        .collect();
    record(tx, session, &changes).await?;
    Ok(changes.len())
}

/// Takes back the marks of these students. In a closed session, where everyone on the roll has a mark, whoever
/// belongs to the class is absent then. Answers how many changes that were.
pub(crate) async fn withdraw(
    tx: &mut Tx<'_>,
    session: &Locked,
    students: &[PersonId],
    source: MarkSource,
    by: Option<PersonId>,
    remark: Option<&str>,
) -> Result<usize> {
    let existing = of_session(tx, session.id).await?;
    let gone: Vec<&Mark> = students.iter().filter_map(|student| existing.get(student)).collect();
    let mut values = Values::default();
    let list = values.list(gone.iter().map(|mark| mark.id));
    tx.run(&format!("DELETE FROM mark WHERE id IN {list}"), values.done())
        .await?;
    let mut changes: Vec<Change> = gone
        .iter()
        .map(|mark| Change {
            student: mark.student_id,
            from: Some(mark.status),
            to: None,
            source,
            by,
            remark: remark.map(ToOwned::to_owned),
        })
        .collect();
    if session.state == SessionState::Closed {
        let members = roll::members(&**tx, session.id).await?;
        let now = tx.service.now();
        let absent: Vec<Statement> = gone
            .iter()
            .filter(|mark| members.contains(&mark.student_id))
            .map(|mark| Statement::absent(mark.student_id, now))
            .collect();
        changes.extend(absent.iter().map(Change::first));
        let rows = absent.into_iter().map(|said| (MarkId(tx.service.new_id()), said));
        upsert(tx, session, rows.collect()).await?;
    }
    record(tx, session, &changes).await?;
    Ok(changes.len())
}

/// Marks everyone on the roll who has no mark as absent.
pub(crate) async fn mark_absent(tx: &mut Tx<'_>, session: &Locked) -> Result<usize> {
    let now = tx.service.now();
    let absent: Vec<Statement> = roll::ids(&**tx, session.id)
        .await?
        .into_iter()
        .map(|student| Statement::absent(student, now))
        .collect();
    apply(tx, session, &absent).await
}

async fn upsert(tx: &Tx<'_>, session: &Locked, marks: Vec<(MarkId, Statement)>) -> Result<()> {
    use entity::mark::{Column, Entity, Model};
    let rows: Vec<_> = marks
        .into_iter()
        .map(|(id, said)| Model {
            id: id.0,
            organization_id: session.organization_id.0,
            session_id: session.id.0,
            student_id: said.student.0,
            status: said.status,
            source: said.source,
            similarity: said.evidence.as_ref().and_then(|e| e.similarity),
            face_id: said.evidence.as_ref().and_then(|e| e.face).map(|f| f.0),
            remark: said.remark,
            marked_at: said.at,
            marked_by: said.by.map(|b| b.0),
            job_id: said.job.map(|j| j.0),
        })
        .collect();
    let mut standing = OnConflict::columns([Column::SessionId, Column::StudentId]);
    standing.update_columns([
        Column::Status,
        Column::Source,
        Column::Similarity,
        Column::FaceId,
        Column::Remark,
        Column::MarkedAt,
        Column::MarkedBy,
        Column::JobId,
    ]);
    for some in rows.chunks(ROWS) {
        Entity::insert_many(some.iter().cloned().map(Model::into_active_model))
            .on_conflict(standing.clone())
            .exec_without_returning(&**tx)
            .await?;
    }
    Ok(())
}

/// Numbers the changes, writes them, and moves the tally: the session's row is still locked, so
/// the order of numbers is the order of commits.
async fn record(tx: &mut Tx<'_>, session: &Locked, changes: &[Change]) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let now = tx.service.now();
    let mut seq = session.event_seq;
    let rows = changes.iter().map(|change| {
        seq += 1;
        entity::mark_change::Model {
            session_id: session.id.0,
            seq,
            organization_id: session.organization_id.0,
            student_id: change.student.0,
            from_status: change.from,
            to_status: change.to,
            source: change.source,
            by_id: change.by.map(|b| b.0),
            at: now,
            remark: change.remark.clone(),
        }
    });
    tx.insert(rows.collect()).await?;
    let mut tally = session.tally;
    for change in changes {
        for (status, by) in [(change.from, -1), (change.to, 1)] {
            match status {
                Some(MarkStatus::Present) => tally.present += by,
                Some(MarkStatus::Late) => tally.late += by,
                Some(MarkStatus::Excused) => tally.excused += by,
                Some(MarkStatus::Absent) => tally.absent += by,
                None => {}
            }
            if let (Some(status), true) = (status, weeks::counts(session.state)) {
                tx.weeks.add(session, change.student, status, by);
            }
        }
    }
    tx.run(
        &format!(
            "UPDATE session SET event_seq = $1, present = $2, late = $3, excused = $4, absent = $5, \
             expected = {}, touched_at = $7 WHERE id = $6",
            roll::expected()
        ),
        vec![
            seq.into(),
            tally.present.into(),
            tally.late.into(),
            tally.excused.into(),
            tally.absent.into(),
            session.id.into(),
            now.into(),
        ],
    )
    .await?;
    for status in [MarkStatus::Present, MarkStatus::Late, MarkStatus::Absent] {
        if status == MarkStatus::Absent && session.state != SessionState::Closed {
            continue;
        }
        let so = changes.iter().filter(|change| change.to == Some(status));
        let so: Vec<PersonId> = so.map(|change| change.student).collect();
        if !so.is_empty() {
            notices::tell(tx, session, status, &so).await?;
        }
    }
    tx.announce(Topic::Session(session.id));
    tx.announce(Topic::Sessions(session.organization_id));
    Ok(())
}

pub async fn by_ids(service: &Service, scope: &Scope, ids: &[MarkId]) -> Result<Vec<Mark>> {
    select(service, scope, |values| {
        format!("m.id IN {}", values.list(ids.iter().copied()))
    })
    .await
}

/// The marks that these jobs set.
pub async fn by_jobs(service: &Service, scope: &Scope, ids: &[JobId]) -> Result<Vec<Mark>> {
    select(service, scope, |values| {
        format!("m.job_id IN {}", values.list(ids.iter().copied()))
    })
    .await
}

async fn select(service: &Service, scope: &Scope, which: impl FnOnce(&mut Values) -> String) -> Result<Vec<Mark>> {
    let mut values = Values::default();
    let which = which(&mut values);
    let visible = access::mark(scope, &mut values);
    let sql = format!(
        "SELECT {COLUMNS} FROM mark m JOIN session s ON s.id = m.session_id WHERE {which} AND {visible} \
         ORDER BY m.marked_at, m.id"
    );
    service.db.reader().all(&sql, values.done()).await
}
