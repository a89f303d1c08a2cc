//! GraphQL requests with files, by the GraphQL multipart request specification: the parts
//! `operations`, `map` and then the files. The map is checked whole before a byte of a file is
//! kept; what it claims and the request doesn't hold is an error that says which.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_graphql::{Request, Value, Variables};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{Stream, StreamExt};
use multer::{Field, Multipart};
use serde::de::{Deserializer, MapAccess, Visitor};

use super::body::{BodyError, size};
use super::error::Refusal;
use super::operations::parse_request;
use super::upload::{Uploads, marker};

/// Queries and variables; photos as base64 belong in a JSON body.
const OPERATIONS_BYTES: u64 = 1024 * 1024;
const MAP_BYTES: u64 = 64 * 1024;
/// multer searches its whole buffer again for each piece while it looks for the end of a part's
/// headers: what it may gather without a step forward is bounded, so that the search is.
const UNPARSED_BYTES: usize = 1024 * 1024;

#[derive(Clone, Copy, Debug)]
pub(super) struct FileLimits {
    pub bytes: u64,
    pub count: usize,
}

/// A multipart body under way.
pub(super) struct Parts {
    inner: Multipart<'static>,
    unparsed: Arc<AtomicUsize>,
}

impl Parts {
    pub(super) fn new(pieces: impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static, boundary: String) -> Self {
        let unparsed = Arc::new(AtomicUsize::new(0));
        let gathered = Arc::clone(&unparsed);
        let guarded = pieces.map(move |piece| {
            let piece = piece.map_err(PartError::Body)?;
            let before = gathered.fetch_add(piece.len(), Ordering::Relaxed);
            if before > UNPARSED_BYTES {
                return Err(PartError::Headers);
            }
            Ok(piece)
        });
        Self {
            inner: Multipart::new(guarded, boundary),
            unparsed,
        }
    }

    /// The request, with markers in its variables, and its files.
    pub(super) async fn read(&mut self, limits: FileLimits) -> Result<(Request, Uploads), Refusal> {
        let operations = self.named("operations", OPERATIONS_BYTES).await?;
        let mut request = parse_request(&operations)?;
        let map = self.named("map", MAP_BYTES).await?;
        let names = place(&mut request.variables, &parse_map(&map)?, limits.count)?;
        let mut files: Vec<Option<Bytes>> = vec![None; names.len()];
        while let Some(mut field) = self.next().await? {
            let name = field.name().unwrap_or_default().to_owned();
            let file = names.get(&name).and_then(|&index| files.get_mut(index));
            match file {
                None => {
                    return Err(Refusal::bad_request(format!(
                        "The part {} is not in the map",
                        quoted(&name)
                    )));
                }
                Some(Some(_)) => {
                    return Err(Refusal::bad_request(format!("There are two parts {}", quoted(&name))));
                }
                Some(file) => {
                    let too_large = || {
                        Refusal::new(
                            "PAYLOAD_TOO_LARGE",
                            format!("A file may have at most {}", size(limits.bytes)),
                        )
                    };
                    *file = Some(
                        contents(&self.unparsed, &mut field, limits.bytes, too_large)
                            .await?
                            .freeze(),
                    );
                }
            }
        }
        let files = files.into_iter().collect::<Option<Vec<_>>>();
        let files = files.ok_or_else(|| Refusal::bad_request("The map names a file that is not among the parts"))?;
        Ok((request, Uploads(files)))
    }

    /// Reads what is left and forgets it, so that a client that sends all before it listens
    /// hears why it was refused.
    pub(super) async fn discard(&mut self) {
        while let Ok(Some(mut field)) = self.next().await {
            while let Ok(Some(_)) = field.chunk().await {
                self.unparsed.store(0, Ordering::Relaxed);
            }
        }
    }

    async fn next(&mut self) -> Result<Option<Field<'static>>, Refusal> {
        let field = self.inner.next_field().await.map_err(|error| broken(&error))?;
        self.unparsed.store(0, Ordering::Relaxed);
        Ok(field)
    }

    async fn named(&mut self, name: &'static str, limit: u64) -> Result<BytesMut, Refusal> {
        match self.next().await? {
            Some(mut field) if field.name() == Some(name) => {
                let too_large = || {
                    Refusal::new(
                        "PAYLOAD_TOO_LARGE",
                        format!("The part \"{name}\" may have at most {}", size(limit)),
                    )
                };
                contents(&self.unparsed, &mut field, limit, too_large).await
            }
            _ => Err(Refusal::bad_request(format!(
                "The part \"{name}\" is missing: the parts are \"operations\", \"map\", then the files"
            ))),
        }
    }
}

