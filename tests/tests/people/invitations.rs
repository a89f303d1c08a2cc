//! Invitations: the organization says who may join, with which role, at which address.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};
use service::accounts::Invitation;
use service::clock::ManualClock;
use service::id::PersonId;
use service::kinds::Role;
use tests::both;
use tests::client::{Client, data};
use tests::insider::Insider;
use tests::school::{School, now};
use tests::world::{PASSWORD, Setup, World, address};

use crate::registering::{form, register, with};
use crate::{USER, conflict, create, invalid, login_raw, me, refusal, set_status, unknown, update, works};

pub fn new<'a>(name: &'a str, email: &'a str, role: Role) -> Invitation<'a> {
    Invitation {
        person: None,
        full_name: Some(name),
        email,
        role: Some(role),
        department: None,
    }
}

fn known<'a>(id: &Value, email: &'a str) -> Invitation<'a> {
    let id = id.as_str().unwrap().trim_start_matches("usr_").parse().unwrap();
    Invitation {
        person: Some(PersonId(id)),
        full_name: None,
        email,
        role: None,
        department: None,
    }
}

async fn invite_raw(admin: &Client, input: Value) -> Value {
    let query =
        format!("mutation($input: InviteUserInput!) {{ inviteUser(input: $input) {{ user {{ {USER} }} expiresAt }} }}");
    admin.raw(&query, json!({ "input": input })).await
}

async fn join(insider: &Insider, stranger: &Client, email: &str, invitation: &str) -> Value {
    let token = insider.verified(email).await.unwrap();
    register(
        stranger,
        with(&form(email, &token), json!({ "invitationToken": invitation })),
    )
    .await
}

async fn joins(world: World) {
    let (_, admin) = world.organization("School").await;
    let insider = Insider::of(&world);
    let stranger = world.stranger();
    let email = address("ina");
    let answer = data(
        invite_raw(
            &admin,
            json!({ "fullName": "Ina", "role": "TEACHER", "email": email.to_uppercase() }),
        )
        .await,
    )["inviteUser"]
        .clone();
    assert_eq!(
        (
            &answer["user"]["status"],
            &answer["user"]["role"],
            &answer["user"]["hasLogin"]
        ),
        (&json!("INVITED"), &json!("TEACHER"), &json!(false))
    );
    assert_eq!(answer["user"]["email"], email);
    // Again: the same person, and the role is the one that they have.
    let (first, invited) = insider
        .invite(&admin, &new("Ina Invited", &email, Role::Teacher))
        .await
        .unwrap();
    assert_eq!(
        json!(format!("usr_{}", invited.person.id.0.simple())),
        answer["user"]["id"]
    );
    let refused = insider
        .invite(&admin, &new("Ina", &email, Role::Admin))
        .await
        .unwrap_err();
    assert!(matches!(refused, service::Error::Invalid { field: "role", .. }));
    let (second, _) = insider
        .invite(&admin, &known(&answer["user"]["id"], &email))
        .await
        .unwrap();

    // The first is dead; another address may not use the second; then it works once.
    let token = insider.verified(&email).await.unwrap();
    let try_with = async |email: &str, token: &str, invitation: &str| {
        register(
            &stranger,
            with(&form(email, token), json!({ "invitationToken": invitation })),
        )
        .await
    };
    assert_eq!(
        refusal(&try_with(&email, &token, &first).await),
        invalid("invitationToken")
    );
    let thief = address("thief");
    assert_eq!(
        refusal(&join(&insider, &stranger, &thief, &second).await),
        invalid("email")
    );
    let joined = data(try_with(&email, &token, &format!(" {second} ")).await)["register"].clone();
    assert_eq!(joined["user"]["id"], answer["user"]["id"]);
    assert_eq!(
        (
            &joined["user"]["role"],
            &joined["user"]["status"],
            &joined["user"]["fullName"]
        ),
        (&json!("TEACHER"), &json!("ACTIVE"), &json!("Fred Founder"))
    );
    assert_eq!(joined["user"]["organization"]["name"], "School");
    assert!(works(&stranger.with_token(joined["accessToken"].as_str().unwrap())).await);
    data(login_raw(&stranger, &email, PASSWORD).await);
    let late = address("late");
    assert_eq!(
        refusal(&join(&insider, &stranger, &late, &second).await),
        invalid("invitationToken")
    );
    // Who has a login needs no invitation, at this or another address.
    for email in [&email, &late] {
        let answer = invite_raw(&admin, json!({ "userId": joined["user"]["id"], "email": email })).await;
        assert_eq!(refusal(&answer), conflict("HAS_LOGIN"));
    }
}

both!(an_invitation_lets_its_address_join_with_its_role, joins, |s| Setup {
    workers: 0,
    ..s
});

