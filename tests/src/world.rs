//! A whole Muster: embedded in the test's process on `SQLite`, or as processes on `PostgreSQL` and
//! Redis. The same tests run on both. What is measured from outside runs on `SQLite` in a process of
//! its own.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use migration::{Migrator, MigratorTrait};
use models::Vision;
use service::accounts::{NewAccount, PasswordCost};
use service::clock::{Clock, SystemClock, SystemEntropy};
use service::db::Db;
use service::events::{Announcer, LocalAnnouncer, Topic};
use service::housekeeping::{self, Chore, Occasion};
use service::id::{OrganizationId, PersonId};
use service::keys::KeyRing;
use service::kinds::Role;
use service::mail::{Mailer, SmtpSettings};
use service::media::Store;
use service::queue::{Wake, WakeError, WakeUp};
use service::rates::{MemoryLimiter, Rates};
use service::{Parts, Scope, Service, accounts};
use tempfile::TempDir;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::fake::{EMBEDDERS, FakeVision};
use crate::postgres::{self, TestDatabase};
use crate::process::Process;
use crate::{faces, redis};

pub const SECRET: &str = "a secret key for tests, of more than 32 bytes";
pub const PASSWORD: &str = "correct horse battery";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Embedded,
    Processes,
    /// `muster up` on `SQLite`, apart from the test's process.
    Apart,
}

/// What a test wants of its world; the default is one of each with the fake vision.
#[derive(Clone, Debug)]
pub struct Setup {
    pub mode: Mode,
    pub apis: usize,
    pub workers: usize,
    pub slots: usize,
    pub real_vision: bool,
    /// Embedded: without announcements, everybody looks every second.
    pub announcements: bool,
    /// Embedded: time stands until the test moves it.
    pub clock: Option<Arc<dyn Clock>>,
    /// Processes: a Redis of the test's own.
    pub redis: Option<String>,
    /// Processes: a `PostgreSQL` of the test's own.
    pub postgres: Option<String>,
    /// A mail server, and the authority behind its certificate; otherwise mails become files.
    pub smtp: Option<(String, Option<PathBuf>)>,
    /// How often somebody may do what is limited, as in production; otherwise tests may log in and
    /// send photos as often as they like.
    pub rates: bool,
    /// Processes: how many requests an api works on at once, where not as many as by itself.
    pub requests_at_once: Option<usize>,
}

impl Setup {
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            apis: 1,
            workers: 1,
            slots: 2,
            real_vision: false,
            announcements: true,
            clock: None,
            redis: None,
            postgres: None,
            smtp: None,
            rates: false,
            requests_at_once: None,
        }
    }

    /// None where the servers that the mode needs are not there: the test is skipped.
    pub async fn build(self) -> Option<World> {
        match self.mode {
            Mode::Embedded => Some(World::embedded(self).await),
            Mode::Processes => World::processes(self).await,
            Mode::Apart => Some(World::apart(self).await),
        }
    }
}

/// Announces nothing.
#[derive(Debug)]
pub struct Silence(broadcast::Sender<Topic>);

impl Default for Silence {
    fn default() -> Self {
        Self(broadcast::Sender::new(1))
    }
}

impl Announcer for Silence {
    fn announce(&self, _: &[Topic]) {}

    fn subscribe(&self) -> broadcast::Receiver<Topic> {
        self.0.subscribe()
    }
}

/// Wakes nobody.
#[derive(Debug)]
pub struct NoWake;

#[async_trait::async_trait]
impl Wake for NoWake {
    async fn wake(&self, _: WakeUp) -> Result<(), WakeError> {
        Ok(())
    }
}

