//! A school's day at one api process and one worker: at 70 % of what they hold, at twice as much as
//! that, and afterwards.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tests::world::{Mode, Setup, World};
use tokio::task::JoinHandle;

use super::operations::Operation;
use super::schedule::Part;
use super::teachers::Teachers;
use super::usage::{all, busy, resident};

/// What is held: nothing is refused or fails, the 95th percentile stays within this, in ms, and no photo
/// waits longer for a worker than this, in seconds.
const HELD_P95: f64 = 250.0;
const HELD_QUEUE: f64 = 2.0;
/// The rate at which the search for what is held begins, in operations a second.
const FIRST: f64 = 20.0;
const STEEP: f64 = 1.5;
const HALVINGS: usize = 3;
const CALM: f64 = 0.7;
/// How long the server may be in recovering.
pub const SETTLES: Duration = Duration::from_secs(5);
/// Share by which memory may differ at the end of the calm part.
const DRIFT: f64 = 0.1;

#[derive(Clone, Debug)]
pub struct Plan {
    pub mode: Mode,
    pub real: bool,
    pub teachers: u8,
    pub students: usize,
    /// Operations a second that are held, where that is known.
    pub held: Option<f64>,
    /// One step of the search for it.
    pub step: Duration,
    pub calm: Duration,
    /// What is too much, and how many times as much as is held.
    pub overload: Duration,
    pub times: f64,
    pub after: Duration,
    /// `MUSTER_REQUESTS_AT_ONCE`, where it isn't the default.
    pub at_once: Option<usize>,
}

impl Plan {
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            real: false,
            teachers: 24,
            students: 30,
            held: None,
            step: Duration::from_secs(10),
            calm: Duration::from_mins(5),
            overload: Duration::from_secs(30),
            times: 2.0,
            after: Duration::from_secs(20),
            at_once: None,
        }
    }
}

/// Bytes in memory, each second of a part.
#[derive(Clone, Debug, Default)]
pub struct Memory(Vec<u64>);

impl Memory {
    /// Means of the second tenth and of the last.
    pub fn drift(&self) -> (f64, f64) {
        let part = (self.0.len() / 10).max(1);
        let mean =
            |samples: &[u64]| samples.iter().map(|bytes| small(*bytes)).sum::<f64>() / small(samples.len() as u64);
        let second = self.0.get(part..2 * part).unwrap_or(&self.0);
        (mean(second), mean(&self.0[self.0.len() - part..]))
    }

    pub fn most(&self) -> f64 {
        small(self.0.iter().copied().max().unwrap_or_default())
    }
}

/// What health said in the overload, asked twice a second.
#[derive(Clone, Debug, Default)]
pub struct Probes {
    pub asked: usize,
    pub failed: usize,
    /// Milliseconds.
    pub slowest: f64,
}

#[derive(Clone, Debug)]
pub struct Report {
    pub plan: Plan,
    pub held: f64,
    pub calm: Part,
    pub memory: Memory,
    /// Processors' time a second of the calm part: the servers', without the database's, and the clients'.
    pub busy: [f64; 2],
    pub overload: Part,
    pub crowded: Memory,
    pub probes: Probes,
    /// From [`SETTLES`] after the end of the overload.
    pub after: Part,
    /// Until the last photo was recognized.
    pub drained: Duration,
}

/// None where the servers that the mode needs are not there.
pub async fn run(plan: Plan) -> Option<Report> {
    let setup = Setup {
        slots: 1,
        real_vision: plan.real,
        rates: true,
        requests_at_once: plan.at_once,
        ..Setup::new(plan.mode)
    };
    let world = setup.build().await?;
    // Recognition gives way to people who wait, where both share a machine.
    for worker in &world.workers {
        tests::process::give_way(worker.id());
    }
    let mut teachers = Teachers::of(&world, plan.teachers, plan.students, plan.real).await;
    let servers: Vec<u32> = world
        .apis
        .iter()
        .chain(&world.workers)
        .map(tests::process::Process::id)
        .collect();
    let held = if let Some(held) = plan.held {
        held
    } else {
        let shared = Arc::new(teachers);
        let held = search(&shared, plan.step).await;
        teachers = Arc::into_inner(shared).expect("nothing asks any more");
        held
    };
    teachers.relieve(&world).await;
    let teachers = Arc::new(teachers);

    let [before, own] = [all_busy(&servers), busy(std::process::id())];
    let watch = Watch::start(servers.clone());
    let calm = Part::play(&teachers, held * CALM, plan.calm, 1).await;
    let memory = watch.end();
    let took = [
        all_busy(&servers).saturating_sub(before),
        busy(std::process::id()).saturating_sub(own),
    ];
    let busy = took.map(|took| took.as_secs_f64() / plan.calm.as_secs_f64());
    teachers.idle().await;

    let (watch, probes) = (Watch::start(servers), Prober::start(&world));
    // Who comes in the overload and who comes after don't wait for each other either.
    let (late, crowd) = (teachers.clone(), teachers.clone());
    let (rate, lasts) = (held * plan.times, plan.overload);
    let crowd = tokio::spawn(async move { Part::play(&crowd, rate, lasts, 2).await });
    tokio::time::sleep(plan.overload).await;
    let ended = Instant::now();
    let after = Part::play(&late, held * CALM, SETTLES + plan.after, 3)
        .await
        .since(SETTLES);
    let overload = crowd.await.unwrap();
    let crowded = watch.end();
    let probes = probes.end();
    teachers.idle().await;
    Some(Report {
        held,
        calm,
        memory,
        busy,
        overload,
        crowded,
        probes,
        after,
        drained: ended.elapsed(),
        plan,
    })
}

