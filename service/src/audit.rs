//! Who changed what, and when. Holds ids, never names or secrets.

use uuid::Uuid;

use crate::db::Sql;
use crate::error::Result;
use crate::id::{OrganizationId, PersonId};
use crate::scope::Viewer;
use crate::{Service, Tx};

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

pub(crate) async fn entry(
    tx: &Tx<'_>,
    organization: OrganizationId,
    actor: Option<PersonId>,
    action: &'static str,
    (target_type, target_id): (&'static str, Uuid),
    summary: &str,
) -> Result<()> {
    let service: &Service = tx.service;
    tx.run(
        "INSERT INTO audit (id, organization_id, at, actor_id, action, target_type, target_id, summary) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        vec![
            service.new_id().into(),
            organization.0.into(),
            service.now().into(),
            actor.map(|a| a.0).into(),
            action.into(),
            target_type.into(),
            target_id.into(),
            summary.into(),
        ],
    )
    .await?;
    Ok(())
}
