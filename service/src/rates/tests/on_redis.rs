//! Counts in a Redis that is well: the same as in memory, by Redis's clock.

use std::sync::Arc;

use futures_util::future::join_all;

use super::super::{Rates, RedisLimiter, Rule, limited};
use super::server::{prefix, shared};
use super::*;
use crate::keys::KeyRing;

/// Slow enough that nothing comes back during a test.
const TEN_A_DAY: Limit = Limit::new(10, Duration::from_hours(24));

async fn keys(url: &str, prefix: &str) -> Vec<String> {
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut keys = redis::cmd("KEYS");
    keys.arg(format!("{prefix}*"))
        .query_async(&mut connection)
        .await
        .unwrap()
}

#[tokio::test]
async fn processes_share_the_counts() {
    let Some(url) = shared() else { return };
    let prefix = prefix();
    let one = Arc::new(RedisLimiter::new(&url, &prefix).unwrap());
    let other = Arc::new(RedisLimiter::new(&url, &prefix).unwrap());
    let stranger = RedisLimiter::new(&url, &format!("{prefix}-other")).unwrap();
    let clock = clock();
    let asks = [ask(1, TEN_A_DAY)];
    let waits = join_all((0..60).map(|turn| {
        let limiter = Arc::clone(if turn % 2 == 0 { &one } else { &other });
        let now = clock.now();
        async move { limiter.apply(Deed::Admit, now, &asks).await }
    }))
    .await;
    assert_eq!(waits.iter().filter(|wait| wait.is_zero()).count(), 10);
    for wait in waits.iter().filter(|wait| !wait.is_zero()) {
        assert!((8600..=8640).contains(&wait.as_secs()), "{wait:?}");
    }
    assert_eq!(through(&stranger, &clock, asks[0], 20).await, 10);
}

#[tokio::test]
async fn deeds_do_the_same_as_in_memory() {
    let Some(url) = shared() else { return };
    let limiter = RedisLimiter::new(&url, &prefix()).unwrap();
    let clock = clock();
    let (wide, narrow) = (ask(1, TEN_A_DAY), ask(2, Limit::new(2, Duration::from_hours(24))));
    let now = clock.now();
    for _ in 0..20 {
        assert!(limiter.apply(Deed::Check, now, &[wide, narrow]).await.is_zero());
    }
    let mut both = 0;
    for _ in 0..20 {
        both += usize::from(limiter.apply(Deed::Admit, now, &[wide, narrow]).await.is_zero());
    }
    assert_eq!(both, 2);
    assert_eq!(through(&limiter, &clock, wide, 20).await, 8);
    limiter.apply(Deed::Forgive, now, &[wide]).await;
    assert_eq!(through(&limiter, &clock, wide, 20).await, 1);
    for _ in 0..20 {
        limiter.apply(Deed::Count, now, &[wide]).await;
    }
    let wait = limiter.apply(Deed::Check, now, &[wide]).await;
    assert!(wait <= TEN_A_DAY.within / 10, "{wait:?}");
}

#[tokio::test]
async fn a_refusal_passes_and_its_key_goes_by_itself() {
    let Some(url) = shared() else { return };
    let prefix = prefix();
    let limiter = RedisLimiter::new(&url, &prefix).unwrap();
    let clock = clock();
    let one = ask(1, Limit::new(3, Duration::from_millis(600)));
    while through(&limiter, &clock, one, 1).await == 1 {}
    let wait = limiter.apply(Deed::Check, clock.now(), &[one]).await;
    assert!(wait <= Duration::from_millis(200), "{wait:?}");
    assert_eq!(keys(&url, &prefix).await.len(), 1);
    tokio::time::sleep(wait).await;
    assert_eq!(through(&limiter, &clock, one, 1).await, 1);
    tokio::time::sleep(Duration::from_millis(650)).await;
    assert!(keys(&url, &prefix).await.is_empty());
}

#[tokio::test]
async fn nobody_is_read_from_a_key() {
    let Some(url) = shared() else { return };
    let prefix = prefix();
    let limiter = RedisLimiter::new(&url, &prefix).unwrap();
    let who = ["203.0.113.7", "2001:db8::/64", "ada@example.org"];
    let asks = [
        (Rule::LoginByOrigin, who[0].to_owned()),
        (Rule::CodeByOrigin, who[1].to_owned()),
        (Rule::CodeByAddress, who[2].to_owned()),
    ];
    let ring = |secret: &str| KeyRing::new(secret, &[]).unwrap();
    let one = ring("a secret of more than thirty-two bytes");
    let hashed = limited(&Rates::default(), &one, &asks);
    assert!(limiter.apply(Deed::Admit, clock().now(), &hashed).await.is_zero());
    let keys = keys(&url, &prefix).await;
    assert_eq!(keys.len(), 4);
    for key in keys {
        let (_, hash) = key.rsplit_once(':').unwrap();
        assert!(
            hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{key}"
        );
        assert!(!who.iter().any(|who| key.contains(who)), "{key}");
    }
    // Nor by trying all that there are, without the secret.
    let other = limited(&Rates::default(), &ring("another secret of the same length!!!!"), &asks);
    assert!(
        other
            .iter()
            .zip(&hashed)
            .all(|(other, hashed)| other.subject != hashed.subject)
    );
    // But however it is written it is the same.
    let shouted = limited(
        &Rates::default(),
        &one,
        &[(Rule::CodeByAddress, " ADA@Example.org".into())],
    );
    assert_eq!(shouted[0].subject, hashed[2].subject);
}

#[tokio::test]
async fn a_key_that_is_no_count_is_none() {
    let Some(url) = shared() else { return };
    let prefix = prefix();
    let limiter = RedisLimiter::new(&url, &prefix).unwrap();
    let clock = clock();
    let one = ask(1, TEN_A_DAY);
    through(&limiter, &clock, one, 1).await;
    let key = keys(&url, &prefix).await.remove(0);
    let client = redis::Client::open(&*url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    for (kept, left) in [("nonsense", 10), ("-5", 10), ("1e300", 0)] {
        let mut set = redis::cmd("SET");
        let () = set.arg(&key).arg(kept).query_async(&mut connection).await.unwrap();
        assert_eq!(through(&limiter, &clock, one, 20).await, left, "{kept}");
    }
}
