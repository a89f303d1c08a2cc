//! Whether an address is known is not told by what a login costs.

use std::time::{Duration, Instant};

use serde_json::json;
use service::accounts::PasswordCost;
use service::kinds::Role;
use service::rates::Origin;
use tests::client::code;
use tests::world::{Mode, Setup, address};

use crate::device::{LOGIN, member};

const ROUNDS: usize = 15;

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_address_costs_what_a_known_one_does() {
    let setup = Setup {
        workers: 0,
        ..Setup::new(Mode::Embedded)
    };
    let world = setup.build().await.unwrap();
    let (organization, _) = world.organization("School").await;
    let known = member(&world, organization, Role::Teacher).await;
    let stranger = world.stranger();
    let ask = async |email: &str| {
        let (hashes, statements) = (world.service.password_hashes(), world.service.db.statements());
        let answer = stranger
            .raw(LOGIN, json!({ "email": email, "password": "a wrong password" }))
            .await;
        assert_eq!(code(&answer), "UNAUTHENTICATED");
        (
            world.service.password_hashes() - hashes,
            world.service.db.statements() - statements,
        )
    };
    let unknown = address("unknown");
    let (of_known, of_unknown) = (ask(&known).await, ask(&unknown).await);
    println!("known: {} argon2, {} statements", of_known.0, of_known.1);
    println!("unknown: {} argon2, {} statements", of_unknown.0, of_unknown.1);
    assert_eq!(of_known, of_unknown);
    assert_eq!(of_known.0, 1);

    // With production's parameters, one after the other and by turns.
    let service = world.twin(|parts| parts.password_cost = PasswordCost::Recommended);
    service::accounts::set_password(
        &service,
        &service::Scope::System("test"),
        &known,
        "another horse battery",
    )
    .await
    .unwrap();
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (times, email) in took.iter_mut().zip([&known, &unknown]) {
            let begun = Instant::now();
            let refused = service::accounts::login(&service, Origin::default(), email, "a wrong password").await;
            times.push(begun.elapsed());
            assert_eq!(refused.unwrap_err().code(), "UNAUTHENTICATED");
        }
    }
    let [of_known, of_unknown] = took.map(median);
    println!("medians of {ROUNDS}: known {of_known:.1?}, unknown {of_unknown:.1?}");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
