//! Wake-ups through a Redis that is emptied, stopped, silent or late.

use std::time::{Duration, Instant};

use service::queue::Wake;
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::server::{Server, namespace};
use super::{Probe, Work, until, wake_up};
use crate::queue;

const BACK: Duration = Duration::from_secs(10);

/// Wakes until it succeeds (as the dispatcher does, more slowly) and the probe has begun `count`.
async fn wake_until(wake: &dyn Wake, probe: &Probe, count: usize) -> Duration {
    let start = Instant::now();
    while let Err(error) = wake.wake(wake_up()).await {
        assert!(start.elapsed() < BACK, "{error:?}");
        sleep(Duration::from_millis(100)).await;
    }
    until(BACK, "a wake-up handled", || probe.begun() >= count).await;
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emptied() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (wake, consumer) = server.queue(&namespace()).await;
    let probe = Probe::default();
    let work = Work::start(consumer, 2, &probe, Duration::from_secs(2));
    // One handler runs meanwhile.
    wake_until(wake.as_ref(), &probe, 1).await;
    let mut connection = server.connection().await;
    let () = redis::cmd("FLUSHALL").query_async(&mut connection).await.unwrap();
    let took = wake_until(wake.as_ref(), &probe, 2).await;
    println!("after FLUSHALL: {took:?}");
    assert!(took < BACK);
    until(BACK, "both to end", || probe.done() == 2).await;
    work.stop().await;
}

/// The slots of handlers that outlive their apalis worker are not given away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emptied_again_and_again() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (wake, consumer) = server.queue(&namespace()).await;
    let probe = Probe::default();
    let work = Work::start(consumer, 2, &probe, Duration::from_millis(900));
    let mut connection = server.connection().await;
    for _ in 0..4 {
        for _ in 0..4 {
            wake.wake(wake_up()).await.unwrap();
        }
        sleep(Duration::from_millis(600)).await;
        let () = redis::cmd("FLUSHALL").query_async(&mut connection).await.unwrap();
    }
    let begun = probe.begun();
    wake_until(wake.as_ref(), &probe, begun + 1).await;
    assert_eq!(probe.most(), 2);
    work.stop().await;
    assert_eq!(probe.begun(), probe.done(), "the shutdown waits for all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_and_started() {
    let Some(mut server) = Server::start().await else {
        return;
    };
    let (wake, consumer) = server.queue(&namespace()).await;
    let probe = Probe::default();
    let work = Work::start(consumer, 2, &probe, Duration::ZERO);
    wake_until(wake.as_ref(), &probe, 1).await;
    server.kill();
    let killed = Instant::now();
    let mut slowest = Duration::ZERO;
    while killed.elapsed() < Duration::from_secs(3) {
        let start = Instant::now();
        assert!(wake.wake(wake_up()).await.is_err());
        slowest = slowest.max(start.elapsed());
        sleep(Duration::from_millis(100)).await;
    }
    server.launch().await;
    let start = Instant::now();
    let begun = probe.begun();
    wake.wake(wake_up())
        .await
        .expect("the first wake-up after an outage is taken");
    until(BACK, "it handled", || probe.begun() > begun).await;
    println!(
        "stopped: wake fails in {slowest:?} at most; back in {:?}",
        start.elapsed()
    );
    assert!(slowest < Duration::from_secs(2));
    work.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absent_at_the_start() {
    let Some(mut server) = Server::absent() else {
        return;
    };
    let (wake, consumer) = server.queue(&namespace()).await;
    let probe = Probe::default();
    let work = Work::start(consumer, 2, &probe, Duration::ZERO);
    assert!(wake.wake(wake_up()).await.is_err());
    sleep(Duration::from_secs(2)).await;
    server.launch().await;
    let took = wake_until(wake.as_ref(), &probe, 1).await;
    println!("absent, then started: {took:?}");
    assert!(took < BACK);
    work.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shuts_down_while_absent() {
    let (_wake, consumer) = queue::redis("redis://127.0.0.1:1", "test").await.unwrap();
    let work = Work::start(consumer, 2, &Probe::default(), Duration::ZERO);
    sleep(Duration::from_secs(2)).await;
    assert!(work.stop().await < Duration::from_secs(2));
}

/// Cut off: connections are taken, and nothing ever comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let silence = tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok(connection) = listener.accept().await {
            open.push(connection);
        }
    });
    let start = Instant::now();
    let (wake, consumer) = queue::redis(&url, "test").await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1));
    let work = Work::start(consumer, 2, &Probe::default(), Duration::ZERO);
    for _ in 0..3 {
        let start = Instant::now();
        assert!(wake.wake(wake_up()).await.is_err());
        let took = start.elapsed();
        println!("silent: wake fails in {took:?}");
        assert!(took < Duration::from_secs(2));
    }
    assert!(work.stop().await < Duration::from_secs(2));
    silence.abort();
}

/// Cut off in the middle: SIGSTOP, with the connections open.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frozen_and_thawed() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (wake, consumer) = server.queue(&namespace()).await;
    let probe = Probe::default();
    let work = Work::start(consumer, 2, &probe, Duration::ZERO);
    wake_until(wake.as_ref(), &probe, 1).await;
    server.signal("STOP");
    let start = Instant::now();
    assert!(wake.wake(wake_up()).await.is_err());
    let took = start.elapsed();
    println!("frozen: wake fails in {took:?}");
    assert!(took < Duration::from_secs(2));
    sleep(Duration::from_secs(6)).await;
    server.signal("CONT");
    let begun = probe.begun();
    let took = wake_until(wake.as_ref(), &probe, begun + 1).await;
    println!("thawed: {took:?}");
    assert!(took < BACK);
    server.signal("STOP");
    let took = work.stop().await;
    println!("shutdown while frozen: {took:?}");
    assert!(took < Duration::from_secs(2));
}