async fn refused(world: World) {
    let (_, admin) = world.organization("School").await;
    let student = create(&admin, json!({ "fullName": "Stu", "role": "STUDENT" })).await;
    // One each: how often an address is asked for is limited.
    let email = || address("new");
    for (input, problem) in [
        (json!({ "email": email() }), invalid("fullName")),
        (json!({ "email": email(), "fullName": "A" }), invalid("role")),
        (json!({ "email": email(), "role": "TEACHER" }), invalid("fullName")),
        (
            json!({ "email": email(), "fullName": " ", "role": "TEACHER" }),
            invalid("fullName"),
        ),
        (
            json!({ "email": "nobody", "fullName": "A", "role": "TEACHER" }),
            invalid("email"),
        ),
        (json!({ "email": email(), "userId": "usr_x" }), unknown()),
        (
            json!({ "email": email(), "userId": student["id"], "role": "TEACHER" }),
            invalid("role"),
        ),
        (
            json!({ "email": email(), "fullName": "A", "role": "TEACHER", "departmentId": "dep_00000000000000000000000000000000" }),
            unknown(),
        ),
    ] {
        assert_eq!(refusal(&invite_raw(&admin, input.clone()).await), problem, "{input}");
    }
    let untouched = update(&admin, &student["id"], json!({})).await;
    assert_eq!(
        (&untouched["status"], &untouched["email"]),
        (&json!("ACTIVE"), &Value::Null)
    );
    data(set_status(&admin, &student["id"], "SUSPENDED").await);
    let answer = invite_raw(&admin, json!({ "email": email(), "userId": student["id"] })).await;
    assert_eq!(refusal(&answer), conflict("SUSPENDED"));

    // An address with a login elsewhere is answered as any other.
    let (_, elsewhere) = world.organization("Elsewhere").await;
    let theirs = me(&elsewhere).await["email"].clone();
    let answer = data(invite_raw(&admin, json!({ "fullName": "Ada", "role": "TEACHER", "email": theirs })).await);
    assert_eq!(answer["inviteUser"]["user"]["status"], "INVITED");
    assert!(answer["inviteUser"]["expiresAt"].is_string());
}

both!(an_invitation_names_somebody_and_their_role, refused, |s| Setup {
    workers: 0,
    ..s
});

/// A student who was known before they had an address keeps class, department and marks.
async fn keeps(world: World) {
    let (_, admin) = world.organization("School").await;
    let insider = Insider::of(&world);
    let stranger = world.stranger();
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    let id = json!(school.students[0]);
    let email = address("stu");
    let (invitation, _) = insider.invite(&admin, &known(&id, &email)).await.unwrap();
    // Who is invited is in their class meanwhile, and marked.
    data(school.mark(&session, &school.students[0], "PRESENT").await);
    let joined = data(join(&insider, &stranger, &email, &invitation).await)["register"].clone();
    assert_eq!(
        (&joined["user"]["id"], &joined["user"]["role"]),
        (&id, &json!("STUDENT"))
    );
    assert!(joined["user"]["rollNumber"].is_string());
    let client = stranger.with_token(joined["accessToken"].as_str().unwrap());
    let seen = client
        .query(
            "query($id: ID!) { viewer { classes { nodes { id } } } session(id: $id) { roll { nodes { mark { status } } } } }",
            json!({ "id": session }),
        )
        .await;
    assert_eq!(seen["viewer"]["classes"]["nodes"][0]["id"], school.class);
    assert_eq!(
        seen["session"]["roll"]["nodes"],
        json!([{ "mark": { "status": "PRESENT" } }])
    );
}

both!(a_known_person_keeps_what_is_theirs, keeps, |s| Setup {
    workers: 0,
    ..s
});

async fn dies(world: World) {
    let (_, admin) = world.organization("School").await;
    let stranger = world.stranger();
    let insider = Insider::of(&world);
    // Its time is the clock's of whoever registers, so an old invitation is made by an early server.
    for (age, good) in [
        (TimeDelta::days(7), false),
        (TimeDelta::days(7) - TimeDelta::minutes(1), true),
    ] {
        let email = address("old");
        // Only the invitation is of that time: an admin signed in there would be of another.
        let early = Insider::at(&world, Arc::new(ManualClock::at(now() - age)));
        let then = service::accounts::login(
            &early.service,
            service::rates::Origin::default(),
            me(&admin).await["email"].as_str().unwrap(),
            PASSWORD,
        )
        .await
        .unwrap();
        let (invitation, _) = early
            .invite(&stranger.with_token(&then.access), &new("Old", &email, Role::Teacher))
            .await
            .unwrap();
        let answer = join(&insider, &stranger, &email, &invitation).await;
        if good {
            data(answer);
        } else {
            assert_eq!(refusal(&answer), invalid("invitationToken"));
        }
    }

    // Withdrawn with suspension, with another address, with erasure.
    for way in ["suspend", "address", "erase"] {
        let email = address(way);
        let (invitation, invited) = insider
            .invite(&admin, &new("Wim", &email, Role::Teacher))
            .await
            .unwrap();
        let id = json!(format!("usr_{}", invited.person.id.0.simple()));
        match way {
            "suspend" => {
                data(set_status(&admin, &id, "SUSPENDED").await);
                data(set_status(&admin, &id, "ACTIVE").await);
            }
            "address" => {
                update(&admin, &id, json!({ "email": address("other") })).await;
                update(&admin, &id, json!({ "email": email })).await;
            }
            _ => {
                data(crate::delete(&admin, &id).await);
            }
        }
        let answer = join(&insider, &stranger, &email, &invitation).await;
        assert_eq!(refusal(&answer), invalid("invitationToken"), "{way}");
    }
    // A role that changed meanwhile is the one that they come with.
    let email = address("risen");
    let (invitation, invited) = insider
        .invite(&admin, &new("Rita", &email, Role::Teacher))
        .await
        .unwrap();
    let id = json!(format!("usr_{}", invited.person.id.0.simple()));
    update(&admin, &id, json!({ "role": "STUDENT" })).await;
    let joined = data(join(&insider, &stranger, &email, &invitation).await);
    assert_eq!(joined["register"]["user"]["role"], "STUDENT");
}

both!(an_invitation_dies, dies, |s| Setup { workers: 0, ..s });
