//! Logins: who is let in, whose tokens work, and that an ended login is over everywhere at once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod alike;
mod device;
mod held;
mod tokens;

use std::time::Duration;

use device::{Device, LOGIN, LOGOUT, REFRESH, email, member, works};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use service::kinds::Role;
use tests::both;
use tests::client::{Client, code, data};
use tests::school::School;
use tests::socket::{Got, Socket};
use tests::world::{PASSWORD, Setup, World};

async fn execute(world: &World, sql: &str, values: Vec<sea_orm::Value>) {
    let db = world.service.db.writer();
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    assert_eq!(db.execute_raw(statement).await.unwrap().rows_affected(), 1);
}

async fn let_in(world: World) {
    let (organization, _) = world.organization("School").await;
    let email = member(&world, organization, Role::Teacher).await;
    let stranger = world.stranger();
    let spaced = format!("  {}\n", email.to_uppercase());
    let answer = stranger
        .query(LOGIN, json!({ "email": spaced, "password": PASSWORD }))
        .await;
    assert_eq!(answer["login"]["user"]["email"], email);
    assert_eq!(answer["login"]["user"]["role"], "TEACHER");
    let device = Device::of(&stranger, &answer["login"]);
    let viewer = device.client.query("{ viewer { id email } }", json!({})).await;
    assert_eq!(viewer["viewer"]["id"], answer["login"]["user"]["id"]);

    let suspended = member(&world, organization, Role::Teacher).await;
    let before = Device::login(&stranger, &suspended).await;
    assert!(works(&before.client).await);
    execute(
        &world,
        "UPDATE person SET status = 'SUSPENDED' WHERE login_email = $1",
        vec![suspended.clone().into()],
    )
    .await;
    assert!(
        !works(&before.client).await,
        "who is suspended is out with the next request"
    );
    assert_eq!(code(&before.refresh(&stranger).await), "UNAUTHENTICATED");

    // Which of them is wrong is not told: not by words and not by what is done.
    let long = "x".repeat(10_000);
    let mut answers = Vec::new();
    for (email, password) in [
        (email.as_str(), "wrong horse battery"),
        (email.as_str(), ""),
        (email.as_str(), long.as_str()),
        ("nobody@example.org", PASSWORD),
        ("", PASSWORD),
        ("null\0byte@example.org", PASSWORD),
        (suspended.as_str(), PASSWORD),
    ] {
        let statements = world.service.db.statements();
        let answer = stranger
            .raw(LOGIN, json!({ "email": email, "password": password }))
            .await;
        answers.push((world.service.db.statements() - statements, answer));
    }
    assert_eq!(code(&answers[0].1), "UNAUTHENTICATED");
    // Embedded, the test counts the server's own statements.
    if world.apis.is_empty() {
        assert_eq!(answers[0].0, 1);
    }
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
    }
}

both!(the_right_password_alone_lets_in, let_in, |s| Setup { workers: 0, ..s });

async fn rotates(world: World) {
    let (organization, _) = world.organization("School").await;
    let email = member(&world, organization, Role::Teacher).await;
    let stranger = world.stranger();
    let first = Device::login(&stranger, &email).await;
    let bystander = Device::login(&stranger, &email).await;
    let second = Device::of(&stranger, &data(first.refresh(&stranger).await)["refresh"]);
    assert_ne!(first.refresh, second.refresh);
    let third = Device::of(&stranger, &data(second.refresh(&stranger).await)["refresh"]);
    assert!(works(&third.client).await);

    // One of the two who hold the spent token is a thief: nobody keeps the login.
    assert_eq!(code(&second.refresh(&stranger).await), "UNAUTHENTICATED");
    for device in [&first, &second, &third] {
        assert!(!works(&device.client).await);
        assert_eq!(code(&device.refresh(&stranger).await), "UNAUTHENTICATED");
    }
    assert!(works(&bystander.client).await, "another login of the same person stays");

    // At once: one is first, and the others are thieves.
    let racer = Device::login(&stranger, &email).await;
    let answers = futures_util::future::join_all((0..8).map(|_| racer.refresh(&stranger))).await;
    let good = answers.iter().filter(|a| a.get("errors").is_none()).count();
    assert!(good <= 1, "{answers:#?}");
    assert!(!works(&racer.client).await);

    for token in ["", "x", "AAAA", &bystander.access, &format!("{}A", bystander.refresh)] {
        let answer = stranger.raw(REFRESH, json!({ "token": token })).await;
        assert_eq!(code(&answer), "UNAUTHENTICATED");
    }
    assert!(works(&bystander.client).await);
}

