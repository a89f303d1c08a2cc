//! Students are written when they are marked, or absent from a closed session: who wants it, once.

use std::time::Duration;

use serde_json::{Value, json};
use service::kinds::Role;
use tests::both;
use tests::mailbox::{mails, nth};
use tests::school::School;
use tests::world::{World, address};

async fn settle() {
    tokio::time::sleep(Duration::from_millis(700)).await;
}

async fn written_once(world: World) {
    let (organization, admin) = world.organization("North School").await;
    let school = School::with_students(&admin, 2).await;
    let (quiet, contact) = (address("quiet"), address("contact"));
    let (sam_id, sam) = world.member(organization, "Sam", Role::Student).await;
    let rows = json!([
        { "fullName": "Ann Absent", "email": contact },
        { "fullName": "Quin Quiet", "email": quiet },
        { "id": format!("usr_{}", sam_id.0.simple()) },
    ]);
    let added = admin
        .query(
            "mutation($class: ID!, $rows: [StudentInput!]!) { addStudents(classId: $class, students: $rows) { \
             results { student { id } error { message } } } }",
            json!({ "class": school.class, "rows": rows }),
        )
        .await;
    let id = |n: usize| {
        added["addStudents"]["results"][n]["student"]["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (ann, quin, sam_node) = (id(0), id(1), id(2));
    let me = sam.query("{ viewer { email } }", json!({})).await;
    let sams = me["viewer"]["email"].as_str().map(ToOwned::to_owned);
    sam.query(
        "mutation { updateMySettings(input: { emailOnMark: true, emailOnAbsence: false, locale: \"es\" }) { user { id } } }",
        json!({}),
    )
    .await;
    let session = school.open_session().await;
    school.mark(&session, &sam_node, "PRESENT").await;
    school.mark(&session, &sam_node, "LATE").await;
    // While it is open nobody is told that they are absent.
    school.mark(&session, &ann, "ABSENT").await;
    school.mark(&session, &quin, "PRESENT").await;
    settle().await;
    assert!(mails(&world, &contact).is_empty() && mails(&world, &quiet).is_empty());
    school.set(&session, "closeSession").await;
    let mail = nth(&world, &contact, 0).await;
    assert!(
        mail.contains("marked absent") && mail.contains("North School"),
        "{mail}"
    );
    assert!(!mail.contains("Quin") && !mail.contains("Sam"), "{mail}");

    // Reopened and closed again, and marked so once more: still once.
    school.set(&session, "openSession").await;
    school.mark(&session, &ann, "PRESENT").await;
    school.set(&session, "closeSession").await;
    school.mark(&session, &ann, "ABSENT").await;
    // Somebody who is found absent afterwards is told then.
    school.mark(&session, &quin, "ABSENT").await;
    nth(&world, &quiet, 0).await;
    settle().await;
    assert_eq!(mails(&world, &contact).len(), 1);
    assert_eq!(mails(&world, &quiet).len(), 1);
    if let Some(sams) = sams {
        let mail = nth(&world, &sams, 0).await;
        assert!(mail.contains("consta tu asistencia"), "{mail}");
        assert_eq!(mails(&world, &sams).len(), 1);
    } else {
        panic!("a login has no address: {me:#}");
    }

    // Who is erased is written no more, whatever is said of them.
    let gone = admin
        .raw(
            "mutation($id: ID!) { deleteUser(id: $id) { deletedId } }",
            json!({ "id": ann }),
        )
        .await;
    assert_eq!(gone["errors"], Value::Null);
    let next = school.open_session().await;
    school.set(&next, "closeSession").await;
    nth(&world, &quiet, 1).await;
    settle().await;
    assert!(
        mails(&world, &contact).is_empty(),
        "what was mailed goes with the person"
    );
}

both!(whoever_wants_it_is_written_once, written_once);
