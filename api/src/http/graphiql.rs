//! GraphiQL at /graphiql, with all its files inside the binary: it works without the internet.

use poem::{Endpoint, Request, Response, Result};

use super::files::{self, File, files};

/// Only its own scripts; the editor and the panes set styles from script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static FILES: [File; 8] = files!("graphiql/" {
    "index.html" PAGE ALWAYS_ASK
    "react-18.3.1.min.js" SCRIPT FOR_EVER
    "react-dom-18.3.1.min.js" SCRIPT FOR_EVER
    "graphql-ws-6.4.2.min.js" SCRIPT FOR_EVER
    "graphiql-4.1.2.min.js" SCRIPT FOR_EVER
    "graphiql-4.1.2.min.css" STYLE FOR_EVER
    "muster.js" SCRIPT ALWAYS_ASK
    "muster.css" STYLE ALWAYS_ASK
});

pub(super) struct Page;

impl Endpoint for Page {
    type Output = Response;

    async fn call(&self, req: Request) -> Result<Response> {
        Ok(FILES[0].answer(&req, Some(POLICY)))
    }
}

pub(super) struct Asset;

impl Endpoint for Asset {
    type Output = Response;

    async fn call(&self, req: Request) -> Result<Response> {
        Ok(files::named(&FILES, &req))
    }
}
