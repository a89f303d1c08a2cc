//! A small school made through the real API: a class, its students, open sessions.

use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::client::{Client, data};
use crate::fake;

/// As many photos as make a student recognizable.
pub const ENROLMENT: usize = 3;

const SUBMIT: &str = "mutation($session: ID!, $photo: PhotoInput!, $key: String) { \
     submitClassPhoto(sessionId: $session, photo: $photo, idempotencyKey: $key) { job { id status } } }";

#[derive(Clone, Debug)]
pub struct School {
    /// Whoever teaches the class.
    pub teacher: Client,
    pub class: String,
    /// The students' ids, in the order of their colours.
    pub students: Vec<String>,
}

impl School {
    /// A class of so many students who are not enrolled.
    pub async fn with_students(teacher: &Client, count: usize) -> Self {
        let code = uuid::Uuid::new_v4().simple().to_string();
        let made = teacher
            .query(
                "mutation($code: String!) { createClass(input: { name: \"Physics\", code: $code }) { class { id } } }",
                json!({ "code": code }),
            )
            .await;
        let class = made["createClass"]["class"]["id"].as_str().unwrap().to_owned();
        let rows: Vec<Value> = (0..count)
            .map(|n| json!({ "fullName": format!("Student {n:03}"), "rollNumber": format!("{code}-{n}") }))
            .collect();
        let added = teacher
            .query(
                "mutation($class: ID!, $rows: [StudentInput!]!) { addStudents(classId: $class, students: $rows) { \
                 results { student { id } error { message } } } }",
                json!({ "class": class, "rows": rows }),
            )
            .await;
        let students = added["addStudents"]["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                row["student"]["id"]
                    .as_str()
                    .unwrap_or_else(|| panic!("{row}"))
                    .to_owned()
            })
            .collect();
        Self {
            teacher: teacher.clone(),
            class,
            students,
        }
    }

    /// A class whose students the fake vision knows: the n-th by [`fake::person`] of n.
    pub async fn enrolled(teacher: &Client, count: usize) -> Self {
        Self::enrolled_from(teacher, 0, count).await
    }

    /// The same from the `first` person on: an organization knows nobody by two names.
    pub async fn enrolled_from(teacher: &Client, first: usize, count: usize) -> Self {
        let school = Self::with_students(teacher, count).await;
        for (n, student) in (first..).zip(&school.students) {
            let photos = vec![fake::photo(&[fake::person(n)]); ENROLMENT];
            let job = enrol(teacher, student, &photos).await;
            let job = ended(teacher, &job).await;
            assert_eq!(job["status"], "SUCCEEDED", "{job}");
        }
        school
    }

    /// A session that begins now, open.
    pub async fn open_session(&self) -> String {
        let session = self.session(now()).await;
        self.set(&session, "openSession").await;
        session
    }

    /// A session of an hour, scheduled.
    pub async fn session(&self, starts: DateTime<Utc>) -> String {
        let input = json!({
            "classId": self.class,
            "startsAt": starts.to_rfc3339(),
            "endsAt": (starts + TimeDelta::hours(1)).to_rfc3339(),
            "allowOverlap": true,
        });
        let made = self
            .teacher
            .query(
                "mutation($input: SessionInput!) { createSession(input: $input) { session { id } } }",
                json!({ "input": input }),
            )
            .await;
        made["createSession"]["session"]["id"].as_str().unwrap().to_owned()
    }

    /// openSession, closeSession or cancelSession.
    pub async fn set(&self, session: &str, mutation: &str) -> Value {
        let query = format!("mutation($id: ID!) {{ {mutation}(id: $id) {{ session {{ id state }} }} }}");
        self.teacher.query(&query, json!({ "id": session })).await
    }

    /// Submits a photo of the class and answers its job's id.
    pub async fn submit(&self, session: &str, photo: Bytes) -> String {
        let answer = data(self.submit_raw(session, photo, None).await);
        answer["submitClassPhoto"]["job"]["id"].as_str().unwrap().to_owned()
    }

    pub async fn submit_raw(&self, session: &str, photo: Bytes, key: Option<&str>) -> Value {
        let variables = json!({ "session": session, "photo": { "upload": null }, "key": key });
        self.teacher
            .upload_raw(SUBMIT, variables, &[("photo.upload", photo)])
            .await
    }

    pub async fn mark(&self, session: &str, student: &str, status: &str) -> Value {
        let input = json!({ "sessionId": session, "studentId": student, "status": status });
        self.teacher
            .raw(
                "mutation($input: MarkInput!) { markAttendance(input: $input) { mark { id status source } } }",
                json!({ "input": input }),
            )
            .await
    }

    /// Each student's name with status and source of the mark; null where there is none.
    pub async fn roll(&self, session: &str) -> Vec<(String, Value)> {
        let mut lines = Vec::new();
        let mut after = Value::Null;
        loop {
            let data = self
                .teacher
                .query(
                    "query($id: ID!, $after: String) { session(id: $id) { roll(first: 100, after: $after) { \
                     nodes { student { id fullName } mark { status source similarity } } \
                     pageInfo { hasNextPage endCursor } } } }",
                    json!({ "id": session, "after": after }),
                )
                .await;
            let roll = &data["session"]["roll"];
            for node in roll["nodes"].as_array().unwrap() {
                lines.push((
                    node["student"]["fullName"].as_str().unwrap().to_owned(),
                    node["mark"].clone(),
                ));
            }
            if roll["pageInfo"]["hasNextPage"] != true {
                return lines;
            }
            after = roll["pageInfo"]["endCursor"].clone();
        }
    }

    /// The names of those who are marked so.
    pub async fn marked(&self, session: &str, status: &str) -> Vec<String> {
        let roll = self.roll(session).await;
        roll.into_iter()
            .filter(|(_, mark)| mark["status"] == status)
            .map(|(name, _)| name)
            .collect()
    }
}

