//! The server and the school in it.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use migration::{Migrator, MigratorTrait};
use poem::Addr;
use poem::http::uri::Scheme;
use poem::listener::Acceptor;
use poem::web::{LocalAddr, RemoteAddr};
use serde_json::{Value, json};
use service::accounts::{NewAccount, PasswordCost};
use service::clock::{ManualClock, SeededEntropy};
use service::db::Db;
use service::events::LocalAnnouncer;
use service::keys::KeyRing;
use service::kinds::Role;
use service::mail::Mailer;
use service::media::Store;
use service::queue::{Wake, WakeError, WakeUp};
use service::rates::{MemoryLimiter, Origin, Rates};
use service::seed::Plan;
use service::{Parts, Scope, Service, Viewer, accounts, seed};
use tempfile::TempDir;
use tokio::io::DuplexStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What inputs have written is thrown away after so many.
const ROUNDS: u32 = 20_000;
/// How often it is looked whether an input has ended the login.
const LOOK: u32 = 64;
/// 14 July 2025, a Monday.
const NOW: i64 = 1_752_480_000;
const EMAIL: &str = "ada@example.org";
const PASSWORD: &str = "correct horse battery";

pub struct World {
    pub(crate) runtime: Runtime,
    pub(crate) connections: mpsc::UnboundedSender<DuplexStream>,
    pub service: Service,
    /// The admin's access token.
    pub token: String,
    pub viewer: Viewer,
    /// Global ids of a class, a session of it that is open, and one of its students.
    pub class: String,
    pub session: String,
    pub student: String,
    _folder: TempDir,
}

thread_local! {
    static WORLD: RefCell<Option<(u32, World)>> = const { RefCell::new(None) };
}

/// Lends the process's world, a new one where the last has been used up.
pub fn with_world<T>(with: impl FnOnce(&World) -> T) -> T {
    WORLD.with_borrow_mut(|kept| {
        if let Some((rounds, world)) = kept {
            *rounds += 1;
            if *rounds >= ROUNDS || (*rounds % LOOK == 0 && !world.holds()) {
                *kept = None;
            }
        }
        with(&kept.get_or_insert_with(|| (0, World::build())).1)
    })
}

#[derive(Debug)]
struct NoWake;

#[async_trait::async_trait]
impl Wake for NoWake {
    async fn wake(&self, _: WakeUp) -> Result<(), WakeError> {
        Ok(())
    }
}

/// Connections that [`World`] opens.
struct Memory(mpsc::UnboundedReceiver<DuplexStream>);

impl Acceptor for Memory {
    type Io = DuplexStream;

    fn local_addr(&self) -> Vec<LocalAddr> {
        Vec::new()
    }

    async fn accept(&mut self) -> io::Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
        let stream = self.0.recv().await.ok_or(io::ErrorKind::NotConnected)?;
        let address = Addr::SocketAddr(SocketAddr::from(([127, 0, 0, 1], 1)));
        let (local, remote) = (LocalAddr(address.clone()), RemoteAddr(address));
        Ok((stream, local, remote, Scheme::HTTP))
    }
}

