//! The schema, kept from clients where the operator switched introspection off. Not a secret
//! after that: whoever guesses a field learns whether it is there. `__typename` always answers,
//! since clients keep their caches by it.

use std::sync::Arc;

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextPrepareRequest};
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Request, ServerError, ServerResult};

/// Refuses operations that ask for the schema. Belongs behind [`Codes`](super::error::Codes),
/// which looks at nesting first.
#[derive(Clone, Copy, Debug)]
pub struct NoIntrospection;

impl ExtensionFactory for NoIntrospection {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for NoIntrospection {
    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        mut request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        if asks_for_schema(request.parsed_query()?) {
            return Err(ServerError::new("Introspection is switched off on this server", None));
        }
        next.run(ctx, request).await
    }
}

fn asks_for_schema(document: &ExecutableDocument) -> bool {
    let operations = document
        .operations
        .iter()
        .map(|(_, operation)| &operation.node.selection_set);
    let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set);
    operations.chain(fragments).any(|set| set_asks(&set.node))
}

fn set_asks(set: &SelectionSet) -> bool {
    set.items.iter().any(|item| match &item.node {
        Selection::Field(field) => {
            matches!(field.node.name.node.as_str(), "__schema" | "__type") || set_asks(&field.node.selection_set.node)
        }
        Selection::InlineFragment(inline) => set_asks(&inline.node.selection_set.node),
        // Every fragment is looked at for itself.
        Selection::FragmentSpread(_) => false,
    })
}
