//! The schema extension that makes every answer keep the contract's rules for errors, over
//! HTTP and sockets: a code on each error, a panic is one INTERNAL error, and a query that
//! would exhaust us is an error as well.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextPrepareRequest, NextRequest, NextSubscribe,
};
use async_graphql::{Pos, Request, Response, ServerResult};
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};

use super::error::{complete, panicked};
use super::guard;

#[derive(Clone, Copy, Debug)]
pub struct Codes;

impl ExtensionFactory for Codes {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for Codes {
    async fn request(&self, ctx: &ExtensionContext<'_>, next: NextRequest<'_>) -> Response {
        // Nothing that the panic left half-changed is looked at again: the request ends here.
        AssertUnwindSafe(next.run(ctx))
            .catch_unwind()
            .await
            .map_or_else(|panic| after_panic(&*panic), completed)
    }

    fn subscribe<'s>(
        &self,
        ctx: &ExtensionContext<'_>,
        stream: BoxStream<'s, Response>,
        next: NextSubscribe<'_>,
    ) -> BoxStream<'s, Response> {
        AssertUnwindSafe(next.run(ctx, stream))
            .catch_unwind()
            .map(|item| item.map_or_else(|panic| after_panic(&*panic), completed))
            .boxed()
    }

    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        mut request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        guard::check(&mut request)?;
        next.run(ctx, request).await
    }
}

fn completed(mut response: Response) -> Response {
    response.errors.iter_mut().for_each(complete);
    response
}

fn after_panic(panic: &(dyn std::any::Any + Send)) -> Response {
    let mut error = panicked(panic).into_server_error(Pos::default());
    error.locations.clear();
    Response::from_errors(vec![error])
}

#[cfg(test)]
#[expect(clippy::unused_async, reason = "async-graphql wants its resolvers async")]
mod tests {
    use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};

    use super::*;

    struct Query;

    #[Object]
    impl Query {
        async fn plain(&self) -> async_graphql::Result<i32> {
            Err(std::io::Error::other("/secret/path").into())
        }

        async fn panics(&self, values: Option<Vec<i32>>) -> i32 {
            values.map_or_else(|| panic!("secret"), |values| values[7])
        }

        async fn day(&self, at: chrono::DateTime<chrono::Utc>) -> i64 {
            at.timestamp()
        }
    }

    async fn run(query: &str) -> serde_json::Value {
        let schema = Schema::build(Query, EmptyMutation, EmptySubscription)
            .extension(Codes)
            .limit_depth(5)
            .finish();
        serde_json::to_value(schema.execute(query).await).unwrap()
    }

    #[tokio::test]
    async fn every_error_has_a_code_and_ours_have_no_detail() {
        for query in ["{", "{ nothing }", "query A { plain } query B { plain }", ""] {
            let answer = run(query).await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST");
        }
        let answer = run("{ day(at: \"yesterday\") }").await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST");
        for query in ["{ plain }", "{ panics }"] {
            let answer = run(query).await;
            let extensions = &answer["errors"][0]["extensions"];
            assert_eq!(extensions["code"], "INTERNAL", "{answer}");
            assert!(extensions["correlationId"].is_string());
            assert!(!answer.to_string().contains("secret"), "{answer}");
        }
    }

    #[tokio::test]
    async fn queries_that_would_exhaust_us_are_refused() {
        let nested = format!("{{ panics(values: {}{}) }}", "[".repeat(700), "]".repeat(700));
        let fragments = (0..30).map(|i| format!(" fragment F{i} on Query {{ ...F{0} ...F{0} }}", i + 1));
        let fragments: String = fragments.collect();
        for query in [
            nested,
            format!("{{ ...F0 }} {fragments} fragment F30 on Query {{ plain }}"),
        ] {
            let answer = run(&query).await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST");
        }
    }
}
