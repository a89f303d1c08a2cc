//! Teachers who use one server, each of another organization and another address of the network.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use image::{ImageFormat, RgbImage};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use service::id::OrganizationId;
use service::kinds::Role;
use tests::client::Client;
use tests::school::School;
use tests::world::World;
use tests::{faces, fake};

use super::operations::{Operation, Outcome};

/// Answers that take longer count as none.
const PATIENCE: Duration = Duration::from_secs(30);
/// Students of a class whom the stand-in for the models knows, in each photo.
const KNOWN: usize = 5;
/// So large is a photo without a real picture: the stand-in reads the first 1,000 pixels.
const PHOTO: (u32, u32) = (1000, 70);

#[derive(Debug)]
pub struct Teacher {
    organization: OrganizationId,
    school: School,
    session: String,
    http: reqwest::Client,
    url: String,
}

#[derive(Debug)]
pub struct Teachers {
    all: Vec<Teacher>,
    photo: Bytes,
}

impl Teachers {
    /// With classes of so many students, some of whom are recognized in the photos that are sent.
    pub async fn of(world: &World, count: u8, students: usize, real: bool) -> Self {
        let base = &world.bases[0];
        let hire = |number: u8| async move {
            let (organization, admin) = world.organization(&format!("School {number}")).await;
            let school = if real {
                faces::school(&admin).await
            } else {
                let mut school = School::with_students(&admin, students - KNOWN).await;
                school.students.extend(enrolled(&admin, &school.class).await);
                school
            };
            let from = IpAddr::V4(Ipv4Addr::new(127, 0, 1, number + 1));
            let http = reqwest::Client::builder().local_address(from).timeout(PATIENCE);
            Teacher {
                organization,
                session: school.open_session().await,
                school,
                http: http.build().unwrap(),
                url: format!("{base}/graphql"),
            }
        };
        Self {
            all: join_all((0..count).map(hire)).await,
            photo: if real {
                faces::group_photos()[0].0.clone()
            } else {
                photo()
            },
        }
    }

    /// Has others take over, who have just signed in: access tokens end after a quarter of an hour.
    pub async fn relieve(&mut self, world: &World) {
        for teacher in &mut self.all {
            teacher.school.teacher = world.member(teacher.organization, "Relief", Role::Admin).await.1;
        }
    }

    /// Has any of them do this.
    pub async fn ask(&self, operation: Operation, chance: u64) -> Outcome {
        let mut random = StdRng::seed_from_u64(chance);
        let teacher = &self.all[random.random_range(0..self.all.len())];
        let students = &teacher.school.students;
        let mut variables = json!({ "session": teacher.session });
        if operation == Operation::Mark {
            variables["student"] = json!(students[random.random_range(0..students.len())]);
            variables["status"] = json!(["PRESENT", "LATE", "EXCUSED", "ABSENT"][random.random_range(0..4_usize)]);
        }
        let token = teacher.school.teacher.token.as_ref().unwrap();
        let request = teacher.http.post(&teacher.url).bearer_auth(token);
        let request = if operation == Operation::Upload {
            variables["photo"] = json!({ "upload": null });
            let operations = json!({ "query": operation.query(), "variables": variables }).to_string();
            let photo = reqwest::multipart::Part::stream(self.photo.clone()).file_name("photo");
            let form = reqwest::multipart::Form::new();
            let form = form
                .text("operations", operations)
                .text("map", r#"{"0":["variables.photo.upload"]}"#);
            request.multipart(form.part("0", photo))
        } else {
            request.json(&json!({ "query": operation.query(), "variables": variables }))
        };
        match answer(request).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Failed(if error.is_timeout() {
                "no answer".into()
            } else {
                cause(&error)
            }),
        }
    }

    /// How long the oldest photo waits, and how many wait or are worked on.
    pub async fn waiting(&self) -> (f64, u64) {
        let query = "{ queues { queued running oldestQueuedSeconds } }";
        let asks = self
            .all
            .iter()
            .map(|teacher| teacher.school.teacher.query(query, json!({})));
        let (mut oldest, mut jobs) = (0.0_f64, 0);
        for answer in join_all(asks).await {
            for queue in answer["queues"].as_array().unwrap() {
                oldest = oldest.max(queue["oldestQueuedSeconds"].as_f64().unwrap());
                jobs += queue["queued"].as_u64().unwrap() + queue["running"].as_u64().unwrap();
            }
        }
        (oldest, jobs)
    }

    /// Until nothing waits any more.
    pub async fn idle(&self) {
        while self.waiting().await.1 > 0 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

async fn answer(request: reqwest::RequestBuilder) -> reqwest::Result<Outcome> {
    let answer = request.send().await?;
    let status = answer.status();
    let body = answer.bytes().await?;
    if status.is_success() && !body.windows(9).any(|part| part == b"\"errors\":") {
        return Ok(Outcome::Done);
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let code = body["errors"][0]["extensions"]["code"].as_str();
    Ok(match code {
        Some(code @ ("RATE_LIMITED" | "UNAVAILABLE")) => Outcome::Refused(code.to_owned()),
        Some(code) => Outcome::Failed(code.to_owned()),
        None => Outcome::Failed(status.to_string()),
    })
}

/// What is at the bottom of it: "Connection reset by peer", not "error sending request".
fn cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}

/// Those of the class whom the stand-in knows.
async fn enrolled(admin: &Client, class: &str) -> Vec<String> {
    let mut students = Vec::new();
    for number in 0..KNOWN {
        let row = json!({ "fullName": format!("Known {number}"), "rollNumber": format!("known-{number}") });
        let added = admin
            .query(
                "mutation($class: ID!, $rows: [StudentInput!]!) { addStudents(classId: $class, students: $rows) { \
                 results { student { id } } } }",
                json!({ "class": class, "rows": [row] }),
            )
            .await;
        let id = added["addStudents"]["results"][0]["student"]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let photos = vec![fake::photo(&[fake::person(number)]); tests::school::ENROLMENT];
        let job = tests::school::enrol(admin, &id, &photos).await;
        assert_eq!(tests::school::ended(admin, &job).await["status"], "SUCCEEDED");
        students.push(id);
    }
    students
}

/// The known students in the first line; below, noise that no encoder makes smaller: as many bytes
/// as a phone's photo that was made ready to be sent.
fn photo() -> Bytes {
    let (width, height) = PHOTO;
    let mut random = StdRng::seed_from_u64(0);
    let mut picture = RgbImage::from_fn(width, height, |_, y| {
        image::Rgb(if y < 2 { fake::NOBODY } else { random.random() })
    });
    for (x, number) in (0..).zip(0..KNOWN) {
        picture.put_pixel(x, 0, image::Rgb(fake::person(number)));
    }
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner().into()
}
