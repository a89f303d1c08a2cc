//! One trace from a client's request through the queue to the commit, as a collector sees it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use prost::Message;
use serde_json::{Value, json};
use tests::fake::{person, photo};
use tests::school::{School, ended};
use tests::world::{Mode, Setup};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::{api, empty, until, worker};

/// The parts of OTLP's messages that are looked at.
///
/// Source: opentelemetry-proto, `opentelemetry/proto/trace/v1/trace.proto`.
mod wire {
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Request {
        #[prost(message, repeated, tag = "1")]
        pub resources: Vec<OfResource>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct OfResource {
        #[prost(message, optional, tag = "1")]
        pub resource: Option<Resource>,
        #[prost(message, repeated, tag = "2")]
        pub scopes: Vec<OfScope>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Resource {
        #[prost(message, repeated, tag = "1")]
        pub attributes: Vec<Attribute>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct OfScope {
        #[prost(message, repeated, tag = "2")]
        pub spans: Vec<Span>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Span {
        #[prost(bytes = "vec", tag = "1")]
        pub trace: Vec<u8>,
        #[prost(bytes = "vec", tag = "2")]
        pub id: Vec<u8>,
        #[prost(bytes = "vec", tag = "4")]
        pub parent: Vec<u8>,
        #[prost(string, tag = "5")]
        pub name: String,
        #[prost(message, repeated, tag = "9")]
        pub attributes: Vec<Attribute>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Attribute {
        #[prost(string, tag = "1")]
        pub key: String,
        #[prost(message, optional, tag = "2")]
        pub value: Option<Text>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Text {
        #[prost(string, tag = "1")]
        pub text: String,
    }
}

/// A span, and who sent it.
#[derive(Clone, Debug)]
struct Seen {
    service: String,
    span: wire::Span,
}

/// Takes what is sent to `/v1/traces`.
#[derive(Clone, Default)]
struct Collector {
    seen: Arc<Mutex<Vec<Seen>>>,
    /// The bodies, as they came.
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let collector = Self::default();
        let own = collector.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let collector = own.clone();
                tokio::spawn(async move { collector.serve(stream).await });
            }
        });
        (collector, address)
    }

    /// HTTP/1.1 with a length, which is all that is spoken here.
    async fn serve(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        loop {
            let (mut first, mut length) = (String::new(), 0);
            let mut line = String::new();
            while stream.read_line(&mut line).await.is_ok_and(|read| read > 2) {
                let lower = line.to_lowercase();
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if first.is_empty() {
                    first.clone_from(&line);
                }
                line.clear();
            }
            if first.is_empty() {
                return;
            }
            assert!(first.starts_with("POST /v1/traces "), "{first}");
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.unwrap();
            self.take(body);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .await
                .unwrap();
        }
    }

    fn take(&self, body: Vec<u8>) {
        let request = wire::Request::decode(&body[..]).expect("protobuf of OTLP");
        self.bodies.lock().unwrap().push(body);
        let mut seen = self.seen.lock().unwrap();
        for resource in request.resources {
            let attributes = resource.resource.unwrap_or_default().attributes;
            let name = attributes.into_iter().find(|a| a.key == "service.name");
            let service = name.and_then(|a| a.value).unwrap_or_default().text;
            for span in resource.scopes.into_iter().flat_map(|scope| scope.spans) {
                let service = service.clone();
                seen.push(Seen { service, span });
            }
        }
    }

    fn of_trace(&self, trace: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|s| hex(&s.span.trace) == trace).cloned().collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

const SUBMIT: &str = "mutation($session: ID!, $photo: String!) { \
    submitClassPhoto(sessionId: $session, photo: { base64: $photo }) { job { id } } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_is_one_trace_from_the_request_to_the_commit() {
    let Some(mut world) = empty(Setup::new(Mode::Processes)).await else {
        return;
    };
    let (collector, endpoint) = Collector::start().await;
    // What is logged has no say in what is traced.
    let more = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("MUSTER_LOG", "error"),
    ];
    api(&mut world, &more).await;
    worker(&mut world, &more).await;
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 1).await;
    let session = school.open_session().await;

