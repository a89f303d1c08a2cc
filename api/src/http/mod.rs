//! The transport: HTTP and WebSocket in, a GraphQL request with its asker out. Limits, codes
//! and closings are settled here; this module knows no type of the schema.

mod backend;
mod body;
mod codes;
mod connection;
mod console;
mod cors;
mod demand;
mod exposure;
mod files;
mod gate;
mod graphiql;
mod guard;
mod headers;
mod introspection;
mod limits;
mod measure;
mod media;
mod multipart;
mod operations;
mod patience;
mod persisted;
mod post;
mod protocol;
mod request;
mod revocations;
mod running;
mod shell;
mod socket;
mod status;
mod turns;

pub mod auth;
pub mod error;
pub mod origin;
pub mod upload;

#[cfg(test)]
#[expect(clippy::unused_async, reason = "async-graphql wants its resolvers async")]
mod tests;

use std::sync::Arc;

use async_graphql::Executor;
use poem::{Endpoint, Response, Route, get, post};

pub use self::backend::Backend;
pub use self::exposure::{Exposure, WebOrigin};
pub use self::introspection::NoIntrospection;
pub use self::limits::Limits;
pub use self::measure::{Measure, register};
pub use self::origin::Proxies;
pub use self::patience::Patient;
pub use self::persisted::PersistedQueries;
pub use self::socket::Lifetime;
pub use self::status::{Render, router as status};

use self::cors::Cors;
use self::headers::Headers;
use self::media::{Live, Media, Ready};
use self::post::Post;
use self::request::Known;
use self::shell::Shell;
use self::socket::Socket;
use self::turns::Turns;

/// Everything that the server answers. `schema` is one with [`error::Codes`] among its
/// extensions; `backend` is the service; clients reach us at `public_url`.
pub fn router<E: Executor, B: Backend>(
    schema: E,
    backend: B,
    limits: Limits,
    exposure: Exposure,
    public_url: &str,
    lifetime: Lifetime,
) -> impl Endpoint<Output = Response> + 'static {
    let proxies = limits.trusted_proxies.clone();
    let limits = Arc::new(limits);
    let turns = Arc::new(Turns::new(&limits));
    let requests = Post::new(schema.clone(), backend.clone(), Arc::clone(&limits), Arc::clone(&turns));
    let sockets = Socket::new(schema, backend.clone(), limits, turns, lifetime);
    let pictures = Media {
        backend: backend.clone(),
        embeddable: !exposure.cors_origins.is_empty(),
    };
    let mut routes = Route::new()
        .at("/", get(console::Page))
        .at("/console/:file", get(console::Asset))
        .at("/graphql", post(requests))
        .at("/graphql/ws", get(sockets))
        .at("/health/live", get(Live))
        .at("/health/ready", get(Ready(backend)))
        .at("/media/:token", get(pictures));
    if exposure.introspection {
        routes = routes
            .at("/graphiql", get(graphiql::Page))
            .at("/graphiql/:file", get(graphiql::Asset));
    }
    let own = WebOrigin::of_address(public_url);
    let tls = own.as_ref().is_some_and(WebOrigin::is_https);
    let answers = Headers::new(Cors::new(Shell::new(routes), own, exposure.cors_origins), tls);
    Known::new(answers, proxies)
}
