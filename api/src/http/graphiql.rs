//! GraphiQL at /graphiql, with all its files inside the binary: it works without the internet.

use poem::http::header;
use poem::{Body, Endpoint, Request, Response, Result};

use super::error::Refusal;

/// Only its own scripts; the editor and the panes set styles from script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// A year: the names of the files carry their versions.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ALWAYS_ASK: &str = "no-cache";

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

struct File {
    name: &'static str,
    content_type: &'static str,
    cache: &'static str,
    bytes: &'static [u8],
}

macro_rules! files {
    ($($name:literal $content_type:ident $cache:ident)+) => {
        [$(File {
            name: $name,
            content_type: $content_type,
            cache: $cache,
            bytes: include_bytes!(concat!("../../assets/graphiql/", $name)),
        }),+]
    };
}

static FILES: [File; 7] = files! {
    "react-18.3.1.min.js" SCRIPT FOR_EVER
    "react-dom-18.3.1.min.js" SCRIPT FOR_EVER
    "graphql-ws-6.4.2.min.js" SCRIPT FOR_EVER
    "graphiql-4.1.2.min.js" SCRIPT FOR_EVER
    "graphiql-4.1.2.min.css" STYLE FOR_EVER
    "muster.js" SCRIPT ALWAYS_ASK
    "muster.css" STYLE ALWAYS_ASK
};

pub(super) struct Page;

impl Endpoint for Page {
    type Output = Response;

    async fn call(&self, _: Request) -> Result<Response> {
        Ok(Response::builder()
            .content_type("text/html; charset=utf-8")
            .header(header::CACHE_CONTROL, ALWAYS_ASK)
            .header(header::CONTENT_SECURITY_POLICY, POLICY)
            .body(include_str!("../../assets/graphiql/index.html")))
    }
}

pub(super) struct Asset;

impl Endpoint for Asset {
    type Output = Response;

    async fn call(&self, req: Request) -> Result<Response> {
        let name = req.raw_path_param("file").unwrap_or_default();
        let Some(file) = FILES.iter().find(|file| file.name == name) else {
            let refusal = Refusal::new("NOT_FOUND", "There is nothing at this address");
            return Ok(refusal.into_response());
        };
        Ok(Response::builder()
            .content_type(file.content_type)
            .header(header::CACHE_CONTROL, file.cache)
            .body(Body::from(file.bytes)))
    }
}