async fn contents(
    unparsed: &AtomicUsize,
    field: &mut Field<'static>,
    limit: u64,
    too_large: impl Fn() -> Refusal,
) -> Result<BytesMut, Refusal> {
    let mut whole = BytesMut::new();
    while let Some(piece) = field.chunk().await.map_err(|error| broken(&error))? {
        unparsed.store(0, Ordering::Relaxed);
        if (whole.len() + piece.len()) as u64 > limit {
            return Err(too_large());
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

/// What our own stream tells through multer.
#[derive(Debug)]
enum PartError {
    Body(BodyError),
    Headers,
}

impl fmt::Display for PartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(error) => error.fmt(f),
            Self::Headers => f.write_str("a part's headers are too large"),
        }
    }
}

impl std::error::Error for PartError {}

fn broken(error: &multer::Error) -> Refusal {
    if let multer::Error::StreamReadFailed(source) = error
        && let Some(PartError::Body(body)) = source.downcast_ref()
    {
        return body.into();
    }
    Refusal::bad_request(format!("The multipart body is malformed: {error}")).closing()
}

/// Puts a marker at every path of the map and answers which file has which number.
fn place(
    variables: &mut Variables,
    map: &[(String, Vec<String>)],
    max_files: usize,
) -> Result<HashMap<String, usize>, Refusal> {
    if map.len() > max_files {
        return Err(Refusal::bad_request(format!(
            "A request may carry at most {max_files} files"
        )));
    }
    let mut names = HashMap::new();
    let mut seen = BTreeSet::new();
    for (index, (name, paths)) in map.iter().enumerate() {
        if names.insert(name.clone(), index).is_some() {
            return Err(Refusal::bad_request(format!(
                "The map names the file {} twice",
                quoted(name)
            )));
        }
        if paths.is_empty() {
            return Err(Refusal::bad_request(format!(
                "The map says no place for the file {}",
                quoted(name)
            )));
        }
        for path in paths {
            if !seen.insert(path) {
                return Err(Refusal::bad_request(format!(
                    "The map names the place {} twice",
                    quoted(path)
                )));
            }
            match slot(variables, path) {
                None => {
                    return Err(Refusal::bad_request(format!(
                        "The map names {}, which the operation does not have",
                        quoted(path)
                    )));
                }
                Some(value @ Value::Null) => *value = Value::String(marker(index)),
                Some(_) => {
                    return Err(Refusal::bad_request(format!(
                        "The map names {}, which is not null in the operation",
                        quoted(path)
                    )));
                }
            }
        }
    }
    Ok(names)
}

/// The value that a path like `variables.photos.0.upload` leads to.
fn slot<'a>(variables: &'a mut Variables, path: &str) -> Option<&'a mut Value> {
    let mut steps = path.strip_prefix("variables.")?.split('.');
    let mut value = variables.get_mut(steps.next()?)?;
    for step in steps {
        value = match value {
            Value::List(items) => items.get_mut(step.parse::<usize>().ok()?)?,
            Value::Object(fields) => fields.get_mut(step)?,
            _ => return None,
        };
    }
    Some(value)
}

/// What the client wrote, short and on one line.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(100).collect();
    format!("{short:?}")
}

/// Pairs in their order: a map type would silently drop a key that comes twice.
fn parse_map(json: &[u8]) -> Result<Vec<(String, Vec<String>)>, Refusal> {
    struct Pairs;

    impl<'de> Visitor<'de> for Pairs {
        type Value = Vec<(String, Vec<String>)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of lists of paths")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some(pair) = map.next_entry()? {
                pairs.push(pair);
            }
            Ok(pairs)
        }
    }

    let mut json = serde_json::Deserializer::from_slice(json);
    let pairs = json.deserialize_map(Pairs);
    pairs
        .and_then(|pairs| json.end().map(|()| pairs))
        .map_err(|error| Refusal::bad_request(format!("The part \"map\" is malformed: {error}")))
}
