//! Wake-ups within one process.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Probe, Work, a_hundred, latencies, shutdowns, until, wake_up};
use crate::queue::{Transport, memory, memory::WAITING};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handles_a_hundred() {
    let (wake, consumer) = memory();
    a_hundred(wake.as_ref(), consumer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arrives_at_once() {
    let (wake, consumer) = memory();
    let (median, worst) = latencies(wake.as_ref(), consumer).await;
    println!("in memory: median {median:?}, worst {worst:?}");
    assert!(median < Duration::from_millis(50));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shuts_down() {
    let (_wake, idle) = memory();
    let (wake, busy) = memory();
    shutdowns(idle, wake.as_ref(), busy).await;
    let gone = wake.wake(wake_up()).await;
    assert!(gone.is_err(), "nobody is there any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drops_when_full_and_never_blocks() {
    let (wake, consumer) = Transport::Memory.open().await.unwrap();
    let began = Instant::now();
    for _ in 0..3 * WAITING {
        wake.wake(wake_up()).await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(1));
    let probe = Probe::default();
    let work = Work::start(consumer, 4, &probe, Duration::ZERO);
    let limit = Duration::from_secs(10);
    until(limit, "those that waited", || probe.done() == WAITING).await;
    sleep(Duration::from_millis(100)).await;
    assert_eq!(probe.begun(), WAITING);
    wake.wake(wake_up()).await.unwrap();
    until(limit, "one more", || probe.done() == WAITING + 1).await;
    work.stop().await;
}
