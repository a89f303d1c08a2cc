//! How often somebody may guess and upload, with the limits of production.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use service::rates::{self, Rates, Rule};
use service::{Error, Service};
use tests::both;
use tests::client::code;
use tests::world::{Mode, Setup, World};

async fn limited() -> (World, Service) {
    let setup = Setup {
        workers: 0,
        ..Setup::new(Mode::Embedded)
    };
    let world = setup.build().await.unwrap();
    let service = world.twin(|parts| parts.rates = Rates::default());
    (world, service)
}

/// A login as accounts does it, with a look at the password that takes a while.
async fn login(service: &Service, who: &str, right: bool, looks: &AtomicUsize) -> Result<(), Error> {
    let asks = [
        (Rule::LoginByOrigin, "127.0.0.1".to_owned()),
        (Rule::LoginByAccount, who.to_owned()),
    ];
    let attempt = rates::attempt(service, &asks).await?;
    looks.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(5)).await;
    if !right {
        return Err(Error::WrongCredentials);
    }
    attempt.right().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_guesses_at_once_ten_are_looked_at() {
    let (_world, service) = limited().await;
    let looks = AtomicUsize::new(0);
    let guesses = join_all((0..50).map(|_| login(&service, "ada@example.org", false, &looks))).await;
    assert_eq!(looks.load(Ordering::SeqCst), 10);
    for guess in guesses {
        match guess {
            Err(Error::WrongCredentials) => {}
            Err(Error::RateLimited { retry_after_seconds }) => assert!((85..=90).contains(&retry_after_seconds)),
            other => panic!("{other:?}"),
        }
    }
    // The right password too has to wait, or guessing would go on; others don't.
    let right = login(&service, "ADA@example.org", true, &looks).await;
    assert!(matches!(right, Err(Error::RateLimited { .. })), "{right:?}");
    login(&service, "bo@example.org", true, &looks).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_right_logins_at_once_pass_at_one_account() {
    let (_world, service) = limited().await;
    let looks = AtomicUsize::new(0);
    let logins = join_all((0..50).map(|_| login(&service, "ada@example.org", true, &looks))).await;
    assert!(logins.iter().all(Result::is_ok), "{logins:?}");
    // And leave the account's tries as they were.
    join_all((0..10).map(|_| login(&service, "ada@example.org", false, &looks))).await;
    assert_eq!(looks.load(Ordering::SeqCst), 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_class_behind_one_address_a_hundred_log_in_in_a_minute() {
    let (_world, service) = limited().await;
    let looks = AtomicUsize::new(0);
    let names: Vec<String> = (0..150).map(|n| format!("student-{n}@example.org")).collect();
    let logins = join_all(names.iter().map(|who| login(&service, who, true, &looks))).await;
    let passed = logins.iter().filter(|login| login.is_ok()).count();
    assert!((100..=103).contains(&passed), "{passed}");
}

/// The servers share the counts, and an account has its 120 a minute.
async fn uploads_are_limited(world: World) {
    let (_, admin) = world.organization("School").await;
    let uploads = (0..150).map(|n| {
        let client = admin.at(&world.bases[n % world.bases.len()]);
        async move { client.upload_raw("{ viewer { id } }", json!({}), &[]).await }
    });
    // Fewer at once than a server has turns for.
    let answers: Vec<Value> = stream::iter(uploads).buffered(8).collect().await;
    let (passed, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.get("errors").is_none());
    assert!((120..=130).contains(&passed.len()), "{}", passed.len());
    for answer in refused {
        assert_eq!(code(answer), "RATE_LIMITED");
        assert_eq!(answer["errors"][0]["extensions"]["retryAfterSeconds"], 1);
    }
    // What is no upload goes on.
    admin.query("{ viewer { id } }", json!({})).await;
}

both!(uploads, uploads_are_limited, |setup| Setup {
    rates: true,
    apis: 2,
    workers: 0,
    ..setup
});
