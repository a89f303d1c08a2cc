//! What the counts take of the memory, and what becomes of them when there is no more.

use super::super::MemoryLimiter;
use super::*;

#[tokio::test]
async fn many_subjects_fill_no_memory() {
    let (limiter, clock) = (MemoryLimiter::with_room_for(1000), clock());
    for number in 0..50_000 {
        assert_eq!(through(&limiter, &clock, ask(number, TEN_A_MINUTE), 1).await, 1);
        assert!(limiter.subjects() <= 1000);
    }
    assert_eq!(limiter.subjects(), 1000);
}

#[tokio::test]
async fn who_used_up_their_limit_is_not_pushed_out_by_newcomers() {
    let (limiter, clock) = (MemoryLimiter::with_room_for(100), clock());
    let guesser = ask(0, TEN_A_MINUTE);
    assert_eq!(through(&limiter, &clock, guesser, 10).await, 10);
    for number in 1..10_000 {
        through(&limiter, &clock, ask(number, TEN_A_MINUTE), 1).await;
    }
    assert_eq!(through(&limiter, &clock, guesser, 10).await, 0);
}

#[tokio::test]
async fn a_full_bucket_counts_its_newest_all_the_same() {
    let (limiter, clock) = (MemoryLimiter::with_room_for(100), clock());
    for number in 0..100 {
        through(&limiter, &clock, ask(number, TEN_A_MINUTE), 10).await;
    }
    assert_eq!(through(&limiter, &clock, ask(1000, TEN_A_MINUTE), 50).await, 10);
}

#[tokio::test]
async fn buckets_have_room_of_their_own() {
    let (limiter, clock) = (MemoryLimiter::with_room_for(100), clock());
    let guesser = ask(0, TEN_A_MINUTE);
    through(&limiter, &clock, guesser, 1).await;
    let daily = Limit::new(1, Duration::from_hours(24));
    for number in 0..1000 {
        let other = Ask {
            bucket: "daily",
            ..ask(number, daily)
        };
        through(&limiter, &clock, other, 1).await;
    }
    assert_eq!(through(&limiter, &clock, guesser, 50).await, 9);
}

#[tokio::test]
async fn what_counts_no_more_is_forgotten() {
    let (limiter, clock) = (MemoryLimiter::default(), clock());
    for number in 0..1000 {
        through(&limiter, &clock, ask(number, TEN_A_MINUTE), 1).await;
    }
    clock.advance(seconds(6));
    for number in 0..1000 {
        through(&limiter, &clock, ask(10_000 + number, TEN_A_MINUTE), 1).await;
    }
    assert_eq!(limiter.subjects(), 1000);
    clock.advance(seconds(6));
    for _ in 0..1000 {
        let one = ask(1, TEN_A_MINUTE);
        limiter.apply(Deed::Count, clock.now(), &[one]).await;
    }
    assert_eq!(limiter.subjects(), 1);
}
