//! A whole installation, of processes and servers of its own, while workers are killed at chosen points, servers go
//! away, an api dies and the media store fails: every photo that was acknowledged comes to what it comes to in
//! peace, once, and every subscriber hears of it once.
//!
//! The short form runs with the other tests. With `MUSTER_LONG=1` it is 200 photos and 40 kills. All is drawn from
//! `MUSTER_CHAOS_SEED`, a number.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod checks;
mod control;
mod faults;
mod fleet;
mod locks;
mod orphans;
mod plan;
mod senders;
mod watchers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use tests::client::data;
use tests::postgres::OwnPostgres;
use tests::redis::OwnRedis;
use tests::school::{School, now};
use tests::world::{Mode, Setup, World};
use tests::{gate, postgres, redis};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use checks::Run;
use control::Control;
use fleet::Fleet;
use plan::{Form, Kill, Plan, dice};
use senders::Progress;
use watchers::{Line, Seen};

/// A job that was killed twice waits for two leases to run out, and for its turn.
const ENDS_WITHIN: Duration = Duration::from_mins(3);
const SENT_WITHIN: Duration = Duration::from_mins(15);

/// Which of the sessions began so long ago that whoever comes is late.
const fn is_late(session: usize) -> bool {
    session % 3 == 1
}

/// A session for each of the plan's, in which a person has marked the first student: so every subscriber has a
/// cursor before anything happens.
async fn sessions(school: &School, count: usize) -> Vec<String> {
    let mut sessions = Vec::new();
    for nth in 0..count {
        let starts = now()
            - if is_late(nth) {
                TimeDelta::minutes(20)
            } else {
                TimeDelta::zero()
            };
        let session = school.session(starts).await;
        school.set(&session, "openSession").await;
        data(school.mark(&session, &school.students[0], "EXCUSED").await);
        sessions.push(session);
    }
    sessions
}

/// The installation. The world goes before its servers, whose database it drops.
struct Scene {
    school: School,
    bases: Vec<String>,
    control: Arc<Control>,
    fleet: Arc<Fleet>,
    world: World,
    redis: OwnRedis,
    postgres: Arc<OwnPostgres>,
}

impl Scene {
    async fn set(plan: &Plan) -> Option<Self> {
        // Looked at first: without the servers of the other tests there may be none to start either.
        postgres::server().and(redis::server())?;
        let own = OwnPostgres::start().await?;
        let redis = OwnRedis::start().await;
        let setup = Setup {
            apis: 0,
            workers: 0,
            slots: 2,
            redis: Some(redis.url()),
            postgres: Some(own.url()),
            ..Setup::new(Mode::Processes)
        };
        let mut world = setup.build().await?;
        let socket = world.folder.path().join("gate");
        let control = Control::listen(plan, world.service.db.writer().clone(), &socket).await;
        let mut settings = world.settings.clone();
        settings.push((gate::VARIABLE.to_owned(), socket.display().to_string()));
        let fleet = Arc::new(Fleet::start(settings, &["api", "api", "worker", "worker"]).await);
        control.lead(fleet.clone());
        world.bases = fleet.bases().await;
        let (_, teacher) = world.organization("School").await;
        let school = School::enrolled(&teacher, plan.form.students).await;
        Some(Self {
            school,
            bases: world.bases.clone(),
            control,
            fleet,
            world,
            redis,
            postgres: Arc::new(own),
        })
    }
}

/// What subscribers are, each of them of one session; and how a session's are told that nothing more comes.
struct Audience {
    ends: Vec<watch::Sender<Option<i64>>>,
    watching: Vec<(usize, JoinHandle<Seen>)>,
}

impl Audience {
    fn gather(plan: &Plan, scene: &Scene, sessions: &[String]) -> Self {
        let ends: Vec<watch::Sender<Option<i64>>> = sessions.iter().map(|_| watch::Sender::new(None)).collect();
        let watching = (0..sessions.len() * plan.form.watchers).map(|nth| {
            let place = nth % sessions.len();
            let following = watchers::follow(
                scene.school.teacher.anew(),
                scene.bases.clone(),
                sessions[place].clone(),
                dice(plan.seed, 1_000_000 + nth as u64),
                ends[place].subscribe(),
            );
            (place, tokio::spawn(following))
        });
        Self {
            watching: watching.collect(),
            ends,
        }
    }

