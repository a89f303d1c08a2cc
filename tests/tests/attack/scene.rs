//! A server with production's limits, somebody who goes on using it, and what is done to it.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use service::Scope;
use service::accounts::{self, NewAccount};
use service::id::OrganizationId;
use service::kinds::Role;
use tests::client::Client;
use tests::process::program;
use tests::pulse::Pulse;
use tests::world::{Mode, PASSWORD, Setup, World, address};

/// Others wait no longer than so many times what they wait in the calm part.
const MOST: f64 = 3.0;

/// One scene at a time: each measures how long others wait.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

pub struct Scene {
    // Ends before the world does.
    pulse: Pulse,
    pub world: World,
    pub organization: OrganizationId,
    pub admin: Client,
    parts: Mutex<Vec<(String, Duration)>>,
    _turn: tokio::sync::MutexGuard<'static, ()>,
}

impl Scene {
    pub async fn new() -> Option<Self> {
        let turn = TURN.lock().await;
        let world = Setup {
            rates: true,
            ..Setup::new(Mode::Processes)
        }
        .build()
        .await?;
        let (organization, admin) = world.organization("School").await;
        let pulse = Pulse::start(admin.clone());
        Some(Self {
            world,
            organization,
            admin,
            pulse,
            parts: Mutex::default(),
            _turn: turn,
        })
    }

    /// Somebody who can sign in; answers their address.
    pub async fn account(&self, role: Role) -> String {
        let email = address("account");
        let account = NewAccount {
            full_name: "Ann Account",
            email: &email,
            password: PASSWORD,
            role,
        };
        accounts::add(&self.world.service, &Scope::System("test"), self.organization, &account)
            .await
            .unwrap();
        email
    }

    /// A while in which nothing happens but what others do.
    pub async fn calm(&self) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.pulse.take();
        tokio::time::sleep(Duration::from_secs(5)).await;
        self.after("calm");
    }

    /// Notes how long others waited since the last look.
    pub fn after(&self, part: &str) {
        let (count, median, most) = self.pulse.take();
        let mut parts = self.parts.lock().unwrap();
        parts.push((part.to_owned(), most));
        let times = most.as_secs_f64() / parts[0].1.as_secs_f64();
        println!("{part}: {count} requests of others, p50 {median:.1?}, p95 {most:.1?} ({times:.2} of calm)");
    }

    /// Runs the attacker; answers how often each code came back.
    pub async fn assault(&self, kind: &str, from: &str, count: usize, at_once: usize) -> Value {
        let codes = self
            .run([kind, from, &count.to_string(), &at_once.to_string()], "")
            .await;
        self.after(kind);
        println!("{kind}: {codes}");
        codes
    }

    /// Signs everybody in at once.
    pub async fn class_signs_in(&self, from: &str, pupils: &[String]) -> Value {
        let count = pupils.len().to_string();
        self.run(["class", from, &count, &count], &pupils.join("\n")).await
    }

    /// At the lowest priority, as a machine of its own would take nothing from the server's.
    async fn run(&self, [kind, from, count, at_once]: [&str; 4], input: &str) -> Value {
        let attacker = program().with_file_name("attacker");
        let mut command = Command::new("nice");
        command.args(["-n", "19"]).arg(attacker);
        command.args([&self.world.bases[0], from, kind, count, at_once]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let done = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap())
            .await
            .unwrap();
        assert!(done.status.success());
        serde_json::from_slice(&done.stdout).unwrap()
    }

    /// Judges how long others waited, where the machine is the test's alone (`MUSTER_LONG=1`);
    /// elsewhere it is printed.
    pub fn verdict(&self) {
        if std::env::var_os("MUSTER_LONG").is_none() {
            return;
        }
        let parts = self.parts.lock().unwrap();
        let calm = parts[0].1.as_secs_f64();
        for (part, most) in parts.iter() {
            let times = most.as_secs_f64() / calm;
            assert!(
                times <= MOST,
                "{part}: others waited {times:.2} times as long as in the calm part"
            );
        }
    }
}
