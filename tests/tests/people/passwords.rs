//! How passwords are kept.

use service::accounts::{self, PasswordCost};
use service::rates::Origin;
use tests::both;
use tests::client::{code, data};
use tests::world::{PASSWORD, Setup, World};

use crate::{login_raw, me, rows};

const LOW: (PasswordCost, &str) = (PasswordCost::Lowest, "$argon2id$v=19$m=8,t=1,p=1$");
const GOOD: (PasswordCost, &str) = (PasswordCost::Recommended, "$argon2id$v=19$m=19456,t=2,p=1$");

async fn hash(world: &World, email: &str) -> String {
    let row = rows(
        world,
        "SELECT password_hash FROM person WHERE login_email = $1",
        vec![email.into()],
    )
    .await;
    row[0].try_get("", "password_hash").unwrap()
}

async fn renewed(world: World) {
    let (_, admin) = world.organization("School").await;
    let email = me(&admin).await["email"].as_str().unwrap().to_owned();
    // A server of its own hashes as it does for a school; one within the test as fast as it can.
    let (same, other) = if world.apis.is_empty() {
        (LOW, GOOD)
    } else {
        (GOOD, LOW)
    };
    let first = hash(&world, &email).await;
    assert!(first.starts_with(same.1), "{first}");
    // The same parameters: nothing to do.
    let origin = Origin::default();
    let unchanged = world.twin(|parts| parts.password_cost = same.0);
    accounts::login(&unchanged, origin, &email, PASSWORD).await.unwrap();
    assert_eq!(hash(&world, &email).await, first);
    // With a wrong password nothing is renewed either.
    let changed = world.twin(|parts| parts.password_cost = other.0);
    accounts::login(&changed, origin, &email, "wrong horse battery")
        .await
        .unwrap_err();
    assert_eq!(hash(&world, &email).await, first);
    accounts::login(&changed, origin, &email, PASSWORD).await.unwrap();
    let second = hash(&world, &email).await;
    assert!(second.starts_with(other.1), "{second}");
    // Each hash is read by its own parameters, whatever the server's are.
    let stranger = world.stranger();
    assert_eq!(
        code(&login_raw(&stranger, &email, "wrong horse battery").await),
        "UNAUTHENTICATED"
    );
    data(login_raw(&stranger, &email, PASSWORD).await);
    assert!(hash(&world, &email).await.starts_with(same.1));
}

both!(a_login_renews_the_hash_of_its_password, renewed, |s| Setup {
    workers: 0,
    ..s
});
