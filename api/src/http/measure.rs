//! What is measured of requests and sockets. An operation is known by its root field as the schema calls it, and only
//! once it was validated: neither a client's names nor anybody's ids become labels.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextExecute, NextParseQuery, NextPrepareRequest, NextRequest,
    NextSubscribe, NextValidation,
};
use async_graphql::parser::types::{ExecutableDocument, OperationType, Selection, SelectionSet};
use async_graphql::{Name, Request, Response, ServerError, ServerResult, ValidationResult, Value, Variables};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tracing::Instrument;

/// Seconds: from a single row to a photo over a bad line.
const BOUNDS: [f64; 12] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];
/// The code of an answer without an error.
const OK: &str = "OK";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    kind: &'static str,
    operation: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    kind: &'static str,
    operation: String,
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Subscription {
    operation: String,
}

static REQUESTS: LazyLock<Family<Answered, Counter>> = LazyLock::new(Family::default);
static DURATIONS: LazyLock<Family<Operation, Histogram>> =
    LazyLock::new(|| Family::new_with_constructor(|| Histogram::new(BOUNDS)));
static SUBSCRIBERS: LazyLock<Family<Subscription, Gauge>> = LazyLock::new(Family::default);
static SOCKETS: LazyLock<Gauge> = LazyLock::new(Gauge::default);

/// Adds what this process measures of its requests.
pub fn register(registry: &mut Registry) {
    registry.register(
        "requests",
        "Operations that were answered, by the first error's code",
        REQUESTS.clone(),
    );
    registry.register(
        "request_duration_seconds",
        "From the reading of an operation to its answer",
        DURATIONS.clone(),
    );
    registry.register("subscribers", "Subscriptions that run", SUBSCRIBERS.clone());
    registry.register("sockets", "WebSockets that are open", SOCKETS.clone());
}

/// One more of something, until it is dropped.
pub(super) struct Counted(Gauge);

impl Counted {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }

    pub(super) fn socket() -> Self {
        Self::new(SOCKETS.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A request was turned away before GraphQL saw it.
pub(super) fn refused(error: &async_graphql::Error) {
    let code = error.extensions.as_ref().and_then(|extensions| extensions.get("code"));
    count("none", "refused", code);
}

fn count(kind: &'static str, operation: &str, code: Option<&Value>) {
    let operation = operation.to_owned();
    let code = match code {
        Some(Value::String(code)) => code.clone(),
        _ => OK.to_owned(),
    };
    REQUESTS.get_or_create(&Answered { kind, operation, code }).inc();
}

/// The schema extension that measures every operation, over HTTP and sockets.
#[derive(Clone, Copy, Debug)]
pub struct Measure;

impl ExtensionFactory for Measure {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Measured(Arc::new(One {
            begun: Instant::now(),
            known: Mutex::default(),
        })))
    }
}

struct Measured(Arc<One>);

/// One operation.
struct One {
    begun: Instant,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Which of the document's operations is wanted.
    wanted: Option<String>,
    /// What that one is, by a text that nobody has validated.
    read: Option<Operation>,
    valid: Option<Operation>,
    subscriber: Option<Counted>,
}

impl One {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self, response: &Response) {
        let known = self.known();
        let first = response.errors.first();
        let code = first.and_then(|error| error.extensions.as_ref()?.get("code"));
        match &known.valid {
            Some(valid) => count(valid.kind, &valid.operation, code),
            None => count("none", "invalid", code),
        }
        // How long until something happens says nothing of us.
        if let Some(operation) = known
            .valid
            .as_ref()
            .filter(|o| o.kind != kind(OperationType::Subscription))
        {
            let seconds = self.begun.elapsed().as_secs_f64();
            DURATIONS.get_or_create(operation).observe(seconds);
        }
    }
}

#[async_trait::async_trait]
impl Extension for Measured {
    async fn request(&self, ctx: &ExtensionContext<'_>, next: NextRequest<'_>) -> Response {
        let response = next.run(ctx).await;
        self.0.answered(&response);
        response
    }

