//! Automatic persisted queries: a client sends the hash of a query in place of its text, and the
//! text only when we don't know it.
//!
//! Not async-graphql's extension: it keeps what anybody sends, of any size and unseen, and gives
//! a parsed document out without its text, which our own guard measures.
//!
//! Protocol: <https://www.apollographql.com/docs/apollo-server/performance/apq>

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextPrepareRequest};
use async_graphql::{ErrorExtensionValues, Request, ServerError, ServerResult, Value, from_value};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::auth::{Auth, asker};

const EXTENSION: &str = "persistedQuery";
const VERSION: i64 = 1;
/// Clients compare both to the letter, and send the text after them.
const NOT_FOUND: &str = "PersistedQueryNotFound";
const NOT_FOUND_CODE: &str = "PERSISTED_QUERY_NOT_FOUND";

/// 16 MB in all.
const MAX_QUERIES: usize = 1000;
const MAX_QUERY_BYTES: usize = 16 * 1024;

/// Completes requests that carry a hash. Belongs before [`Codes`](super::error::Codes), which
/// guards against texts that ask for too much: those from here go through it like others.
#[derive(Clone, Debug, Default)]
pub struct PersistedQueries(Arc<Mutex<Queries>>);

impl ExtensionFactory for PersistedQueries {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(self.clone())
    }
}

#[derive(Deserialize)]
struct Persisted {
    version: i64,
    #[serde(default, rename = "sha256Hash")]
    hash: String,
}

#[async_trait::async_trait]
impl Extension for PersistedQueries {
    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        mut request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        let Some(persisted) = request.extensions.remove(EXTENSION) else {
            return next.run(ctx, request).await;
        };
        let hash = hash(persisted)?;
        if request.query.is_empty() {
            let known = self.with(|queries| queries.get(&hash));
            request.query = known.ok_or_else(not_found)?.to_string();
            return next.run(ctx, request).await;
        }
        if hash_of(&request.query) != hash {
            return refuse("The query is not the one that extensions.persistedQuery.sha256Hash is of");
        }
        // Strangers may use it, not fill it.
        let signed_in = matches!(asker(ctx, &request), Some(Auth::Viewer(_)));
        let keep = signed_in && request.query.len() <= MAX_QUERY_BYTES;
        let text: Option<Arc<str>> = keep.then(|| request.query.as_str().into());
        let request = next.run(ctx, request).await?;
        // Only now is it known to be a query within the limits.
        if let Some(text) = text {
            self.with(|queries| queries.put(hash, text));
        }
        Ok(request)
    }
}

impl PersistedQueries {
    fn with<T>(&self, f: impl FnOnce(&mut Queries) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn refuse<T>(message: impl Into<String>) -> ServerResult<T> {
    Err(ServerError::new(message, None))
}

fn not_found() -> ServerError {
    let mut error = ServerError::new(NOT_FOUND, None);
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", NOT_FOUND_CODE);
    error.extensions = Some(extensions);
    error
}

/// The hash that a request carries, in small letters.
fn hash(persisted: Value) -> ServerResult<String> {
    let Ok(Persisted { version, mut hash }) = from_value::<Persisted>(persisted) else {
        return refuse("extensions.persistedQuery has a version and a sha256Hash");
    };
    if version != VERSION {
        return refuse(format!("Only version {VERSION} of persisted queries is supported"));
    }
    if hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return refuse("extensions.persistedQuery.sha256Hash has 64 hexadecimal digits");
    }
    hash.make_ascii_lowercase();
    Ok(hash)
}

pub(super) fn hash_of(query: &str) -> String {
    Sha256::digest(query).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Texts by their hash; the one that was not asked for for the longest time makes room.
#[derive(Debug, Default)]
struct Queries {
    texts: HashMap<String, Kept>,
    /// Counts uses.
    now: u64,
}

#[derive(Debug)]
struct Kept {
    text: Arc<str>,
    used: u64,
}

impl Queries {
    fn get(&mut self, hash: &str) -> Option<Arc<str>> {
        self.now += 1;
        let kept = self.texts.get_mut(hash)?;
        kept.used = self.now;
        Some(Arc::clone(&kept.text))
    }

    fn put(&mut self, hash: String, text: Arc<str>) {
        if self.texts.len() >= MAX_QUERIES && !self.texts.contains_key(&hash) {
            // A look at a thousand numbers, and only when somebody sends a new text.
            let oldest = self.texts.iter().min_by_key(|(_, kept)| kept.used);
            let oldest = oldest.map(|(hash, _)| hash.clone());
            oldest.and_then(|hash| self.texts.remove(&hash));
        }
        self.now += 1;
        self.texts.insert(hash, Kept { text, used: self.now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_makes_room() {
        let mut queries = Queries::default();
        for i in 0..MAX_QUERIES {
            queries.put(i.to_string(), "{ a }".into());
        }
        assert!(queries.get("0").is_some());
        queries.put("0".to_owned(), "{ a }".into());
        assert!(queries.get("1").is_some(), "one that is known needs no room");
        for i in 0..10 {
            queries.put(format!("new {i}"), "{ b }".into());
        }
        assert_eq!(queries.texts.len(), MAX_QUERIES);
        assert!(queries.get("0").is_some() && queries.get("1").is_some() && queries.get("new 0").is_some());
        assert!((2..12).all(|i| queries.get(&i.to_string()).is_none()));
    }

    #[test]
    fn a_hash_is_written_as_clients_write_it() {
        // Apollo's own example.
        let hash = "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38";
        assert_eq!(hash_of("{__typename}"), hash);
    }
}
