//! The limits themselves.

use super::super::{MemoryLimiter, Rates, Rule};
use super::*;

#[tokio::test]
async fn as_many_as_allowed_pass_at_once_and_then_one_at_a_time() {
    let (limiter, clock) = (MemoryLimiter::default(), clock());
    let one = ask(1, TEN_A_MINUTE);
    assert_eq!(through(&limiter, &clock, one, 50).await, 10);
    let wait = limiter.apply(Deed::Admit, clock.now(), &[one]).await;
    assert_eq!(wait, Duration::from_secs(6));
    clock.advance(TimeDelta::microseconds(5_999_999));
    let wait = limiter.apply(Deed::Admit, clock.now(), &[one]).await;
    assert_eq!(wait, Duration::from_micros(1));
    clock.advance(TimeDelta::microseconds(1));
    assert_eq!(through(&limiter, &clock, one, 50).await, 1);
    clock.advance(seconds(59));
    assert_eq!(through(&limiter, &clock, one, 50).await, 9);
    clock.advance(seconds(3600));
    assert_eq!(through(&limiter, &clock, one, 50).await, 10);
}

#[tokio::test]
async fn who_waits_as_long_as_told_is_let_in() {
    let rates = Rates::default();
    for rule in [
        Rule::LoginByOrigin,
        Rule::LoginByAccount,
        Rule::CodeByOrigin,
        Rule::CodeByAddress,
        Rule::UploadByOrigin,
        Rule::UploadByAccount,
        Rule::FeedbackByAccount,
        Rule::CheckInByAccount,
    ] {
        let (limiter, clock) = (MemoryLimiter::default(), clock());
        let asks: Vec<Ask> = rates
            .of(rule)
            .into_iter()
            .map(|(bucket, limit)| Ask {
                bucket,
                subject: subject(1),
                limit,
            })
            .collect();
        let mut refused = 0;
        for _ in 0..2000 {
            let wait = limiter.apply(Deed::Admit, clock.now(), &asks).await;
            if wait.is_zero() {
                continue;
            }
            refused += 1;
            let told = super::super::seconds(wait);
            assert!(told >= 1);
            clock.advance(seconds(i64::try_from(told).unwrap()));
            assert_eq!(limiter.apply(Deed::Admit, clock.now(), &asks).await, Duration::ZERO);
        }
        assert!(refused > 100, "{rule:?}");
    }
}

#[tokio::test]
async fn each_is_counted_alone() {
    let (limiter, clock) = (MemoryLimiter::default(), clock());
    let (one, two) = (ask(1, TEN_A_MINUTE), ask(2, TEN_A_MINUTE));
    let elsewhere = Ask { bucket: "other", ..one };
    for ask in [one, two, elsewhere] {
        assert_eq!(through(&limiter, &clock, ask, 11).await, 10);
    }
}

#[tokio::test]
async fn of_several_asks_all_are_counted_or_none() {
    let (limiter, clock) = (MemoryLimiter::default(), clock());
    let narrow = ask(1, Limit::new(2, Duration::from_mins(1)));
    let wide = ask(2, TEN_A_MINUTE);
    let mut both = 0;
    for _ in 0..20 {
        let wait = limiter.apply(Deed::Admit, clock.now(), &[wide, narrow]).await;
        both += usize::from(wait.is_zero());
    }
    assert_eq!(both, 2);
    assert_eq!(through(&limiter, &clock, wide, 20).await, 8);
    // The longest wait of all is told.
    let wait = limiter.apply(Deed::Check, clock.now(), &[wide, narrow]).await;
    assert_eq!(wait, Duration::from_secs(30));
}

#[tokio::test]
async fn a_look_counts_nothing_and_a_count_asks_nobody() {
    let (limiter, clock) = (MemoryLimiter::default(), clock());
    let one = ask(1, TEN_A_MINUTE);
    for _ in 0..50 {
        assert!(limiter.apply(Deed::Check, clock.now(), &[one]).await.is_zero());
    }
    assert_eq!(limiter.subjects(), 0);
    for _ in 0..50 {
        limiter.apply(Deed::Count, clock.now(), &[one]).await;
    }
    // Forty over the limit make nobody wait for longer.
    let wait = limiter.apply(Deed::Check, clock.now(), &[one]).await;
    assert_eq!(wait, Duration::from_secs(6));
}

#[tokio::test]
async fn what_is_forgiven_was_never_counted() {
    let (limiter, clock) = (MemoryLimiter::default(), clock());
    let one = ask(1, TEN_A_MINUTE);
    for _ in 0..100 {
        assert_eq!(through(&limiter, &clock, one, 1).await, 1);
        limiter.apply(Deed::Forgive, clock.now(), &[one]).await;
    }
    assert_eq!(limiter.subjects(), 0);
    // Nobody gathers a credit.
    limiter.apply(Deed::Forgive, clock.now(), &[one]).await;
    assert_eq!(through(&limiter, &clock, one, 50).await, 10);
    limiter.apply(Deed::Forgive, clock.now(), &[one]).await;
    assert_eq!(through(&limiter, &clock, one, 50).await, 1);
}

#[tokio::test]
async fn five_codes_an_hour_and_twenty_a_day() {
    let (limiter, clock) = (MemoryLimiter::default(), clock());
    let codes = Rates::default().of(Rule::CodeByAddress);
    let asks: Vec<Ask> = codes
        .into_iter()
        .map(|(bucket, limit)| Ask {
            bucket,
            subject: subject(1),
            limit,
        })
        .collect();
    let mut days = Vec::new();
    for _ in 0..10 {
        let mut sent = 0;
        for minute in 0..24 * 60 {
            for _ in 0..10 {
                let wait = limiter.apply(Deed::Admit, clock.now(), &asks).await;
                sent += usize::from(wait.is_zero());
            }
            if days.is_empty() && minute == 0 {
                assert_eq!(sent, 5);
            }
            clock.advance(seconds(60));
        }
        days.push(sent);
    }
    assert!(days[0] <= 40, "{days:?}");
    assert!(days[1..].iter().all(|sent| *sent <= 20), "{days:?}");
}

#[tokio::test]
async fn a_clock_that_is_set_back_locks_nobody_out() {
    let (limiter, clock) = (MemoryLimiter::default(), clock());
    let one = ask(1, TEN_A_MINUTE);
    assert_eq!(through(&limiter, &clock, one, 11).await, 10);
    clock.advance(seconds(-86_400));
    let wait = limiter.apply(Deed::Check, clock.now(), &[one]).await;
    assert_eq!(wait, Duration::from_secs(6));
    // Nor does a limit that was lowered.
    let lower = ask(1, Limit::new(10, Duration::from_secs(10)));
    let wait = limiter.apply(Deed::Check, clock.now(), &[lower]).await;
    assert_eq!(wait, Duration::from_secs(1));
}
