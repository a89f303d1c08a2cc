//! An organization keeps an admin who can sign in.

use serde_json::{Value, json};
use service::kinds::Role;
use tests::both;
use tests::client::{code, data};
use tests::world::{PASSWORD, Setup, World};

use crate::{conflict, create, delete, global, me, refusal, set_status, update_raw};

const DELETE_ACCOUNT: &str = "mutation($password: String!, $all: Boolean! = false) { \
     deleteAccount(password: $password, eraseOrganization: $all) { erasedPhotos } }";

async fn last(world: World) {
    let (organization, ada) = world.organization("School").await;
    let id = me(&ada).await["id"].clone();
    // An admin who cannot sign in is none to rely on, nor one who is suspended.
    create(&ada, json!({ "fullName": "On Paper", "role": "ADMIN" })).await;
    let (away, _) = world.member(organization, "Anna Away", Role::Admin).await;
    data(set_status(&ada, &global(away), "SUSPENDED").await);
    let demotion = json!({ "role": "TEACHER" });
    for answer in [
        delete(&ada, &id).await,
        update_raw(&ada, &id, demotion.clone()).await,
        set_status(&ada, &id, "SUSPENDED").await,
        ada.raw(DELETE_ACCOUNT, json!({ "password": PASSWORD })).await,
    ] {
        assert_eq!(refusal(&answer), conflict("LAST_ADMIN"));
    }
    assert_eq!(me(&ada).await["role"], "ADMIN");
    // What leaves them an admin is no matter.
    data(update_raw(&ada, &id, json!({ "role": "ADMIN", "fullName": "Ada Still" })).await);
    data(set_status(&ada, &id, "ACTIVE").await);

    // With another who can sign in it is allowed, and then that one is the last.
    data(set_status(&ada, &global(away), "ACTIVE").await);
    let (_, eve) = world.member(organization, "Eve Else", Role::Admin).await;
    data(update_raw(&ada, &id, demotion).await);
    assert_eq!(code(&set_status(&ada, &global(away), "SUSPENDED").await), "FORBIDDEN");
    data(delete(&eve, &global(away)).await);
    let answer = eve.raw(DELETE_ACCOUNT, json!({ "password": PASSWORD })).await;
    assert_eq!(refusal(&answer), conflict("LAST_ADMIN"));
    // Somebody who is not the last cannot take the organization along.
    let answer = ada
        .raw(DELETE_ACCOUNT, json!({ "password": PASSWORD, "all": true }))
        .await;
    assert_eq!(refusal(&answer), conflict("NOT_LAST_ADMIN"));
}

both!(the_last_admin_stays, last, |s| Setup { workers: 0, ..s });

/// Two admins remove each other at the same time, in each way: one of them wins.
async fn duel(world: World) {
    for round in 0..9 {
        let (organization, ada) = world.organization("School").await;
        let (eve_id, eve) = world.member(organization, "Eve", Role::Admin).await;
        let (ada_id, eve_id) = (me(&ada).await["id"].clone(), global(eve_id));
        let there = world.bases.last().unwrap();
        let eve = eve.at(there);
        let remove = async |by: &tests::client::Client, whom: &Value| match round % 3 {
            0 => delete(by, whom).await,
            1 => set_status(by, whom, "SUSPENDED").await,
            _ => update_raw(by, whom, json!({ "role": "STUDENT" })).await,
        };
        let (a, b) = tokio::join!(remove(&ada, &eve_id), remove(&eve, &ada_id));
        let won = [&a, &b].iter().filter(|answer| answer.get("errors").is_none()).count();
        assert_eq!(won, 1, "{a} {b}");
        for lost in [a, b].iter().filter(|answer| answer.get("errors").is_some()) {
            // The loser comes too late, or just in time to be the last.
            assert!(
                refusal(lost) == conflict("LAST_ADMIN") || ["UNAUTHENTICATED", "FORBIDDEN"].contains(&code(lost)),
                "{lost}"
            );
        }
    }
}

both!(two_admins_cannot_remove_each_other_at_once, duel, |s| Setup {
    workers: 0,
    apis: 2,
    ..s
});
