//! The log of what was changed.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use service::audit::Entry;

use super::{Node, User};
use crate::graphql::connection::{bounded, connection};
use crate::graphql::ids::{AnyId, NodeId};
use crate::graphql::node;

#[derive(Clone)]
pub struct AuditEntry(pub Entry);

impl From<Entry> for AuditEntry {
    fn from(entry: Entry) -> Self {
        Self(entry)
    }
}

#[Object]
impl AuditEntry {
    pub async fn id(&self) -> ID {
        self.0.id.global()
    }

    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }

    async fn actor(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<User>> {
        User::load_optional(ctx, self.0.actor_id).await
    }

    async fn action(&self) -> &str {
        &self.0.action
    }

    async fn target_type(&self) -> &str {
        &self.0.target_type
    }

    async fn target_id(&self) -> ID {
        match AnyId::of_type(&self.0.target_type, self.0.target_id) {
            Some(id) => id.global(),
            // Of what is no node, such as feedback.
            None => ID(self.0.target_id.simple().to_string()),
        }
    }

    async fn target(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Node>> {
        match AnyId::of_type(&self.0.target_type, self.0.target_id) {
            Some(id) => node::beside(ctx, id).await,
            None => Ok(None),
        }
    }

    async fn summary(&self) -> &str {
        &self.0.summary
    }
}

connection!(AuditEntryConnection, AuditEntryEdge, AuditEntry, Option<i32>, bounded);
