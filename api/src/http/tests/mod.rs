//! The transport as clients meet it: a real server on port 0, with a small schema and a small
//! service behind it.

mod exposure;
mod http;
mod multipart;
mod operations;
mod persisted;
mod rates;
mod slow;
mod socket;
mod turns;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_graphql::{Context, Object, OneofObject, Result, Schema, Subscription};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use poem::listener::{Acceptor, TcpAcceptor};
use serde_json::Value;
use service::events::Topic;
use service::id::{LoginId, OrganizationId, PersonId};
use service::kinds::Role;
use service::media::Served;
use service::rates::Origin;
use service::scope::Viewer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Semaphore, broadcast};
use uuid::Uuid;

use super::auth::{auth, viewer};
use super::error::Codes;
use super::origin::origin;
use super::upload::Upload;
use super::{Backend, Exposure, Lifetime, Limits, NoIntrospection, Patient, PersistedQueries};

const TOKEN: &str = "good-token";
const UPLOAD_BYTES: u64 = 100_000;
/// Of a socket, either way.
const BUFFER_BYTES: u32 = 64 * 1024;

#[derive(Clone)]
struct Fake(Arc<Inner>);

struct Inner {
    viewers: Mutex<HashMap<String, Viewer>>,
    topics: broadcast::Sender<Topic>,
    away: AtomicBool,
    looks: AtomicUsize,
    /// How many have begun to sleep.
    asleep: AtomicUsize,
    /// Uploads that are let in, and where those came from that asked.
    uploads: AtomicUsize,
    uploaders: Mutex<Vec<String>>,
}

impl Fake {
    fn new() -> Self {
        let viewer = Viewer {
            login: LoginId(Uuid::from_u128(1)),
            person: PersonId(Uuid::from_u128(2)),
            organization: OrganizationId(Uuid::from_u128(3)),
            role: Role::Teacher,
            timezone: "Europe/Berlin".parse().unwrap(),
            max_upload_bytes: UPLOAD_BYTES,
        };
        Self(Arc::new(Inner {
            viewers: Mutex::new(HashMap::from([(TOKEN.to_owned(), viewer)])),
            topics: broadcast::Sender::new(16),
            away: AtomicBool::new(false),
            looks: AtomicUsize::new(0),
            asleep: AtomicUsize::new(0),
            uploads: AtomicUsize::new(usize::MAX),
            uploaders: Mutex::default(),
        }))
    }

    fn change(&self, change: impl FnOnce(&mut Viewer)) {
        change(self.0.viewers.lock().unwrap().get_mut(TOKEN).unwrap());
    }

    fn end_login(&self) -> LoginId {
        self.0.viewers.lock().unwrap().remove(TOKEN).unwrap().login
    }

    fn announce(&self, login: LoginId) {
        self.0.topics.send(Topic::Login(login)).unwrap();
    }

    fn go_away(&self, away: bool) {
        self.0.away.store(away, Ordering::SeqCst);
    }
}

impl Backend for Fake {
    async fn authenticate(&self, token: &str) -> service::Result<Viewer> {
        self.0.looks.fetch_add(1, Ordering::SeqCst);
        if self.0.away.load(Ordering::SeqCst) {
            return Err(service::Error::Unavailable("The database"));
        }
        let viewers = self.0.viewers.lock().unwrap();
        let viewer = viewers.get(token).cloned();
        viewer.ok_or(service::Error::Unauthenticated)
    }

    async fn recheck(&self, login: LoginId) -> service::Result<Viewer> {
        self.0.looks.fetch_add(1, Ordering::SeqCst);
        if self.0.away.load(Ordering::SeqCst) {
            return Err(service::Error::Unavailable("The database"));
        }
        let viewers = self.0.viewers.lock().unwrap();
        let viewer = viewers.values().find(|viewer| viewer.login == login).cloned();
        viewer.ok_or(service::Error::Unauthenticated)
    }

    async fn admit_upload(&self, _: &Viewer, origin: Origin) -> service::Result<()> {
        self.0.uploaders.lock().unwrap().push(origin.to_string());
        let uploads = &self.0.uploads;
        let left = uploads.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map(drop)
            .map_err(|_| service::Error::RateLimited { retry_after_seconds: 7 })
    }

    async fn media(&self, token: &str) -> service::Result<Served> {
        if token != "photo" {
            return Err(service::Error::NotFound("photo"));
        }
        Ok(Served {
            bytes: Bytes::from_static(b"\xff\xd8"),
            content_type: "image/jpeg",
            file_name: None,
        })
    }

    async fn ready(&self) -> bool {
        !self.0.away.load(Ordering::SeqCst)
    }

    async fn measure(&self) {}

    fn announcements(&self) -> broadcast::Receiver<Topic> {
        self.0.topics.subscribe()
    }
}

struct Query;

#[Object]
impl Query {
    async fn role(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(format!("{:?}", viewer(ctx)?.role))
    }

    async fn origin(&self, ctx: &Context<'_>) -> String {
        origin(ctx).to_string()
    }

    async fn sleeps(&self, ctx: &Context<'_>, seconds: u64) -> bool {
        ctx.data_unchecked::<Fake>().0.asleep.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        true
    }

