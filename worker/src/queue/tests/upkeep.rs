//! That Redis doesn't grow, and that nothing found in it stops a worker.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::time::sleep;

use super::server::{Server, namespace};
use super::{Probe, Work, until, wake_up};
use crate::queue::redis::{WAITING, config};
use crate::queue::upkeep::Upkeep;

const LIMIT: Duration = Duration::from_secs(20);

async fn count(connection: &mut MultiplexedConnection, command: &str, key: &str) -> usize {
    redis::cmd(command).arg(key).query_async(connection).await.unwrap()
}

async fn keys(connection: &mut MultiplexedConnection) -> Vec<String> {
    redis::cmd("KEYS").arg("*").query_async(connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_leave_nothing() {
    let Some(server) = Server::start().await else {
        return;
    };
    let namespace = namespace();
    let (wake, consumer) = server.queue(&namespace).await;
    let probe = Probe::default();
    let work = Work::start(consumer, 8, &probe, Duration::ZERO);
    for _ in 0..1000 {
        wake.wake(wake_up()).await.unwrap();
    }
    until(LIMIT, "all", || probe.done() == 1000).await;
    sleep(Duration::from_millis(300)).await;
    let mut connection = server.connection().await;
    let before = keys(&mut connection).await.len();
    Upkeep::new(config(&namespace)).sweep(&mut connection).await.unwrap();
    let after = keys(&mut connection).await;
    println!("keys before the sweep {before}, after {}: {after:?}", after.len());
    // The workers, their names, the metadata of one, apalis's list of queues.
    assert!(after.len() <= 5);
    for (command, suffix) in [("SCARD", "done"), ("HLEN", "data"), ("LLEN", "active")] {
        assert_eq!(
            count(&mut connection, command, &format!("{namespace}:{suffix}")).await,
            0
        );
    }
    work.stop().await;
    let left = keys(&mut connection).await;
    assert_eq!(left, ["core:apalis:queues:list"], "an orderly shutdown leaves nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worker_sweeps() {
    let Some(server) = Server::start().await else {
        return;
    };
    let namespace = namespace();
    let (wake, consumer) = server.queue(&namespace).await;
    let probe = Probe::default();
    let work = Work::start(consumer, 2, &probe, Duration::ZERO);
    wake.wake(wake_up()).await.unwrap();
    until(LIMIT, "one", || probe.done() == 1).await;
    let mut connection = server.connection().await;
    let data = format!("{namespace}:data");
    for _ in 0..120 {
        if count(&mut connection, "HLEN", &data).await == 0 {
            work.stop().await;
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("not swept within 12 s");
}

#[tokio::test]
async fn names_of_the_killed_are_forgotten() {
    let Some(server) = Server::start().await else {
        return;
    };
    let mut connection = server.connection().await;
    let () = redis::pipe()
        .cmd("ZADD")
        .arg("q:names")
        .arg(1)
        .arg("killed")
        .arg(1)
        .arg("alive")
        .cmd("ZADD")
        .arg("q:workers")
        .arg(1)
        .arg("alive")
        .cmd("HSET")
        .arg("q:workers:metadata:killed")
        .arg("service")
        .arg("s")
        .cmd("HSET")
        .arg("q:workers:metadata:alive")
        .arg("service")
        .arg("s")
        .query_async::<Vec<usize>>(&mut connection)
        .await
        .map(drop)
        .unwrap();
    let broom = Upkeep::new(config("q"));
    broom.note(&mut connection, "starting").await.unwrap();
    broom.sweep(&mut connection).await.unwrap();
    let mut keys = keys(&mut connection).await;
    keys.sort();
    assert_eq!(keys, ["q:names", "q:workers", "q:workers:metadata:alive"]);
    assert_eq!(count(&mut connection, "ZCARD", "q:names").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_enough_are_dropped() {
    let Some(server) = Server::start().await else {
        return;
    };
    let namespace = namespace();
    let (wake, _consumer) = server.queue(&namespace).await;
    let active = format!("{namespace}:active");
    let mut connection = server.connection().await;
    let ids: Vec<String> = (0..WAITING - 1).map(|i| i.to_string()).collect();
    let () = redis::cmd("RPUSH")
        .arg(&active)
        .arg(ids)
        .query_async(&mut connection)
        .await
        .unwrap();
    for _ in 0..3 {
        wake.wake(wake_up()).await.unwrap();
        assert_eq!(count(&mut connection, "LLEN", &active).await, WAITING);
    }
}

/// What ends apalis's worker each time it is fetched: an id without data, data that aren't JSON.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_passes() {
    let Some(server) = Server::start().await else {
        return;
    };
    let namespace = namespace();
    let (wake, consumer) = server.queue(&namespace).await;
    let mut connection = server.connection().await;
    let data = format!("{namespace}:data");
    let () = redis::pipe()
        .cmd("RPUSH")
        .arg(format!("{namespace}:active"))
        .arg("nothing")
        .arg("rubbish")
        .arg("future")
        .cmd("HSET")
        .arg(&data)
        .arg("rubbish")
        .arg("}{")
        .arg("future")
        .arg(r#"{"kind":"JUGGLE"}"#)
        .cmd("HSET")
        .arg(format!("{namespace}:meta:rubbish"))
        .arg(&["attempts", "0", "max_attempts", "5", "status", "Pending"])
        .cmd("HSET")
        .arg(format!("{namespace}:meta:future"))
        .arg(&["attempts", "0", "max_attempts", "5", "status", "Pending"])
        .query_async::<Vec<usize>>(&mut connection)
        .await
        .map(drop)
        .unwrap();
    let probe = Probe::default();
    let work = Work::start(consumer, 1, &probe, Duration::ZERO);
    wake.wake(wake_up()).await.unwrap();
    until(LIMIT, "the good one behind them", || probe.done() == 1).await;
    let mut rounds = 0;
    while count(&mut connection, "HLEN", &data).await > 0 {
        Upkeep::new(config(&namespace)).sweep(&mut connection).await.unwrap();
        rounds += 1;
        assert!(rounds < 200, "the poison is still there");
        sleep(Duration::from_millis(100)).await;
    }
    work.stop().await;
    assert_eq!(probe.begun(), 1);
}

/// What a machine whose clock is ahead leaves, and more than apalis's own fetch can move.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scheduled_are_taken_at_once() {
    let Some(server) = Server::start().await else {
        return;
    };
    let namespace = namespace();
    let (wake, consumer) = server.queue(&namespace).await;
    let mut connection = server.connection().await;
    wake.wake(wake_up()).await.unwrap();
    assert_eq!(count(&mut connection, "LLEN", &format!("{namespace}:active")).await, 1);
    let scheduled = format!("{namespace}:scheduled");
    assert_eq!(count(&mut connection, "ZCARD", &scheduled).await, 0);

    let probe = Probe::default();
    let work = Work::start(consumer, 2, &probe, Duration::ZERO);
    until(LIMIT, "one", || probe.done() == 1).await;
    let mut pipe = redis::pipe();
    for id in 0..9_000 {
        let meta = format!("{namespace}:meta:{id}");
        pipe.cmd("HSET")
            .arg(format!("{namespace}:data"))
            .arg(id)
            .arg(r#"{"kind":"RECOGNIZE"}"#);
        pipe.cmd("HSET")
            .arg(meta)
            .arg(&["attempts", "0", "max_attempts", "5", "status", "Pending"]);
        pipe.cmd("ZADD").arg(&scheduled).arg(id).arg(id);
    }
    pipe.atomic()
        .query_async::<Vec<usize>>(&mut connection)
        .await
        .map(drop)
        .unwrap();
    until(LIMIT, "all", || probe.done() == 9_001).await;
    work.stop().await;
}