/// Now, in the precision that databases keep.
pub fn now() -> DateTime<Utc> {
    use service::clock::{Clock, SystemClock};
    SystemClock.now()
}

/// Submits enrolment photos of a student and answers the job's id.
pub async fn enrol(client: &Client, student: &str, photos: &[Bytes]) -> String {
    let paths: Vec<String> = (0..photos.len()).map(|n| format!("photos.{n}.upload")).collect();
    let files: Vec<(&str, Bytes)> = paths.iter().map(String::as_str).zip(photos.iter().cloned()).collect();
    let variables = json!({ "user": student, "photos": vec![json!({ "upload": null }); photos.len()] });
    let data = client
        .upload(
            "mutation($user: ID!, $photos: [PhotoInput!]!) { enrolFaces(userId: $user, photos: $photos) { job { id } } }",
            variables,
            &files,
        )
        .await;
    data["enrolFaces"]["job"]["id"].as_str().unwrap().to_owned()
}

/// Waits until a job has ended, and answers it.
pub async fn ended(client: &Client, job: &str) -> Value {
    ended_within(client, job, Duration::from_mins(1)).await
}

pub async fn ended_within(client: &Client, job: &str, limit: Duration) -> Value {
    let begun = Instant::now();
    loop {
        let data = client
            .query(
                "query($id: ID!) { job(id: $id) { id kind status stage progress attempts error { code message retryable } \
                 faces { decision reason similarity student { id fullName } box { x y width height } \
                 candidates { student { id } similarity } } \
                 marks { student { id fullName } status } templates { status rejections photoIndex model } \
                 photos { id width height url annotatedUrl } timings { decode detect embed match write total } } }",
                json!({ "id": job }),
            )
            .await;
        let status = data["job"]["status"]
            .as_str()
            .unwrap_or_else(|| panic!("no job: {data}"));
        if !matches!(status, "QUEUED" | "RUNNING") {
            return data["job"].clone();
        }
        assert!(begun.elapsed() < limit, "the job has not ended: {}", data["job"]);
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
