//! What a run does, drawn from its seed before it begins: who is in which photo, at which points whoever works on a
//! photo is killed, and in which order the rest breaks.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use tests::fake::{self, Colour, person};
use tests::gate::Point;

/// Before the reserve: a job whose worker was killed has begun anew by then.
const PAUSE: Duration = Duration::from_secs(20);

/// How much of everything there is.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    pub photos: usize,
    pub kills: usize,
    pub sessions: usize,
    pub students: usize,
    /// Subscribers of each session.
    pub watchers: usize,
    /// Between two photos, on average.
    pub gap: Duration,
}

impl Form {
    /// Each kind of kill and each fault once.
    pub const SHORT: Self = Self {
        photos: 24,
        kills: 8,
        sessions: 3,
        students: 6,
        watchers: 2,
        gap: Duration::from_millis(600),
    };
    pub const LONG: Self = Self {
        photos: 200,
        kills: 40,
        sessions: 8,
        students: 12,
        watchers: 3,
        gap: Duration::from_millis(500),
    };
}

/// Where a worker is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kill {
    /// While the database commits the claim: the worker never hears of it.
    Claiming,
    At(Point),
    /// Everything is written and nothing committed.
    Written,
    /// While the database commits the result: the worker never hears of it.
    Committing,
}

impl Kill {
    pub const ALL: [Self; 8] = [
        Self::Claiming,
        Self::At(Point::Fetching),
        Self::At(Point::Decoding),
        Self::At(Point::Detecting),
        Self::At(Point::Embedding),
        Self::At(Point::Cropping),
        Self::Written,
        Self::Committing,
    ];
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(point) => write!(f, "{point}"),
            other => write!(f, "{other:?}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    RedisEmptied,
    RedisStopped,
    /// While the database commits a submission: neither the api nor its client hears of it.
    ApiKilled,
    /// `fast` or `immediate`, which is a crash.
    PostgresRestarted(&'static str),
}

#[derive(Clone, Debug)]
pub struct Photo {
    pub number: u16,
    /// Which of the sessions.
    pub session: usize,
    pub bytes: Bytes,
    pub faces: usize,
    /// When it is due, from the start on.
    pub due: Duration,
    /// What kills those who work on it, one after another: at most two.
    pub kills: Vec<Kill>,
    /// Whoever works on it makes good what did not come about on the photos before: an attempt may be spent otherwise, or
    /// the database be away when the word is asked for.
    pub reserve: bool,
    /// Whoever works on it first falls asleep behind the last crop, for longer than a lease lasts.
    pub sleeper: bool,
}

#[derive(Debug)]
pub struct Plan {
    pub seed: u64,
    pub form: Form,
    pub photos: Vec<Photo>,
    /// How many photos are acknowledged when a worker is killed while it claims.
    pub kills_of_claims: Vec<usize>,
    /// The same for what breaks besides.
    pub faults: Vec<(usize, Fault)>,
}

/// Dice of their own for each use, so that what one draws changes nothing for another.
pub fn dice(seed: u64, of: u64) -> StdRng {
    StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ of)
}

impl Plan {
    pub fn draw(seed: u64, form: Form) -> Self {
        let mut dice = dice(seed, 0);
        let mut photos: Vec<Photo> = (0..form.photos).map(|n| photo(&mut dice, &form, n)).collect();
        let claims = (form.kills / 8).max(1);
        let (most, reserve) = photos.split_at_mut(form.photos * 3 / 4);
        deal(&mut dice, most, form.kills - claims);
        for photo in reserve {
            photo.reserve = true;
            photo.due += PAUSE;
        }
        let spared: Vec<usize> = (0..most.len()).filter(|n| most[*n].kills.is_empty()).collect();
        if let Some(n) = spared.choose(&mut dice) {
            most[*n].sleeper = true;
        }

        let restart = *["fast", "immediate"].choose(&mut dice).unwrap_or(&"fast");
        let mut faults = vec![
            Fault::RedisEmptied,
            Fault::RedisStopped,
            Fault::ApiKilled,
            Fault::PostgresRestarted(restart),
        ];
        faults.shuffle(&mut dice);
        let part = form.photos / (faults.len() + 1);
        let faults = (1..)
            .zip(faults)
            .map(|(nth, fault)| (nth * part - dice.random_range(0..=part / 2), fault))
            .collect();
        let part = form.photos / (claims + 1);
        let kills_of_claims = (1..=claims).map(|nth| nth * part).collect();
        Self {
            seed,
            form,
            photos,
            kills_of_claims,
            faults,
        }
    }
}

fn photo(dice: &mut StdRng, form: &Form, n: usize) -> Photo {
    let faces = dice.random_range(2..=5);
    let mut class: Vec<usize> = (0..form.students).collect();
    class.shuffle(dice);
    let mut people: Vec<Colour> = class.into_iter().take(faces - 1).map(person).collect();
    // One who is of the class or of none.
    people.push(person(form.students + n));
    people.shuffle(dice);
    let number = u16::try_from(n).expect("few photos");
    let late = dice.random_range(0.0..1.0);
    Photo {
        number,
        session: n % form.sessions,
        bytes: fake::numbered(&people, number),
        faces: people.len(),
        due: form.gap.mul_f64(f64::from(number) + late),
        kills: Vec::new(),
        reserve: false,
        sleeper: false,
    }
}

/// Gives so many kills to the photos, of all kinds in turn: two to the first, and to each two at most.
fn deal(dice: &mut StdRng, photos: &mut [Photo], count: usize) {
    let mut deck = Vec::new();
    while deck.len() < count {
        let mut kinds: Vec<Kill> = Kill::ALL.into_iter().filter(|kill| *kill != Kill::Claiming).collect();
        kinds.shuffle(dice);
        deck.extend(kinds);
    }
    deck.truncate(count);
    let mut order: Vec<usize> = (0..photos.len()).collect();
    order.shuffle(dice);
    let doubled = order[0];
    for (kill, place) in deck
        .into_iter()
        .zip([doubled].into_iter().chain(order.iter().copied().cycle()))
    {
        let photo = &mut photos[place];
        // What is committed is over: nothing comes behind it.
        match photo.kills.last() {
            Some(Kill::Committing) => photo.kills.insert(0, kill),
            _ => photo.kills.push(kill),
        }
    }
}
