//! Codes: five minutes, five tries, one a minute, one a purpose, and gone once they are used.

use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Value, json};
use service::clock::ManualClock;
use service::kinds::Role;
use service::rates::Origin;
use service::{Error, Service, accounts};
use tests::both;
use tests::client::{Client, data};
use tests::insider::Insider;
use tests::school::now;
use tests::world::{PASSWORD, Setup, World, address};

use crate::{OTHER_PASSWORD, invalid, login_raw, me, refusal, rows, works};

fn timed(world: &World) -> (Insider, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(now()));
    (Insider::at(world, clock.clone()), clock)
}

async fn confirm(service: &Service, email: &str, code: &str) -> Result<String, Error> {
    let verified = accounts::confirm_email(service, Origin::default(), email, code).await?;
    Ok(verified.token)
}

async fn reset(service: &Service, email: &str, code: &str) -> Result<u64, Error> {
    accounts::reset_password(service, Origin::default(), email, code, OTHER_PASSWORD).await
}

fn is_wrong<T: std::fmt::Debug>(answer: Result<T, Error>) -> bool {
    match answer {
        Err(Error::Invalid { field: "code", .. }) => true,
        other => panic!("{other:?}"),
    }
}

/// Six digits that are not the code.
fn other(code: &str) -> String {
    let number: u32 = code.parse().unwrap();
    format!("{:06}", (number + 1) % 1_000_000)
}

async fn time(world: World) {
    let (insider, clock) = timed(&world);
    let email = address("new");
    let (code, sent) = insider
        .email_code(&format!(" {} ", email.to_uppercase()))
        .await
        .unwrap();
    assert_eq!(sent.expires_at, clock_now(&clock) + TimeDelta::minutes(5));
    assert_eq!(sent.retry_after_seconds, 60);
    clock.advance(TimeDelta::seconds(299));
    confirm(&insider.service, &email, &format!(" {code}\n")).await.unwrap();

    let late = address("late");
    let (code, _) = insider.email_code(&late).await.unwrap();
    clock.advance(TimeDelta::minutes(5));
    assert!(is_wrong(confirm(&insider.service, &late, &code).await));
    // The token that stands for an address lasts while a form is filled in.
    let (code, _) = insider.email_code(&late).await.unwrap();
    let token = confirm(&insider.service, &late, &code).await.unwrap();
    clock.advance(TimeDelta::minutes(30));
    let form = accounts::Registration {
        full_name: "Late",
        email: &late,
        password: PASSWORD,
        verification_token: &token,
        organization_name: Some("Late"),
        timezone: None,
        invitation_token: None,
    };
    let answer = accounts::register(&insider.service, Origin::default(), form).await;
    assert!(
        matches!(
            answer,
            Err(Error::Invalid {
                field: "verificationToken",
                ..
            })
        ),
        "{answer:?}"
    );
}

fn clock_now(clock: &ManualClock) -> chrono::DateTime<chrono::Utc> {
    use service::clock::Clock;
    clock.now()
}

both!(a_code_lasts_five_minutes, time, |s| Setup { workers: 0, ..s });

async fn pause(world: World) {
    let (insider, clock) = timed(&world);
    let email = address("new");
    let (first, _) = insider.email_code(&email).await.unwrap();
    let wait = |answer: Result<_, Error>| match answer {
        Err(Error::RateLimited { retry_after_seconds }) => retry_after_seconds,
        other => panic!("{other:?}"),
    };
    clock.advance(TimeDelta::milliseconds(500));
    // Whoever comes after so many whole seconds is let in.
    let seconds = wait(insider.email_code(&email).await);
    assert_eq!(seconds, 60);
    clock.advance(TimeDelta::seconds(29));
    assert_eq!(wait(insider.email_code(&email).await), 31);
    // Another purpose and another address have pauses of their own.
    insider.reset_code(&email).await.unwrap();
    insider.email_code(&address("another")).await.unwrap();
    clock.advance(TimeDelta::milliseconds(30_500));
    let (second, _) = insider.email_code(&email).await.unwrap();
    assert!(is_wrong(confirm(&insider.service, &email, &first).await) || first == second);
    confirm(&insider.service, &email, &second).await.unwrap();

    // At once, from several servers: one mail.
    let email = address("rush");
    let rush = join_all((0..8).map(|_| async {
        let service = world.twin(|_| ());
        accounts::request_email_verification(&service, Origin::default(), &email).await
    }))
    .await;
    assert_eq!(rush.iter().filter(|answer| answer.is_ok()).count(), 1);
    for refused in rush.into_iter().filter(Result::is_err) {
        assert!((1..=60).contains(&wait(refused.map(|sent| (String::new(), sent)))));
    }
}

both!(a_minute_passes_between_two_mails, pause, |s| Setup { workers: 0, ..s });

async fn tries(world: World) {
    let insider = Insider::of(&world);
    let email = address("new");
    let (code, _) = insider.email_code(&email).await.unwrap();
    for _ in 0..4 {
        assert!(is_wrong(confirm(&insider.service, &email, &other(&code)).await));
    }
    confirm(&insider.service, &email, &code).await.unwrap();

    let email = address("guessed");
    let (code, _) = insider.email_code(&email).await.unwrap();
    for guess in ["", "12345", "1234567", "abcdef", &other(&code)] {
        assert!(is_wrong(confirm(&insider.service, &email, guess).await));
    }
    assert!(is_wrong(confirm(&insider.service, &email, &code).await));

    // However many guess at the same time, they have five tries together.
    let (organization, _) = world.organization("School").await;
    let (_, mia) = world.member(organization, "Mia", Role::Teacher).await;
    let email = me(&mia).await["email"].as_str().unwrap().to_owned();
    insider.reset_code(&email).await.unwrap();
    let guesses = (0..20).map(|_| async {
        let service = world.twin(|_| ());
        reset(&service, &email, "not it").await.unwrap_err()
    });
    for answer in join_all(guesses).await {
        assert_eq!(answer.code(), "INVALID_INPUT");
    }
    let counted = rows(&world, "SELECT tries FROM code WHERE purpose = 'RESET'", vec![]).await;
    assert_eq!(counted[0].try_get::<i32>("", "tries").unwrap(), 5);

    // A new code has tries of its own.
    let clock = Arc::new(ManualClock::at(now() + TimeDelta::minutes(2)));
    let insider = Insider::at(&world, clock);
    let (code, _) = insider.reset_code(&email).await.unwrap();
    reset(&insider.service, &email, &code).await.unwrap();
}

