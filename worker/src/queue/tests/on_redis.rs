//! Wake-ups through a Redis that is well.

use std::time::Duration;

use tokio::time::sleep;

use super::server::{Server, namespace};
use super::{Probe, Work, a_hundred, latencies, shutdowns, until, wake_up};
use crate::queue::{Consumer, OpenError, Source, redis as transport};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handles_a_hundred() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (wake, consumer) = server.queue(&namespace()).await;
    a_hundred(wake.as_ref(), consumer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arrives_soon() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (wake, consumer) = server.queue(&namespace()).await;
    let (median, worst) = latencies(wake.as_ref(), consumer).await;
    println!("on Redis: median {median:?}, worst {worst:?}");
    assert!(median < Duration::from_millis(200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shuts_down() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (_wake, idle) = server.queue(&namespace()).await;
    let (wake, busy) = server.queue(&namespace()).await;
    shutdowns(idle, wake.as_ref(), busy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_share_the_load() {
    let Some(server) = Server::start().await else {
        return;
    };
    let namespace = namespace();
    let (wake, first) = server.queue(&namespace).await;
    let (_, second) = server.queue(&namespace).await;
    let probes = [Probe::default(), Probe::default()];
    let takes = Duration::from_millis(100);
    let first = Work::start(first, 2, &probes[0], takes);
    let second = Work::start(second, 2, &probes[1], takes);
    sleep(Duration::from_millis(500)).await;
    for _ in 0..40 {
        wake.wake(wake_up()).await.unwrap();
    }
    let limit = Duration::from_secs(10);
    until(limit, "all", || probes[0].done() + probes[1].done() == 40).await;
    println!("shared: {} and {}", probes[0].done(), probes[1].done());
    assert!(probes.iter().all(|probe| probe.done() >= 10 && probe.most() == 2));
    first.stop().await;
    second.stop().await;
}

/// With the times of apalis shortened: a handler may outlast heartbeats and the orphans' limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_handler_is_left_alone() {
    let Some(server) = Server::start().await else {
        return;
    };
    let config = transport::config(&namespace())
        .heartbeat_interval(Duration::from_secs(1))
        .missed_heartbeats(2);
    let pair = || transport::pair_with(&server.url(), config.clone()).unwrap();
    let (bell, first) = pair();
    let (_, second) = pair();
    let probe = Probe::default();
    let takes = Duration::from_secs(7);
    let consumer = |queue| Consumer {
        source: Source::Redis(Box::new(queue)),
    };
    let first = Work::start(consumer(first), 1, &probe, takes);
    let second = Work::start(consumer(second), 1, &probe, takes);
    service::queue::Wake::wake(&bell, wake_up()).await.unwrap();
    until(Duration::from_secs(10), "it to end", || probe.done() == 1).await;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(probe.begun(), 1, "not delivered again");
    first.stop().await;
    second.stop().await;
}

/// As above; the first consumer disappears without a word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_worker_s_wake_up_comes_again() {
    let Some(server) = Server::start().await else {
        return;
    };
    let config = transport::config(&namespace())
        .heartbeat_interval(Duration::from_secs(1))
        .missed_heartbeats(2);
    let pair = || transport::pair_with(&server.url(), config.clone()).unwrap();
    let (bell, first) = pair();
    let (_, second) = pair();
    let probe = Probe::default();
    let consumer = |queue| Consumer {
        source: Source::Redis(Box::new(queue)),
    };
    let first = Work::start(consumer(first), 1, &probe, Duration::from_mins(1));
    service::queue::Wake::wake(&bell, wake_up()).await.unwrap();
    until(Duration::from_secs(5), "the first", || probe.begun() == 1).await;
    first.task.abort();
    let second = Work::start(consumer(second), 1, &probe, Duration::ZERO);
    until(Duration::from_secs(10), "the second", || probe.done() == 1).await;
    second.stop().await;
}

#[tokio::test]
async fn refuses_what_cannot_work() {
    for namespace in ["", "a:b"] {
        let refused = crate::queue::redis("redis://127.0.0.1", namespace).await;
        assert!(matches!(refused, Err(OpenError::Namespace)));
    }
    let refused = crate::queue::redis("postgres://u:secret@h", "a").await.unwrap_err();
    assert!(matches!(refused, OpenError::Url));
    assert!(!format!("{refused} {refused:?}").contains("secret"));
}
