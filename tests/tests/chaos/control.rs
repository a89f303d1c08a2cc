//! Gives the word at every gate: who passes, whose write fails, who is killed there.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;
use sea_orm::DatabaseConnection;
use tests::gate::{Point, Question, Word};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::fleet::Fleet;
use super::locks::{Hold, Locks, Moment, rows};
use super::plan::{Kill, Plan, dice};

/// Writes to the media store of which one fails.
const FAILS: f64 = 0.05;
/// Who was let pass comes to the transaction within that time, or has met something else.
const COMES: Duration = Duration::from_secs(10);
/// A worker has claimed a job so often before its last attempt.
const SPENT: i32 = 3;
/// Longer than a lease.
const SLEEPS: Duration = Duration::from_secs(18);
/// Time enough to write what must not be written, while the next one waits.
const STARTLES: Duration = Duration::from_secs(3);

#[derive(Debug)]
struct Course {
    faces: usize,
    kills: VecDeque<Kill>,
    reserve: bool,
    /// Whoever works on it is about to be killed: a kill was taken from the plan and has not come about yet.
    dying: bool,
    dice: StdRng,
    /// For each attempt the crops so far, and whether all of them were stored.
    crops: HashMap<String, (usize, bool)>,
    sleeper: Sleeper,
}

/// A worker that is stopped with everything stored and nothing written, until its lease has run out; and goes on
/// while another has the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sleeper {
    None,
    Planned,
    Asleep,
    Awake(Instant),
}

/// What was done, for the summary and the checks.
#[derive(Clone, Debug, Default)]
pub struct Done {
    pub kills: BTreeMap<Kill, usize>,
    pub writes: usize,
    pub failed_writes: usize,
    /// Workers that slept through their lease.
    pub slept: usize,
    /// Every key under which an api was about to store a photo.
    pub photo_keys: HashMap<String, u16>,
}

#[derive(Debug)]
struct State {
    /// Nothing happens yet.
    calm: bool,
    courses: HashMap<u16, Course>,
    /// How many of each are still to come about.
    owed: BTreeMap<Kill, usize>,
    sleeper_owed: bool,
    done: Done,
}

impl State {
    /// Whether whoever works on the photo is to be killed so next.
    fn dies(&self, number: u16, kill: Kill) -> bool {
        let course = &self.courses[&number];
        let owed = |kill: &Kill| self.owed.get(kill).is_some_and(|owed| *owed > 0);
        let next = course.kills.iter().find(|kill| owed(kill));
        !course.dying && owed(&kill) && (course.reserve || next == Some(&kill))
    }

    /// Whether whoever works on the photo is to sleep through its lease.
    fn sleeps(&self, number: u16) -> bool {
        let course = &self.courses[&number];
        let none_owed = self.owed.values().all(|owed| *owed == 0) && self.courses.values().all(|c| !c.dying);
        self.sleeper_owed && (course.sleeper == Sleeper::Planned || (course.reserve && none_owed))
    }
}

#[derive(Debug)]
pub struct Control {
    db: DatabaseConnection,
    pub locks: Locks,
    state: Mutex<State>,
    fleet: tokio::sync::OnceCell<Arc<Fleet>>,
}