    async fn panics(&self) -> bool {
        std::hint::black_box(None::<bool>).expect("secret")
    }
}

#[derive(OneofObject)]
enum PhotoInput {
    Upload(Upload),
    Base64(String),
}

struct Mutation;

#[Object]
impl Mutation {
    async fn login(&self, ctx: &Context<'_>) -> String {
        format!("{:?}", auth(ctx))
    }

    async fn send(&self, ctx: &Context<'_>, photo: Upload) -> Result<usize> {
        Ok(photo.bytes(ctx)?.len())
    }

    async fn enrol(&self, ctx: &Context<'_>, photos: Vec<PhotoInput>) -> Result<Vec<usize>> {
        photos
            .iter()
            .map(|photo| match photo {
                PhotoInput::Upload(upload) => Ok(upload.bytes(ctx)?.len()),
                PhotoInput::Base64(text) => Ok(text.len()),
            })
            .collect()
    }
}

/// What a subscription holds while it makes up its next answer, as it would a connection to the
/// database.
static HELD: Semaphore = Semaphore::const_new(1);

struct Watch;

#[Subscription]
impl Watch {
    async fn ticks(&self, ctx: &Context<'_>, count: i32) -> Result<impl Stream<Item = i32>> {
        viewer(ctx)?;
        Ok(stream::iter(0..count))
    }

    async fn silence(&self) -> impl Stream<Item = i32> {
        stream::pending()
    }

    async fn flood(&self) -> impl Stream<Item = String> {
        stream::repeat("x".repeat(100_000))
    }

    async fn lends(&self) -> impl Stream<Item = bool> {
        stream::repeat(()).then(|()| async {
            let _held = HELD.acquire().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            true
        })
    }

    async fn breaks(&self) -> impl Stream<Item = i32> {
        stream::repeat_with(|| panic!("secret"))
    }
}

struct Server {
    address: SocketAddr,
    fake: Fake,
    lifetime: Lifetime,
}

impl Server {
    async fn start() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        Self::exposed(limits, Exposure::default(), "http://localhost").await
    }

    async fn exposed(limits: Limits, exposure: Exposure, public_url: &str) -> Self {
        let socket = small_buffers();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let acceptor = TcpAcceptor::from_tokio(socket.listen(1024).unwrap()).unwrap();
        let address = *acceptor.local_addr()[0].as_socket_addr().unwrap();
        let (fake, lifetime) = (Fake::new(), Lifetime::default());
        let acceptor = Patient::new(acceptor, &limits);
        let mut schema = Schema::build(Query, Mutation, Watch)
            .extension(PersistedQueries::default())
            .extension(Codes);
        if !exposure.introspection {
            schema = schema.extension(NoIntrospection);
        }
        let backend = fake.clone();
        let schema = schema.data(fake.clone());
        let app = super::router(schema.finish(), backend, limits, exposure, public_url, lifetime.clone());
        tokio::spawn(poem::Server::new_with_acceptor(acceptor).run(app));
        Self {
            address,
            fake,
            lifetime,
        }
    }

    async fn sockets_closed(&self) {
        self.lifetime.sockets.close();
        let closed = tokio::time::timeout(Duration::from_secs(10), self.lifetime.sockets.wait()).await;
        closed.expect("the sockets to be closed");
    }

    async fn connect(&self) -> TcpStream {
        small_buffers().connect(self.address).await.unwrap()
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"), b"").await
    }

    async fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut head = format!(
            "POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        self.send(&head, body).await
    }

    async fn json(&self, token: Option<&str>, body: &str) -> Answer {
        let bearer = format!("Bearer {}", token.unwrap_or_default());
        let mut headers = vec![("content-type", "application/json")];
        if token.is_some() {
            headers.push(("authorization", &bearer));
        }
        self.post(&headers, body.as_bytes()).await
    }

    async fn send(&self, head: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        // The server may answer and close before it has everything.
        let _ = stream.write_all(body).await;
        Answer::read(&mut stream).await
    }
}

/// What a kernel holds between two ends by itself is some MB on one machine and many on the next: here it is the same
/// on all. A listener's sizes are those of what it accepts.
fn small_buffers() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(BUFFER_BYTES).unwrap();
    socket.set_send_buffer_size(BUFFER_BYTES).unwrap();
    socket
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    async fn read(stream: &mut TcpStream) -> Self {
        tokio::time::timeout(Duration::from_secs(20), Self::parse(stream))
            .await
            .expect("an answer")
    }

    async fn parse(stream: &mut TcpStream) -> Self {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a head"));
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let status = head[9..12].parse().unwrap();
        let mut answer = Self {
            status,
            head,
            body: Vec::new(),
        };
        let length = answer.header("content-length").unwrap_or("0");
        answer.body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut answer.body).await.expect("a body");
        answer
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&self.body)))
    }

    fn code(&self) -> String {
        let value = self.value();
        let code = value["errors"][0]["extensions"]["code"].as_str();
        code.unwrap_or_else(|| panic!("{value}")).to_owned()
    }

    #[track_caller]
    fn refused(&self, status: u16, code: &str) -> String {
        assert_eq!((self.status, &*self.code()), (status, code), "{}", self.value());
        self.value()["errors"][0]["message"].as_str().unwrap().to_owned()
    }
}
