//! Sessions as they are created or change: what a live dashboard follows. One watcher a process
//! reads for all who follow the same organization; each of them sees the sessions of their classes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{Stream, stream};
use sea_orm::FromQueryResult;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use uuid::Uuid;

use super::{COLUMNS, Session};
use crate::Service;
use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::events::SessionsSeat;
use crate::follow::{self, Followed, Looks};
use crate::id::{ClassId, OrganizationId, SessionId};
use crate::scope::Scope;
use crate::{access, classes};

/// A change is looked for so long behind the last look: the transaction that made it may have taken
/// a while, on a machine with another clock.
const OVERLAP: TimeDelta = TimeDelta::seconds(30);
/// For so long somebody is taken to have a part in a class, or none.
const TRUSTED: Duration = Duration::from_secs(5);
/// Sessions that are read at once.
const CHUNK: usize = 1000;

#[derive(FromQueryResult)]
struct Touched {
    touched_at: DateTime<Utc>,
    #[sea_orm(nested)]
    session: Session,
}

async fn touched_since(service: &Service, organization: OrganizationId, since: DateTime<Utc>) -> Result<Vec<Touched>> {
    let sql = format!(
        "SELECT {COLUMNS}, s.touched_at FROM session s WHERE s.organization_id = $1 AND (s.touched_at, s.id) > ($2, $3) \
         ORDER BY s.touched_at, s.id LIMIT {CHUNK}"
    );
    let mut all: Vec<Touched> = Vec::new();
    loop {
        let last = all.last().map(|last| (last.touched_at, last.session.id));
        let (at, id) = last.unwrap_or((since, SessionId(Uuid::nil())));
        let values = vec![organization.into(), at.into(), id.into()];
        let some: Vec<Touched> = service.db.reader().all(&sql, values).await?;
        let done = some.len() < CHUNK;
        all.extend(some);
        if done {
            return Ok(all);
        }
    }
}

/// What the watcher of an organization has seen.
#[derive(Debug)]
pub(crate) struct Watcher {
    organization: OrganizationId,
    begun: DateTime<Utc>,
    latest: DateTime<Utc>,
    /// Whether what is known is all there was at a look: whatever differs then is news, however
    /// long its transaction took.
    has_looked: bool,
    known: HashMap<SessionId, (DateTime<Utc>, Session)>,
}

impl Watcher {
    pub fn new(organization: OrganizationId, begun: DateTime<Utc>) -> Self {
        Self {
            organization,
            begun,
            latest: begun,
            has_looked: false,
            known: HashMap::new(),
        }
    }

    /// Sessions that are not as they were at the last look.
    pub async fn look(&mut self, service: &Service) -> Result<Vec<Arc<Session>>> {
        let touched = touched_since(service, self.organization, self.latest - OVERLAP).await?;
        let mut changed = Vec::new();
        for Touched { touched_at, session } in touched {
            let same = self.known.get(&session.id).is_some_and(|known| known.1 == session);
            if !same && (self.has_looked || touched_at >= self.begun) {
                changed.push(Arc::new(session.clone()));
            }
            self.latest = self.latest.max(touched_at);
            self.known.insert(session.id, (touched_at, session));
        }
        self.has_looked = true;
        let forgotten = self.latest - OVERLAP * 2;
        self.known.retain(|_, (at, _)| *at >= forgotten);
        Ok(changed)
    }
}

struct Follower {
    service: Service,
    scope: Scope,
    organization: OrganizationId,
    class: Option<ClassId>,
    seat: SessionsSeat,
    waiting: VecDeque<Arc<Session>>,
    /// Classes, whether the follower has a part in them, and since when that is known.
    parts: HashMap<ClassId, (bool, Instant)>,
    heard: DateTime<Utc>,
}

/// Changes from now on; of one class, which must be the asker's, or of all of theirs.
pub async fn watch(
    service: &Service,
    scope: &Scope,
    class: Option<ClassId>,
    again: Looks,
) -> Result<impl Stream<Item = Arc<Session>> + Send + use<>> {
    let organization = scope.viewer()?.organization;
    if let Some(class) = class
        && classes::by_ids(service, scope, &[class]).await?.is_empty()
    {
        return Err(Error::NotFound("class"));
    }
    let follower = Follower {
        service: service.clone(),
        scope: scope.clone(),
        organization,
        class,
        seat: service.hub().sessions_of(service, organization),
        waiting: VecDeque::new(),
        parts: HashMap::new(),
        heard: service.now(),
    };
    let changes = stream::unfold(follower, |mut me| async move {
        loop {
            while let Some(session) = me.waiting.pop_front() {
                match me.has_part(session.class_id).await {
                    Ok(true) => return Some((session, me)),
                    Ok(false) => {}
                    Err(error) if error.is_transient() => {
                        me.waiting.push_front(session);
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                    Err(error) => {
                        tracing::error!(%error, "a subscription to sessions ends");
                        return None;
                    }
                }
            }
            match me.seat.receiver.recv().await {
                Ok(session) => {
                    me.heard = me.service.now();
                    me.waiting.push_back(session);
                }
                Err(RecvError::Lagged(_)) => me.catch_up().await,
                Err(RecvError::Closed) => return None,
            }
        }
    });
    let what = class.map_or(Followed::Whatever, Followed::Class);
    Ok(follow::while_reached(changes, service, scope, what, again))
}

impl Follower {
    async fn has_part(&mut self, class: ClassId) -> Result<bool> {
        if self.class.is_some_and(|only| only != class) {
            return Ok(false);
        }
        if let Some((part, since)) = self.parts.get(&class)
            && since.elapsed() < TRUSTED
        {
            return Ok(*part);
        }
        let mut values = Values::default();
        let id = values.push(class);
        let visible = access::by_class(&self.scope, &mut values, "c.organization_id", "c.id");
        let sql = format!("SELECT c.id FROM class c WHERE c.id = {id} AND {visible}");
        let found: Option<Part> = self.service.db.reader().one(&sql, values.done()).await?;
        self.parts.retain(|_, (_, since)| since.elapsed() < TRUSTED);
        self.parts.insert(class, (found.is_some(), Instant::now()));
        Ok(found.is_some())
    }

    /// Too slow for the news: what changed meanwhile is read, as it is now.
    async fn catch_up(&mut self) {
        let touched = loop {
            match touched_since(&self.service, self.organization, self.heard - OVERLAP).await {
                Ok(touched) => break touched,
                Err(error) => tracing::debug!(%error, "cannot catch up with sessions"),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        self.heard = self.service.now();
        self.waiting.extend(touched.into_iter().map(|t| Arc::new(t.session)));
    }
}

#[derive(FromQueryResult)]
struct Part {
    #[expect(dead_code, reason = "that it is there says all")]
    id: ClassId,
}
