//! A person decides who a face is. What was wrong is taken back with it: the mark of whoever the
//! face was held for goes, or falls back to what else speaks for them.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;

use super::faces::{self, Candidate, Face};
use crate::attendance::marks::{self, Evidence, Locked, Mark, Statement};
use crate::attendance::{fused, on_time, roll};
use crate::db::Sql;
use crate::error::{Error, Result};
use crate::events::Topic;
use crate::id::{FaceId, JobId, PersonId, PhotoId, SessionId};
use crate::kinds::{FaceDecision, JobKind, MarkSource, MarkStatus, SessionState};
use crate::scope::{Scope, Viewer};
use crate::{Service, Tx, access, audit, people, sessions};

/// What a person says of a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewDecision {
    Confirm,
    Reassign,
    Dismiss,
}

impl ReviewDecision {
    const fn decision(self) -> FaceDecision {
        match self {
            Self::Confirm => FaceDecision::Confirmed,
            Self::Reassign => FaceDecision::Reassigned,
            Self::Dismiss => FaceDecision::Dismissed,
        }
    }
}

/// A face as the transaction reads it.
#[derive(FromQueryResult)]
struct Found {
    photo_id: PhotoId,
    decision: FaceDecision,
    student_id: Option<PersonId>,
    similarity: Option<f64>,
    candidates: serde_json::Value,
}

impl Found {
    /// Whom the face is held to be, if anybody.
    fn holder(&self) -> Option<PersonId> {
        self.student_id.filter(|_| is_somebody(self.decision))
    }

    fn candidates(&self) -> Vec<Candidate> {
        serde_json::from_value(self.candidates.clone()).unwrap_or_default()
    }

    fn similarity_to(&self, student: PersonId) -> Option<f64> {
        let among = self.candidates().into_iter().find(|c| c.student == student);
        among
            .map(|c| c.similarity.into())
            .or_else(|| self.similarity.filter(|_| self.student_id == Some(student)))
    }
}

const fn is_somebody(decision: FaceDecision) -> bool {
    matches!(
        decision,
        FaceDecision::Matched | FaceDecision::Confirmed | FaceDecision::Reassigned
    )
}

/// Decides a face of an open or closed session, and moves the marks with it. Answers the face and
/// the mark of the student that it now is.
pub async fn review_face(
    service: &Service,
    scope: &Scope,
    id: FaceId,
    decision: ReviewDecision,
    student: Option<PersonId>,
    expected: Option<FaceDecision>,
) -> Result<(Face, Option<Mark>)> {
    access::staff_on(service, scope, "face", id.0).await?;
    let viewer = scope.staff()?;
    let face = find(service, scope, id).await?;
    let Some(session) = face.session_id else {
        return Err(Error::conflict(
            "NO_SESSION",
            "only faces of a session are reviewed; this one was only to be identified",
        ));
    };
    // A job about a student is seen by more than the teachers of the session.
    sessions::reach(service, scope, session)
        .await
        .map_err(|error| match error {
            Error::NotFound(_) => Error::NotFound("face"),
            other => other,
        })?;
    let mut tx = service.begin().await?;
    let locked = marks::lock(&tx, session).await?;
    if !matches!(locked.state, SessionState::Open | SessionState::Closed) {
        return Err(Error::conflict(
            "NOT_OPEN",
            "faces are reviewed while the session is open or closed",
        ));
    }
    let found = read(&tx, id).await?;
    if expected.is_some_and(|expected| expected != found.decision) {
        return Err(Error::conflict(
            "DECIDED",
            format!("somebody decided this face meanwhile: it is {}", found.decision.word()),
        ));
    }
    let now = match decision {
        ReviewDecision::Dismiss if student.is_some() => {
            return Err(Error::invalid(
                "studentId",
                "a dismissed face is nobody's: leave studentId out",
            ));
        }
        ReviewDecision::Dismiss => None,
        ReviewDecision::Confirm => Some(confirmed(&tx, &found, student).await?),
        ReviewDecision::Reassign => {
            Some(student.ok_or_else(|| Error::invalid("studentId", "say whose face it is: give studentId"))?)
        }
    };
    if let Some(now) = now {
        can_be(&tx, session, id, found.photo_id, now).await?;
    }
    decide(&tx, viewer, id, decision, now, &found).await?;
    let mut locked = locked;
    if let Some(before) = found.holder().filter(|before| Some(*before) != now)
        && take_back(&mut tx, &locked, viewer, id, before).await? > 0
    {
        // Its numbers have moved on.
        locked = marks::lock(&tx, session).await?;
    }
    let mark = match now {
        None => None,
        Some(student) => {
            let said = reviewed(&tx, &locked, viewer, id, student, found.similarity_to(student)).await?;
            marks::apply(&mut tx, &locked, &[said]).await?;
            marks::of_student(&tx, session, student).await?
        }
    };
    audit::record(
        &tx,
        viewer,
        "reviewFace",
        ("DetectedFace", id.0),
        decision.decision().word(),
    )
    .await?;
    tx.announce(Topic::Reviews(locked.organization_id));
    tx.commit().await?;
    Ok((find(service, scope, id).await?, mark))
}