both!(a_refresh_token_works_once, rotates, |s| Setup {
    workers: 0,
    apis: 2,
    ..s
});

/// Signs out in two ways, at one server, and looks at the last of them.
async fn signs_out(world: World) {
    let (organization, _) = world.organization("School").await;
    let email = member(&world, organization, Role::Teacher).await;
    let (stranger, last) = (world.stranger(), world.bases.last().unwrap().clone());
    for by_refresh_token in [false, true] {
        let device = Device::login(&stranger, &email).await;
        let bystander = Device::login(&stranger, &email).await;
        let elsewhere = device.client.at(&last);
        assert!(works(&elsewhere).await);
        let ended = if by_refresh_token {
            stranger.query(LOGOUT, json!({ "token": device.refresh })).await
        } else {
            device.client.query(LOGOUT, json!({})).await
        };
        assert_eq!(ended["logout"]["endedLogins"], 1);
        assert!(!works(&elsewhere).await);
        assert!(!works(&device.client).await);
        assert_eq!(code(&device.refresh(&stranger.at(&last)).await), "UNAUTHENTICATED");
        assert!(works(&bystander.client.at(&last)).await);
    }
    for token in [Value::Null, json!(""), json!("AAAA")] {
        assert_eq!(
            code(&stranger.raw(LOGOUT, json!({ "token": token })).await),
            "UNAUTHENTICATED"
        );
    }
}

both!(logout_ends_a_login_on_every_server, signs_out, |s| Setup {
    workers: 0,
    apis: 2,
    ..s
});

const FOLLOW: &str = "subscription($id: ID!) { attendance(sessionId: $id) { cursor } }";

async fn follow(client: &Client, session: &str) -> Socket {
    let mut socket = Socket::open(client).await;
    socket.subscribe("1", FOLLOW, json!({ "id": session })).await;
    socket.next().await;
    socket
}

/// Live sockets end with their login, at each server and in each way that a login can end.
async fn closes(world: World) {
    let (_, admin) = world.organization("School").await;
    let email = email(&admin).await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    data(school.mark(&session, &school.students[0], "PRESENT").await);
    let stranger = world.stranger();
    for way in ["logout", "reuse"] {
        let device = Device::login(&stranger, &email).await;
        let mut sockets = Vec::new();
        for base in [&world.bases[0], world.bases.last().unwrap()] {
            sockets.push(follow(&device.client.at(base), &session).await);
        }
        let mut other = follow(&admin, &session).await;
        if way == "logout" {
            device.client.query(LOGOUT, json!({})).await;
        } else {
            data(device.refresh(&stranger).await);
            assert_eq!(code(&device.refresh(&stranger).await), "UNAUTHENTICATED");
        }
        for socket in &mut sockets {
            // Sooner than the look that is taken every half minute.
            assert_eq!(
                socket.within(Duration::from_secs(20)).await,
                Some(Got::Closed(4401)),
                "{way}"
            );
        }
        other.subscribe("2", "{ viewer { id } }", json!({})).await;
        assert!(
            other.next().await["viewer"]["id"].is_string(),
            "another login's socket stays"
        );
    }
}

both!(the_sockets_of_an_ended_login_close, closes, |s| Setup {
    workers: 0,
    apis: 2,
    ..s
});