impl World {
    /// On the database at `FUZZ_DATABASE_URL`, whose tables are dropped first, or on `SQLite`.
    fn build() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            TempDir::new_in(memory)
        } else {
            TempDir::new()
        };
        let folder = folder.unwrap();
        let service = runtime.block_on(service(folder.path()));
        let (connections, accepted) = mpsc::unbounded_channel();
        runtime.spawn(api::serve_accepted(
            service.clone(),
            Memory(accepted),
            api::Limits::default(),
            api::Exposure::default(),
            CancellationToken::new(),
        ));
        let tokens = accounts::login(&service, Origin::default(), EMAIL, PASSWORD);
        let tokens = runtime.block_on(tokens).unwrap();
        let mut world = Self {
            runtime,
            connections,
            service,
            token: tokens.access,
            viewer: tokens.viewer,
            class: String::new(),
            session: String::new(),
            student: String::new(),
            _folder: folder,
        };
        world.open_session();
        world
    }

    fn open_session(&mut self) {
        let id = |value: &Value, path: &str| value.pointer(path).unwrap().as_str().unwrap().to_owned();
        let query = "{ classes(first: 1) { nodes { id students(first: 1) { nodes { id } } } } }";
        let found = self.graphql(query, &Value::Null);
        self.class = id(&found, "/data/classes/nodes/0/id");
        self.student = id(&found, "/data/classes/nodes/0/students/nodes/0/id");
        let at = |hours| (self.service.now() + TimeDelta::hours(hours)).to_rfc3339();
        let input = json!({ "classId": self.class, "startsAt": at(0), "endsAt": at(1), "allowOverlap": true });
        let made = self.graphql(
            "mutation($input: SessionInput!) { createSession(input: $input) { session { id } } }",
            &json!({ "input": input }),
        );
        self.session = id(&made, "/data/createSession/session/id");
        let open = "mutation($id: ID!) { openSession(id: $id) { session { state } } }";
        self.graphql(open, &json!({ "id": self.session }));
        let mark = "mutation($input: MarkInput!) { markAttendance(input: $input) { mark { id } } }";
        let input = json!({ "sessionId": self.session, "studentId": self.student, "status": "PRESENT" });
        id(
            &self.graphql(mark, &json!({ "input": input })),
            "/data/markAttendance/mark/id",
        );
    }

    /// What the server answers to this.
    pub fn graphql(&self, query: &str, variables: &Value) -> Value {
        let body = json!({ "query": query, "variables": variables }).to_string();
        self.post("application/json", body.as_bytes(), body.len()).body
    }

    /// What the service itself answers.
    pub fn block_on<T>(&self, asked: impl Future<Output = T>) -> T {
        self.runtime.block_on(asked)
    }

    fn holds(&self) -> bool {
        let looked = accounts::authenticate(&self.service, &self.token);
        self.runtime
            .block_on(looked)
            .is_ok_and(|viewer| viewer.role == Role::Admin)
    }
}

async fn service(folder: &Path) -> Service {
    let url = std::env::var("FUZZ_DATABASE_URL");
    let url = url.unwrap_or_else(|_| format!("sqlite://{}?mode=rwc", folder.join("muster.db").display()));
    let db = Db::connect(&url).await.unwrap();
    Migrator::fresh(db.writer()).await.unwrap();
    let now = DateTime::from_timestamp(NOW, 0).unwrap();
    let service = Service::new(Parts {
        db,
        clock: Arc::new(ManualClock::at(now)),
        entropy: Arc::new(SeededEntropy::new(1)),
        keys: KeyRing::new("a secret key for fuzzing, of more than 32 bytes", &[]).unwrap(),
        media: Store::folder(&folder.join("media")).unwrap(),
        announcer: Arc::new(LocalAnnouncer::default()),
        wake: Arc::new(NoWake),
        mailer: Mailer::folder(folder.join("outbox"), None).unwrap(),
        public_url: "http://localhost".into(),
        password_cost: PasswordCost::Lowest,
        open_registration: true,
        limiter: Arc::new(MemoryLimiter::default()),
        rates: Rates::unlimited(),
        audit_kept: TimeDelta::days(730),
    });
    let plan = Plan {
        seed: 1,
        organization: "Springfield High".into(),
        timezone: "Europe/Madrid".into(),
        students: 12,
        sessions: 8,
        last: now.date_naive(),
    };
    let admin = NewAccount {
        full_name: "Ada Admin",
        email: EMAIL,
        password: PASSWORD,
        role: Role::Admin,
    };
    let made = seed::seed(&service, &Scope::System("fuzzing"), &plan, &admin, |_, _| {});
    made.await.unwrap();
    service
}
