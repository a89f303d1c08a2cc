//! Real models on real faces: eight students by five portraits each, five group photos as five
//! sessions, and exactly the labelled students present.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::json;
use tests::faces;
use tests::school::{self, School, ended};
use tests::world::{Mode, Setup, World};

async fn twenty_three_marks(world: World) {
    let (_, admin) = world.organization("Caltech").await;
    let mut school = School::with_students(&admin, 0).await;
    let students = faces::students();
    let rows: Vec<_> = students
        .iter()
        .map(|(name, _)| json!({ "fullName": name, "rollNumber": name }))
        .collect();
    let added = admin
        .query(
            "mutation($class: ID!, $rows: [StudentInput!]!) { addStudents(classId: $class, students: $rows) { \
             results { student { id } } } }",
            json!({ "class": school.class, "rows": rows }),
        )
        .await;
    for (n, (name, portraits)) in students.iter().enumerate() {
        let id = added["addStudents"]["results"][n]["student"]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let job = school::enrol(&admin, &id, portraits).await;
        let job = ended(&admin, &job).await;
        let accepted = job["templates"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|t| t["status"] == "ACCEPTED")
            .count();
        // A portrait may be refused by principle: one that looks away, say.
        assert!(accepted >= school::ENROLMENT, "{name}: {job:#}");
        school.students.push(id);
    }

    let mut jobs = Vec::new();
    for (n, (photo, names)) in (0..).zip(faces::group_photos()) {
        // Each at another of the servers.
        let teacher = admin.at(&world.bases[n % world.bases.len()]);
        let school = School {
            teacher,
            ..school.clone()
        };
        let session = school
            .session(school::now() + TimeDelta::minutes(i64::try_from(n).unwrap()))
            .await;
        school.set(&session, "openSession").await;
        let job = school.submit(&session, photo).await;
        jobs.push((session, job, names));
    }
    let mut marks = 0;
    for (session, job, names) in jobs {
        let job = ended(&admin, &job).await;
        assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
        let present: BTreeSet<String> = school.marked(&session, "PRESENT").await.into_iter().collect();
        assert_eq!(present, names);
        let roll = school.roll(&session).await;
        assert!(
            roll.iter().all(|(name, mark)| mark.is_null() || names.contains(name)),
            "{roll:?}"
        );
        marks += present.len();

        let url = job["photos"][0]["annotatedUrl"].as_str().unwrap();
        let path = url.split_once("/media/").unwrap().1;
        let picture = admin.get(&format!("{}/media/{path}", world.bases[0])).await;
        assert_eq!(picture.status(), 200);
        assert_eq!(picture.headers()["content-type"], "image/jpeg");
        let picture = picture.bytes().await.unwrap();
        let header = picture::inspect(&picture).unwrap();
        assert_eq!(job["photos"][0]["width"], header.width);
        if let Some(folder) = std::env::var_os("MUSTER_TEST_PICTURES") {
            let name = session.replace('/', "_");
            std::fs::write(std::path::Path::new(&folder).join(format!("{name}.jpg")), &picture).unwrap();
        }
    }
    assert_eq!(marks, 23);
}

mod real_faces {
    use super::*;

    async fn run(mode: Mode) {
        if !faces::present() {
            return;
        }
        let setup = Setup {
            apis: 2,
            workers: 2,
            slots: 1,
            real_vision: true,
            ..Setup::new(mode)
        };
        if let Some(world) = setup.build().await {
            twenty_three_marks(world).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn embedded() {
        run(Mode::Embedded).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn processes() {
        run(Mode::Processes).await;
    }
}
