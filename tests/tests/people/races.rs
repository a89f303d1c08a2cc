//! Two things at the same time, of which each alone would be right.

use futures_util::future::join_all;
use serde_json::json;
use service::kinds::Role;
use tests::both;
use tests::client::{Client, code, data};
use tests::school::School;
use tests::world::{PASSWORD, Setup, World};

use crate::{
    OTHER_PASSWORD, create_raw, delete, global, login_raw, me, refusal, set_status, unknown, update_raw, works,
};

/// Who changes their password ends every other login, those too that are just beginning.
async fn change(world: World) {
    let (organization, _) = world.organization("School").await;
    let far = world.stranger().at(world.bases.last().unwrap());
    for _ in 0..5 {
        let (_, mia) = world.member(organization, "Mia", Role::Teacher).await;
        let email = me(&mia).await["email"].as_str().unwrap().to_owned();
        let thieves = join_all((0..12).map(|_| login_raw(&far, &email, PASSWORD)));
        let change = mia.raw(
            "mutation($current: String!, $new: String!) { changePassword(currentPassword: $current, newPassword: $new) { accessToken } }",
            json!({ "current": PASSWORD, "new": OTHER_PASSWORD }),
        );
        let (thieves, changed) = tokio::join!(thieves, change);
        data(changed);
        for thief in thieves {
            match thief["data"]["login"]["accessToken"].as_str() {
                Some(token) => assert!(
                    !works(&far.with_token(token)).await,
                    "the old password still holds a login"
                ),
                None => assert_eq!(code(&thief), "UNAUTHENTICATED"),
            }
        }
    }
}

both!(no_login_with_the_old_password_outlives_its_change, change, |s| Setup {
    workers: 0,
    apis: 2,
    ..s
});

/// Who is suspended while they sign in has no login left when they are active again.
async fn suspend(world: World) {
    let (organization, admin) = world.organization("School").await;
    let far = world.stranger().at(world.bases.last().unwrap());
    for _ in 0..5 {
        let (id, mia) = world.member(organization, "Mia", Role::Teacher).await;
        let email = me(&mia).await["email"].as_str().unwrap().to_owned();
        let id = global(id);
        let logins = join_all((0..12).map(|_| login_raw(&far, &email, PASSWORD)));
        let (logins, suspended) = tokio::join!(logins, set_status(&admin, &id, "SUSPENDED"));
        data(suspended);
        data(set_status(&admin, &id, "ACTIVE").await);
        for login in logins {
            if let Some(token) = login["data"]["login"]["accessToken"].as_str() {
                assert!(!works(&far.with_token(token)).await, "a login outlived the suspension");
            }
        }
    }
}

both!(no_login_outlives_a_suspension, suspend, |s| Setup {
    workers: 0,
    apis: 2,
    ..s
});

/// A department is deleted while people are entered into it: they are without one, or refused.
async fn departments(world: World) {
    let (_, admin) = world.organization("School").await;
    let far = admin.at(world.bases.last().unwrap());
    for round in 0..8 {
        let made = admin
            .query(
                "mutation($code: String!) { createDepartment(input: { name: \"D\", code: $code }) { department { id } } }",
                json!({ "code": format!("{round}") }),
            )
            .await;
        let id = made["createDepartment"]["department"]["id"].clone();
        let enter = |n: usize, by: &Client| {
            let by = by.clone();
            let input = json!({ "fullName": format!("P{n}"), "role": "STUDENT", "departmentId": id });
            async move { create_raw(&by, input).await }
        };
        let entering = join_all((0..8).map(|n| enter(n, &far)));
        let remove = admin.raw(
            "mutation($id: ID!) { deleteDepartment(id: $id) { deletedId } }",
            json!({ "id": id }),
        );
        let (entered, removed) = tokio::join!(entering, remove);
        data(removed);
        for answer in entered.iter().filter(|answer| answer.get("errors").is_some()) {
            assert_eq!(refusal(answer), unknown(), "{answer}");
        }
    }
    let left = admin
        .query("{ users(first: 100) { nodes { department { id } } } }", json!({}))
        .await;
    for person in left["users"]["nodes"].as_array().unwrap() {
        assert_eq!(person["department"], json!(null));
    }
}

both!(nobody_is_in_a_department_that_was_deleted, departments, |s| Setup {
    workers: 0,
    apis: 2,
    ..s
});

/// A student's role changes and they are erased while they are marked: nobody waits in a circle.
async fn circle(world: World) {
    let (_, admin) = world.organization("School").await;
    let far = admin.at(world.bases.last().unwrap());
    let school = School::with_students(&admin, 8).await;
    let session = school.open_session().await;
    for student in &school.students {
        let id = json!(student);
        let (a, b, c) = tokio::join!(
            update_raw(&far, &id, json!({ "role": "TEACHER" })),
            join_all((0..4).map(|_| school.mark(&session, student, "PRESENT"))),
            delete(&admin, &id),
        );
        for answer in b.iter().chain([&a, &c]).filter(|answer| answer.get("errors").is_some()) {
            assert!(["NOT_FOUND", "INVALID_INPUT"].contains(&code(answer)), "{answer}");
        }
    }
}

both!(
    who_is_changed_and_erased_and_marked_at_once_waits_for_nobody,
    circle,
    |s| Setup {
        workers: 0,
        apis: 2,
        ..s
    }
);
