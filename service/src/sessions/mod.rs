//! Sessions: the meetings of a class, and the states that they go through.

mod change;
mod clock;
mod code;
mod days;
mod of_student;
mod overlap;
mod plan;
mod states;
pub(crate) mod watch;
mod weekly;

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

pub use change::{SessionChange, update};
pub use clock::tick;
pub(crate) use code::is_check_in_code;
pub use code::{CheckInCode, check_in_code};
pub(crate) use days::move_days;
pub use of_student::{StudentSession, StudentState, of_student};
pub use plan::{NewSession, create};
pub use states::{cancel, close, open};
pub use watch::watch;
pub use weekly::{Term, schedule};

use states::finish;

use crate::attendance::{Summary, Tally};
use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::id::{ClassId, PersonId, SessionId, VenueId};
use crate::kinds::SessionState;
use crate::organizations::span;
use crate::page::{self, KeyKind, Order, Page, PageRequest, Placed, SortKey};
use crate::scope::Scope;
use crate::{Service, access};

#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct Session {
    pub id: SessionId,
    pub class_id: ClassId,
    pub venue_id: Option<VenueId>,
    pub title: Option<String>,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    pub state: SessionState,
    #[sea_orm(nested)]
    pub tally: Tally,
}

impl Placed for Session {
    fn place(&self) -> (SortKey, Uuid) {
        (SortKey::Time(self.starts_at), self.id.0)
    }
}

const COLUMNS: &str = "s.id, s.class_id, s.venue_id, s.title, s.starts_at, s.ends_at, s.state, \
     s.present, s.late, s.excused, s.absent, s.expected";
const ORDER: Order = Order {
    key: "s.starts_at",
    id: "s.id",
    kind: KeyKind::Time,
    descending: false,
};
pub async fn by_ids(service: &Service, scope: &Scope, ids: &[SessionId]) -> Result<Vec<Session>> {
    select(service.db.reader(), scope, ids).await
}

async fn select(db: &impl sea_orm::ConnectionTrait, scope: &Scope, ids: &[SessionId]) -> Result<Vec<Session>> {
    let mut values = Values::default();
    let list = values.list(ids.iter().copied());
    let visible = access::by_class(scope, &mut values, "s.organization_id", "s.class_id");
    let sql = format!("SELECT {COLUMNS} FROM session s WHERE s.id IN {list} AND {visible}");
    db.all(&sql, values.done()).await
}

/// The session, if the asker may work on it.
pub(crate) async fn reach(service: &Service, scope: &Scope, id: SessionId) -> Result<Session> {
    access::staff_on(service, scope, "session", id.0).await?;
    by_ids(service, scope, &[id])
        .await?
        .pop()
        .ok_or(Error::NotFound("session"))
}

/// The numbers of a session, for staff: of others a student learns nothing.
pub fn summary(scope: &Scope, session: &Session) -> Option<Summary> {
    scope.staff().ok().map(|_| Summary::of(session.state, &session.tally))
}

#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    /// Both days are within.
    pub range: Option<(NaiveDate, NaiveDate)>,
    pub class: Option<ClassId>,
    pub venue: Option<VenueId>,
    pub teacher: Option<PersonId>,
    pub state: Option<SessionState>,
}

pub async fn list(
    service: &Service,
    scope: &Scope,
    filter: &SessionFilter,
    page: &PageRequest,
) -> Result<Page<Session>> {
    let viewer = scope.viewer()?;
    let range = filter.range.map(|days| span(viewer.timezone, days)).transpose()?;
    let body = |values: &mut Values| {
        let mut sql = format!(
            "FROM session s WHERE {}",
            access::by_class(scope, values, "s.organization_id", "s.class_id")
        );
        if let Some((from, end)) = range {
            let (from, end) = (values.push(from), values.push(end));
            sql += &format!(" AND s.starts_at >= {from} AND s.starts_at < {end}");
        }
        if let Some(class) = filter.class {
            sql += &format!(" AND s.class_id = {}", values.push(class));
        }
        if let Some(venue) = filter.venue {
            sql += &format!(" AND s.venue_id = {}", values.push(venue));
        }
        if let Some(teacher) = filter.teacher {
            sql += &format!(
                " AND EXISTS (SELECT 1 FROM class_teacher t WHERE t.class_id = s.class_id AND t.person_id = {})",
                values.push(teacher)
            );
        }
        if let Some(state) = filter.state {
            sql += &format!(" AND s.state = {}", values.push(state));
        }
        sql
    };
    page::fetch(service.db.reader(), page, ORDER, |_| COLUMNS.into(), body).await
}

/// Of each class the latest session that has begun and is not cancelled.
pub async fn latest_of(service: &Service, scope: &Scope, ids: &[ClassId]) -> Result<Vec<Session>> {
    let mut values = Values::default();
    let list = values.list(ids.iter().copied());
    let now = values.push(service.now());
    let visible = access::by_class(scope, &mut values, "s.organization_id", "s.class_id");
    let sql = format!(
        "SELECT {COLUMNS} FROM session s JOIN class c ON c.id = s.class_id WHERE c.id IN {list} AND {visible} AND s.id = (\
         SELECT x.id FROM session x WHERE x.class_id = c.id AND x.starts_at <= {now} AND x.state <> 'CANCELLED' \
         ORDER BY x.starts_at DESC, x.id DESC LIMIT 1)"
    );
    service.db.reader().all(&sql, values.done()).await
}
