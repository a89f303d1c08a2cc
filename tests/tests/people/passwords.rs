//! How passwords are kept.

use service::accounts::{self, PasswordCost};
use service::rates::Origin;
use tests::both;
use tests::client::{code, data};
use tests::world::{PASSWORD, Setup, World};

use crate::{login_raw, me, rows};

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
    let first = hash(&world, &email).await;
    assert!(first.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{first}");
    // The same parameters: nothing to do.
    let same = world.twin(|_| ());
    accounts::login(&same, Origin::default(), &email, PASSWORD)
        .await
        .unwrap();
    assert_eq!(hash(&world, &email).await, first);
    // With a wrong password nothing is renewed either.
    let stronger = world.twin(|parts| parts.password_cost = PasswordCost::Recommended);
    accounts::login(&stronger, Origin::default(), &email, "wrong horse battery")
        .await
        .unwrap_err();
    assert_eq!(hash(&world, &email).await, first);
    accounts::login(&stronger, Origin::default(), &email, PASSWORD)
        .await
        .unwrap();
    let second = hash(&world, &email).await;
    assert!(second.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{second}");
    // The old server knows it still, each password by its own parameters.
    let stranger = world.stranger();
    assert_eq!(
        code(&login_raw(&stranger, &email, "wrong horse battery").await),
        "UNAUTHENTICATED"
    );
    data(login_raw(&stranger, &email, PASSWORD).await);
}

both!(a_login_renews_the_hash_of_its_password, renewed, |s| Setup {
    workers: 0,
    ..s
});
