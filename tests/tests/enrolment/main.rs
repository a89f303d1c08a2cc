//! Enrolment that keeps the gallery clean: what is refused, what waits for a person, and what staff do
//! about it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod living;

use bytes::Bytes;
use serde_json::{Value, json};
use service::housekeeping::Chore;
use service::kinds::Role;
use tests::both;
use tests::client::{Client, code, data, error};
use tests::fake::{NOBODY, TINY, person, photo, photo_showing, shown};
use tests::school::{ENROLMENT, School, ended, enrol};
use tests::world::World;

/// Enrols and answers status and reasons of each photo, in their order.
async fn enrolled(client: &Client, student: &str, photos: &[Bytes]) -> Vec<(String, Value)> {
    let job = ended(client, &enrol(client, student, photos).await).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    let mut templates = job["templates"].as_array().unwrap().clone();
    templates.sort_by_key(|t| t["photoIndex"].as_i64());
    templates
        .iter()
        .map(|t| (t["status"].as_str().unwrap().to_owned(), t["rejections"].clone()))
        .collect()
}

fn became(status: &str, reasons: &[&str]) -> (String, Value) {
    (status.to_owned(), json!(reasons))
}

async fn is_enrolled(client: &Client, student: &str) -> bool {
    let found = client
        .query(
            "query($id: ID!) { user(id: $id) { enrolled } }",
            json!({ "id": student }),
        )
        .await;
    found["user"]["enrolled"] == true
}

/// The ids of the templates of a status, in the order of the list.
async fn listed(client: &Client, status: &str, class: Option<&str>) -> Vec<String> {
    let found = client
        .query(
            "query($status: TemplateStatus, $class: ID) { faceTemplates(status: $status, classId: $class) { \
             nodes { id status } totalCount } }",
            json!({ "status": status, "class": class }),
        )
        .await;
    let nodes = found["faceTemplates"]["nodes"].as_array().unwrap();
    assert_eq!(found["faceTemplates"]["totalCount"], nodes.len());
    assert!(nodes.iter().all(|t| t["status"] == status), "{nodes:?}");
    nodes.iter().map(|t| t["id"].as_str().unwrap().to_owned()).collect()
}

async fn review(client: &Client, id: &str, accept: bool) -> Value {
    client
        .raw(
            "mutation($id: ID!, $accept: Boolean!) { reviewFaceTemplate(id: $id, accept: $accept) { \
             template { id status rejections cropUrl } } }",
            json!({ "id": id, "accept": accept }),
        )
        .await
}

async fn delete(client: &Client, id: &str) -> Value {
    client
        .raw(
            "mutation($id: ID!) { deleteFaceTemplate(id: $id) { deletedId } }",
            json!({ "id": id }),
        )
        .await
}