    /// Each saw all of its session's events; answers how often they connected and how many events they saw.
    async fn heard(self, events: &[Vec<Line>]) -> (usize, usize) {
        for (end, lines) in self.ends.iter().zip(events) {
            end.send_replace(lines.last().map(|line| line.seq));
        }
        let (mut connections, mut heard) = (0, 0);
        for (place, watching) in self.watching {
            let seen = watching.await.unwrap();
            checks::assert_followed(&seen, &events[place]);
            connections += seen.connections;
            heard += seen.lines.len();
        }
        (connections, heard)
    }
}

fn plan() -> Plan {
    let long = std::env::var("MUSTER_LONG").is_ok_and(|long| long == "1");
    let seed = std::env::var("MUSTER_CHAOS_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    Plan::draw(seed, if long { Form::LONG } else { Form::SHORT })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_comes_to_what_it_comes_to_in_peace() {
    let plan = plan();
    println!("MUSTER_CHAOS_SEED={}", plan.seed);
    let Some(mut scene) = Scene::set(&plan).await else {
        return;
    };
    let (db, count) = (scene.world.service.db.writer().clone(), plan.photos.len());

    let peaceful = sessions(&scene.school, plan.form.sessions).await;
    let at_once = senders::at_once(&plan.photos);
    let unwatched = watch::Sender::new(Progress::default());
    let sent = senders::send(
        "calm",
        &scene.school.teacher,
        &scene.bases,
        &at_once,
        &peaceful,
        &unwatched,
    )
    .await;
    let calm = Run::of(&peaceful, &sent.jobs);
    calm.ended(&db, ENDS_WITHIN).await;
    calm.assert_succeeded(&db, count).await;

    let begun = Instant::now();
    let sessions = sessions(&scene.school, plan.form.sessions).await;
    let audience = Audience::gather(&plan, &scene, &sessions);
    scene.control.begin();
    let (progress, followed) = watch::channel(Progress::default());
    let (control, fleet) = (scene.control.clone(), scene.fleet.clone());
    let all = async {
        tokio::join!(
            senders::send(
                "chaos",
                &scene.school.teacher,
                &scene.bases,
                &plan.photos,
                &sessions,
                &progress
            ),
            faults::break_things(
                &plan,
                &control,
                &fleet,
                followed.clone(),
                &mut scene.redis,
                &scene.postgres
            ),
            faults::kill_claims(&plan, &control, &fleet, followed.clone()),
        )
    };
    let (sent, (), ()) = tokio::time::timeout(SENT_WITHIN, all)
        .await
        .expect("all photos are sent");
    let chaos = Run::of(&sessions, &sent.jobs);
    chaos.ended(&db, ENDS_WITHIN).await;
    let took = begun.elapsed();
    let done = scene.control.done();
    fleet.all_live().await;

    let attempts = chaos.assert_succeeded(&db, count).await;
    checks::assert_same(&chaos.marks(&db).await, &calm.marks(&db).await, "mark");
    checks::assert_same(&chaos.faces(&db).await, &calm.faces(&db).await, "faces");
    chaos.assert_once(&db, &plan.photos).await;
    let events = chaos.assert_history(&db).await;
    let (connections, heard) = audience.heard(&events).await;
    let (left, swept) = orphans::assert_none_stay(&scene.world, &chaos, &done.photo_keys).await;

    let kills: usize = done.kills.values().sum();
    println!(
        "{count} photos in {} sessions, all acknowledged and SUCCEEDED in {took:.0?}",
        sessions.len()
    );
    println!("kills: {kills} ({})", words(&done.kills));
    println!(
        "faults: {:?}; workers that slept through their lease: {}",
        plan.faults, done.slept
    );
    println!(
        "attempts at jobs: {attempts}; writes to the media store: {}, {} of them failed",
        done.writes, done.failed_writes
    );
    println!("submissions sent again: {}", words(&sent.refused));
    println!(
        "{} events; {} subscribers saw {heard} over {connections} connections",
        events.iter().map(Vec::len).sum::<usize>(),
        sessions.len() * plan.form.watchers
    );
    println!("objects that nobody named: {left}, {swept} after the sweep");
    assert_eq!((kills, done.slept), (plan.form.kills, 1), "kills and sleepers");
    assert!(
        Kill::ALL.iter().all(|kill| done.kills.contains_key(kill)),
        "kills of all kinds: {:?}",
        done.kills
    );
}

fn words<K: std::fmt::Display>(counts: &BTreeMap<K, usize>) -> String {
    let each: Vec<String> = counts.iter().map(|(what, times)| format!("{what} {times}")).collect();
    if each.is_empty() {
        "none".into()
    } else {
        each.join(", ")
    }
}
