//! How deep and how complex an operation may be, and the words that tell a client so:
//! async-graphql says that it was too much, and not how much is allowed.

use std::sync::Arc;

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation};
use async_graphql::{ServerError, ValidationResult};

/// Deep enough for what tools ask of the schema itself (nine `ofType` in each other), too shallow
/// for a loop of relations.
pub(super) const MAX_DEPTH: usize = 16;
/// A page of 100 with a hundred fields each; not a page of pages of pages.
pub(super) const MAX_COMPLEXITY: usize = 10_000;

/// Completes async-graphql's refusals with the limit.
pub(super) struct Explain;

impl ExtensionFactory for Explain {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for Explain {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        next.run(ctx).await.map_err(|mut errors| {
            for error in &mut errors {
                // There is no other mark on them than their text; a test holds it still.
                if error.message == "Query is too complex." {
                    error.message = format!(
                        "The operation is too complex: its fields, those of lists counted for each item of the page, \
                         may be at most {MAX_COMPLEXITY}"
                    );
                } else if error.message == "Query is nested too deep." {
                    error.message = format!("The operation is nested too deep: at most {MAX_DEPTH} levels are allowed");
                }
            }
            errors
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::builder;

    async fn refused(query: &str) -> String {
        let mut answer = builder().finish().execute(query).await;
        answer.errors.remove(0).message
    }

    #[tokio::test]
    async fn a_refusal_tells_the_limit() {
        let around = |times: usize| format!("{}id{}", "class { latestSession { ".repeat(times), " } }".repeat(times));
        let deep = refused(&format!("{{ session(id: \"a\") {{ {} }} }}", around(8))).await;
        assert!(deep.contains("at most 16 levels"), "{deep}");
        let pages = "class { students(first: 100) { nodes { classes(first: 100) { nodes { id name } } } } }";
        let complex = refused(&format!("{{ session(id: \"a\") {{ {pages} }} }}")).await;
        assert!(complex.contains("at most 10000"), "{complex}");
    }
}