fn all_busy(servers: &[u32]) -> Duration {
    servers.iter().map(|server| busy(*server)).sum()
}

/// The most operations a second that are held, to a few percent.
async fn search(teachers: &Arc<Teachers>, step: Duration) -> f64 {
    let (mut good, mut bad) = (None, None);
    let mut halvings = 0;
    loop {
        let rate = match (good, bad) {
            (None, None) => FIRST,
            (Some(good), None) => good * STEEP,
            (None, Some(bad)) => bad / STEEP,
            (Some(_), Some(_)) if halvings == HALVINGS => break,
            (Some(good), Some(bad)) => {
                halvings += 1;
                f64::midpoint(good, bad)
            }
        };
        let part = Part::play(teachers, rate, step, 0).await;
        let (oldest, _) = teachers.waiting().await;
        let p95 = part.waits(None).percentile(95);
        let refused = part.refused(None).count() + part.failures().len();
        let held = refused == 0 && p95 <= HELD_P95 && oldest <= HELD_QUEUE;
        eprintln!(
            "{rate:.0} a second: p95 {p95:.0} ms, {refused} refused or failed, the oldest photo waits {oldest:.1} s: {}",
            if held { "held" } else { "too much" }
        );
        teachers.idle().await;
        if held {
            good = Some(rate);
        } else {
            bad = Some(rate);
        }
        assert!(rate > 1.0, "not even one operation a second is held");
    }
    good.unwrap_or_default()
}

/// Looks at the memory of processes each second.
struct Watch {
    samples: Arc<Mutex<Vec<u64>>>,
    looking: JoinHandle<()>,
}

impl Watch {
    fn start(processes: Vec<u32>) -> Self {
        let samples = Arc::new(Mutex::new(vec![all(&processes, resident)]));
        let own = samples.clone();
        let looking = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                own.lock().unwrap().push(all(&processes, resident));
            }
        });
        Self { samples, looking }
    }

    fn end(self) -> Memory {
        self.looking.abort();
        Memory(self.samples.lock().unwrap().clone())
    }
}

/// Asks for the server's health as an orchestrator does.
struct Prober {
    seen: Arc<Mutex<Probes>>,
    asking: JoinHandle<()>,
}