    let trace = "0af7651916cd43dd8448eb211c80319c";
    let caller = "b7ad6b7169203331";
    let body = json!({
        "query": SUBMIT,
        "variables": { "session": session, "photo": BASE64_STANDARD.encode(photo(&[person(0)])) },
    });
    let answer = reqwest::Client::new()
        .post(format!("{}/graphql", world.bases[0]))
        .bearer_auth(admin.token.as_ref().unwrap())
        .header("traceparent", format!("00-{trace}-{caller}-01"))
        .json(&body)
        .send()
        .await
        .unwrap();
    let answer: Value = answer.json().await.unwrap();
    let job = answer["data"]["submitClassPhoto"]["job"]["id"].as_str();
    let job = job.unwrap_or_else(|| panic!("{answer}")).to_owned();
    assert_eq!(ended(&admin, &job).await["status"], "SUCCEEDED");

    until("the trace", async || {
        let spans = collector.of_trace(trace);
        let is_there = |name: &str| spans.iter().any(|seen| seen.span.name == name);
        is_there("request") && is_there("job") && is_there("commit")
    })
    .await;
    let spans = collector.of_trace(trace);
    let by_id: BTreeMap<&[u8], &Seen> = spans.iter().map(|seen| (&*seen.span.id, seen)).collect();
    // From each span upwards to the caller's.
    let line = |seen: &Seen| {
        let mut names = vec![seen.span.name.clone()];
        let mut parent = &seen.span.parent;
        while let Some(above) = by_id.get(&**parent) {
            names.push(above.span.name.clone());
            parent = &above.span.parent;
        }
        assert_eq!(hex(parent), caller, "{names:?} hangs in the air");
        names.reverse();
        (seen.service.clone(), names.join(" > "))
    };
    let lines: Vec<(String, String)> = spans.iter().map(line).collect();
    let operation = "request > mutation submitClassPhoto";
    let of_job = format!("{operation} > submit > job");
    for (service, wanted) in [
        ("muster-api", operation.to_owned()),
        ("muster-api", format!("{operation} > submit > commit > announce")),
        ("muster-worker", of_job.clone()),
        ("muster-worker", format!("{of_job} > fetch")),
        ("muster-worker", format!("{of_job} > decode")),
        ("muster-worker", format!("{of_job} > detect")),
        ("muster-worker", format!("{of_job} > embed")),
        ("muster-worker", format!("{of_job} > match")),
        ("muster-worker", format!("{of_job} > commit > announce")),
    ] {
        let wanted = (service.to_owned(), wanted);
        assert!(lines.contains(&wanted), "no {wanted:?} in {lines:#?}");
    }

    // Requests that bring no trace have one each.
    let seen = collector.seen.lock().unwrap().clone();
    let mut others: Vec<String> = seen.iter().map(|seen| hex(&seen.span.trace)).collect();
    others.sort();
    others.dedup();
    assert!(others.len() > 5, "{others:?}");
    // Nobody's name, address or photo is in what was sent.
    let bodies = collector.bodies.lock().unwrap();
    for word in ["Student 000", "Ada Admin", "example.org", "photos/"] {
        let told = bodies
            .iter()
            .any(|body| body.windows(word.len()).any(|part| part == word.as_bytes()));
        assert!(!told, "{word} was sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_nobody_anything() {
    let Some(mut world) = empty(Setup::new(Mode::Processes)).await else {
        return;
    };
    let nobody = format!("http://127.0.0.1:{}", tests::process::free_port());
    let more = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*nobody),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ];
    api(&mut world, &more).await;
    worker(&mut world, &more).await;
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 1).await;
    let session = school.open_session().await;
    let job = school.submit(&session, photo(&[person(0)])).await;
    assert_eq!(ended(&admin, &job).await["status"], "SUCCEEDED");
    for process in world.apis.iter_mut().chain(&mut world.workers) {
        assert!(process.stop().await.success());
    }
}
