//! The operations of a request: one, or a short list of them, which is answered by a list in the
//! same order. They run one after another, so that a list weighs on the server at any moment no
//! more than its heaviest operation, and takes no turn from others that single requests would
//! have had to wait for. Each has loaders and limits of its own; the asker is looked up once.

use std::fmt;
use std::panic::AssertUnwindSafe;

use async_graphql::{Executor, Request};
use futures_util::FutureExt;
use poem::http::{HeaderMap, StatusCode};
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use super::error::{Refusal, panicked};

pub(super) enum Operations {
    One(Box<Request>),
    List(Vec<Request>),
}

/// What each operation is given before it runs.
pub(super) trait Prepare {
    fn prepare(&self, request: Request) -> impl Future<Output = Result<Request, Refusal>> + Send;
}

/// What is sent back.
pub(super) struct Answers {
    pub body: Vec<u8>,
    /// Which resolvers have set.
    pub headers: HeaderMap,
}

impl Operations {
    /// From JSON, of which a list may have `most` items.
    pub(super) fn parse(json: &[u8], most: usize) -> Result<Self, Refusal> {
        if !is_list(json) {
            return parse_request(json).map(|request| Self::One(Box::new(request)));
        }
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let list = deserializer
            .deserialize_seq(Few(most))
            .and_then(|list| deserializer.end().map(|()| list));
        match list {
            Ok(Some(list)) if list.is_empty() => Err(Refusal::bad_request("The list holds no operation")),
            Ok(Some(list)) => Ok(Self::List(list)),
            Ok(None) => Err(Refusal::bad_request(format!(
                "A request may hold at most {most} operations"
            ))),
            Err(error) => Err(malformed(&error)),
        }
    }

    /// `prepare` gives each operation what all of them share, just before it runs.
    pub(super) async fn run(self, executor: &impl Executor, prepare: &impl Prepare) -> Result<Answers, Refusal> {
        let (list, requests) = match self {
            Self::One(request) => (false, vec![*request]),
            Self::List(requests) => (true, requests),
        };
        let mut answers = Answers {
            body: Vec::new(),
            headers: HeaderMap::new(),
        };
        for (index, request) in requests.into_iter().enumerate() {
            let request = prepare.prepare(request).await?;
            let response = AssertUnwindSafe(executor.execute(request))
                .catch_unwind()
                .await
                .map_err(|panic| Refusal::with_status(StatusCode::INTERNAL_SERVER_ERROR, panicked(&*panic)))?;
            if list {
                answers.body.push(if index == 0 { b'[' } else { b',' });
            }
            // As text at once: the tree of an answer is many times larger.
            serde_json::to_writer(&mut answers.body, &response)
                .map_err(|error| Refusal::from(service::Error::internal(error)))?;
            answers.headers.extend(response.http_headers);
        }
        if list {
            answers.body.push(b']');
        }
        Ok(answers)
    }
}

/// One request from its JSON.
pub(super) fn parse_request(json: &[u8]) -> Result<Request, Refusal> {
    if is_list(json) {
        return Err(Refusal::bad_request(
            "Send one operation with its files: lists are not accepted here",
        ));
    }
    serde_json::from_slice(json).map_err(|error| malformed(&error))
}

fn is_list(json: &[u8]) -> bool {
    json.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

fn malformed(error: &serde_json::Error) -> Refusal {
    Refusal::bad_request(format!("The request is not valid JSON: {error}"))
}

/// So many requests, or none where the list has more; those are read over and not kept.
struct Few(usize);

impl<'de> Visitor<'de> for Few {
    type Value = Option<Vec<Request>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of operations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut requests = Vec::new();
        while requests.len() < self.0 {
            match items.next_element()? {
                Some(request) => requests.push(request),
                None => return Ok(Some(requests)),
            }
        }
        let mut more = false;
        while items.next_element::<IgnoredAny>()?.is_some() {
            more = true;
        }
        Ok((!more).then_some(requests))
    }
}
