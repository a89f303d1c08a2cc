//! Students who want it are written when they are marked as there, and when a session ends
//! without them: once each for a session, in the transaction of the mark.
//!
//! That somebody is absent is told only once the session is closed, since until then it may change
//! with every photo.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;

use super::marks::Locked;
use crate::db::{Sql, Values};
use crate::error::Result;
use crate::id::PersonId;
use crate::kinds::{MarkStatus, NoticeKind};
use crate::mail::{self, Block, Letter};
use crate::organizations::zone;
use crate::{ROWS, Tx};

#[derive(FromQueryResult)]
struct Recipient {
    id: PersonId,
    address: String,
    locale: String,
}

#[derive(FromQueryResult)]
struct Lesson {
    school: String,
    class: String,
    timezone: String,
    starts_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct Absent {
    student_id: PersonId,
}

/// After a session closed: to all who are absent from it.
pub(crate) async fn of_the_absent(tx: &mut Tx<'_>, session: &Locked) -> Result<()> {
    let absent: Vec<Absent> = tx
        .all(
            "SELECT student_id FROM mark WHERE session_id = $1 AND status = 'ABSENT'",
            vec![session.id.into()],
        )
        .await?;
    let absent: Vec<PersonId> = absent.into_iter().map(|a| a.student_id).collect();
    tell(tx, session, MarkStatus::Absent, &absent).await
}

/// To those of the students who have an address, want such mails and got none of this session yet.
/// One statement where nobody does; otherwise as many for thirty students as for one.
pub(super) async fn tell(tx: &mut Tx<'_>, session: &Locked, status: MarkStatus, students: &[PersonId]) -> Result<()> {
    let (kind, setting) = match status {
        MarkStatus::Present | MarkStatus::Late => (NoticeKind::Marked, "email_on_mark"),
        MarkStatus::Absent => (NoticeKind::Absent, "email_on_absence"),
        MarkStatus::Excused => return Ok(()),
    };
    let mut recipients: Vec<Recipient> = Vec::new();
    for some in students.chunks(ROWS) {
        let mut values = Values::default();
        let list = values.list(some.iter().copied());
        let (id, kind) = (values.push(session.id), values.push(kind));
        // Whoever is erased meanwhile is waited for, and then their mail is withdrawn with the rest.
        let sql = format!(
            "SELECT p.id, COALESCE(p.email, p.login_email) AS address, p.locale FROM person p WHERE p.id IN {list} \
             AND p.role = 'STUDENT' AND p.status IN ('INVITED', 'ACTIVE') AND p.{setting} \
             AND COALESCE(p.email, p.login_email) IS NOT NULL AND NOT EXISTS (SELECT 1 FROM notice n \
             WHERE n.session_id = {id} AND n.student_id = p.id AND n.kind = {kind}) ORDER BY p.id{}",
            tx.for_share()
        );
        recipients.extend(tx.all::<Recipient>(&sql, values.done()).await?);
    }
    if recipients.is_empty() {
        return Ok(());
    }
    let now = tx.service.now();
    let rows = recipients.iter().map(|recipient| entity::notice::Model {
        session_id: session.id.0,
        student_id: recipient.id.0,
        kind,
        organization_id: session.organization_id.0,
        created_at: now,
    });
    tx.insert(rows.collect()).await?;
    let lesson: Option<Lesson> = tx
        .one(
            "SELECT o.name AS school, c.name AS class, o.timezone, s.starts_at FROM session s \
             JOIN class c ON c.id = s.class_id JOIN organization o ON o.id = s.organization_id WHERE s.id = $1",
            vec![session.id.into()],
        )
        .await?;
    let Some(lesson) = lesson else { return Ok(()) };
    let begins = lesson.starts_at.with_timezone(&zone(&lesson.timezone)?);
    let begins = (
        begins.format("%Y-%m-%d").to_string(),
        begins.format("%H:%M").to_string(),
    );
    let letters = recipients
        .into_iter()
        .map(|recipient| letter(recipient, &lesson, &begins, status));
    mail::post_all(tx, letters.collect()).await
}

/// In the recipient's language, where we have it.
fn letter(to: Recipient, lesson: &Lesson, (day, time): &(String, String), status: MarkStatus) -> Letter {
    let Lesson { school, class, .. } = lesson;
    let spanish = to.locale.starts_with("es");
    let (subject, said, settings) = if spanish {
        let was = match status {
            MarkStatus::Present => "consta tu asistencia",
            MarkStatus::Late => "consta que llegaste tarde",
            _ => "consta tu ausencia",
        };
        (
            format!("{class}, {day}: {was}"),
            format!("{school}: en {class}, el {day} a las {time}, {was}."),
            "Si no es correcto, habla con tu profesor. En tus ajustes de Muster decides si recibes estos avisos.",
        )
    } else {
        let was = match status {
            MarkStatus::Present => "you were marked present",
            MarkStatus::Late => "you were marked late",
            _ => "you were marked absent",
        };
        (
            format!("{class}, {day}: {was}"),
            format!("{school}: in {class} on {day} at {time}, {was}."),
            "If that is wrong, speak with your teacher. In your settings at Muster you choose whether you get these notices.",
        )
    };
    Letter {
        to: to.address,
        subject,
        body: vec![Block::Text(said), Block::Text(settings.to_owned())],
    }
}
