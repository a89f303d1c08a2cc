//! What a school looks at in the morning.

use chrono::NaiveDate;
use sea_orm::FromQueryResult;

use super::{Filter, Interval, Point, summary, trend};
use crate::attendance::{self, Mark, MarkFilter, Summary};
use crate::db::{Sql, Values};
use crate::error::Result;
use crate::kinds::SessionState;
use crate::page::PageRequest;
use crate::recognition::{self, ENROLLED};
use crate::scope::Scope;
use crate::sessions::{self, Session, SessionFilter};
use crate::{Service, access};

/// How many there are that the asker reaches.
#[derive(Clone, Copy, Debug, FromQueryResult)]
pub struct Counts {
    pub students: i32,
    pub enrolled: i32,
    pub teachers: i32,
    pub classes: i32,
    pub venues: i32,
}

/// A teacher's students and classes are those of the classes they teach; archived classes are not
/// counted.
pub async fn counts(service: &Service, scope: &Scope) -> Result<Counts> {
    let viewer = scope.staff()?;
    let mut values = Values::default();
    let organization = values.push(viewer.organization);
    let seen = access::person_in_full(scope, &mut values, "p.id");
    let taught = access::by_class(scope, &mut values, "c.organization_id", "c.id");
    let people = format!("FROM person p WHERE p.organization_id = {organization} AND p.status <> 'ERASED'");
    let number = |sql: &str| format!("CAST((SELECT COUNT(*) {sql}) AS INTEGER)");
    let sql = format!(
        "SELECT {} AS students, {} AS enrolled, {} AS teachers, {} AS classes, {} AS venues",
        number(&format!("{people} AND p.role = 'STUDENT' AND {seen}")),
        number(&format!("{people} AND p.role = 'STUDENT' AND {seen} AND {ENROLLED}")),
        number(&format!("{people} AND p.role = 'TEACHER'")),
        number(&format!("FROM class c WHERE NOT c.archived AND {taught}")),
        number(&format!("FROM venue w WHERE w.organization_id = {organization}")),
    );
    let counts = service.db.reader().one(&sql, values.done()).await?;
    counts.ok_or_else(|| crate::Error::internal("a count without a row"))
}

/// Of the calendar day that it is for the organization.
pub async fn today(service: &Service, scope: &Scope) -> Result<Summary> {
    let today = service.now().with_timezone(&scope.staff()?.timezone).date_naive();
    summary(service, scope, &Filter::days(today, today)).await
}

/// By day up to a season, else by the finest interval of which there are not too many.
pub async fn trend_of(service: &Service, scope: &Scope, range: (NaiveDate, NaiveDate)) -> Result<Vec<Point>> {
    super::days(range)?;
    trend(
        service,
        scope,
        &Filter::days(range.0, range.1),
        Interval::for_range(range),
    )
    .await
}

/// At most a hundred, by start.
pub async fn open_sessions(service: &Service, scope: &Scope) -> Result<Vec<Session>> {
    scope.staff()?;
    let filter = SessionFilter {
        state: Some(SessionState::Open),
        ..SessionFilter::default()
    };
    let page = PageRequest {
        first: Some(100),
        ..PageRequest::default()
    };
    let page = sessions::list(service, scope, &filter, &page).await?;
    Ok(page.rows.into_iter().map(|(_, session)| session).collect())
}

/// The latest ten, newest first.
pub async fn recent_marks(service: &Service, scope: &Scope) -> Result<Vec<Mark>> {
    scope.staff()?;
    let page = PageRequest {
        last: Some(10),
        ..PageRequest::default()
    };
    let page = attendance::list(service, scope, &MarkFilter::default(), &page).await?;
    Ok(page.rows.into_iter().rev().map(|(_, mark)| mark).collect())
}

/// Faces that wait for a decision of the asker or a colleague.
pub async fn review_queue_length(service: &Service, scope: &Scope) -> Result<i32> {
    let waiting = recognition::waiting_faces(service, scope).await?;
    Ok(i32::try_from(waiting).unwrap_or(i32::MAX))
}
