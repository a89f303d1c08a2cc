//! A student checks in with a selfie and the code on the screen.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{TimeDelta, TimeZone, Utc};
use serde_json::{Value, json};
use service::clock::ManualClock;
use service::kinds::Role;
use tests::both;
use tests::client::{Client, code, data};
use tests::fake::{Colour, TINY, person, photo, similarity};
use tests::school::{ENROLMENT, School, ended, enrol};
use tests::world::{Mode, Setup, World};

use super::{faces, id, is, mark, reason, review};

const SAM: usize = 5;

/// A class with a student who can sign in and is enrolled.
pub struct Room {
    pub admin: Client,
    pub school: School,
    pub student: Client,
    pub sam: String,
}

pub fn selfie() -> Bytes {
    photo(&[person(SAM)])
}

impl Room {
    pub async fn of(world: &World) -> Self {
        let room = Self::not_enrolled(world).await;
        let job = enrol(&room.admin, &room.sam, &vec![selfie(); ENROLMENT]).await;
        assert_eq!(ended(&room.admin, &job).await["status"], "SUCCEEDED");
        room
    }

    async fn not_enrolled(world: &World) -> Self {
        let (organization, admin) = world.organization("Here").await;
        let (sam, student) = world.member(organization, "Sam Student", Role::Student).await;
        let sam = format!("usr_{}", sam.0.simple());
        let school = School::with_students(&admin, 0).await;
        let added = admin
            .query(
                "mutation($class: ID!, $id: ID!) { addStudents(classId: $class, students: [{ id: $id }]) { \
                 results { error { code } } } }",
                json!({ "class": school.class, "id": sam }),
            )
            .await;
        assert_eq!(added["addStudents"]["results"][0]["error"], Value::Null);
        Self {
            admin,
            school,
            student,
            sam,
        }
    }

    pub async fn code(&self, session: &str) -> String {
        let shown = self
            .admin
            .query(
                "query($id: ID!) { session(id: $id) { checkInCode { code expiresAt } } }",
                json!({ "id": session }),
            )
            .await;
        shown["session"]["checkInCode"]["code"].as_str().unwrap().to_owned()
    }

    /// The whole answer; `more` is what the input has besides.
    pub async fn check_in(&self, session: &str, code: &str, selfie: Bytes, more: Value) -> Value {
        let mut input = json!({ "sessionId": session, "code": code, "selfie": { "upload": null } });
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        self.student
            .upload_raw(
                "mutation($input: CheckInInput!) { checkIn(input: $input) { job { id kind user { id } } } }",
                json!({ "input": input }),
                &[("input.selfie.upload", selfie)],
            )
            .await
    }

    pub async fn mark(&self, session: &str) -> Option<(String, String)> {
        mark(&self.admin, session, &self.sam).await
    }

    /// The job of a check-in that is taken in, once it has ended.
    async fn job(&self, session: &str, selfie: Bytes) -> Value {
        let code = self.code(session).await;
        let answer = data(self.check_in(session, &code, selfie, json!({})).await);
        ended(&self.student, id(&answer["checkIn"]["job"])).await
    }
}

