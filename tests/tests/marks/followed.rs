//! A dashboard follows the sessions of its viewer's classes.

use std::time::Duration;

use serde_json::{Value, json};
use service::kinds::Role;
use tests::both;
use tests::client::Client;
use tests::school::{School, now};
use tests::socket::{Got, Socket};
use tests::world::{Setup, World};

const CHANGED: &str = "subscription($class: ID) { sessionChanged(classId: $class) { id state \
     summary { expected present unmarked } } }";

async fn follow(client: &Client, class: Option<&str>) -> Socket {
    let mut socket = Socket::open(client).await;
    socket.subscribe("1", CHANGED, json!({ "class": class })).await;
    // The server says nothing until something changes.
    tokio::time::sleep(Duration::from_millis(300)).await;
    socket
}

/// The next change that fits.
async fn until(socket: &mut Socket, fits: impl Fn(&Value) -> bool) -> Value {
    loop {
        let session = socket.next().await["sessionChanged"].clone();
        if fits(&session) {
            return session;
        }
    }
}

async fn changes_arrive(world: World) {
    let (organization, admin) = world.organization("School").await;
    let (_, teacher) = world.member(organization, "Tom", Role::Teacher).await;
    let (_, foreign) = world.organization("Elsewhere").await;
    let school = School::with_students(&teacher, 3).await;
    let other = School::with_students(&admin, 3).await;
    let elsewhere = School::with_students(&foreign, 3).await;
    let mut all = follow(&admin, None).await;
    let mut own = follow(&teacher, None).await;
    let mut one = follow(&admin, Some(&other.class)).await;

    elsewhere.open_session().await;
    // Later than the clock would open them meanwhile.
    let soon = now() + chrono::TimeDelta::minutes(30);
    let hidden = other.session(soon).await;
    let session = school.session(soon).await;
    let created = until(&mut own, |_| true).await;
    assert_eq!(
        (&created["id"], &created["state"]),
        (&json!(session), &json!("SCHEDULED"))
    );
    assert_eq!(until(&mut one, |_| true).await["id"], json!(hidden));
    until(&mut all, |s| s["id"] == json!(hidden)).await;

    school.set(&session, "openSession").await;
    let opened = until(&mut own, |s| s["state"] == "OPEN").await;
    assert_eq!(opened["summary"], json!({ "expected": 3, "present": 0, "unmarked": 3 }));
    school.mark(&session, &school.students[0], "PRESENT").await;
    let marked = until(&mut own, |s| s["summary"]["present"] == 1).await;
    assert_eq!(
        (&marked["id"], &marked["summary"]["unmarked"]),
        (&json!(session), &json!(2))
    );
    school.set(&session, "closeSession").await;
    until(&mut own, |s| s["state"] == "CLOSED").await;
    until(&mut all, |s| s["state"] == "CLOSED" && s["id"] == json!(session)).await;

    // Of the other class the teacher has heard nothing, and nobody of the other organization.
    other.set(&hidden, "openSession").await;
    until(&mut one, |s| s["state"] == "OPEN").await;
    assert_eq!(own.within(Duration::from_secs(2)).await, None);

    let mut socket = Socket::open(&teacher).await;
    socket.subscribe("1", CHANGED, json!({ "class": other.class })).await;
    let Some(Got::Error(refused)) = socket.within(Duration::from_secs(5)).await else {
        panic!("another's class is followed");
    };
    assert_eq!(refused["extensions"]["code"], "NOT_FOUND");
}

both!(whoever_follows_sessions_sees_those_of_their_classes, changes_arrive);
both!(changes_arrive_without_announcements, changes_arrive, |setup| Setup {
    announcements: false,
    ..setup
});
