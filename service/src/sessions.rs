//! Sessions: the meetings of a class, and the states that they go through.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::attendance::{Summary, Tally};
use crate::attendance::{marks, roll};
use crate::clock::is_sensible;
use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::events::Topic;
use crate::id::{ClassId, OrganizationId, PersonId, SessionId, VenueId};
use crate::kinds::SessionState;
use crate::organizations::span;
use crate::page::{self, KeyKind, Order, Page, PageRequest, Placed, SortKey};
use crate::scope::Scope;
use crate::{Service, Tx, access, audit, classes, text, venues};

#[derive(Clone, Debug, FromQueryResult)]
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
const LONGEST: TimeDelta = TimeDelta::hours(24);
/// How long before its start a session may be opened by hand.
const OPENS_BEFORE: TimeDelta = TimeDelta::minutes(60);

#[derive(Debug)]
pub struct NewSession<'a> {
    pub class: ClassId,
    pub venue: Option<VenueId>,
    pub title: Option<&'a str>,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    pub allow_overlap: bool,
}

pub async fn create(service: &Service, scope: &Scope, new: NewSession<'_>) -> Result<Session> {
    let class = classes::reach(service, scope, new.class).await?;
    let viewer = scope.staff()?;
    if class.archived {
        return Err(Error::conflict("ARCHIVED", "the class is archived"));
    }
    if let Some(venue) = new.venue {
        venues::find(service, scope, venue)
            .await?
            .ok_or(Error::NotFound("venue"))?;
    }
    for (field, instant) in [("startsAt", new.starts_at), ("endsAt", new.ends_at)] {
        if !is_sensible(instant) {
            return Err(Error::invalid(field, format!("{field} is in no year of a school")));
        }
    }
    if new.ends_at <= new.starts_at {
        return Err(Error::invalid("endsAt", "endsAt is after startsAt"));
    }
    if new.ends_at - new.starts_at > LONGEST {
        return Err(Error::invalid("endsAt", "a session lasts at most 24 hours"));
    }
    let id = SessionId(service.new_id());
    let title = text::optional("title", new.title)?;
    let tx = service.begin().await?;
    if !new.allow_overlap {
        refuse_overlap(&tx, viewer.organization, &new).await?;
    }
    tx.insert(vec![entity::session::Model {
        id: id.0,
        organization_id: viewer.organization.0,
        class_id: new.class.0,
        venue_id: new.venue.map(|v| v.0),
        title,
        starts_at: new.starts_at,
        ends_at: new.ends_at,
        state: SessionState::Scheduled,
        event_seq: 0,
        present: 0,
        late: 0,
        excused: 0,
        absent: 0,
        expected: 0,
        created_by: Some(viewer.person.0),
        created_at: service.now(),
    }])
    .await?;
    roll::recount(&tx, id).await?;
    audit::record(&tx, viewer, "createSession", ("Session", id.0), "scheduled").await?;
    let session = select(&*tx, scope, &[id])
        .await?
        .pop()
        .ok_or(Error::NotFound("session"))?;
    tx.commit().await?;
    Ok(session)
}

#[derive(FromQueryResult)]
struct Clash {
    venue_id: Option<VenueId>,
}

async fn refuse_overlap(tx: &Tx<'_>, organization: OrganizationId, new: &NewSession<'_>) -> Result<()> {
    if !tx.for_update().is_empty() {
        // Two who plan the same hour at once: one waits here for the other.
        tx.run(
            "SELECT id FROM organization WHERE id = $1 FOR NO KEY UPDATE",
            vec![organization.into()],
        )
        .await?;
    }
    let mut values = Values::default();
    let org = values.push(organization);
    let earliest = values.push(new.starts_at - LONGEST);
    let (from, to) = (values.push(new.starts_at), values.push(new.ends_at));
    let class = values.push(new.class);
    let venue = values.push(new.venue.map(|v| v.0));
    let taken: Option<Clash> = tx
        .one(
            &format!(
                "SELECT s.venue_id FROM session s WHERE s.organization_id = {org} AND s.starts_at > {earliest} \
                 AND s.starts_at < {to} AND s.ends_at > {from} AND s.state IN ('SCHEDULED', 'OPEN') AND (s.venue_id = {venue} OR EXISTS (\
                 SELECT 1 FROM class_teacher a JOIN class_teacher b ON b.person_id = a.person_id \
                 WHERE a.class_id = s.class_id AND b.class_id = {class})) ORDER BY s.starts_at LIMIT 1"
            ),
            values.done(),
        )
        .await?;
    match taken {
        None => Ok(()),
        Some(taken) if taken.venue_id.is_some() && taken.venue_id == new.venue => Err(Error::conflict(
            "VENUE_TAKEN",
            "the venue is taken then; choose another time, or set allowOverlap",
        )),
        Some(_) => Err(Error::conflict(
            "TEACHER_BUSY",
            "a teacher of the class has another session then; choose another time, or set allowOverlap",
        )),
    }
}

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
        SessionState::Scheduled | SessionState::Closed => {}
        SessionState::Open => return Err(Error::conflict("ALREADY_OPEN", "the session is open")),
        SessionState::Cancelled => return Err(Error::conflict("CANCELLED", "the session is cancelled")),
    }
    set_state(&tx, id, SessionState::Open).await?;
    marks::withdraw_automatic(&mut tx, &session).await?;
    audit::record(&tx, viewer, "openSession", ("Session", id.0), "opened").await?;
    finish(tx, scope, id).await
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
    marks::mark_absent(&mut tx, &session).await?;
    set_state(&tx, id, SessionState::Closed).await?;
    audit::record(&tx, viewer, "closeSession", ("Session", id.0), "closed").await?;
    finish(tx, scope, id).await
}

async fn set_state(tx: &Tx<'_>, id: SessionId, state: SessionState) -> Result<()> {
    tx.run(
        "UPDATE session SET state = $1 WHERE id = $2",
        vec![state.into(), id.into()],
    )
    .await?;
    Ok(())
}

async fn finish(mut tx: Tx<'_>, scope: &Scope, id: SessionId) -> Result<Session> {
    roll::recount(&tx, id).await?;
    let session = select(&*tx, scope, &[id])
        .await?
        .pop()
        .ok_or(Error::NotFound("session"))?;
    tx.announce(Topic::Session(id));
    tx.commit().await?;
    Ok(session)
}
