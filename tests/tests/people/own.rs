//! What everybody does with their own account.

use std::time::Duration;

use serde_json::{Value, json};
use service::Scope;
use service::kinds::Role;
use tests::both;
use tests::client::{Client, code, data};
use tests::insider::Insider;
use tests::socket::{Got, Socket};
use tests::world::{PASSWORD, Setup, World, address};

use crate::{OTHER_PASSWORD, conflict, invalid, login_raw, me, refusal, works};

async fn settings(world: World) {
    let (organization, _) = world.organization("School").await;
    let (_, sam) = world.member(organization, "Sam", Role::Student).await;
    let set = async |input: Value| {
        sam.raw(
            "mutation($input: UserSettingsInput!) { updateMySettings(input: $input) { user { settings { locale emailOnAbsence emailOnMark } } } }",
            json!({ "input": input }),
        )
        .await
    };
    let of = |answer: Value| data(answer)["updateMySettings"]["user"]["settings"].clone();
    let first = of(set(json!({})).await);
    assert_eq!(
        first,
        json!({ "locale": "en", "emailOnAbsence": true, "emailOnMark": false })
    );
    let changed = of(set(json!({ "locale": " de-AT ", "emailOnMark": true })).await);
    assert_eq!(
        changed,
        json!({ "locale": "de-AT", "emailOnAbsence": true, "emailOnMark": true })
    );
    assert_eq!(of(set(json!({ "emailOnAbsence": false })).await)["locale"], "de-AT");
    for (input, field) in [
        (json!({ "locale": null }), "locale"),
        (json!({ "locale": "en_US" }), "locale"),
        (json!({ "emailOnAbsence": null }), "emailOnAbsence"),
        (json!({ "emailOnMark": null }), "emailOnMark"),
    ] {
        assert_eq!(refusal(&set(input).await), invalid(field));
    }
    let rename = async |name: &str| {
        let query = "mutation($name: String!) { updateMyProfile(fullName: $name) { user { fullName } } }";
        sam.raw(query, json!({ "name": name })).await
    };
    assert_eq!(refusal(&rename(" ").await), invalid("fullName"));
    assert_eq!(
        data(rename(" Sam Smith ").await)["updateMyProfile"]["user"]["fullName"],
        "Sam Smith"
    );
}

both!(everybody_has_settings, settings, |s| Setup { workers: 0, ..s });

async fn feedback(world: World) {
    let (organization, _) = world.organization("School").await;
    let (_, sam) = world.member(organization, "Sam", Role::Student).await;
    let say = async |message: &str, rating: Value| {
        let query = "mutation($message: String!, $rating: Int) { submitFeedback(message: $message, rating: $rating) { received } }";
        sam.raw(query, json!({ "message": message, "rating": rating })).await
    };
    for (message, rating, field) in [
        (" \n", Value::Null, "message"),
        (&"x".repeat(5001), Value::Null, "message"),
        ("nul \0", Value::Null, "message"),
        ("Fine", json!(0), "rating"),
        ("Fine", json!(6), "rating"),
    ] {
        assert_eq!(refusal(&say(message, rating).await), invalid(field));
    }
    for rating in [Value::Null, json!(1), json!(5)] {
        assert_eq!(
            data(say("Two\nlines", rating).await)["submitFeedback"]["received"],
            true
        );
    }
    let kept = service::feedback::list(&world.service, &Scope::System("test"), 10)
        .await
        .unwrap();
    assert_eq!(
        kept.iter().map(|f| f.rating).collect::<Vec<_>>(),
        [Some(5), Some(1), None]
    );
    assert_eq!(
        (kept[0].full_name.as_str(), kept[0].message.as_str()),
        ("Sam", "Two\nlines")
    );
}

both!(feedback_reaches_the_operator, feedback, |s| Setup { workers: 0, ..s });

struct Device {
    client: Client,
    refresh: String,
}

async fn device(stranger: &Client, email: &str) -> Device {
    let login = data(login_raw(stranger, email, PASSWORD).await)["login"].clone();
    Device {
        client: stranger.with_token(login["accessToken"].as_str().unwrap()),
        refresh: login["refreshToken"].as_str().unwrap().to_owned(),
    }
}

async fn refreshed(stranger: &Client, token: &str) -> Value {
    let query = "mutation($token: String!) { refresh(refreshToken: $token) { refreshToken } }";
    stranger.raw(query, json!({ "token": token })).await
}