async fn checks_in(world: World) {
    let room = Room::of(&world).await;
    let session = room.school.open_session().await;
    let shown = room.code(&session).await;
    let wrong = room.check_in(&session, "00000000", selfie(), json!({})).await;
    assert_eq!(code(&wrong), "INVALID_INPUT");
    assert_eq!(wrong["errors"][0]["extensions"]["field"], "code");
    let nowhere = room
        .check_in(
            &session,
            &shown,
            selfie(),
            json!({ "latitude": 91.0, "longitude": 0.0 }),
        )
        .await;
    assert_eq!(code(&nowhere), "INVALID_INPUT");

    for (faces, why) in [
        (vec![], "NO_FACE"),
        (vec![person(SAM), person(1)], "SEVERAL_FACES"),
        (vec![TINY], "LOW_QUALITY"),
        (vec![person(1)], "NO_MATCH"),
    ] {
        let faces: Vec<Colour> = if faces.is_empty() {
            vec![tests::fake::NOBODY]
        } else {
            faces
        };
        let job = room.job(&session, photo(&faces)).await;
        assert_eq!((&job["status"], &job["error"]["code"]), (&json!("FAILED"), &json!(why)));
        assert_eq!(room.mark(&session).await, None);
    }

    // As it is read aloud, and somebody small in the background.
    let typed = format!("{}-{}", &shown[..4], &shown[4..]).to_lowercase();
    let more = json!({ "idempotencyKey": "once" });
    let bytes = photo(&[TINY, person(SAM)]);
    let first = data(room.check_in(&session, &typed, bytes.clone(), more.clone()).await);
    let job = id(&first["checkIn"]["job"]);
    assert_eq!(first["checkIn"]["job"]["kind"], "CHECK_IN");
    assert_eq!(ended(&room.student, job).await["status"], "SUCCEEDED");
    assert!(is(room.mark(&session).await.as_ref(), "PRESENT", "CHECK_IN"));
    let again = data(room.check_in(&session, "a code of yesterday", bytes, more).await);
    assert_eq!(id(&again["checkIn"]["job"]), job);

    data(room.school.mark(&session, &room.sam, "ABSENT").await);
    let shown = room.code(&session).await;
    let against = room.check_in(&session, &shown, selfie(), json!({})).await;
    assert_eq!((code(&against), reason(&against)), ("CONFLICT", "MARKED_BY_PERSON"));
    room.school.set(&session, "closeSession").await;
    let closed = room.check_in(&session, &shown, selfie(), json!({})).await;
    assert_eq!((code(&closed), reason(&closed)), ("CONFLICT", "NOT_OPEN"));
}

both!(a_student_checks_in, checks_in);

async fn unknown_face(world: World) {
    let room = Room::not_enrolled(&world).await;
    let session = room.school.open_session().await;
    let code = room.code(&session).await;
    let answer = room.check_in(&session, &code, selfie(), json!({})).await;
    assert_eq!(reason(&answer), "NOT_ENROLLED");
}

both!(who_is_not_enrolled_cannot_check_in, unknown_face);

/// Between the thresholds a person decides: no mark until then.
async fn doubtful(world: World) {
    let room = Room::of(&world).await;
    room.admin
        .query(
            "mutation { updateOrganization(input: { matchThreshold: 0.7, reviewThreshold: 0.3 }) { organization { id } } }",
            json!({}),
        )
        .await;
    let alike = (20..5000)
        .map(person)
        .find(|other| (0.35..0.65).contains(&similarity(person(SAM), *other)))
        .unwrap();
    let session = room.school.open_session().await;
    let job = room.job(&session, photo(&[alike])).await;
    assert_eq!(job["status"], "SUCCEEDED");
    assert_eq!(room.mark(&session).await, None);
    let face = faces(&room.admin, id(&job)).await.remove(0);
    assert_eq!(face["reason"], "BETWEEN_THRESHOLDS");
    data(review(&room.admin, id(&face), "CONFIRM", None, Some("NEEDS_REVIEW")).await);
    assert!(is(room.mark(&session).await.as_ref(), "PRESENT", "REVIEW"));
}

both!(a_doubtful_selfie_waits_for_a_person, doubtful);

/// Where the organization wants it, from nearby alone.
async fn far_away(world: World) {
    let room = Room::of(&world).await;
    let made = room
        .admin
        .query(
            "mutation { updateOrganization(input: { checkInRadiusMeters: 200 }) { organization { id } } \
             createVenue(input: { name: \"Hall\", latitude: 40.4168, longitude: -3.7038 }) { venue { id } } }",
            json!({}),
        )
        .await;
    let now = tests::school::now();
    let input = json!({
        "classId": room.school.class,
        "venueId": made["createVenue"]["venue"]["id"],
        "startsAt": now.to_rfc3339(),
        "endsAt": (now + TimeDelta::hours(1)).to_rfc3339(),
    });
    let made = room
        .admin
        .query(
            "mutation($input: SessionInput!) { createSession(input: $input) { session { id } } }",
            json!({ "input": input }),
        )
        .await;
    let session = id(&made["createSession"]["session"]).to_owned();
    room.school.set(&session, "openSession").await;
    let shown = room.code(&session).await;
    let nowhere = room.check_in(&session, &shown, selfie(), json!({})).await;
    assert_eq!(code(&nowhere), "INVALID_INPUT");
    assert_eq!(nowhere["errors"][0]["extensions"]["field"], "latitude");
    let far = json!({ "latitude": 40.4168, "longitude": -3.7138 });
    let far = room.check_in(&session, &shown, selfie(), far).await;
    assert_eq!((code(&far), reason(&far)), ("CONFLICT", "TOO_FAR"));
    let near = json!({ "latitude": 40.4170, "longitude": -3.7039 });
    data(room.check_in(&session, &shown, selfie(), near).await);
}

