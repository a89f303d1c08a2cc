//! Many who watch one session at one api process: what a mark costs, what each of them takes of the
//! memory, how long a mark is on its way to them, and whether one who doesn't read is in the way.

use std::time::{Duration, Instant};

use service::kinds::Role;
use tests::client::data;
use tests::school::School;
use tests::world::{Mode, Setup, World};

use super::stalled::Stalled;
use super::usage::resident;
use super::waits::Waits;
use super::watcher::{Heard, Watcher};
use super::wire::Wire;

/// How long all may take to hear of a mark, or to see the state when they come.
const HEARD: Duration = Duration::from_mins(1);
/// A socket that takes nothing is given up after ten seconds without a byte, once the kernels are full.
const CUT: Duration = Duration::from_mins(1);
const STUDENTS: usize = 30;
/// Marks whose statements are counted: the least of them is without looks of other kinds.
const COUNTED: usize = 24;

#[derive(Clone, Debug)]
pub struct Plan {
    pub mode: Mode,
    pub subscribers: usize,
    /// Who all the others are compared with.
    pub few: usize,
    /// The subscribers are so many people.
    pub people: usize,
    /// Marks whose way is timed.
    pub marks: usize,
    pub every: Duration,
}

impl Plan {
    pub fn new(mode: Mode, subscribers: usize) -> Self {
        Self {
            mode,
            subscribers,
            few: 10,
            people: 10,
            marks: 200,
            every: Duration::from_millis(100),
        }
    }
}

/// What was seen of the one who doesn't read.
#[derive(Clone, Debug)]
pub struct Beside {
    /// How long others waited meanwhile.
    pub waits: Waits,
    /// From its last subscription until the server held its connection no more; none where it never let go.
    pub cut_after: Option<Duration>,
    /// Its connection ended.
    pub ended: bool,
}

#[derive(Clone, Debug)]
pub struct Report {
    pub plan: Plan,
    /// The least statements for a mark with the few and with all; none on `SQLite`, where the tests of
    /// statements count them.
    pub statements: Option<[u64; 2]>,
    /// Bytes of memory for a subscriber who has just come, and after the marks.
    pub memory: [f64; 2],
    pub alone: Waits,
    pub beside: Beside,
    /// Subscribers who did not see all marks in the order in which the first saw them.
    pub astray: usize,
}

struct Site {
    plan: Plan,
    school: School,
    session: String,
    wire: Option<Wire>,
    heard: Heard,
    watchers: Vec<Watcher>,
    marked: usize,
    /// As many were marked when the last subscriber had come.
    marked_before: usize,
    // Ends after all that talks to it.
    world: World,
}

/// None where the servers that the mode needs are not there.
pub async fn run(plan: Plan) -> Option<Report> {
    let setup = Setup {
        apis: 0,
        workers: 0,
        ..Setup::new(plan.mode)
    };
    let mut world = setup.build().await?;
    let mut wire = None;
    if plan.mode == Mode::Processes {
        let url = world.settings.iter_mut().find(|(name, _)| name == "DATABASE_URL");
        let (_, url) = url.unwrap();
        let tapped = Wire::tap(url).await;
        url.clone_from(&tapped.url);
        wire = Some(tapped);
        let api = world.start("api").await;
        world.bases.push(api.base.clone());
        world.apis.push(api);
    }
    let (organization, admin) = world.organization("School").await;
    let school = School::with_students(&admin, STUDENTS).await;
    let session = school.open_session().await;
    let mut people = Vec::new();
    for number in 0..plan.people {
        people.push(
            world
                .member(organization, &format!("Watcher {number}"), Role::Admin)
                .await
                .1,
        );
    }
    let mut site = Site {
        plan,
        school,
        session,
        wire,
        heard: Heard::default(),
        watchers: Vec::new(),
        marked: 0,
        marked_before: 0,
        world,
    };
    // Changing a mark costs another number of statements than making one. And whoever comes sees these
    // at once, by which it is known that they are heard.
    for _ in 0..STUDENTS {
        site.mark().await;
    }
    site.warm().await;
    site.come(&people, site.plan.few).await;
    let few = site.statements().await;
    let api = site.world.apis[0].id();
    let before = resident(api);
    let more = site.plan.subscribers - site.plan.few;
    site.come(&people, more).await;
    let memory = |now: u64| signed(now, before) / small(more as u64);
    let come = memory(resident(api));
    site.marked_before = site.marked;
    let all = site.statements().await;
    site.heard.take();
    site.marks(site.plan.marks).await;
    let alone = site.heard.take();
    let worked = memory(resident(api));
    let beside = site.beside().await;
    Some(Report {
        statements: few.zip(all).map(|(few, all)| [few, all]),
        memory: [come, worked],
        alone,
        beside,
        astray: site.astray(),
        plan: site.plan,
    })
}

impl Site {
    /// Marks one of the students differently than before.
    async fn mark(&mut self) {
        let students = &self.school.students;
        let status = ["PRESENT", "EXCUSED", "LATE"][self.marked / students.len() % 3];
        let student = &students[self.marked % students.len()];
        data(self.school.mark(&self.session, student, status).await);
        self.marked += 1;
    }