async fn logins(world: World) {
    let (organization, _) = world.organization("School").await;
    let (_, mia) = world.member(organization, "Mia", Role::Teacher).await;
    let email = me(&mia).await["email"].as_str().unwrap().to_owned();
    let stranger = world.stranger();
    let there = stranger.at(world.bases.last().unwrap());
    let (this, other) = (device(&stranger, &email).await, device(&there, &email).await);
    let mut socket = Socket::open(&other.client).await;
    let mut own = Socket::open(&this.client.at(&there.base)).await;
    let change = async |client: &Client, current: &str, new: &str| {
        client
            .raw(
                "mutation($current: String!, $new: String!) { changePassword(currentPassword: $current, newPassword: $new) { \
                 user { id } accessToken refreshToken } }",
                json!({ "current": current, "new": new }),
            )
            .await
    };
    for (current, new, field) in [
        ("wrong horse battery", OTHER_PASSWORD, "currentPassword"),
        ("", OTHER_PASSWORD, "currentPassword"),
        (PASSWORD, "short", "newPassword"),
        (PASSWORD, &"vq9#Lm2!".repeat(17), "newPassword"),
        (PASSWORD, "password1234", "newPassword"),
    ] {
        assert_eq!(
            refusal(&change(&this.client, current, new).await),
            invalid(field),
            "{new}"
        );
    }
    assert!(works(&other.client).await);
    let changed = data(change(&this.client, PASSWORD, OTHER_PASSWORD).await)["changePassword"].clone();
    assert_eq!(socket.within(Duration::from_secs(20)).await, Some(Got::Closed(4401)));
    assert!(!works(&other.client).await && !works(&mia).await);
    assert_eq!(code(&refreshed(&stranger, &other.refresh).await), "UNAUTHENTICATED");
    assert!(works(&stranger.with_token(changed["accessToken"].as_str().unwrap())).await);
    own.subscribe("1", "{ viewer { id } }", json!({})).await;
    assert!(
        own.next().await["viewer"]["id"].is_string(),
        "this login's socket stays"
    );
    data(refreshed(&there, changed["refreshToken"].as_str().unwrap()).await);
    assert_eq!(code(&login_raw(&stranger, &email, PASSWORD).await), "UNAUTHENTICATED");
    data(login_raw(&stranger, &email, OTHER_PASSWORD).await);

    // Everywhere is here too.
    let everywhere = "mutation { logoutEverywhere { endedLogins } }";
    let mut socket = Socket::open(&this.client).await;
    let ended = this.client.at(&there.base).query(everywhere, json!({})).await;
    assert_eq!(ended["logoutEverywhere"]["endedLogins"], 2);
    assert_eq!(socket.within(Duration::from_secs(20)).await, Some(Got::Closed(4401)));
    assert!(!works(&this.client).await);
    assert_eq!(code(&this.client.raw(everywhere, json!({})).await), "UNAUTHENTICATED");
}

both!(a_new_password_ends_every_other_login, logins, |s| Setup {
    workers: 0,
    apis: 2,
    ..s
});

async fn moves(world: World) {
    let (organization, admin) = world.organization("School").await;
    let (_, mia) = world.member(organization, "Mia", Role::Teacher).await;
    let old = me(&mia).await["email"].as_str().unwrap().to_owned();
    let new = address("moved");
    let insider = Insider::of(&world);
    let change = async |email: &str, token: &str, password: &str| {
        mia.raw(
            "mutation($email: String!, $token: String!, $password: String!) { \
             changeEmail(newEmail: $email, verificationToken: $token, password: $password) { user { email hasLogin } } }",
            json!({ "email": email, "token": token, "password": password }),
        )
        .await
    };
    let token = insider.verified(&new).await.unwrap();
    assert_eq!(
        refusal(&change(&new, &token, "wrong horse battery").await),
        invalid("password")
    );
    assert_eq!(
        refusal(&change(&new, "x", PASSWORD).await),
        invalid("verificationToken")
    );
    assert_eq!(refusal(&change("moved", &token, PASSWORD).await), invalid("newEmail"));
    let another = address("another");
    assert_eq!(
        refusal(&change(&another, &token, PASSWORD).await),
        invalid("verificationToken")
    );
    let changed = data(change(&new.to_uppercase(), &token, PASSWORD).await);
    assert_eq!(
        changed["changeEmail"]["user"],
        json!({ "email": new, "hasLogin": true })
    );
    assert!(works(&mia).await);
    let stranger = world.stranger();
    assert_eq!(code(&login_raw(&stranger, &old, PASSWORD).await), "UNAUTHENTICATED");
    data(login_raw(&stranger, &new, PASSWORD).await);
    assert_eq!(
        refusal(&change(&new, &token, PASSWORD).await),
        invalid("verificationToken"),
        "it works once"
    );

    // Somebody else was faster: the address is theirs.
    let wanted = address("wanted");
    let token = insider.verified(&wanted).await.unwrap();
    let account = service::accounts::NewAccount {
        full_name: "Fast",
        email: &wanted,
        password: PASSWORD,
        role: Role::Student,
    };
    let scope = Scope::System("test");
    service::accounts::add(&world.service, &scope, organization, &account)
        .await
        .unwrap();
    assert_eq!(
        refusal(&change(&wanted, &token, PASSWORD).await),
        conflict("EMAIL_TAKEN")
    );
    assert_eq!(me(&mia).await["email"], new);
    drop(admin);
}

both!(a_login_moves_to_an_address_that_is_its_owners, moves, |s| Setup {
    workers: 0,
    ..s
});