impl Prober {
    fn start(world: &World) -> Self {
        let seen = Arc::new(Mutex::new(Probes::default()));
        let (own, base) = (seen.clone(), world.bases[0].clone());
        let asking = tokio::spawn(async move {
            let http = reqwest::Client::new();
            loop {
                for path in ["live", "ready"] {
                    let begun = Instant::now();
                    let answer = http.get(format!("{base}/health/{path}")).send().await;
                    let mut seen = own.lock().unwrap();
                    seen.asked += 1;
                    seen.failed += usize::from(!answer.is_ok_and(|answer| answer.status().is_success()));
                    seen.slowest = seen.slowest.max(begun.elapsed().as_secs_f64() * 1000.0);
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
        Self { seen, asking }
    }

    fn end(self) -> Probes {
        self.asking.abort();
        self.seen.lock().unwrap().clone()
    }
}

impl Report {
    /// As tables in Markdown.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = self.parts();
        lines.push(String::new());
        lines.extend(self.goals());
        lines
    }

    /// How long each operation took in each part.
    fn parts(&self) -> Vec<String> {
        let mut lines = vec![
            "| part | operation | done | a second | p50 | p95 | p99 | refused, after p95 | failed |".to_owned(),
            "|---|---|---|---|---|---|---|---|---|".to_owned(),
        ];
        for (name, part) in [
            ("calm", &self.calm),
            ("too much", &self.overload),
            ("afterwards", &self.after),
        ] {
            for operation in Operation::ALL.map(Some).into_iter().chain([None]) {
                let (waits, refused) = (part.waits(operation), part.refused(operation));
                let [p50, p95, p99] = [50, 95, 99].map(|percent| waits.percentile(percent));
                let rate = small(waits.count() as u64) / part.lasts.as_secs_f64();
                let put_off = match refused.count() {
                    0 => "0".to_owned(),
                    count => format!("{count}, {:.0} ms", refused.percentile(95)),
                };
                let failed = if operation.is_none() {
                    part.failures().len().to_string()
                } else {
                    String::new()
                };
                lines.push(format!(
                    "| {name}, {:.0} a second | {} | {} | {rate:.1} | {p50:.0} ms | {p95:.0} ms | {p99:.0} ms | {put_off} | {failed} |",
                    part.rate,
                    operation.map_or("all", Operation::name),
                    waits.count(),
                ));
            }
        }
        for part in [&self.calm, &self.overload, &self.after] {
            let mut reasons = BTreeMap::<&str, usize>::new();
            for reason in part.failures() {
                *reasons.entry(reason).or_default() += 1;
            }
            for (reason, times) in reasons {
                lines.push(format!("\nfailed {times} times: {reason}"));
            }
        }
        lines
    }

    fn goals(&self) -> Vec<String> {
        let database = if self.plan.mode == Mode::Processes {
            "PostgreSQL"
        } else {
            "SQLite"
        };
        let models = if self.plan.real {
            "real models"
        } else {
            "a stand-in for the models"
        };
        let mut lines = vec![
            format!("| one api process on {database}, {models} | | goal | met |"),
            "|---|---|---|---|".to_owned(),
        ];
        let mut line = |what: &str, value: String, goal: &str, met: Option<bool>| {
            let met = met.map_or("", |met| if met { "yes" } else { "**no**" });
            lines.push(format!("| {what} | {value} | {goal} | {met} |"));
        };
        line("held", format!("{:.0} operations a second", self.held), "", None);
        let [servers, clients] = self.busy;
        let busy = format!("{servers:.2} cores, and {clients:.2} the clients");
        line("busy in the calm part, without the database", busy, "", None);
        let errors = self.calm.failures().len() + self.calm.refused(None).count();
        line(
            "refused or failed in the calm part",
            errors.to_string(),
            "0",
            Some(errors == 0),
        );
        let (second, last) = self.memory.drift();
        let memory = format!("{:.0} MB, then {:.0} MB", second / 1e6, last / 1e6);
        line(
            "memory, second and last tenth of it",
            memory,
            "within 10 %",
            Some(self.is_flat()),
        );
        line(
            "most memory in the overload",
            format!("{:.0} MB", self.crowded.most() / 1e6),
            "",
            None,
        );
        let failed = self.overload.failures().len();
        let other = "neither done, RATE_LIMITED nor UNAVAILABLE in the overload";
        line(other, failed.to_string(), "0", Some(failed == 0));
        let share = small(self.overload.waits(None).count() as u64) / self.overload.lasts.as_secs_f64() / self.held;
        line(
            "done in the overload, of what is held",
            format!("{:.0} %", share * 100.0),
            "",
            None,
        );
        let Probes { asked, failed, slowest } = self.probes;
        let health = format!("{failed} of {asked}, the slowest {slowest:.0} ms");
        line("health that did not answer in it", health, "0", Some(failed == 0));
        let [calm, after] = [&self.calm, &self.after].map(|part| part.waits(None).percentile(95));
        let p95 = format!("{after:.0} ms after {calm:.0} ms: {:.2}", after / calm);
        let errors = self.after.failures().len() + self.after.refused(None).count();
        line(
            "p95 from 5 s after its end, over the calm part's",
            p95,
            "≤ 2",
            Some(after <= calm * 2.0),
        );
        line("refused or failed then", errors.to_string(), "0", Some(errors == 0));
        line(
            "from its end until no photo waited, the part afterwards included",
            format!("{:.0} s", self.drained.as_secs_f64()),
            "",
            None,
        );
        lines
    }

    pub fn is_flat(&self) -> bool {
        let (second, last) = self.memory.drift();
        (last - second).abs() <= DRIFT * second
    }
}

#[expect(clippy::cast_precision_loss, reason = "bytes of memory, and counts")]
fn small(number: u64) -> f64 {
    number as f64
}
