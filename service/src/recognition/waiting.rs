//! The queue of faces that wait for a person's decision, as a list and as it changes.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use futures_util::Stream;
use sea_orm::FromQueryResult;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use uuid::Uuid;

use super::faces::{self, COLUMNS, Face};
use crate::db::{Scalar, Sql, Values};
use crate::error::Result;
use crate::events::Topic;
use crate::follow::{self, Followed, Looks};
use crate::id::{ClassId, FaceId, OrganizationId};
use crate::page::{self, KeyKind, Order, Page, PageRequest, Placed, SortKey};
use crate::scope::{Scope, Viewer};
use crate::{Service, access, classes};

/// A subscriber looks so often though nothing was announced.
const LOOK: Duration = Duration::from_secs(2);
/// Between two looks, however much is announced.
const PAUSE: Duration = Duration::from_millis(100);
/// A subscriber is told of the oldest so many; those behind enter as these leave.
const FOLLOWED: usize = 1000;
/// Faces read at once.
const AT_ONCE: usize = 50;

impl Placed for Face {
    fn place(&self) -> (SortKey, Uuid) {
        (SortKey::Time(self.created_at), self.id.0)
    }
}

const ORDER: Order = Order {
    key: "f.created_at",
    id: "f.id",
    kind: KeyKind::Time,
    descending: false,
};

/// `FROM … WHERE …`. The organization and the decision stand in words of their own, so that the
/// index of waiting faces serves. Faces of a session that cannot be reviewed do not wait.
fn body(viewer: &Viewer, scope: &Scope, class: Option<ClassId>, values: &mut Values) -> String {
    let organization = values.push(viewer.organization);
    let visible = access::by_class(scope, values, "s.organization_id", "s.class_id");
    let mut sql = format!(
        "FROM face f JOIN session s ON s.id = f.session_id WHERE f.organization_id = {organization} \
         AND f.decision = 'NEEDS_REVIEW' AND f.session_id IS NOT NULL AND s.state IN ('OPEN', 'CLOSED') AND {visible}"
    );
    if let Some(class) = class {
        sql += &format!(" AND s.class_id = {}", values.push(class));
    }
    sql
}

/// The faces that wait in the viewer's classes, oldest first.
pub async fn review_queue(
    service: &Service,
    scope: &Scope,
    class: Option<ClassId>,
    page: &PageRequest,
) -> Result<Page<Face>> {
    let viewer = scope.staff()?;
    page::fetch(
        service.db.reader(),
        page,
        ORDER,
        |_| COLUMNS.into(),
        |values| body(viewer, scope, class, values),
    )
    .await
}

/// How many wait in the viewer's classes.
pub(crate) async fn waiting_faces(service: &Service, scope: &Scope) -> Result<i64> {
    count(service, scope, None).await
}

async fn count(service: &Service, scope: &Scope, class: Option<ClassId>) -> Result<i64> {
    let mut values = Values::default();
    let sql = format!(
        "SELECT COUNT(*) AS value {}",
        body(scope.staff()?, scope, class, &mut values)
    );
    let count: Option<Scalar> = service.db.reader().one(&sql, values.done()).await?;
    Ok(count.map_or(0, |c| c.value))
}

/// A face that entered the queue or left it, and how many wait now.
#[derive(Clone, Debug)]
pub struct ReviewEvent {
    pub entered: bool,
    pub face: Face,
    pub queue_length: i64,
}

#[derive(FromQueryResult)]
struct Id {
    id: FaceId,
}

/// What one subscriber was told, and what they are still to be told.
struct Follower {
    service: Service,
    scope: Scope,
    organization: OrganizationId,
    class: Option<ClassId>,
    news: broadcast::Receiver<Topic>,
    known: BTreeSet<FaceId>,
    changes: VecDeque<(bool, FaceId)>,
    ready: VecDeque<ReviewEvent>,
    length: i64,
    looked: Option<Instant>,
}

/// The waiting faces, then each as it enters or leaves. Whose class is no longer theirs hears of
/// its faces no more: the queue is read with their rights each time.
pub async fn follow_queue(
    service: &Service,
    scope: &Scope,
    class: Option<ClassId>,
    again: Looks,
) -> Result<impl Stream<Item = ReviewEvent> + Send + use<>> {
    let viewer = scope.staff()?;
    if let Some(class) = class {
        classes::reach(service, scope, class).await?;
    }
    let follower = Follower {
        // Heard from before the first look on.
        news: service.announcer.subscribe(),
        service: service.clone(),
        scope: scope.clone(),
        organization: viewer.organization,
        class,
        known: BTreeSet::new(),
        changes: VecDeque::new(),
        ready: VecDeque::new(),
        length: 0,
        looked: None,
    };
    let events = futures_util::stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await;
        Some((event, follower))
    });
    let what = class.map_or(Followed::Whatever, Followed::Class);
    Ok(follow::while_reached(events, service, scope, what, again))
}

impl Follower {
    async fn next(&mut self) -> ReviewEvent {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return event;
            }
            let looked = if self.changes.is_empty() {
                self.wait().await;
                self.look().await
            } else {
                self.read().await
            };
            if let Err(error) = looked {
                tracing::debug!(%error, "a review queue could not be read");
                sleep(LOOK).await;
            }
        }
    }

    /// Until there is a reason to look again.
    async fn wait(&mut self) {
        let Some(looked) = self.looked else { return };
        let end = looked + LOOK;
        loop {
            match timeout_at(end, self.news.recv()).await {
                Ok(Ok(Topic::Reviews(organization))) if organization == self.organization => break,
                Ok(Err(RecvError::Lagged(_))) => break,
                Ok(Ok(_)) => {}
                Ok(Err(RecvError::Closed)) => {
                    sleep_until(end).await;
                    return;
                }
                Err(_) => return,
            }
        }
        sleep_until(looked + PAUSE).await;
    }

    async fn look(&mut self) -> Result<()> {
        self.looked = Some(Instant::now());
        let viewer = self.scope.staff()?;
        let mut values = Values::default();
        let body_of_list = body(viewer, &self.scope, self.class, &mut values);
        let sql = format!("SELECT f.id {body_of_list} ORDER BY f.created_at, f.id LIMIT {FOLLOWED}");
        let ids: Vec<Id> = self.service.db.reader().all(&sql, values.done()).await?;
        self.length = count(&self.service, &self.scope, self.class).await?;
        let now: BTreeSet<FaceId> = ids.iter().map(|row| row.id).collect();
        let left: Vec<FaceId> = self.known.difference(&now).copied().collect();
        let entered = ids.iter().map(|row| row.id).filter(|id| !self.known.contains(id));
        self.changes = left
            .into_iter()
            .map(|id| (false, id))
            .chain(entered.map(|id| (true, id)))
            .collect();
        self.known = now;
        Ok(())
    }

    /// Reads the next few faces that the subscriber is to be told of. What they may no longer see
    /// they are not told of.
    async fn read(&mut self) -> Result<()> {
        let some: Vec<(bool, FaceId)> = self.changes.iter().take(AT_ONCE).copied().collect();
        let ids: Vec<FaceId> = some.iter().map(|(_, id)| *id).collect();
        let found = faces::by_ids(&self.service, &self.scope, &ids).await?;
        self.changes.drain(..some.len());
        for (entered, id) in some {
            if let Some(face) = found.iter().find(|face| face.id == id) {
                self.ready.push_back(ReviewEvent {
                    entered,
                    face: face.clone(),
                    queue_length: self.length,
                });
            }
        }
        Ok(())
    }
}
