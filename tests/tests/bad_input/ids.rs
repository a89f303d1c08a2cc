//! Ids of nothing, of another organization and of no form; a session that takes no photos; tokens
//! that are no longer good.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use service::clock::ManualClock;
use service::keys::KeyRing;
use service::kinds::Role;
use service::{Scope, accounts};
use tests::both;
use tests::client::Client;
use tests::fake::{person, photo};
use tests::school::{self, School, ended};
use tests::socket::{Got, Socket};
use tests::world::{PASSWORD, SECRET, Setup, World, address};

use crate::wire::{FORM, form, post};
use crate::{ENROL, IDENTIFY, SUBMIT, State, refusal, untouched};

const KINDS: [(&str, &str); 10] = [
    ("organization", "org"),
    ("user", "usr"),
    ("class", "cls"),
    ("venue", "ven"),
    ("session", "ses"),
    ("mark", "mrk"),
    ("job", "job"),
    ("photo", "pho"),
    ("face", "fac"),
    ("template", "tpl"),
];

/// A school in which everything has happened once, and an id of each kind in it.
async fn lived_in(admin: &Client) -> (School, Vec<String>) {
    let school = School::enrolled(admin, 1).await;
    let session = school.open_session().await;
    let job = ended(admin, &school.submit(&session, photo(&[person(0)])).await).await;
    let venue = admin
        .query(
            "mutation { createVenue(input: { name: \"V\" }) { venue { id } } }",
            json!({}),
        )
        .await;
    let found = admin
        .query(
            "query($job: ID!, $user: ID!) { organization { id } user(id: $user) { faceTemplates { id } } \
             job(id: $job) { photos { id } faces { id } marks { id } } }",
            json!({ "job": job["id"], "user": school.students[0] }),
        )
        .await;
    let ids = [
        &found["organization"]["id"],
        &json!(school.students[0]),
        &json!(school.class),
        &venue["createVenue"]["venue"]["id"],
        &json!(session),
        &found["job"]["marks"][0]["id"],
        &job["id"],
        &found["job"]["photos"][0]["id"],
        &found["job"]["faces"][0]["id"],
        &found["user"]["faceTemplates"][0]["id"],
    ];
    (school, ids.map(|id| id.as_str().unwrap().to_owned()).to_vec())
}

/// What is no id of this kind, though some of it looks like one.
fn no_ids(prefix: &str, own: &str) -> Vec<String> {
    let number = own.split_once('_').unwrap().1;
    let other = if prefix == "cls" { "ses" } else { "cls" };
    vec![
        format!("{prefix}_{}", "0".repeat(32)),
        format!("{prefix}_{}", "f".repeat(32)),
        String::new(),
        "_".into(),
        prefix.into(),
        format!("{prefix}_"),
        format!("{prefix}_{}", &number[1..]),
        format!("{prefix}_{number}0"),
        format!("{prefix}_{number} "),
        format!("{prefix}_{}", number.to_uppercase()),
        format!("{prefix}_{}-{}", &number[..8], &number[8..31]),
        format!("{}_{number}", prefix.to_uppercase()),
        // The right number under another kind's name.
        format!("{other}_{number}"),
        number.into(),
        format!("{prefix}_' OR '1'='1"),
        format!("{prefix}_{}\u{0}", &number[..31]),
        "🙂".repeat(8),
        "9".repeat(50_000),
    ]
}