impl Control {
    pub async fn listen(plan: &Plan, db: DatabaseConnection, socket: &Path) -> Arc<Self> {
        let course = |photo: &super::plan::Photo| Course {
            faces: photo.faces,
            kills: photo.kills.clone().into(),
            reserve: photo.reserve,
            dying: false,
            dice: dice(plan.seed, 1 + u64::from(photo.number)),
            crops: HashMap::new(),
            sleeper: if photo.sleeper { Sleeper::Planned } else { Sleeper::None },
        };
        let mut owed = BTreeMap::new();
        for kill in plan.photos.iter().flat_map(|photo| &photo.kills) {
            *owed.entry(*kill).or_default() += 1;
        }
        let control = Arc::new(Self {
            locks: Locks::install(db.clone()).await,
            db,
            state: Mutex::new(State {
                calm: true,
                courses: plan.photos.iter().map(|p| (p.number, course(p))).collect(),
                owed,
                sleeper_owed: plan.photos.iter().any(|photo| photo.sleeper),
                done: Done::default(),
            }),
            fleet: tokio::sync::OnceCell::new(),
        });
        let listener = UnixListener::bind(socket).unwrap();
        let door = Arc::downgrade(&control);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Some(control) = door.upgrade() else { return };
                tokio::spawn(control.answer(stream));
            }
        });
        control
    }

    pub fn lead(&self, fleet: Arc<Fleet>) {
        self.fleet.set(fleet).unwrap();
    }

    fn fleet(&self) -> &Fleet {
        self.fleet.get().expect("nobody asks before there are processes")
    }

    /// From now on writes fail and workers die.
    pub fn begin(&self) {
        let mut state = self.state.lock().unwrap();
        state.calm = false;
        state.done.photo_keys.clear();
    }

    pub fn done(&self) -> Done {
        self.state.lock().unwrap().done.clone()
    }

    pub fn note(&self, kill: Kill) {
        *self.state.lock().unwrap().done.kills.entry(kill).or_default() += 1;
    }

    async fn answer(self: Arc<Self>, stream: UnixStream) {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        if stream.read_line(&mut line).await.is_err() || line.is_empty() {
            // Killed while it asked, for something else.
            return;
        }
        let question: Question = line.trim_end().parse().unwrap();
        if let Some(word) = self.word(&question).await {
            let _ = stream.write_all(&[word.byte()]).await;
        }
    }

    /// None for one that is killed.
    async fn word(self: &Arc<Self>, question: &Question) -> Option<Word> {
        let number = {
            let mut state = self.state.lock().unwrap();
            if state.calm {
                return Some(Word::Pass);
            }
            let key = question.key.clone().unwrap_or_default();
            // Not a photo of the run: an enrolment's.
            let known = question.photo.or_else(|| state.done.photo_keys.get(&key).copied());
            let Some(number) = known else { return Some(Word::Pass) };
            if question.point == Point::Storing {
                state.done.photo_keys.insert(key, number);
            }
            number
        };
        if question.point == Point::Fetching {
            self.let_the_sleeper_go_first(number).await;
        }
        let kill = Kill::At(question.point);
        if self.dies_at(number, question) && self.may_kill(number, kill).await {
            if self.fleet().kill(question.process).await {
                self.came_about(number, kill);
            } else {
                self.give_back(number, kill);
            }
            return None;
        }
        if !matches!(question.point, Point::Storing | Point::Cropping) {
            return Some(Word::Pass);
        }
        let (word, last) = self.store(number, question);
        if last {
            self.sleep(number, question.process).await;
        }
        if let (true, Some((kill, moment))) = (last, self.dies_behind(number)) {
            // Its key says which job it is: crops/JOB/FENCE/NAME.
            let job = question.key.as_deref().and_then(|key| key.split('/').nth(1)).unwrap();
            let job = uuid::Uuid::parse_str(job).unwrap().to_string();
            if self.may_kill(number, kill).await {
                let hold = self.locks.hold(moment, || job.clone()).await;
                tokio::spawn(self.clone().strike(hold, number, kill));
            }
        }
        Some(word)
    }

    /// Whether the plan has the process die here.
    fn dies_at(&self, number: u16, question: &Question) -> bool {
        let state = self.state.lock().unwrap();
        let course = &state.courses[&number];
        let stored = || course.crops.get(&attempt(question)).map_or(0, |(stored, _)| *stored);
        state.dies(number, Kill::At(question.point))
            // In the middle of the crops, some of which are stored then.
            && (question.point != Point::Cropping || stored() == course.faces / 2)
    }

    fn dies_behind(&self, number: u16) -> Option<(Kill, Moment)> {
        let state = self.state.lock().unwrap();
        let behind = [(Kill::Written, Moment::Written), (Kill::Committing, Moment::Committing)];
        behind.into_iter().find(|(kill, _)| state.dies(number, *kill))
    }

    /// Takes the kill from the plan, unless it would be its job's third.
    async fn may_kill(&self, number: u16, kill: Kill) -> bool {
        if !self.has_attempts_left(number).await {
            return false;
        }
        let mut state = self.state.lock().unwrap();
        let dies = state.dies(number, kill);
        if dies {
            *state.owed.get_mut(&kill).unwrap() -= 1;
            let course = state.courses.get_mut(&number).unwrap();
            course.dying = true;
            if let Some(place) = course.kills.iter().position(|planned| *planned == kill) {
                course.kills.remove(place);
            }
        }
        dies
    }

    /// Whoever is killed takes the jobs beside with it: so what counts is what the job's row says.
    async fn has_attempts_left(&self, number: u16) -> bool {
        let keys: Vec<String> = {
            let state = self.state.lock().unwrap();
            let of_photo = state.done.photo_keys.iter().filter(|(_, n)| **n == number);
            of_photo.map(|(key, _)| format!("'{key}'")).collect()
        };
        let sql = format!(
            "SELECT j.attempts FROM job j JOIN photo h ON h.job_id = j.id WHERE j.status = 'RUNNING' \
             AND h.media_key IN ({})",
            keys.join(", ")
        );
        let found = rows(&self.db, &sql).await.unwrap_or_default();
        let attempts: Option<i32> = found.first().map(|row| row.try_get("", "attempts").unwrap());
        attempts.is_some_and(|attempts| attempts < SPENT)
    }

    /// What becomes of a write, and whether it is the last crop of an attempt of which none has failed.
    fn store(&self, number: u16, question: &Question) -> (Word, bool) {
        let mut state = self.state.lock().unwrap();
        let course = state.courses.get_mut(&number).unwrap();
        let word = match (course.dice.random_bool(FAILS), course.dice.random_bool(0.5)) {
            (false, _) => Word::Pass,
            (true, false) => Word::Fail,
            (true, true) => Word::FailBehind,
        };
        let mut last = false;
        if question.point == Point::Cropping {
            let (stored, whole) = course.crops.entry(attempt(question)).or_insert((0, true));
            *stored += 1;
            *whole &= word == Word::Pass;
            last = *whole && *stored == course.faces;
        }
        state.done.writes += 1;
        state.done.failed_writes += usize::from(word != Word::Pass);
        (word, last)
    }

    /// Stops the process where the plan says so, and has it go on when its lease has run out.
    async fn sleep(&self, number: u16, process: u32) {
        let set = |sleeper| self.state.lock().unwrap().courses.get_mut(&number).unwrap().sleeper = sleeper;
        let sleeps = self.state.lock().unwrap().sleeps(number);
        if !sleeps || !self.has_attempts_left(number).await || !self.may_sleep(number) {
            return;
        }
        if !self.fleet().put_to_sleep(process).await {
            self.state.lock().unwrap().sleeper_owed = true;
            return;
        }
        set(Sleeper::Asleep);
        tokio::time::sleep(SLEEPS).await;
        set(Sleeper::Awake(Instant::now()));
        self.fleet().wake(process).await;
        self.state.lock().unwrap().done.slept += 1;
    }

    /// Takes the sleep from the plan, of which there is one.
    fn may_sleep(&self, number: u16) -> bool {
        let mut state = self.state.lock().unwrap();
        let sleeps = state.sleeps(number);
        state.sleeper_owed &= !sleeps;
        sleeps
    }

    async fn let_the_sleeper_go_first(&self, number: u16) {
        loop {
            match self.state.lock().unwrap().courses[&number].sleeper {
                Sleeper::None | Sleeper::Planned => return,
                Sleeper::Awake(since) if since.elapsed() > STARTLES => return,
                Sleeper::Asleep | Sleeper::Awake(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Kills who comes to the moment that is held.
    async fn strike(self: Arc<Self>, hold: Hold, number: u16, kill: Kill) {
        let struck = match hold.caught(COMES).await {
            Some(name) => self.fleet().kill_named(&name).await,
            None => false,
        };
        // Before it may come to its end after all.
        if struck {
            self.came_about(number, kill);
        }
        hold.let_go().await;
        if !struck {
            self.give_back(number, kill);
        }
    }

    fn came_about(&self, number: u16, kill: Kill) {
        self.note(kill);
        self.state.lock().unwrap().courses.get_mut(&number).unwrap().dying = false;
    }

    /// Something else stopped it on its way: another time.
    fn give_back(&self, number: u16, kill: Kill) {
        let mut state = self.state.lock().unwrap();
        *state.owed.get_mut(&kill).unwrap() += 1;
        let course = state.courses.get_mut(&number).unwrap();
        course.dying = false;
        if !course.reserve {
            course.kills.push_front(kill);
        }
    }
}

/// The attempt that a crop's key tells: crops/JOB/FENCE.
fn attempt(question: &Question) -> String {
    let key = question.key.as_deref().unwrap_or_default();
    key.rsplit_once('/').map_or(key, |(attempt, _)| attempt).to_owned()
}
