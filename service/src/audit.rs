//! Who changed what, and when. Holds ids, never names or secrets.

use uuid::Uuid;

use crate::Tx;
use crate::error::Result;
use crate::id::{OrganizationId, PersonId};
use crate::scope::Viewer;

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
