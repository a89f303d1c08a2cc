//! The schema of the contract over the service.

mod batch;
mod connection;
pub(crate) mod ids;
mod inputs;
mod limits;
mod loaders;
mod mutation;
mod node;
mod query;
mod scalars;
#[expect(clippy::doc_markdown, reason = "descriptions for clients, in the contract's words")]
mod subscription;
#[expect(clippy::doc_markdown, reason = "descriptions for clients, in the contract's words")]
#[expect(clippy::unused_async, reason = "async-graphql wants its resolvers async")]
mod types;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextPrepareRequest};
use async_graphql::{Context, QueryPathSegment, Request, SDLExportOptions, Schema, ServerResult};
use service::{Scope, Service, Viewer};

use crate::http::auth::{Auth, asker};
use crate::http::error::{Codes, extend};
use crate::http::{Measure, NoIntrospection, PersistedQueries};
use loaders::Loaders;
use mutation::Mutation;
use query::Query;
use subscription::Subscription;

pub type MusterSchema = Schema<Query, Mutation, Subscription>;

type Builder = async_graphql::SchemaBuilder<Query, Mutation, Subscription>;

fn builder() -> Builder {
    Schema::build(Query::default(), Mutation::default(), Subscription)
        .register_output_type::<types::Node>()
        .limit_depth(limits::MAX_DEPTH)
        .limit_complexity(limits::MAX_COMPLEXITY)
        .extension(Measure)
        .extension(PersistedQueries::default())
        .extension(Codes)
        .extension(limits::Explain)
        .extension(PerOperation)
}

/// `introspection`: whether clients may ask for the schema.
pub fn schema(service: Service, introspection: bool) -> MusterSchema {
    let builder = builder().data(service);
    if introspection {
        builder.finish()
    } else {
        closed(builder).finish()
    }
}

/// Tells nothing of itself, neither when it is asked nor by guessing what was meant.
fn closed(builder: Builder) -> Builder {
    builder
        .disable_introspection()
        .disable_suggestions()
        .extension(NoIntrospection)
}

/// The class that a global id names, where it is one of a class.
pub fn class_id(text: &str) -> Option<service::id::ClassId> {
    ids::NodeId::parse(&async_graphql::ID(text.to_owned()))
}

/// The schema as clients read it.
pub fn sdl() -> String {
    let options = SDLExportOptions::new().prefer_single_line_descriptions();
    builder().finish().sdl_with_options(options)
}

/// Whom root fields of an operation signed in, by the fields' names in the answer: what is selected
/// below such a field is asked by them, whoever sent the operation.
#[derive(Default)]
struct SignedIn(Mutex<HashMap<String, (Viewer, Arc<Loaders>)>>);

impl SignedIn {
    fn find(ctx: &Context<'_>) -> Option<(Viewer, Arc<Loaders>)> {
        let root = root_field(ctx)?;
        let fields = &ctx.data_opt::<Self>()?.0;
        fields.lock().unwrap_or_else(PoisonError::into_inner).get(root).cloned()
    }
}

fn root_field<'c>(ctx: &Context<'c>) -> Option<&'c str> {
    let mut node = ctx.path_node.as_ref()?;
    while let Some(parent) = node.parent {
        node = parent;
    }
    match node.segment {
        QueryPathSegment::Name(name) => Some(name),
        QueryPathSegment::Index(_) => None,
    }
}

/// From here on this root field speaks for somebody who has just signed in.
fn sign_in(ctx: &Context<'_>, viewer: &Viewer) -> async_graphql::Result<()> {
    let loaders = Loaders::new(service(ctx)?.clone(), viewer.clone().into());
    if let (Some(root), Ok(signed_in)) = (root_field(ctx), ctx.data::<SignedIn>()) {
        let mut fields = signed_in.0.lock().unwrap_or_else(PoisonError::into_inner);
        fields.insert(root.to_owned(), (viewer.clone(), Arc::new(loaders)));
    }
    Ok(())
}

/// Gives each operation loaders of its own: what they know is as old as the operation.
struct PerOperation;

impl ExtensionFactory for PerOperation {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for PerOperation {
    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        let request = next.run(ctx, request).await?.data(SignedIn::default());
        let asker = asker(ctx, &request);
        let (Some(Auth::Viewer(viewer)), Some(service)) = (asker, ctx.data_opt::<Service>()) else {
            return Ok(request);
        };
        Ok(request.data(Arc::new(Loaders::new(service.clone(), viewer.into()))))
    }
}

fn service<'c>(ctx: &Context<'c>) -> async_graphql::Result<&'c Service> {
    ctx.data::<Service>()
}

fn viewer(ctx: &Context<'_>) -> async_graphql::Result<Viewer> {
    match SignedIn::find(ctx) {
        Some((viewer, _)) => Ok(viewer),
        None => crate::http::auth::viewer(ctx),
    }
}

fn scope(ctx: &Context<'_>) -> async_graphql::Result<Scope> {
    viewer(ctx).map(Scope::from)
}

fn loaders(ctx: &Context<'_>) -> async_graphql::Result<Arc<Loaders>> {
    SignedIn::find(ctx)
        .map(|(_, loaders)| loaders)
        .or_else(|| ctx.data_opt::<Arc<Loaders>>().cloned())
        .ok_or_else(|| extend(service::Error::Unauthenticated))
}

/// A service's answer as a resolver gives it.
trait Answer<T> {
    fn answer(self) -> async_graphql::Result<T>;
}

impl<T> Answer<T> for service::Result<T> {
    fn answer(self) -> async_graphql::Result<T> {
        self.map_err(extend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GraphiQL, code generators and linters all begin with this question.
    #[tokio::test]
    async fn tools_may_read_the_schema() {
        let of_type = (0..9).fold("kind name".to_owned(), |inner, _| {
            format!("kind name ofType {{ {inner} }}")
        });
        let input = format!("name description defaultValue type {{ {of_type} }}");
        let query = format!(
            "{{ __schema {{ queryType {{ name }} mutationType {{ name }} subscriptionType {{ name }} types {{ \
             kind name description specifiedByURL fields(includeDeprecated: true) {{ name description \
             args {{ {input} }} type {{ {of_type} }} isDeprecated deprecationReason }} \
             inputFields {{ {input} }} interfaces {{ {of_type} }} \
             enumValues(includeDeprecated: true) {{ name description isDeprecated deprecationReason }} \
             possibleTypes {{ {of_type} }} }} \
             directives {{ name description locations args {{ {input} }} }} }} }}"
        );
        let answer = builder().finish().execute(query).await;
        assert!(answer.errors.is_empty(), "{:?}", answer.errors);
    }

    #[tokio::test]
    async fn a_closed_schema_tells_nothing_of_itself() {
        let (open, closed) = (builder().finish(), closed(builder()).finish());
        for query in [
            "{ __schema { queryType { name } } }",
            "{ __type(name: \"Query\") { name } }",
        ] {
            assert!(open.execute(query).await.errors.is_empty());
            let answer = closed.execute(query).await;
            assert!(answer.errors[0].message.contains("switched off"), "{:?}", answer.errors);
        }
        assert!(closed.execute("{ __typename }").await.errors.is_empty());
        for (schema, helpful) in [(&open, true), (&closed, false)] {
            let answer = schema.execute("{ sesion(id: \"a\") { id } }").await;
            assert_eq!(
                answer.errors[0].message.contains("Did you mean"),
                helpful,
                "{:?}",
                answer.errors
            );
        }
    }
}