async fn find(service: &Service, scope: &Scope, id: FaceId) -> Result<Face> {
    faces::by_ids(service, scope, &[id])
        .await?
        .pop()
        .ok_or(Error::NotFound("face"))
}

async fn read(tx: &Tx<'_>, id: FaceId) -> Result<Found> {
    tx.one(
        &format!(
            "SELECT photo_id, decision, student_id, similarity, candidates FROM face WHERE id = $1{}",
            tx.for_update()
        ),
        vec![id.into()],
    )
    .await?
    .ok_or(Error::NotFound("face"))
}

/// Who is meant by a confirmation: the face's student, or its first candidate who is still known.
async fn confirmed(tx: &Tx<'_>, face: &Found, named: Option<PersonId>) -> Result<PersonId> {
    let mut meant = face.student_id;
    if meant.is_none() {
        let candidates = face.candidates();
        let here = people::still_here(tx, candidates.iter().map(|c| c.student)).await?;
        meant = candidates.into_iter().map(|c| c.student).find(|s| here.contains(s));
    }
    match (meant, named) {
        (None, _) => Err(Error::invalid(
            "decision",
            "this face resembles nobody whom you could confirm; REASSIGN it and give studentId",
        )),
        (Some(meant), Some(named)) if meant != named => Err(Error::invalid(
            "studentId",
            "the face was not taken for this student; REASSIGN it to them",
        )),
        (Some(meant), _) => Ok(meant),
    }
}

#[derive(FromQueryResult)]
struct Taken {
    #[expect(dead_code, reason = "that there is one says it all")]
    id: FaceId,
}

/// Refuses who is not on the roll, was erased, or has another face in the same photo.
async fn can_be(tx: &Tx<'_>, session: SessionId, face: FaceId, photo: PhotoId, student: PersonId) -> Result<()> {
    if people::still_here(tx, [student]).await?.is_empty() || !roll::has(tx, session, student).await? {
        return Err(Error::NotFound("student on this roll"));
    }
    let taken: Option<Taken> = tx
        .one(
            "SELECT id FROM face WHERE photo_id = $1 AND id <> $2 AND student_id = $3 \
             AND decision IN ('MATCHED', 'CONFIRMED', 'REASSIGNED') LIMIT 1",
            vec![photo.into(), face.into(), student.into()],
        )
        .await?;
    if taken.is_some() {
        return Err(Error::conflict(
            "STUDENT_TAKEN",
            "another face of this photo is already this student; reassign or dismiss that one first",
        ));
    }
    Ok(())
}

async fn decide(
    tx: &Tx<'_>,
    viewer: &Viewer,
    id: FaceId,
    decision: ReviewDecision,
    student: Option<PersonId>,
    found: &Found,
) -> Result<()> {
    tx.run(
        "UPDATE face SET decision = $1, student_id = $2, similarity = $3, decided_by = $4, decided_at = $5 \
         WHERE id = $6",
        vec![
            decision.decision().into(),
            student.into(),
            student.and_then(|s| found.similarity_to(s)).into(),
            viewer.person.into(),
            tx.service.now().into(),
            id.into(),
        ],
    )
    .await?;
    Ok(())
}

/// A face of the session that is held to be the student.
#[derive(FromQueryResult)]
struct Speaks {
    id: FaceId,
    decision: FaceDecision,
    similarity: Option<f64>,
    decided_by: Option<PersonId>,
    job_id: JobId,
    kind: JobKind,
    submitted_at: DateTime<Utc>,
    submitted_by: Option<PersonId>,
}