    fn subscribe<'s>(
        &self,
        ctx: &ExtensionContext<'_>,
        stream: BoxStream<'s, Response>,
        next: NextSubscribe<'_>,
    ) -> BoxStream<'s, Response> {
        let (one, mut first) = (self.0.clone(), true);
        let answers = next.run(ctx, stream).inspect(move |response| {
            if std::mem::take(&mut first) {
                one.answered(response);
            }
        });
        answers.boxed()
    }

    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        let request = next.run(ctx, request).await?;
        self.0.known().wanted.clone_from(&request.operation_name);
        Ok(request)
    }

    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        let document = next.run(ctx, query, variables).await?;
        let mut known = self.0.known();
        known.read = read(&document, known.wanted.as_deref());
        drop(known);
        Ok(document)
    }

    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        let valid = self.0.known().valid.clone();
        let name = valid.map_or_else(String::new, |valid| format!("{} {}", valid.kind, valid.operation));
        let span = tracing::info_span!("operation", otel.name = name);
        next.run(ctx, operation_name).instrument(span).await
    }

    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let result = next.run(ctx).await?;
        let mut known = self.0.known();
        known.valid = known.read.take();
        if let Some(Operation { kind: of, operation }) = &known.valid
            && *of == kind(OperationType::Subscription)
        {
            let operation = operation.clone();
            let gauge = SUBSCRIBERS.get_or_create_owned(&Subscription { operation });
            known.subscriber = Some(Counted::new(gauge));
        }
        drop(known);
        Ok(result)
    }
}

const fn kind(of: OperationType) -> &'static str {
    match of {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    }
}

/// The operation that is wanted of the document: its root field, or that they are several.
fn read(document: &ExecutableDocument, wanted: Option<&str>) -> Option<Operation> {
    let mut operations = document.operations.iter();
    let operation = match wanted {
        Some(wanted) => operations.find(|(name, _)| name.is_some_and(|name| name == wanted)),
        None => operations.next(),
    };
    let (_, operation) = operation?;
    let mut roots = Roots {
        document,
        spread: HashSet::new(),
        fields: BTreeSet::new(),
    };
    roots.add(&operation.node.selection_set.node);
    let operation_name = match (roots.fields.pop_first(), roots.fields.is_empty()) {
        (Some(only), true) => only.to_owned(),
        _ => "several".to_owned(),
    };
    Some(Operation {
        kind: kind(operation.node.ty),
        operation: operation_name,
    })
}

/// The fields at the root of an operation, those of its fragments included.
struct Roots<'d> {
    document: &'d ExecutableDocument,
    spread: HashSet<&'d Name>,
    fields: BTreeSet<&'d str>,
}

impl<'d> Roots<'d> {
    fn add(&mut self, set: &'d SelectionSet) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    self.fields.insert(&field.node.name.node);
                }
                Selection::InlineFragment(inline) => self.add(&inline.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let document = self.document;
                    if let Some(fragment) = document.fragments.get(name).filter(|_| self.spread.insert(name)) {
                        self.add(&fragment.node.selection_set.node);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    #[track_caller]
    fn operation(query: &str, wanted: Option<&str>) -> String {
        let Operation { kind, operation } = read(&parse_query(query).unwrap(), wanted).unwrap();
        format!("{kind} {operation}")
    }

    #[test]
    fn an_operation_is_known_by_its_root_field() {
        for (query, known) in [
            ("{ a { b c } }", "query a"),
            ("query Secret { mine: a { b } a { c } }", "query a"),
            ("mutation { a b }", "mutation several"),
            (
                "subscription S { ... on S { ...F } } fragment F on S { a }",
                "subscription a",
            ),
            ("{ ...F } fragment F on Q { ...F }", "query several"),
        ] {
            assert_eq!(operation(query, None), known);
        }
        let two = "query A { a } mutation B { b }";
        assert_eq!(operation(two, Some("A")), "query a");
        assert_eq!(operation(two, Some("B")), "mutation b");
        assert!(read(&parse_query(two).unwrap(), Some("C")).is_none());
    }
}
