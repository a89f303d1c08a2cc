//! Both transports, the second against a Redis server of the tests' own.

mod in_memory;
mod on_redis;
mod outages;
mod server;
mod upkeep;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use service::kinds::JobKind;
use service::queue::{Wake, WakeUp};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Consumer;

/// A wake-up for which the probe's handler does its usual work.
fn wake_up() -> WakeUp {
    WakeUp {
        kind: JobKind::Recognize,
        job: None,
        trace: None,
    }
}

/// A wake-up for which the probe's handler panics.
fn bomb() -> WakeUp {
    WakeUp {
        kind: JobKind::Enrol,
        ..wake_up()
    }
}

/// Counts what its handler does.
#[derive(Clone, Debug, Default)]
struct Probe(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicUsize,
    done: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
}

impl Probe {
    /// A handler that takes so long.
    fn handler(&self, takes: Duration) -> impl Fn(WakeUp) -> BoxFuture<'static, ()> + Clone + Send + Sync + use<> {
        let counts = Arc::clone(&self.0);
        move |wake_up| {
            let counts = Arc::clone(&counts);
            Box::pin(async move {
                counts.begun.fetch_add(1, SeqCst);
                assert!(wake_up.kind != JobKind::Enrol, "a bomb, as ordered");
                let running = counts.running.fetch_add(1, SeqCst) + 1;
                counts.most.fetch_max(running, SeqCst);
                sleep(takes).await;
                counts.running.fetch_sub(1, SeqCst);
                counts.done.fetch_add(1, SeqCst);
            })
        }
    }

    fn begun(&self) -> usize {
        self.0.begun.load(SeqCst)
    }

    fn done(&self) -> usize {
        self.0.done.load(SeqCst)
    }

    fn most(&self) -> usize {
        self.0.most.load(SeqCst)
    }
}

/// A consumer at work.
struct Work {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Work {
    fn start(consumer: Consumer, slots: usize, probe: &Probe, takes: Duration) -> Self {
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(consumer.run(slots, shutdown.clone(), probe.handler(takes)));
        Self { shutdown, task }
    }

    /// Shuts down; says how long that took.
    async fn stop(self) -> Duration {
        let began = Instant::now();
        self.shutdown.cancel();
        timeout(Duration::from_secs(20), self.task)
            .await
            .expect("the consumer doesn't return")
            .unwrap();
        began.elapsed()
    }
}

/// Waits until `reached`; says how long that took.
async fn until(limit: Duration, what: &str, reached: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    while !reached() {
        assert!(began.elapsed() < limit, "waited too long for: {what}");
        sleep(Duration::from_millis(2)).await;
    }
    began.elapsed()
}

/// 100 wake-ups, every tenth of them a bomb, on 3 slots.
async fn a_hundred(wake: &dyn Wake, consumer: Consumer) {
    let probe = Probe::default();
    let work = Work::start(consumer, 3, &probe, Duration::from_millis(10));
    for i in 0..100 {
        let wake_up = if i % 10 == 3 { bomb() } else { wake_up() };
        wake.wake(wake_up).await.unwrap();
    }
    let limit = Duration::from_secs(20);
    let took = until(limit, "90 handled", || probe.done() == 90).await;
    assert_eq!(probe.begun(), 100);
    assert_eq!(probe.most(), 3);
    println!("100 wake-ups handled in {took:?}");
    work.stop().await;
    assert_eq!(probe.begun(), 100);
}

/// How long single wake-ups take to reach an idle worker: median and worst.
async fn latencies(wake: &dyn Wake, consumer: Consumer) -> (Duration, Duration) {
    let probe = Probe::default();
    let work = Work::start(consumer, 2, &probe, Duration::ZERO);
    sleep(Duration::from_millis(500)).await;
    let mut all = Vec::new();
    for i in 0..30 {
        // Out of step with the worker's looking.
        sleep(Duration::from_millis(7 * i)).await;
        let began = Instant::now();
        wake.wake(wake_up()).await.unwrap();
        let before = all.len();
        until(Duration::from_secs(5), "one handled", || probe.begun() > before).await;
        all.push(began.elapsed());
    }
    work.stop().await;
    all.sort();
    (all[all.len() / 2], all[all.len() - 1])
}

/// A shutdown when idle, and one while a handler runs.
async fn shutdowns(idle: Consumer, wake: &dyn Wake, busy: Consumer) {
    let probe = Probe::default();
    let work = Work::start(idle, 2, &probe, Duration::ZERO);
    sleep(Duration::from_millis(700)).await;
    let took = work.stop().await;
    println!("shutdown when idle: {took:?}");
    assert!(took < Duration::from_secs(2));

    let work = Work::start(busy, 1, &probe, Duration::from_secs(3));
    for _ in 0..3 {
        wake.wake(wake_up()).await.unwrap();
    }
    until(Duration::from_secs(5), "one begun", || probe.begun() == 1).await;
    let took = work.stop().await;
    println!("shutdown during a handler of 3 s: {took:?}");
    assert_eq!((probe.begun(), probe.done()), (1, 1), "waits for it, takes no more");
    assert!(took > Duration::from_secs(2) && took < Duration::from_secs(5));
}