impl Speaks {
    fn statement(&self, session: &Locked, student: PersonId) -> Statement {
        let by_person = self.decision != FaceDecision::Matched;
        Statement {
            student,
            status: on_time(self.submitted_at, session.starts_at, session.late_after_minutes),
            source: match self.kind {
                _ if by_person => MarkSource::Review,
                JobKind::CheckIn => MarkSource::CheckIn,
                _ => MarkSource::Recognition,
            },
            evidence: Some(Evidence {
                similarity: self.similarity,
                face: Some(self.id),
            }),
            remark: None,
            at: self.submitted_at,
            by: if by_person { self.decided_by } else { self.submitted_by },
            job: (!by_person).then_some(self.job_id),
        }
    }
}

/// The faces that speak for the student, those decided last in front.
async fn speaking_for(tx: &Tx<'_>, session: SessionId, student: PersonId) -> Result<Vec<Speaks>> {
    tx.all(
        "SELECT f.id, f.decision, f.similarity, f.decided_by, f.job_id, j.kind, h.submitted_at, j.submitted_by \
         FROM face f JOIN photo h ON h.id = f.photo_id JOIN job j ON j.id = f.job_id \
         WHERE f.session_id = $1 AND f.student_id = $2 AND f.decision IN ('MATCHED', 'CONFIRMED', 'REASSIGNED') \
         ORDER BY CASE WHEN f.decided_at IS NULL THEN 1 ELSE 0 END, f.decided_at DESC, f.id",
        vec![session.into(), student.into()],
    )
    .await
}

/// What the faces say together: a person's word where there is one, and of all photos the earliest
/// decides whether the student was late.
fn together(session: &Locked, student: PersonId, faces: &[Speaks]) -> Option<Statement> {
    let word = faces.iter().find(|face| face.decision != FaceDecision::Matched);
    let Some(word) = word else {
        return fused(faces.iter().map(|face| face.statement(session, student)));
    };
    let mut said = word.statement(session, student);
    said.at = faces.iter().map(|face| face.submitted_at).min().unwrap_or(said.at);
    said.status = on_time(said.at, session.starts_at, session.late_after_minutes);
    Some(said)
}

/// The mark by this review: somebody who was seen in time is not late for being seen again.
async fn reviewed(
    tx: &Tx<'_>,
    session: &Locked,
    viewer: &Viewer,
    face: FaceId,
    student: PersonId,
    similarity: Option<f64>,
) -> Result<Statement> {
    let faces = speaking_for(tx, session.id, student).await?;
    let mut said = together(session, student, &faces).ok_or(Error::NotFound("face"))?;
    said.source = MarkSource::Review;
    said.by = Some(viewer.person);
    said.evidence = Some(Evidence {
        similarity,
        face: Some(face),
    });
    said.job = None;
    // Whoever a photo marked in time is not late because the session's start or grace changed since.
    let mark = marks::of_student(tx, session.id, student).await?;
    if let Some(mark) = mark.filter(|mark| {
        let by_photo = matches!(
            mark.source,
            MarkSource::Recognition | MarkSource::CheckIn | MarkSource::Review
        );
        by_photo && mark.status == MarkStatus::Present && mark.marked_at <= said.at
    }) {
        said.status = mark.status;
        said.at = mark.marked_at;
    }
    Ok(said)
}

/// The face is no longer this student: their mark goes if it came of it, or becomes what other
/// faces say. What was marked by hand stays.
async fn take_back(
    tx: &mut Tx<'_>,
    session: &Locked,
    viewer: &Viewer,
    face: FaceId,
    student: PersonId,
) -> Result<usize> {
    let Some(mark) = marks::of_student(tx, session.id, student).await? else {
        return Ok(0);
    };
    let of_another = match mark.source {
        MarkSource::Recognition | MarkSource::CheckIn => false,
        MarkSource::Review => mark.face_id != Some(face),
        MarkSource::Manual | MarkSource::Auto => return Ok(0),
    };
    let faces = speaking_for(tx, session.id, student).await?;
    let by = Some(viewer.person);
    match together(session, student, &faces) {
        // The face may have told the time though another told who it is.
        Some(said) if of_another && said.at == mark.marked_at => Ok(0),
        Some(said) => marks::replace(tx, session, &[said], by).await,
        None if of_another => Ok(0),
        None => marks::withdraw(tx, session, &[student], MarkSource::Review, by, None).await,
    }
}