async fn poor_photos_are_refused_with_every_reason(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let one = |how: u8| photo_showing(&[(person(0), how)]);
    let photos = [
        one(0),
        one(shown::BLURRED),
        one(shown::DARK),
        one(shown::BRIGHT),
        one(shown::ASIDE | shown::BLURRED),
        photo(&[TINY]),
        photo(&[NOBODY]),
        photo(&[person(0), person(1)]),
        photo_showing(&[(person(1), 0), (person(0), shown::NEAR)]),
        Bytes::from_static(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x04\0\0\0\x04\x08\x02\0\0\0"),
    ];
    let expected = [
        became("ACCEPTED", &[]),
        became("REJECTED", &["BLURRED"]),
        became("REJECTED", &["TOO_DARK"]),
        became("REJECTED", &["TOO_BRIGHT"]),
        became("REJECTED", &["BLURRED", "TURNED_AWAY"]),
        became("REJECTED", &["TOO_SMALL"]),
        became("REJECTED", &["NO_FACE"]),
        became("REJECTED", &["SEVERAL_FACES"]),
        became("ACCEPTED", &[]),
        became("REJECTED", &["UNREADABLE_IMAGE"]),
    ];
    assert_eq!(enrolled(&admin, &school.students[0], &photos).await, expected);
    assert!(!is_enrolled(&admin, &school.students[0]).await, "two are not enough");
    let more = enrolled(&admin, &school.students[0], &[one(0)]).await;
    assert_eq!(more, [became("ACCEPTED", &[])]);
    assert!(is_enrolled(&admin, &school.students[0]).await);
}

both!(gates, poor_photos_are_refused_with_every_reason);

async fn what_only_a_person_can_tell_waits(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 2).await;
    let new = School::with_students(&admin, 3).await;
    let [ann, bea, cid] = &new.students[..] else {
        unreachable!()
    };
    let of = |n: usize| photo(&[person(n)]);

    // The largest group stands; the stray may be somebody else.
    let stray = [
        became("ACCEPTED", &[]),
        became("PENDING", &["UNLIKE_THE_OTHERS"]),
        became("ACCEPTED", &[]),
    ];
    assert_eq!(enrolled(&admin, ann, &[of(10), of(20), of(10)]).await, stray);
    // What was accepted before outweighs what comes.
    let unlike = vec![became("PENDING", &["UNLIKE_THE_OTHERS"]); 3];
    assert_eq!(enrolled(&admin, ann, &[of(21), of(21), of(21)]).await, unlike);
    // One against one: nobody knows.
    let tie = vec![became("PENDING", &["UNLIKE_THE_OTHERS"]); 2];
    assert_eq!(enrolled(&admin, bea, &[of(30), of(31)]).await, tie);
    // Another student's face under this one's name.
    let taken = vec![became("PENDING", &["RESEMBLES_ANOTHER"]); ENROLMENT];
    assert_eq!(enrolled(&admin, cid, &vec![of(1); ENROLMENT]).await, taken);
    for student in [ann, bea, cid] {
        assert!(!is_enrolled(&admin, student).await);
    }

    // What waits is matched to nobody.
    let session = new.open_session().await;
    let job = ended(
        &admin,
        &new.submit(&session, photo(&[person(1), person(21), person(30)])).await,
    )
    .await;
    assert!(
        job["faces"]
            .as_array()
            .unwrap()
            .iter()
            .all(|f| f["decision"] == "UNKNOWN"),
        "{job:#}"
    );
    // Nor is a student shown as somebody else's photo in their own class.
    let session = school.open_session().await;
    ended(&admin, &school.submit(&session, of(1)).await).await;
    assert_eq!(school.marked(&session, "PRESENT").await, ["Student 001"]);

    // Accepted, they count.
    for id in listed(&admin, "PENDING", Some(&new.class)).await {
        let template = data(review(&admin, &id, true).await)["reviewFaceTemplate"]["template"].clone();
        assert_eq!(template["status"], "ACCEPTED");
        assert_ne!(template["rejections"], json!([]), "what was doubted stays to be read");
    }
    assert!(is_enrolled(&admin, cid).await && !is_enrolled(&admin, bea).await);
    let session = new.open_session().await;
    let job = ended(&admin, &new.submit(&session, of(1)).await).await;
    assert_eq!(job["faces"][0]["decision"], "MATCHED", "{job:#}");
    assert_eq!(job["faces"][0]["student"]["id"], **cid);
}

both!(doubts, what_only_a_person_can_tell_waits);