/// What somebody may do is read at each request, on a live socket too.
async fn demoted(world: World) {
    let (organization, _) = world.organization("School").await;
    let (id, client) = world.member(organization, "Mia Member", Role::Admin).await;
    let mut socket = Socket::open(&client).await;
    let venues = "{ venues { totalCount } }";
    socket.subscribe("1", venues, json!({})).await;
    assert_eq!(socket.next().await["venues"]["totalCount"], 0);
    assert_eq!(socket.within(Duration::from_secs(20)).await, Some(Got::Complete));
    execute(
        &world,
        "UPDATE person SET role = 'STUDENT' WHERE id = $1",
        vec![id.into()],
    )
    .await;
    assert_eq!(code(&client.raw(venues, json!({})).await), "FORBIDDEN");
    socket.subscribe("2", venues, json!({})).await;
    match socket.within(Duration::from_secs(20)).await {
        Some(Got::Error(error)) => assert_eq!(error["extensions"]["code"], "FORBIDDEN"),
        other => panic!("{other:?}"),
    }
}

both!(a_change_of_role_holds_from_the_next_operation_on, demoted, |s| Setup {
    workers: 0,
    ..s
});

/// A teacher is suspended by an admin at one server: what they follow at another ends, and so does
/// all that they may do.
async fn suspended(world: World) {
    let (organization, admin) = world.organization("School").await;
    let (id, teacher) = world.member(organization, "Tess Teacher", Role::Teacher).await;
    let school = School::with_students(&teacher, 1).await;
    let session = school.open_session().await;
    let mut socket = Socket::open(&teacher).await;
    socket
        .subscribe(
            "1",
            "subscription($id: ID!) { attendance(sessionId: $id) { change { to } } }",
            json!({ "id": session }),
        )
        .await;
    data(school.mark(&session, &school.students[0], "PRESENT").await);
    assert_eq!(socket.next().await["attendance"]["change"]["to"], "PRESENT");

    let elsewhere = world.bases.last().unwrap();
    admin
        .at(elsewhere)
        .query(
            "mutation($id: ID!) { setUserStatus(id: $id, status: SUSPENDED) { user { status } } }",
            json!({ "id": format!("usr_{}", id.0.simple()) }),
        )
        .await;
    for base in &world.bases {
        assert!(!works(&teacher.at(base)).await);
    }
    assert_eq!(socket.within(Duration::from_secs(20)).await, Some(Got::Closed(4401)));
}

both!(a_suspended_teacher_is_out_everywhere, suspended, |s| Setup {
    workers: 0,
    apis: 2,
    ..s
});

/// Who is no longer a teacher stops hearing what teachers hear, on the socket that they have open.
async fn demoted_while_following(world: World) {
    let (organization, admin) = world.organization("School").await;
    let (id, teacher) = world.member(organization, "Tess Teacher", Role::Teacher).await;
    let school = School::with_students(&teacher, 1).await;
    let session = school.open_session().await;
    let mut socket = Socket::open(&teacher).await;
    socket
        .subscribe(
            "1",
            "subscription($id: ID!) { attendance(sessionId: $id) { change { to } } }",
            json!({ "id": session }),
        )
        .await;
    data(school.mark(&session, &school.students[0], "PRESENT").await);
    assert_eq!(socket.next().await["attendance"]["change"]["to"], "PRESENT");
    admin
        .query(
            "mutation($id: ID!) { updateUser(id: $id, input: { role: STUDENT }) { user { role } } }",
            json!({ "id": format!("usr_{}", id.0.simple()) }),
        )
        .await;
    match socket.within(Duration::from_secs(40)).await {
        Some(Got::Error(error)) => assert_eq!(error["extensions"]["code"], "FORBIDDEN"),
        other => panic!("{other:?}"),
    }
    // The socket is still theirs.
    socket.subscribe("2", "{ viewer { role } }", json!({})).await;
    assert_eq!(socket.next().await["viewer"]["role"], "STUDENT");
}

both!(
    a_subscription_ends_with_the_role_that_it_began_with,
    demoted_while_following,
    |s| Setup { workers: 0, ..s }
);
