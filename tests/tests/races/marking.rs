//! People and photos, and people who close meanwhile.

use std::time::Duration;

use serde_json::json;
use tests::both;
use tests::client::{code, data};
use tests::fake::{person, photo};
use tests::school::{School, ended};
use tests::world::World;

use crate::{rounds, settled};

/// Somewhere within the time that a photo takes.
async fn a_moment(round: usize) {
    tokio::time::sleep(Duration::from_millis((round * 7 % 40) as u64)).await;
}

async fn list_and_photo(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 4).await;
    let everyone = photo(&(0..4).map(person).collect::<Vec<_>>());
    rounds(move |round| {
        let (school, everyone, admin) = (school.clone(), everyone.clone(), admin.clone());
        async move {
            let session = school.open_session().await;
            let job = school.submit(&session, everyone).await;
            a_moment(round).await;
            let rows: Vec<_> = school.students[..2]
                .iter()
                .map(|student| json!({ "sessionId": session, "studentId": student, "status": "EXCUSED" }))
                .collect();
            let query =
                "mutation($rows: [MarkInput!]!) { markAttendanceBulk(inputs: $rows) { results { mark { status } } } }";
            let answer = admin.query(query, json!({ "rows": rows })).await;
            assert_eq!(answer["markAttendanceBulk"]["results"][1]["mark"]["status"], "EXCUSED");
            assert_eq!(ended(&admin, &job).await["status"], "SUCCEEDED");
            for line in settled(&admin, &session).await {
                let by_hand = school.students[..2].iter().any(|s| line["student"]["id"] == json!(s));
                let wanted = if by_hand {
                    json!({ "status": "EXCUSED", "source": "MANUAL" })
                } else {
                    json!({ "status": "PRESENT", "source": "RECOGNITION" })
                };
                assert_eq!(line["mark"], wanted);
            }
        }
    })
    .await;
}

both!(a_list_of_marks_against_a_running_recognition, list_and_photo);

/// A photo that was taken in before the close counts, whether it was processed before or after it.
async fn close_and_photo(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 3).await;
    let two = photo(&[person(0), person(1)]);
    rounds(move |round| {
        let (school, two, admin) = (school.clone(), two.clone(), admin.clone());
        async move {
            let session = school.open_session().await;
            let job = school.submit(&session, two).await;
            a_moment(round).await;
            school.set(&session, "closeSession").await;
            assert_eq!(ended(&admin, &job).await["status"], "SUCCEEDED");
            let lines = settled(&admin, &session).await;
            for (n, student) in school.students.iter().enumerate() {
                let line = lines
                    .iter()
                    .find(|line| line["student"]["id"] == json!(student))
                    .unwrap();
                let wanted = if n < 2 {
                    json!({ "status": "PRESENT", "source": "RECOGNITION" })
                } else {
                    json!({ "status": "ABSENT", "source": "AUTO" })
                };
                assert_eq!(line["mark"], wanted);
            }
        }
    })
    .await;
}

both!(closing_while_a_photo_is_processed, close_and_photo);

/// Submitting and closing at once: either the photo is refused, or it counts.
async fn close_or_photo(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 2).await;
    let one = photo(&[person(0)]);
    rounds(move |_| {
        let (school, one, admin) = (school.clone(), one.clone(), admin.clone());
        async move {
            let session = school.open_session().await;
            let (submitted, _) = tokio::join!(
                school.submit_raw(&session, one, None),
                school.set(&session, "closeSession")
            );
            let taken = submitted.get("errors").is_none();
            if taken {
                let job = data(submitted)["submitClassPhoto"]["job"]["id"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                assert_eq!(ended(&admin, &job).await["status"], "SUCCEEDED");
            } else {
                assert_eq!(code(&submitted), "CONFLICT");
            }
            let lines = settled(&admin, &session).await;
            let present = lines.iter().filter(|line| line["mark"]["status"] == "PRESENT").count();
            assert_eq!(present, usize::from(taken));
        }
    })
    .await;
}

both!(submitting_against_closing, close_or_photo);

/// Two who open and close at once: each gets a session or a CONFLICT, and the state is one of both.
async fn open_and_close(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 3).await;
    rounds(move |round| {
        let (school, admin) = (school.clone(), admin.clone());
        async move {
            let session = school.open_session().await;
            if round % 2 == 0 {
                school.mark(&session, &school.students[0], "LATE").await;
            }
            school.set(&session, "closeSession").await;
            let query =
                |mutation: &str| format!("mutation($id: ID!) {{ {mutation}(id: $id) {{ session {{ state }} }} }}");
            let (open, close, reopen) = (query("openSession"), query("closeSession"), query("openSession"));
            let id = json!({ "id": session });
            let (a, b, c) = tokio::join!(
                admin.raw(&open, id.clone()),
                admin.raw(&close, id.clone()),
                admin.raw(&reopen, id.clone())
            );
            for answer in [a, b, c] {
                assert!(
                    answer.get("errors").is_none() || code(&answer) == "CONFLICT",
                    "{answer:#}"
                );
            }
            settled(&admin, &session).await;
        }
    })
    .await;
}

both!(reopening_against_closing, open_and_close);
