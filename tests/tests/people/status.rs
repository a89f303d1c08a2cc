//! Suspension stops login, not membership.

use std::time::Duration;

use serde_json::json;
use service::kinds::Role;
use tests::both;
use tests::client::{code, data};
use tests::fake::{person, photo};
use tests::school::{ENROLMENT, School, ended, enrol};
use tests::socket::{Got, Socket};
use tests::world::{PASSWORD, Setup, World};

use crate::{global, invalid, login_raw, me, refusal, set_status, unknown, works};

async fn suspended(world: World) {
    let (organization, admin) = world.organization("School").await;
    let (id, sam) = world.member(organization, "Sam", Role::Student).await;
    let (email, id) = (me(&sam).await["email"].as_str().unwrap().to_owned(), global(id));
    let stranger = world.stranger();
    let device = data(login_raw(&stranger, &email, PASSWORD).await)["login"].clone();
    let far = stranger
        .at(world.bases.last().unwrap())
        .with_token(device["accessToken"].as_str().unwrap());
    let mut socket = Socket::open(&far).await;
    let refresh = "mutation($token: String!) { refresh(refreshToken: $token) { accessToken } }";

    let answer = data(set_status(&admin, &id, "SUSPENDED").await);
    assert_eq!(answer["setUserStatus"]["user"]["status"], "SUSPENDED");
    assert_eq!(socket.within(Duration::from_secs(20)).await, Some(Got::Closed(4401)));
    assert!(!works(&far).await && !works(&sam).await);
    assert_eq!(code(&login_raw(&stranger, &email, PASSWORD).await), "UNAUTHENTICATED");
    let answer = stranger.raw(refresh, json!({ "token": device["refreshToken"] })).await;
    assert_eq!(code(&answer), "UNAUTHENTICATED");

    // They are in their classes still, and recognized.
    let school = School::enrolled(&admin, 1).await;
    let class = json!({ "class": school.class, "id": id });
    let add = "mutation($class: ID!, $id: ID!) { addStudents(classId: $class, students: [{ id: $id }]) { results { error { code } } } }";
    admin.query(add, class).await;
    let photos = vec![photo(&[person(9)]); ENROLMENT];
    ended(&admin, &enrol(&admin, id.as_str().unwrap(), &photos).await).await;
    let session = school.open_session().await;
    let job = ended(&admin, &school.submit(&session, photo(&[person(9)])).await).await;
    assert_eq!(job["marks"][0]["student"]["id"], id, "{job}");

    // Who is active again signs in again: the logins of before are over.
    data(set_status(&admin, &id, "ACTIVE").await);
    assert!(!works(&far).await);
    let answer = stranger.raw(refresh, json!({ "token": device["refreshToken"] })).await;
    assert_eq!(code(&answer), "UNAUTHENTICATED");
    data(login_raw(&stranger, &email, PASSWORD).await);

    for status in ["INVITED", "ERASED"] {
        assert_eq!(refusal(&set_status(&admin, &id, status).await), invalid("status"));
    }
    assert_eq!(refusal(&set_status(&admin, &json!("usr_x"), "ACTIVE").await), unknown());
}

both!(who_is_suspended_is_out_everywhere_and_still_a_member, suspended, |s| {
    Setup { apis: 2, ..s }
});
