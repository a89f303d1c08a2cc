//! Two who do things at once: one clear result each.

use serde_json::json;
use tests::both;
use tests::client::{code, data};
use tests::fake::{person, photo};
use tests::school::{School, ended};
use tests::world::World;

use super::check_in::{Room, selfie};
use super::{faces, id, is, mark, reason, review};

const ROUNDS: usize = 200;
/// Those in which a photo is worked on.
const SLOW_ROUNDS: usize = 200;

/// One assigns the face, one dismisses it, both having seen that it waits.
async fn two_teachers(world: World) {
    let (_, admin) = world.organization("Here").await;
    let school = School::enrolled(&admin, 2).await;
    let other = admin.anew();
    let session = school.open_session().await;
    let job = school.submit(&session, photo(&vec![person(0); ROUNDS + 1])).await;
    let one = &school.students[1];
    let waiting: Vec<_> = faces(&admin, &job)
        .await
        .into_iter()
        .filter(|face| face["decision"] == "NEEDS_REVIEW")
        .collect();
    assert_eq!(waiting.len(), ROUNDS);
    let mut assigned = 0;
    for face in &waiting {
        let (a, b) = tokio::join!(
            review(&admin, id(face), "REASSIGN", Some(one), Some("NEEDS_REVIEW")),
            review(&other, id(face), "DISMISS", None, Some("NEEDS_REVIEW")),
        );
        let (won, lost) = if a.get("errors").is_none() { (&a, &b) } else { (&b, &a) };
        let won = &data(won.clone())["reviewFace"];
        assert_eq!((code(lost), reason(lost)), ("CONFLICT", "DECIDED"));
        let marked = mark(&admin, &session, one).await;
        if won["face"]["decision"] == "REASSIGNED" {
            assigned += 1;
            assert!(is(marked.as_ref(), "PRESENT", "REVIEW"));
            data(review(&admin, id(face), "DISMISS", None, Some("REASSIGNED")).await);
        } else {
            assert_eq!(marked, None);
        }
    }
    eprintln!("assigned {assigned} of {ROUNDS}");
}

both!(two_teachers_review_the_same_face, two_teachers);

/// A photo that was taken in before the close counts; one that was not is refused.
async fn closing(world: World) {
    let (_, admin) = world.organization("Here").await;
    let school = School::enrolled(&admin, 1).await;
    let zero = &school.students[0];
    for round in 0..SLOW_ROUNDS {
        let session = school.open_session().await;
        let answer = if round % 2 == 0 {
            let answer = school.submit_raw(&session, photo(&[person(0)]), None).await;
            school.set(&session, "closeSession").await;
            answer
        } else {
            tokio::join!(
                school.submit_raw(&session, photo(&[person(0)]), None),
                school.set(&session, "closeSession"),
            )
            .0
        };
        if answer.get("errors").is_some() {
            assert_eq!(reason(&answer), "NOT_OPEN");
            assert!(is(mark(&admin, &session, zero).await.as_ref(), "ABSENT", "AUTO"));
        } else {
            let job = answer["data"]["submitClassPhoto"]["job"]["id"].as_str().unwrap();
            assert_eq!(ended(&admin, job).await["status"], "SUCCEEDED");
            assert!(is(
                mark(&admin, &session, zero).await.as_ref(),
                "PRESENT",
                "RECOGNITION"
            ));
        }
    }
}

both!(a_session_is_closed_while_a_photo_is_processed, closing);

/// A session is opened again while a student checks in: they are in, or told that it is closed.
async fn reopening(world: World) {
    let room = Room::of(&world).await;
    for round in 0..SLOW_ROUNDS {
        let session = room.school.open_session().await;
        let code = room.code(&session).await;
        room.school.set(&session, "closeSession").await;
        assert!(is(room.mark(&session).await.as_ref(), "ABSENT", "AUTO"));
        let check_in = async {
            // Half of them a little later, so that both happen.
            if round % 2 == 1 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            room.check_in(&session, &code, selfie(), json!({})).await
        };
        let (answer, _) = tokio::join!(check_in, room.school.set(&session, "openSession"));
        if answer.get("errors").is_some() {
            assert_eq!(reason(&answer), "NOT_OPEN");
            assert_eq!(room.mark(&session).await, None);
        } else {
            let job = answer["data"]["checkIn"]["job"]["id"].as_str().unwrap();
            assert_eq!(ended(&room.student, job).await["status"], "SUCCEEDED");
            assert!(is(room.mark(&session).await.as_ref(), "PRESENT", "CHECK_IN"));
        }
    }
}

both!(a_session_is_opened_again_while_a_student_checks_in, reopening);