both!(a_student_checks_in_from_nearby, far_away);

/// The code of a step is good until the end of the next one, and the next one's from its beginning;
/// another session's never.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_good_for_its_step_and_one_beside_it() {
    let clock = Arc::new(ManualClock::at(Utc.with_ymd_and_hms(2027, 3, 1, 9, 0, 0).unwrap()));
    let setup = Setup {
        clock: Some(clock.clone()),
        workers: 0,
        ..Setup::new(Mode::Embedded)
    };
    let world = setup.build().await.unwrap();
    let room = Room::not_enrolled(&world).await;
    let (session, other) = (room.school.open_session().await, room.school.open_session().await);
    let is_right = async |shown: &str| {
        let answer = room.check_in(&session, shown, selfie(), json!({})).await;
        match code(&answer) {
            "INVALID_INPUT" => false,
            _ => reason(&answer) == "NOT_ENROLLED",
        }
    };
    // Later the clock goes back, and not behind the moment at which everybody signed in.
    clock.advance(TimeDelta::minutes(1));
    let first = room.code(&session).await;
    assert!(is_right(&first).await);
    assert!(!is_right(&room.code(&other).await).await);
    clock.advance(TimeDelta::milliseconds(29_999));
    assert_eq!(room.code(&session).await, first);
    clock.advance(TimeDelta::milliseconds(1));
    let second = room.code(&session).await;
    assert_ne!(second, first);
    assert!(is_right(&first).await && is_right(&second).await);
    clock.advance(TimeDelta::milliseconds(29_999));
    assert!(is_right(&first).await);
    clock.advance(TimeDelta::milliseconds(1));
    assert!(!is_right(&first).await && is_right(&second).await);
    // A screen whose clock is a little ahead.
    clock.advance(TimeDelta::seconds(-60));
    assert!(is_right(&second).await);
    clock.advance(TimeDelta::milliseconds(-1));
    assert!(!is_right(&second).await);
}

/// Who tries codes out is made to wait, with the right one too; others are not.
#[tokio::test(flavor = "multi_thread")]
async fn guessing_codes_is_slowed_down() {
    let setup = Setup {
        rates: true,
        workers: 0,
        ..Setup::new(Mode::Embedded)
    };
    let world = setup.build().await.unwrap();
    let (room, other) = (Room::not_enrolled(&world).await, Room::not_enrolled(&world).await);
    let session = room.school.open_session().await;
    let mut guesses = 0;
    loop {
        let answer = room.check_in(&session, "00000000", selfie(), json!({})).await;
        match code(&answer) {
            "INVALID_INPUT" => guesses += 1,
            "RATE_LIMITED" => break,
            code => panic!("{code}"),
        }
        assert!(guesses < 50, "nobody is slowed down");
    }
    assert!(guesses >= 5, "{guesses} slips of the pen are too many");
    let right = room.code(&session).await;
    let answer = room.check_in(&session, &right, selfie(), json!({})).await;
    assert_eq!(code(&answer), "RATE_LIMITED");
    let session = other.school.open_session().await;
    let right = other.code(&session).await;
    let answer = other.check_in(&session, &right, selfie(), json!({})).await;
    assert_eq!(reason(&answer), "NOT_ENROLLED");
}