async fn staff_decide_and_delete(world: World) {
    let (organization, admin) = world.organization("School").await;
    let (_, teacher) = world.member(organization, "Tina Teacher", Role::Teacher).await;
    let (_, other) = world.member(organization, "Otto Other", Role::Teacher).await;
    let (sam_id, sam) = world.member(organization, "Sam Student", Role::Student).await;
    let sam_id = format!("usr_{}", sam_id.0.simple());
    let school = School::with_students(&teacher, 0).await;
    teacher
        .query(
            "mutation($class: ID!, $id: ID!) { addStudents(classId: $class, students: [{ id: $id }]) { class { id } } }",
            json!({ "class": school.class, "id": sam_id }),
        )
        .await;
    // They sent them in themselves.
    let waits = vec![became("PENDING", &[]); ENROLMENT + 1];
    assert_eq!(
        enrolled(&sam, &sam_id, &vec![photo(&[person(3)]); ENROLMENT + 1]).await,
        waits
    );
    let ids = listed(&teacher, "PENDING", Some(&school.class)).await;
    assert_eq!(ids.len(), ENROLMENT + 1);
    assert_eq!(listed(&teacher, "PENDING", None).await, ids);
    assert_eq!(listed(&other, "PENDING", None).await, [""; 0]);
    assert_eq!(listed(&other, "PENDING", Some(&school.class)).await, [""; 0]);
    assert_eq!(listed(&admin, "ACCEPTED", None).await, [""; 0]);

    assert_eq!(code(&review(&sam, &ids[0], true).await), "FORBIDDEN");
    assert_eq!(code(&delete(&sam, &ids[0]).await), "FORBIDDEN");
    assert_eq!(code(&review(&other, &ids[0], true).await), "NOT_FOUND");
    assert_eq!(code(&delete(&other, &ids[0]).await), "NOT_FOUND");

    let rejected = data(review(&teacher, &ids[0], false).await);
    assert_eq!(rejected["reviewFaceTemplate"]["template"]["status"], "REJECTED");
    for id in &ids[1..] {
        data(review(&teacher, id, true).await);
    }
    assert!(is_enrolled(&teacher, &sam_id).await);
    for accept in [true, false] {
        let again = error(review(&admin, &ids[0], accept).await);
        assert_eq!(again["extensions"]["reason"], "DECIDED");
    }

    let crops = || async {
        world.housekeep(Chore::DiscardedMedia).await;
        world.folder.path().join("media/crops").read_dir().map_or(0, |jobs| {
            jobs.flat_map(|job| job.unwrap().path().read_dir().unwrap())
                .flat_map(|fence| fence.unwrap().path().read_dir().unwrap())
                .count()
        })
    };
    assert_eq!(crops().await, ENROLMENT + 1);
    assert_eq!(
        data(delete(&teacher, &ids[1]).await)["deleteFaceTemplate"]["deletedId"],
        *ids[1]
    );
    assert_eq!(crops().await, ENROLMENT);
    assert_eq!(code(&delete(&teacher, &ids[1]).await), "NOT_FOUND");
    assert!(!is_enrolled(&teacher, &sam_id).await, "one less than are needed");
    // And so is nobody recognized by what is left.
    let session = school.open_session().await;
    ended(&teacher, &school.submit(&session, photo(&[person(3)])).await).await;
    assert_eq!(school.marked(&session, "PRESENT").await, [""; 0]);
    let log = admin
        .query(
            "{ auditLog(first: 100) { nodes { action targetType summary } } }",
            json!({}),
        )
        .await;
    let log = log["auditLog"]["nodes"].to_string();
    for action in ["reviewFaceTemplate", "deleteFaceTemplate"] {
        assert!(log.contains(action), "{log}");
    }
}

both!(decisions, staff_decide_and_delete);

/// Who became staff with photos that wait can't let them pass, nor take back what somebody else accepted.
async fn nobody_about_themselves(world: World) {
    let (organization, admin) = world.organization("School").await;
    let (sam_id, sam) = world.member(organization, "Sam Student", Role::Student).await;
    let sam_id = format!("usr_{}", sam_id.0.simple());
    let sent = enrolled(&sam, &sam_id, &vec![photo(&[person(3)]); ENROLMENT]).await;
    assert_eq!(sent, vec![became("PENDING", &[]); ENROLMENT]);
    let ids = listed(&admin, "PENDING", None).await;
    data(review(&admin, &ids[0], true).await);
    admin
        .query(
            "mutation($id: ID!) { updateUser(id: $id, input: { role: ADMIN }) { user { id } } }",
            json!({ "id": sam_id }),
        )
        .await;
    for id in &ids {
        assert_eq!(code(&review(&sam, id, true).await), "FORBIDDEN");
        assert_eq!(code(&delete(&sam, id).await), "FORBIDDEN");
    }
    assert_eq!(listed(&admin, "PENDING", None).await, ids[1..]);
    data(delete(&admin, &ids[0]).await);
}

both!(about_themselves, nobody_about_themselves);

/// Two enrolments of one person at once: each is compared with what the other wrote.
async fn at_once(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let student = &school.students[0];
    let (a, b) = (vec![photo(&[person(1)]); 2], vec![photo(&[person(2)]); 2]);
    let (a, b) = tokio::join!(enrolled(&admin, student, &a), enrolled(&admin, student, &b));
    let accepted = |all: &[(String, Value)]| all.iter().filter(|t| t.0 == "ACCEPTED").count();
    assert_eq!(accepted(&a) + accepted(&b), 2, "{a:?} {b:?}");
}

both!(together, at_once);
