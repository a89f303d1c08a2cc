//! Who is on a session's roll. Until it is closed: whoever belonged to the class at any time while it
//! was held, and whoever has a mark. Afterwards the marks are the roll.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::marks::{self, Locked, Mark};
use crate::db::{Scalar, Sql, Values};
use crate::error::Result;
use crate::id::{ClassId, PersonId, SessionId};
use crate::kinds::{MarkSource, MarkStatus};
use crate::page::{self, Page, PageRequest, Placed, SortKey};
use crate::people::{self, Person};
use crate::scope::Scope;
use crate::{Service, Tx, access};

/// Whether a row of `membership` counts for one of `session` of its class, in SQL; both are aliases.
/// Who joined after its end was not there to be missed, also where it is opened again much later.
pub(crate) fn belonged(session: &str, membership: &str) -> String {
    format!(
        "({membership}.joined_at < {session}.ends_at \
         AND ({membership}.left_at IS NULL OR {membership}.left_at > {session}.starts_at))"
    )
}

/// Who belonged to the class when it counted, as a `SELECT` of `person_id`; `id` is the session's id
/// in SQL. It begins with the class's members, and not with everybody who might be among them.
fn belonging(id: &str) -> String {
    format!(
        "SELECT rm.person_id FROM session rs JOIN membership rm ON rm.class_id = rs.class_id WHERE rs.id = {id} \
         AND {}",
        belonged("rs", "rm")
    )
}

/// Who is on the roll of one session, as a table of `person_id`.
pub(crate) fn roll_of(id: &str) -> String {
    format!(
        "({} AND rs.state <> 'CLOSED' UNION SELECT rk.student_id FROM mark rk WHERE rk.session_id = {id})",
        belonging(id)
    )
}

/// How many are on the roll: for an `UPDATE session`.
pub(crate) fn expected() -> String {
    format!("(SELECT COUNT(*) FROM {} r)", roll_of("session.id"))
}

/// After a change of one session.
pub(crate) async fn recount(tx: &Tx<'_>, session: SessionId) -> Result<()> {
    tx.run(
        &format!(
            "UPDATE session SET expected = {}, touched_at = $2 WHERE id = $1",
            expected()
        ),
        vec![session.into(), tx.service.now().into()],
    )
    .await?;
    Ok(())
}

/// The same of several that nobody else has seen yet, or that are locked.
pub(crate) async fn recount_all(tx: &Tx<'_>, sessions: &[SessionId]) -> Result<()> {
    let mut values = Values::default();
    let now = values.push(tx.service.now());
    let list = values.list(sessions.iter().copied());
    let sql = format!(
        "UPDATE session SET expected = {}, touched_at = {now} WHERE id IN {list}",
        expected()
    );
    tx.run(&sql, values.done()).await?;
    Ok(())
}

/// After a change of these classes' members. The sessions are locked first, whatever their state:
/// one that is being closed or opened again is counted as it then is.
pub(crate) async fn recount_classes(tx: &Tx<'_>, classes: &[ClassId]) -> Result<()> {
    marks::lock_all_of(tx, classes).await?;
    let mut values = Values::default();
    let list = values.list(classes.iter().copied());
    let now = values.push(tx.service.now());
    let sql = format!(
        "UPDATE session SET expected = {}, touched_at = {now} WHERE class_id IN {list} AND state IN ('SCHEDULED', 'OPEN')",
        expected()
    );
    tx.run(&sql, values.done()).await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Member {
    person_id: PersonId,
}

/// Who is on the roll, in the order of ids.
pub(crate) async fn ids(db: &impl ConnectionTrait, session: SessionId) -> Result<Vec<PersonId>> {
    let rows: Vec<Member> = db
        .all(
            &format!("SELECT r.person_id FROM {} r ORDER BY r.person_id", roll_of("$1")),
            vec![session.into()],
        )
        .await?;
    Ok(rows.into_iter().map(|r| r.person_id).collect())
}

/// Who belonged to the class when it counted, marked or not.
pub(crate) async fn members(db: &impl ConnectionTrait, session: SessionId) -> Result<HashSet<PersonId>> {
    let rows: Vec<Member> = db.all(&belonging("$1"), vec![session.into()]).await?;
    Ok(rows.into_iter().map(|r| r.person_id).collect())
}

/// Who of these is on the roll of a locked session, and has not been erased, nor will be before this transaction ends.
pub(crate) async fn still_on(
    tx: &Tx<'_>,
    session: &Locked,
    people: impl IntoIterator<Item = PersonId>,
) -> Result<HashSet<PersonId>> {
    let on_roll = |values: &mut Values| format!("id IN {}", roll_of(&values.push(session.id)));
    people::here_where(tx, people, on_roll).await
}

pub(crate) async fn has(tx: &Tx<'_>, session: SessionId, student: PersonId) -> Result<bool> {
    let found: Option<Scalar> = tx
        .one(
            &format!(
                "SELECT COUNT(*) AS value FROM {} r WHERE r.person_id = $2",
                roll_of("$1")
            ),
            vec![session.into(), student.into()],
        )
        .await?;
    Ok(found.is_some_and(|f| f.value > 0))
}

/// A line of the roll.
#[derive(Clone, Debug)]
pub struct Entry {
    pub session: SessionId,
    pub student: Person,
    pub mark: Option<Mark>,
}

#[derive(FromQueryResult)]
struct Row {
    #[sea_orm(nested)]
    student: Person,
    m_id: Option<crate::id::MarkId>,
    m_status: Option<MarkStatus>,
    m_source: Option<MarkSource>,
    m_similarity: Option<f64>,
    m_face_id: Option<crate::id::FaceId>,
    m_remark: Option<String>,
    m_marked_at: Option<DateTime<Utc>>,
    m_marked_by: Option<PersonId>,
    m_job_id: Option<crate::id::JobId>,
}

const MARK: &str = "m.id AS m_id, m.status AS m_status, m.source AS m_source, m.similarity AS m_similarity, \
     m.face_id AS m_face_id, m.remark AS m_remark, m.marked_at AS m_marked_at, m.marked_by AS m_marked_by, \
     m.job_id AS m_job_id";

impl Row {
    fn entry(self, session: SessionId) -> Entry {
        let mark = match (self.m_id, self.m_status, self.m_source, self.m_marked_at) {
            (Some(id), Some(status), Some(source), Some(marked_at)) => Some(Mark {
                id,
                session_id: session,
                student_id: self.student.id,
                status,
                source,
                similarity: self.m_similarity,
                face_id: self.m_face_id,
                remark: self.m_remark,
                marked_at,
                marked_by: self.m_marked_by,
                job_id: self.m_job_id,
            }),
            _ => None,
        };
        Entry {
            session,
            student: self.student,
            mark,
        }
    }
}

impl Placed for Row {
    fn place(&self) -> (SortKey, uuid::Uuid) {
        self.student.place()
    }
}

/// Which lines of the roll are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct RollFilter {
    pub status: Option<MarkStatus>,
    /// Only lines without a mark, or only those with one.
    pub unmarked: Option<bool>,
}