/// Everything that changes something by an id of this kind; all else about it is in order.
async fn changes(admin: &Client, own: &[String], kind: &str, id: &str) -> Vec<(&'static str, Value)> {
    let [_, student, class, _, session, ..] = own else {
        panic!("{own:?}")
    };
    let face = [("photo.upload", photo(&[person(0)]))];
    let faces = [("photos.0.upload", photo(&[person(0)]))];
    let upload = json!({ "upload": null });
    let mark = "mutation($session: ID!, $student: ID!) { \
         markAttendance(input: { sessionId: $session, studentId: $student, status: EXCUSED }) { mark { id } } }";
    let create = "mutation($input: SessionInput!) { createSession(input: $input) { session { id } } }";
    let input = |class: &str, venue: Option<&str>| {
        let (start, end) = (school::now() + TimeDelta::days(1), school::now() + TimeDelta::days(2));
        json!({ "input": { "classId": class, "venueId": venue, "startsAt": start.to_rfc3339(),
            "endsAt": end.to_rfc3339(), "allowOverlap": true } })
    };
    let by_id = |name: &str| format!("mutation($id: ID!) {{ {name}(id: $id) {{ session {{ id }} }} }}");
    match kind {
        "session" => vec![
            (
                "openSession",
                admin.raw(&by_id("openSession"), json!({ "id": id })).await,
            ),
            (
                "closeSession",
                admin.raw(&by_id("closeSession"), json!({ "id": id })).await,
            ),
            (
                "submitClassPhoto",
                admin
                    .upload_raw(SUBMIT, json!({ "session": id, "photo": upload }), &face)
                    .await,
            ),
            (
                "markAttendance",
                admin.raw(mark, json!({ "session": id, "student": student })).await,
            ),
        ],
        "user" => vec![
            (
                "enrolFaces",
                admin
                    .upload_raw(ENROL, json!({ "user": id, "photos": [upload] }), &faces)
                    .await,
            ),
            (
                "markAttendance",
                admin.raw(mark, json!({ "session": session, "student": id })).await,
            ),
        ],
        "class" => {
            let add = "mutation($class: ID!) { addStudents(classId: $class, students: [{ fullName: \"N\" }]) { class { id } } }";
            vec![
                (
                    "identifyFaces",
                    admin
                        .upload_raw(IDENTIFY, json!({ "photo": upload, "class": id }), &face)
                        .await,
                ),
                ("addStudents", admin.raw(add, json!({ "class": id })).await),
                ("createSession", admin.raw(create, input(id, None)).await),
            ]
        }
        "venue" => vec![("createSession in it", admin.raw(create, input(class, Some(id))).await)],
        _ => vec![],
    }
}

async fn an_id_of_nothing_is_nothing(world: World) {
    let (_, admin) = world.organization("School").await;
    let (_, stranger) = world.organization("Other").await;
    let ((_, own), (_, theirs)) = (lived_in(&admin).await, lived_in(&stranger).await);
    let mut socket = Socket::open(&admin).await;
    let before = State::of(&world).await;
    for ((kind, prefix), (own_id, their_id)) in KINDS.into_iter().zip(own.iter().zip(&theirs)) {
        let node = "query($id: ID!) { it: node(id: $id) { id } }";
        let of_kind = format!("query($id: ID!) {{ it: {kind}(id: $id) {{ id }} }}");
        let queries: &[&str] = match kind {
            "user" | "class" | "venue" | "session" | "job" => &[node, &of_kind],
            _ => &[node],
        };
        for query in queries {
            let good = admin.query(query, json!({ "id": own_id })).await;
            assert_eq!(good["it"]["id"], **own_id, "{query}");
        }
        for id in no_ids(prefix, own_id).iter().chain([their_id]) {
            for query in queries {
                let answer = admin.query(query, json!({ "id": id })).await;
                assert_eq!(answer, json!({ "it": null }), "{query} of {id:?}");
            }
            for (what, answer) in changes(&admin, &own, kind, id).await {
                assert_eq!(refusal(&answer, what).0, "NOT_FOUND", "{what} of {id:?}");
            }
            let stream = match kind {
                "job" => "job(id: $id) { id }",
                "session" => "attendance(sessionId: $id) { cursor }",
                _ => continue,
            };
            let query = format!("subscription($id: ID!) {{ {stream} }}");
            socket.subscribe("s", &query, json!({ "id": id })).await;
            let got = socket.within(Duration::from_secs(20)).await;
            let Some(Got::Error(error)) = &got else {
                panic!("{query} of {id:?}: {got:?}")
            };
            assert_eq!(error["extensions"]["code"], "NOT_FOUND", "{query} of {id:?}");
            if error.get("path").is_some() {
                assert_eq!(socket.within(Duration::from_secs(20)).await, Some(Got::Complete));
            }
        }
        untouched(&world, &before, &admin, kind).await;
    }
}

both!(ids, an_id_of_nothing_is_nothing);

