//! Counts while Redis is away: nobody is held up, and nothing is opened.

use std::time::Instant;

use super::server::{Server, prefix};
use super::*;

const TEN_A_DAY: Limit = Limit::new(10, Duration::from_hours(24));

#[tokio::test]
async fn without_redis_the_process_counts_for_itself() {
    let Some(server) = Server::absent() else { return };
    let limiter = server.limiter(&prefix());
    let begun = Instant::now();
    assert_eq!(through(&limiter, &clock(), ask(1, TEN_A_DAY), 1000).await, 10);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_redis_that_goes_and_comes_back_is_used_again() {
    let Some(mut server) = Server::absent() else { return };
    let prefix = prefix();
    let clock = clock();
    let limiter = server.limiter(&prefix);
    let one = ask(1, TEN_A_DAY);
    server.launch().await;
    assert_eq!(through(&limiter, &clock, one, 4).await, 4);
    server.kill();
    // Its own counts begin anew: a limit more for each process, once.
    assert_eq!(through(&limiter, &clock, one, 50).await, 10);
    server.launch().await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(through(&limiter, &clock, one, 50).await, 10);
    let other = server.limiter(&prefix);
    assert_eq!(through(&other, &clock, one, 50).await, 0);
    server.kill();
    assert_eq!(through(&limiter, &clock, one, 50).await, 0);
}

#[tokio::test]
async fn a_redis_that_hangs_holds_nobody_up() {
    let Some(mut server) = Server::absent() else { return };
    let clock = clock();
    server.launch().await;
    let limiter = server.limiter(&prefix());
    let one = ask(1, TEN_A_DAY);
    assert_eq!(through(&limiter, &clock, one, 1).await, 1);
    server.signal("STOP");
    let begun = Instant::now();
    let many = (0..50).map(|_| through(&limiter, &clock, one, 1));
    let passed: usize = futures_util::future::join_all(many).await.into_iter().sum();
    assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
    assert_eq!(passed, 10);
    // And is not asked again at once.
    let begun = Instant::now();
    through(&limiter, &clock, one, 50).await;
    assert!(begun.elapsed() < Duration::from_millis(200), "{:?}", begun.elapsed());
    server.signal("CONT");
}