/// The roll by name; a student sees their own line.
pub async fn list(
    service: &Service,
    scope: &Scope,
    session: SessionId,
    filter: RollFilter,
    page: &PageRequest,
) -> Result<Page<Entry>> {
    let columns = |values: &mut Values| {
        let full = access::person_in_full(scope, values, "p.id");
        format!("{}, {MARK}", people::columns(&full))
    };
    let body = |values: &mut Values| {
        let id = values.push(session);
        let visible = access::by_class(scope, values, "s.organization_id", "s.class_id");
        let own = access::own_entry(scope, values, "p.id");
        let mut sql = format!(
            "FROM {} r JOIN session s ON s.id = {id} JOIN person p ON p.id = r.person_id \
             LEFT JOIN mark m ON m.session_id = s.id AND m.student_id = p.id WHERE {visible} AND {own}",
            roll_of(&id)
        );
        if let Some(status) = filter.status {
            sql += &format!(" AND m.status = {}", values.push(status));
        }
        match filter.unmarked {
            Some(true) => sql += " AND m.id IS NULL",
            Some(false) => sql += " AND m.id IS NOT NULL",
            None => {}
        }
        sql
    };
    let page: Page<Row> = page::fetch(service.db.reader(), page, people::ORDER, columns, body).await?;
    Ok(page.map(|row| row.entry(session)))
}

/// One line, whether or not the student is on the roll any more.
pub(crate) async fn entry(
    service: &Service,
    scope: &Scope,
    session: SessionId,
    student: PersonId,
) -> Result<Option<Entry>> {
    let person = people::find(service, scope, student).await?;
    let mark = marks_of(service, session, &[student]).await?.pop();
    Ok(person.map(|student| Entry { session, student, mark }))
}

/// One change of a mark: from and to are none where there was no mark.
#[derive(Clone, Debug, FromQueryResult)]
pub struct MarkChange {
    pub session_id: SessionId,
    pub seq: i64,
    pub student_id: PersonId,
    pub from_status: Option<MarkStatus>,
    pub to_status: Option<MarkStatus>,
    pub source: MarkSource,
    pub by_id: Option<PersonId>,
    pub at: DateTime<Utc>,
    pub remark: Option<String>,
}

pub(crate) const CHANGE: &str =
    "h.session_id, h.seq, h.student_id, h.from_status, h.to_status, h.source, h.by_id, h.at, h.remark";

/// The history of these lines, oldest first, in one statement.
pub async fn histories(service: &Service, scope: &Scope, entries: &[(SessionId, PersonId)]) -> Result<Vec<MarkChange>> {
    let mut values = Values::default();
    let sessions: std::collections::BTreeSet<SessionId> = entries.iter().map(|e| e.0).collect();
    let students: std::collections::BTreeSet<PersonId> = entries.iter().map(|e| e.1).collect();
    let sessions = values.list(sessions);
    let students = values.list(students);
    let visible = access::by_class(scope, &mut values, "s.organization_id", "s.class_id");
    let own = access::own_entry(scope, &mut values, "h.student_id");
    let sql = format!(
        "SELECT {CHANGE} FROM mark_change h JOIN session s ON s.id = h.session_id \
         WHERE h.session_id IN {sessions} AND h.student_id IN {students} AND {visible} AND {own} \
         ORDER BY h.session_id, h.seq"
    );
    service.db.reader().all(&sql, values.done()).await
}

/// The marks of these students in their sessions, for whoever holds the session already.
pub(crate) async fn marks_of(service: &Service, session: SessionId, students: &[PersonId]) -> Result<Vec<Mark>> {
    let mut values = Values::default();
    let id = values.push(session);
    let list = values.list(students.iter().copied());
    let sql = format!(
        "SELECT {} FROM mark m WHERE m.session_id = {id} AND m.student_id IN {list}",
        marks::COLUMNS
    );
    service.db.reader().all(&sql, values.done()).await
}