    /// Has the process grow to what it is when many ask at once, watchers or none.
    async fn warm(&self) {
        for _ in 0..20 {
            // As many as it works on at once.
            let asks = (0..32).map(|_| self.school.roll(&self.session));
            futures_util::future::join_all(asks).await;
        }
    }

    async fn until(&self, heard: usize) {
        let begun = Instant::now();
        while self.heard.count() < heard {
            assert!(begun.elapsed() < HEARD, "{} of {heard} were heard", self.heard.count());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// So many more subscribe, all of whom have seen the state.
    async fn come(&mut self, people: &[tests::client::Client], count: usize) {
        let heard = self.heard.count();
        for number in 0..count {
            let person = people[number % people.len()].at(&self.world.bases[0]);
            let watcher = Watcher::start(&person, &self.session, &self.heard).await;
            self.watchers.push(watcher);
        }
        // Each student's latest change.
        self.until(heard + count * STUDENTS).await;
    }

    /// The least statements for a mark that all have heard of.
    async fn statements(&mut self) -> Option<u64> {
        let mut least = None;
        for _ in 0..COUNTED {
            let before = self.wire.as_ref().map(Wire::statements);
            let heard = self.heard.count();
            self.mark().await;
            self.until(heard + self.watchers.len()).await;
            let after = self.wire.as_ref().map(Wire::statements);
            let took = after.zip(before).map(|(after, before)| after - before);
            least = least.into_iter().chain(took).min();
        }
        least
    }

    /// Marks at a steady pace.
    async fn marks(&mut self, count: usize) {
        let heard = self.heard.count();
        let mut due = Instant::now();
        for _ in 0..count {
            tokio::time::sleep_until(due.into()).await;
            self.mark().await;
            due += self.plan.every;
        }
        self.until(heard + count * self.watchers.len()).await;
    }

    async fn beside(&mut self) -> Beside {
        let stalled = Stalled::start(&self.school.teacher.at(&self.world.bases[0]), &self.session).await;
        let begun = Instant::now();
        let mut cut_after = None;
        while cut_after.is_none() && begun.elapsed() < CUT {
            self.marks(10).await;
            cut_after = (!stalled.is_held()).then(|| begun.elapsed());
        }
        Beside {
            waits: self.heard.take(),
            cut_after,
            ended: stalled.ends().await,
        }
    }

    fn astray(&self) -> usize {
        let count = self.marked - self.marked_before;
        let Some((first, others)) = self.watchers.split_first() else {
            return 0;
        };
        let expected = first.last(count);
        others.iter().filter(|watcher| watcher.last(count) != expected).count()
    }
}

impl Report {
    /// As a table in Markdown.
    pub fn lines(&self) -> Vec<String> {
        let Plan {
            mode, subscribers, few, ..
        } = self.plan;
        let database = if mode == Mode::Processes {
            "PostgreSQL"
        } else {
            "SQLite"
        };
        let mut lines = vec![
            format!("| {subscribers} subscribers, one api process on {database} | | goal | met |"),
            "|---|---|---|---|".to_owned(),
        ];
        let mut line = |what: &str, value: String, goal: &str, met: Option<bool>| {
            let met = met.map_or("", |met| if met { "yes" } else { "**no**" });
            lines.push(format!("| {what} | {value} | {goal} | {met} |"));
        };
        if let Some([with_few, with_all]) = self.statements {
            let what = format!("statements for a mark, with {few} and with all");
            line(
                &what,
                format!("{with_few} and {with_all}"),
                "equal",
                Some(with_few == with_all),
            );
        }
        for (what, bytes) in ["who has come", "after the marks"].iter().zip(self.memory) {
            let kb = bytes / 1000.0;
            line(
                &format!("memory for a subscriber {what}"),
                format!("{kb:.1} kB"),
                "≤ 64 kB",
                Some(kb <= 64.0),
            );
        }
        let waits = |waits: &Waits| {
            let [p50, p95] = [50, 95].map(|percent| waits.percentile(percent));
            format!(
                "p50 {p50:.0} ms, p95 {p95:.0} ms, most {:.0} ms of {}",
                waits.most(),
                waits.count()
            )
        };
        let good = |waits: &Waits| Some(waits.percentile(95) <= 250.0);
        line(
            "from commit to arrival",
            waits(&self.alone),
            "p95 ≤ 250 ms",
            good(&self.alone),
        );
        let beside = &self.beside;
        line(
            "the same beside one who doesn't read",
            waits(&beside.waits),
            "p95 ≤ 250 ms",
            good(&beside.waits),
        );
        let cut = beside
            .cut_after
            .map_or("not".to_owned(), |after| format!("after {:.0} s", after.as_secs_f64()));
        line(
            "who doesn't read is cut off",
            cut,
            "",
            Some(beside.cut_after.is_some() && beside.ended),
        );
        line(
            "who missed a mark, or saw it out of order",
            self.astray.to_string(),
            "0",
            Some(self.astray == 0),
        );
        lines
    }
}

#[expect(clippy::cast_precision_loss, reason = "a process's bytes")]
fn small(number: u64) -> f64 {
    number as f64
}

fn signed(now: u64, before: u64) -> f64 {
    small(now) - small(before)
}