#[derive(Debug)]
pub struct World {
    /// The servers' addresses.
    pub bases: Vec<String>,
    /// The same database, seen directly.
    pub service: Service,
    pub apis: Vec<Process>,
    pub workers: Vec<Process>,
    pub folder: TempDir,
    /// What the processes were started with.
    pub settings: Vec<(String, String)>,
    shutdown: CancellationToken,
    /// Workers in this process that were hired later.
    hired: Vec<(CancellationToken, JoinHandle<()>)>,
    _database: Option<TestDatabase>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn parts(db: Db, folder: &TempDir, public_url: String) -> Parts {
    Parts {
        db,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        keys: KeyRing::new(SECRET, &[]).unwrap(),
        media: Store::folder(&folder.path().join("media")).unwrap(),
        announcer: Arc::new(LocalAnnouncer::default()),
        wake: Arc::new(NoWake),
        mailer: Mailer::folder(folder.path().join("outbox"), None).unwrap(),
        public_url,
        password_cost: PasswordCost::Lowest,
        open_registration: true,
        limiter: Arc::new(MemoryLimiter::default()),
        rates: Rates::unlimited(),
        audit_kept: TimeDelta::days(730),
    }
}

/// What every process of a world is started with.
fn settings(setup: &Setup, folder: &TempDir) -> Vec<(String, String)> {
    let text = |path: PathBuf| path.display().to_string();
    let mut settings: Vec<(String, String)> = [
        ("MUSTER_OPEN_REGISTRATION", "on".to_owned()),
        ("MUSTER_SECRET_KEY", SECRET.to_owned()),
        ("MUSTER_DATA_DIR", text(folder.path().to_owned())),
        ("MUSTER_MODELS_DIR", text(faces::models_dir())),
        ("MUSTER_MODELS_MIRROR", text(faces::mirror())),
        ("MUSTER_WORKERS", setup.slots.to_string()),
        (
            "MUSTER_TEST_VISION",
            if setup.real_vision { "real" } else { "fake" }.to_owned(),
        ),
        (
            "MUSTER_LOG",
            std::env::var("MUSTER_TEST_LOGS").unwrap_or_else(|_| "warn".into()),
        ),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    if let Some((url, authority)) = setup.smtp.clone() {
        settings.push(("SMTP_URL".to_owned(), url));
        if let Some(file) = authority {
            settings.push(("MUSTER_SMTP_CA_FILE".to_owned(), text(file)));
        }
    }
    if !setup.rates {
        for name in ["MUSTER_LOGINS_PER_MINUTE", "MUSTER_UPLOADS_PER_MINUTE"] {
            settings.push((name.to_owned(), "1000000".to_owned()));
        }
    }
    if let Some(requests) = setup.requests_at_once {
        settings.push(("MUSTER_REQUESTS_AT_ONCE".to_owned(), requests.to_string()));
    }
    settings
}

/// Real models for the test's own process.
fn real_vision(slots: usize) -> Arc<dyn Vision> {
    let settings = models::Settings {
        models_dir: faces::models_dir(),
        mirror: Some(faces::mirror().display().to_string()),
        slots,
        threads: 1,
        ..models::Settings::default()
    };
    Arc::new(models::prepare(&settings).unwrap())
}

impl World {
    async fn embedded(setup: Setup) -> Self {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("muster.db").display());
        let db = Db::connect(&url).await.unwrap();
        Migrator::up(db.writer(), None).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (wake, consumer) = worker::queue::memory();
        let mut parts = parts(db, &folder, base.clone());
        parts.wake = wake;
        if !setup.announcements {
            parts.announcer = Arc::new(Silence::default());
        }
        if let Some(clock) = setup.clock {
            parts.clock = clock;
        }
        if setup.rates {
            parts.rates = Rates::default();
        }
        if let Some((url, authority)) = &setup.smtp {
            let authority = authority.as_ref().map(|file| std::fs::read(file).unwrap());
            let settings = SmtpSettings {
                url,
                authority: authority.as_deref(),
                from: None,
                takes: Some(Duration::from_secs(2)),
            };
            parts.mailer = Mailer::smtp(&settings).unwrap();
        }
        let service = Service::new(parts);
        let shutdown = CancellationToken::new();
        tokio::spawn(api::serve(
            service.clone(),
            listener,
            api::Limits::default(),
            api::Exposure::default(),
            shutdown.clone(),
        ));
        if setup.workers > 0 {
            let vision: Arc<dyn Vision> = if setup.real_vision {
                tokio::task::spawn_blocking(move || real_vision(setup.slots))
                    .await
                    .unwrap()
            } else {
                Arc::new(FakeVision::default())
            };
            let (_, receiver) = watch::channel(Some(vision));
            tokio::spawn(worker::run(
                service.clone(),
                consumer,
                receiver,
                setup.slots,
                shutdown.clone(),
            ));
        }
        Self {
            bases: vec![base],
            service,
            apis: Vec::new(),
            workers: Vec::new(),
            folder,
            settings: Vec::new(),
            shutdown,
            hired: Vec::new(),
            _database: None,
        }
    }

    async fn processes(setup: Setup) -> Option<Self> {
        let servers = (
            setup.postgres.clone().or_else(postgres::server),
            setup.redis.clone().or_else(redis::server),
        );
        let (Some(server), Some(redis)) = servers else {
            eprintln!("skipped: TEST_DATABASE_URL and TEST_REDIS_URL are not set");
            return None;
        };
        let database = TestDatabase::create(&server).await;
        let folder = TempDir::new().unwrap();
        let mut settings = settings(&setup, &folder);
        let namespace = format!("test-{}", uuid::Uuid::new_v4().simple());
        for (name, value) in [
            ("DATABASE_URL", database.url.clone()),
            ("REDIS_URL", redis),
            ("MUSTER_NAMESPACE", namespace),
        ] {
            settings.push((name.to_owned(), value));
        }
        let db = Db::connect(&database.url).await.unwrap();
        let mut world = Self {
            bases: Vec::new(),
            service: Service::new(parts(db, &folder, "http://127.0.0.1".into())),
            apis: Vec::new(),
            workers: Vec::new(),
            folder,
            settings,
            shutdown: CancellationToken::new(),
            hired: Vec::new(),
            _database: Some(database),
        };
        for _ in 0..setup.apis {
            let api = world.start("api").await;
            world.bases.push(api.base.clone());
            world.apis.push(api);
        }
        for _ in 0..setup.workers {
            let worker = world.start("worker").await;
            world.workers.push(worker);
        }
        Some(world)
    }

    async fn apart(setup: Setup) -> Self {
        let folder = TempDir::new().unwrap();
        let settings = settings(&setup, &folder);
        let named: Vec<(&str, &str)> = settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let up = Process::start("up", &named).await;
        let url = format!("sqlite://{}?mode=rw", folder.path().join("muster.db").display());
        let db = Db::connect(&url).await.unwrap();
        Self {
            bases: vec![up.base.clone()],
            service: Service::new(parts(db, &folder, up.base.clone())),
            apis: vec![up],
            workers: Vec::new(),
            folder,
            settings,
            shutdown: CancellationToken::new(),
            hired: Vec::new(),
            _database: None,
        }
    }

    /// Another process of this world.
    pub async fn start(&self, role: &str) -> Process {
        let settings: Vec<(&str, &str)> = self.settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        Process::start(role, &settings).await
    }

    /// One more worker with the fake vision: a process, or on the embedded default a part of this one.
    pub async fn hire(&mut self) {
        self.hire_with(EMBEDDERS[0]).await;
    }

    /// The same with this of the fake embedders.
    pub async fn hire_with(&mut self, embedder: &str) {
        if !self.apis.is_empty() {
            let mut settings: Vec<(&str, &str)> = self.settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            settings.push(("MUSTER_TEST_EMBEDDER", embedder));
            let worker = Process::start("worker", &settings).await;
            self.workers.push(worker);
            return;
        }
        let (wake, consumer) = worker::queue::memory();
        let service = self.twin(|parts| parts.wake = wake);
        let leave = self.shutdown.child_token();
        let token = leave.clone();
        let (_, vision) = watch::channel(Some(Arc::new(FakeVision::with_embedder(embedder)) as Arc<dyn Vision>));
        let work = tokio::spawn(worker::run(service, consumer, vision, 2, token));
        self.hired.push((leave, work));
    }

    /// Has the hired workers and the worker processes go, each after what it is at.
    pub async fn dismiss(&mut self) {
        for mut worker in self.workers.drain(..) {
            assert!(worker.stop().await.success());
        }
        for (leave, work) in self.hired.drain(..) {
            leave.cancel();
            work.await.unwrap();
        }
    }

    /// Another server's service on the same database, with other parts where `change` says so.
    pub fn twin(&self, change: impl FnOnce(&mut Parts)) -> Service {
        let mut parts = parts(self.service.db.clone(), &self.folder, self.service.public_url.clone());
        change(&mut parts);
        Service::new(parts)
    }

    /// Does a chore now, when whoever is at it has done; how much there was to do.
    pub async fn housekeep(&self, chore: Chore) -> u64 {
        loop {
            if let Some(ran) = housekeeping::run(&self.service, chore, Occasion::Asked).await.unwrap() {
                return ran.done.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Every file of the media store, by its key: also those of writes that were cut off. Not the marker that says
    /// whose it is.
    pub fn media_files(&self) -> BTreeSet<String> {
        let root = self.folder.path().join("media");
        let mut found = BTreeSet::new();
        let mut folders = vec![root.clone()];
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(next).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.insert(path.strip_prefix(&root).unwrap().display().to_string());
                }
            }
        }
        found.remove("installation");
        found
    }

    /// Someone not signed in, at the first server.
    pub fn stranger(&self) -> Client {
        Client::new(&self.bases[0])
    }

    /// A new organization, and its admin signed in.
    pub async fn organization(&self, name: &str) -> (OrganizationId, Client) {
        let email = address("admin");
        let admin = NewAccount {
            full_name: "Ada Admin",
            email: &email,
            password: PASSWORD,
            role: Role::Admin,
        };
        let (id, _) = accounts::found(
            &self.service,
            &Scope::System("test"),
            name,
            Some("Europe/Madrid"),
            &admin,
        )
        .await
        .unwrap();
        (id, self.stranger().login(&email, PASSWORD).await)
    }

    /// A member of an organization, signed in.
    pub async fn member(&self, organization: OrganizationId, name: &str, role: Role) -> (PersonId, Client) {
        let email = address("member");
        let account = NewAccount {
            full_name: name,
            email: &email,
            password: PASSWORD,
            role,
        };
        let id = accounts::add(&self.service, &Scope::System("test"), organization, &account)
            .await
            .unwrap();
        (id, self.stranger().login(&email, PASSWORD).await)
    }
}

/// An address that nobody else has.
pub fn address(who: &str) -> String {
    format!("{who}-{}@example.org", uuid::Uuid::new_v4().simple())
}

/// Writes a test once for both modes: `both!(name, |world: World| async { … }, Setup::…)`.
#[macro_export]
macro_rules! both {
    ($name:ident, $body:path) => {
        $crate::both!($name, $body, |setup| setup);
    };
    ($name:ident, $body:path, $change:expr) => {
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread")]
            async fn embedded() {
                run($crate::world::Mode::Embedded).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn processes() {
                run($crate::world::Mode::Processes).await;
            }

            async fn run(mode: $crate::world::Mode) {
                let change: fn($crate::world::Setup) -> $crate::world::Setup = $change;
                if let Some(world) = change($crate::world::Setup::new(mode)).build().await {
                    $body(world).await;
                }
            }
        }
    };
}
