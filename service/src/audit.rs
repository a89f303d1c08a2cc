//! Who changed what, and when. Holds ids, never names or secrets.

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::db::{Sql, Values};
use crate::error::Result;
use crate::housekeeping::Turn;
use crate::id::{AuditId, OrganizationId, PersonId};
use crate::organizations::{self, span};
use crate::page::{self, KeyKind, Order, Page, PageRequest, Placed, SortKey};
use crate::scope::{Scope, Viewer};
use crate::{Service, Tx};

/// One change: `target_type` is a type of the schema, or a word of ours.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Entry {
    pub id: AuditId,
    pub at: DateTime<Utc>,
    pub actor_id: Option<PersonId>,
    pub action: String,
    pub target_type: String,
    pub target_id: Uuid,
    pub summary: String,
}

impl Placed for Entry {
    fn place(&self) -> (SortKey, Uuid) {
        (SortKey::Time(self.at), self.id.0)
    }
}

const COLUMNS: &str = "a.id, a.at, a.actor_id, a.action, a.target_type, a.target_id, a.summary";
const ORDER: Order = Order {
    key: "a.at",
    id: "a.id",
    kind: KeyKind::Time,
    descending: true,
};

/// An organization's log, newest first, for its admins; `days` are both within.
pub async fn list(
    service: &Service,
    scope: &Scope,
    actor: Option<PersonId>,
    days: Option<(NaiveDate, NaiveDate)>,
    page: &PageRequest,
) -> Result<Page<Entry>> {
    let viewer = scope.admin()?;
    let span = days.map(|days| span(viewer.timezone, days)).transpose()?;
    let body = |values: &mut Values| {
        let mut sql = format!(
            "FROM audit a WHERE a.organization_id = {}",
            values.push(viewer.organization)
        );
        if let Some(actor) = actor {
            sql += &format!(" AND a.actor_id = {}", values.push(actor));
        }
        if let Some((from, until)) = span {
            sql += &format!(" AND a.at >= {} AND a.at < {}", values.push(from), values.push(until));
        }
        sql
    };
    page::fetch_long(service.db.reader(), page, ORDER, |_| COLUMNS.into(), body).await
}

pub async fn by_ids(service: &Service, scope: &Scope, ids: &[AuditId]) -> Result<Vec<Entry>> {
    let Ok(viewer) = scope.admin() else {
        return Ok(Vec::new());
    };
    let mut values = Values::default();
    let list = values.list(ids.iter().copied());
    let own = values.push(viewer.organization);
    let sql = format!("SELECT {COLUMNS} FROM audit a WHERE a.id IN {list} AND a.organization_id = {own}");
    service.db.reader().all(&sql, values.done()).await
}

/// Removes entries that are older than the operator keeps them; answers how many.
pub(crate) async fn rotate(service: &Service, turn: &Turn<'_>) -> Result<u64> {
    let until = service.now() - service.audit_kept;
    let (mut gone, mut last) = (0, None);
    while let Some(organization) = organizations::after(service, last).await? {
        gone += turn
            .clear("audit", "id", |values| {
                let own = values.push(organization.id);
                format!("organization_id = {own} AND at < {}", values.push(until))
            })
            .await?;
        turn.goes_on().await?;
        last = Some(organization.id);
    }
    Ok(gone)
}

/// Writes an entry in the transaction of the change itself: `target` is its type and id.
pub(crate) async fn record(
    tx: &Tx<'_>,
    viewer: &Viewer,
    action: &'static str,
    target: (&'static str, Uuid),
    summary: &str,
) -> Result<()> {
    entry(tx, viewer.organization, Some(viewer.person), action, target, summary).await
}

/// The same of several targets.
pub(crate) async fn record_all(
    tx: &Tx<'_>,
    viewer: &Viewer,
    action: &'static str,
    targets: Vec<(&'static str, Uuid)>,
    summary: &str,
) -> Result<()> {
    write(tx, viewer.organization, Some(viewer.person), action, targets, summary).await
}

pub(crate) async fn entry(
    tx: &Tx<'_>,
    organization: OrganizationId,
    actor: Option<PersonId>,
    action: &'static str,
    target: (&'static str, Uuid),
    summary: &str,
) -> Result<()> {
    write(tx, organization, actor, action, vec![target], summary).await
}

async fn write(
    tx: &Tx<'_>,
    organization: OrganizationId,
    actor: Option<PersonId>,
    action: &'static str,
    targets: Vec<(&'static str, Uuid)>,
    summary: &str,
) -> Result<()> {
    let at = tx.service.now();
    let rows = targets
        .into_iter()
        .map(|(target_type, target_id)| entity::audit::Model {
            id: tx.service.new_id(),
            organization_id: organization.0,
            at,
            actor_id: actor.map(|a| a.0),
            action: action.to_owned(),
            target_type: target_type.to_owned(),
            target_id,
            summary: summary.to_owned(),
        });
    tx.insert(rows.collect()).await?;
    Ok(())
}