async fn a_session_that_is_not_open_takes_no_photo(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let scheduled = school.session(school::now()).await;
    let closed = school.open_session().await;
    school.set(&closed, "closeSession").await;
    let before = State::of(&world).await;
    for session in [&scheduled, &closed] {
        for key in [None, Some("key")] {
            let answer = school.submit_raw(session, photo(&[person(0)]), key).await;
            let (code, reason) = refusal(&answer, "a photo");
            assert_eq!((code.as_str(), reason.as_deref()), ("CONFLICT", Some("NOT_OPEN")));
            untouched(&world, &before, &admin, "a photo of a session that is not open").await;
        }
    }
    // Opened again it takes it, under the key that was refused.
    school.set(&closed, "openSession").await;
    tests::client::data(school.submit_raw(&closed, photo(&[person(0)]), Some("key")).await);
}

both!(closed, a_session_that_is_not_open_takes_no_photo, |setup| Setup {
    workers: 0,
    ..setup
});

async fn a_token_that_ran_out_opens_nothing(world: World) {
    let (organization, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    let email = address("late");
    let account = accounts::NewAccount {
        full_name: "Lea Late",
        email: &email,
        password: PASSWORD,
        role: Role::Admin,
    };
    accounts::add(&world.service, &Scope::System("test"), organization, &account)
        .await
        .unwrap();
    // The same server some minutes ago, and one that has another secret.
    let token = async |minutes: i64, secret: &str| {
        let then = Arc::new(ManualClock::at(school::now() + TimeDelta::minutes(minutes)));
        let twin = world.twin(|parts| {
            parts.clock = then;
            parts.keys = KeyRing::new(secret, &[]).unwrap();
        });
        accounts::login(&twin, service::rates::Origin::default(), &email, PASSWORD)
            .await
            .unwrap()
            .access
    };
    let fresh = token(-10, SECRET).await;
    let mut parts = fresh.split('.');
    let (header, claims) = (parts.next().unwrap(), parts.next().unwrap());
    let bad = [
        ("a token that ran out", token(-16, SECRET).await),
        ("a token that ran out long ago", token(-60 * 24, SECRET).await),
        ("a token of tomorrow", token(60 * 24, SECRET).await),
        (
            "another's token",
            token(0, "another secret, also of more than 32 bytes").await,
        ),
        ("a token without its signature", format!("{header}.{claims}.")),
        (
            "a token that is signed by nobody",
            format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}."),
        ),
        ("no token", "not.a.token".into()),
    ];
    let before = State::of(&world).await;
    let operations = json!({ "query": SUBMIT, "variables": { "session": session, "photo": { "upload": null } } });
    let upload = form(&[
        ("operations", operations.to_string().as_bytes()),
        ("map", br#"{"0":["variables.photo.upload"]}"#),
        ("0", &photo(&[person(0)])),
    ]);
    for (case, token) in bad {
        let late = world.stranger().with_token(&token);
        let viewer = late.raw("{ viewer { id } }", json!({})).await;
        assert_eq!(refusal(&viewer, case).0, "UNAUTHENTICATED", "{case}");
        let (status, answer) = post(&late, FORM, upload.clone()).await;
        assert_eq!(
            (status, refusal(&answer, case).0.as_str()),
            (401, "UNAUTHENTICATED"),
            "{case}"
        );
        let mut socket = Socket::bare(&late).await;
        let payload = json!({ "authorization": format!("Bearer {token}") });
        socket
            .send(json!({ "type": "connection_init", "payload": payload }))
            .await;
        assert_eq!(
            socket.within(Duration::from_secs(20)).await,
            Some(Got::Closed(4403)),
            "{case}"
        );
        untouched(&world, &before, &admin, case).await;
    }
    // The same way to a token that has not run out.
    let late = world.stranger().with_token(&fresh);
    assert_eq!(
        late.query("{ viewer { fullName } }", json!({})).await["viewer"]["fullName"],
        "Lea Late"
    );
    Socket::open(&late).await;
    let (status, answer) = post(&late, FORM, upload).await;
    assert_eq!(
        (status, &answer["data"]["submitClassPhoto"]["job"]["status"]),
        (200, &json!("QUEUED")),
        "{answer}"
    );
}

both!(tokens, a_token_that_ran_out_opens_nothing, |setup| Setup {
    workers: 0,
    ..setup
});