both!(a_code_is_tried_five_times, tries, |s| Setup { workers: 0, ..s });

async fn purposes(world: World) {
    let (organization, _) = world.organization("School").await;
    let (_, mia) = world.member(organization, "Mia", Role::Teacher).await;
    let known = me(&mia).await["email"].as_str().unwrap().to_owned();
    let insider = Insider::of(&world);
    let stranger = world.stranger();

    // A code for a new password confirms no address, nor the other way round.
    let (code, _) = insider.reset_code(&known).await.unwrap();
    assert!(is_wrong(confirm(&insider.service, &known, &code).await));
    let new = address("new");
    let (email_code, _) = insider.email_code(&new).await.unwrap();
    assert!(is_wrong(reset(&insider.service, &new, &email_code).await));
    // And one of an address is none of another.
    let (theirs, _) = insider.email_code(&address("other")).await.unwrap();
    assert!(theirs == email_code || is_wrong(confirm(&insider.service, &new, &theirs).await));
    let token = confirm(&insider.service, &new, &email_code).await.unwrap();
    assert!(
        is_wrong(confirm(&insider.service, &new, &email_code).await),
        "it works once"
    );
    assert!(is_wrong(confirm(&insider.service, &new, &token).await));

    // The bad password that is refused costs no code.
    let set = async |code: &str, password: &str| {
        stranger
            .raw(
                "mutation($email: String!, $code: String!, $password: String!) { \
                 resetPassword(email: $email, code: $code, newPassword: $password) { endedLogins } }",
                json!({ "email": known, "code": code, "password": password }),
            )
            .await
    };
    assert_eq!(refusal(&set(&code, "short").await), invalid("newPassword"));
    assert_eq!(refusal(&set(&other(&code), OTHER_PASSWORD).await), invalid("code"));
    assert_eq!(
        data(set(&code, OTHER_PASSWORD).await)["resetPassword"]["endedLogins"],
        1
    );
    assert!(!works(&mia).await);
    assert_eq!(refusal(&set(&code, OTHER_PASSWORD).await), invalid("code"));
    data(login_raw(&stranger, &known, OTHER_PASSWORD).await);
}

both!(a_code_is_of_one_purpose_and_works_once, purposes, |s| Setup {
    workers: 0,
    ..s
});

/// The answer of a request, without its times.
async fn ask(client: &Client, mutation: &str, email: &str) -> Value {
    let query = format!("mutation($email: String!) {{ {mutation}(email: $email) {{ expiresAt retryAfterSeconds }} }}");
    let mut answer = client.raw(&query, json!({ "email": email })).await;
    if answer["data"][mutation].is_object() {
        assert!(answer["data"][mutation]["expiresAt"].is_string());
        answer["data"][mutation]["expiresAt"] = Value::Null;
    }
    answer
}

async fn alike(world: World) {
    let (organization, _) = world.organization("School").await;
    let (_, mia) = world.member(organization, "Mia", Role::Teacher).await;
    let known = me(&mia).await["email"].as_str().unwrap().to_owned();
    let stranger = world.stranger();
    for mutation in ["requestEmailVerification", "requestPasswordReset"] {
        let mut answers = Vec::new();
        for email in [known.clone(), address("nobody")] {
            let statements = world.service.db.statements();
            let answer = ask(&stranger, mutation, &email).await;
            // Embedded, the test counts the server's own statements.
            let counted = world.service.db.statements() - statements;
            let again = ask(&stranger, mutation, &email).await;
            assert_eq!(refusal(&again).0, "RATE_LIMITED");
            answers.push((if world.apis.is_empty() { counted } else { 0 }, answer));
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0].1["data"][mutation]["retryAfterSeconds"], 60);
        for bad in ["", "nobody", "a b@example.org", "null\0@example.org"] {
            assert_eq!(refusal(&ask(&stranger, mutation, bad).await), invalid("email"), "{bad}");
        }
    }
    // What would have been mailed leads nowhere: no password is set where there is no login, and
    // no address is shown that somebody has.
    let insider = Insider::at(&world, Arc::new(ManualClock::at(now() + TimeDelta::minutes(2))));
    let (code, _) = insider.reset_code(&address("nobody")).await.unwrap();
    assert!(is_wrong(reset(&insider.service, &address("nobody"), &code).await));
    let (code, _) = insider.email_code(&known).await.unwrap();
    assert!(is_wrong(confirm(&insider.service, &known, &code).await));
    // Who reads the table learns neither addresses nor codes.
    for row in rows(&world, "SELECT address_hash, secret_hash FROM code", vec![]).await {
        for column in ["address_hash", "secret_hash"] {
            assert_eq!(row.try_get::<Vec<u8>>("", column).unwrap().len(), 32);
        }
    }
}

both!(an_address_that_is_known_is_answered_alike, alike, |s| Setup {
    workers: 0,
    ..s
});
