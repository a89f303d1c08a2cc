//! Where a request came from.

use async_graphql::Context;
use service::rates::Origin;

/// The client's address, over HTTP and sockets alike.
pub fn origin(ctx: &Context<'_>) -> Origin {
    ctx.data_opt::<Origin>().copied().unwrap_or_default()
}
