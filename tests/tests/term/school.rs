//! What happens in a term, all of it through the API, decided by a seed.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Europe::Madrid;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use service::clock::{Clock, ManualClock};
use service::sessions;
use tests::client::{Client, code, data};
use tests::fake::{Colour, person, photo};
use tests::school::{ENROLMENT, ended, enrol};
use tests::world::{Mode, PASSWORD, Setup, World, address};

use crate::recount::Recount;

#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub classes: usize,
    pub students: usize,
    /// So many of them are known to the models.
    pub enrolled: usize,
    pub days: usize,
}

pub struct Term {
    pub world: World,
    pub clock: Arc<ManualClock>,
    pub admin: Client,
    pub first: NaiveDate,
    pub last: NaiveDate,
    pub classes: Vec<String>,
    pub departments: Vec<String>,
    pub venue: String,
    pub students: Vec<String>,
    pub random: StdRng,
    enrolled: usize,
    email: String,
    steps: usize,
}

#[derive(Clone, Debug)]
struct Meeting {
    id: String,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
}

/// Local time, the first of two.
pub fn local(day: NaiveDate, hour: u32, minute: u32) -> DateTime<Utc> {
    let time = NaiveTime::from_hms_opt(hour, minute, 0).unwrap();
    Madrid
        .from_local_datetime(&day.and_time(time))
        .earliest()
        .unwrap()
        .to_utc()
}

impl Term {
    pub async fn begin(first: NaiveDate, size: Size, seed: u64) -> Self {
        let clock = Arc::new(ManualClock::at(local(first, 5, 0)));
        let setup = Setup {
            clock: Some(clock.clone()),
            ..Setup::new(Mode::Embedded)
        };
        let world = setup.build().await.unwrap();
        let (organization, _) = world.organization("Term").await;
        let email = address("head");
        let head = service::accounts::NewAccount {
            full_name: "Hedda Head",
            email: &email,
            password: PASSWORD,
            role: service::kinds::Role::Admin,
        };
        let scope = service::Scope::System("test");
        service::accounts::add(&world.service, &scope, organization, &head)
            .await
            .unwrap();
        let admin = world.stranger().login(&email, PASSWORD).await;
        let mut term = Self {
            world,
            clock,
            admin,
            first,
            last: first + Days::new(size.days as u64 - 1),
            classes: Vec::new(),
            departments: Vec::new(),
            venue: String::new(),
            students: Vec::new(),
            random: StdRng::seed_from_u64(seed),
            enrolled: size.enrolled,
            email,
            steps: 0,
        };
        term.found(size).await;
        term
    }

    async fn found(&mut self, size: Size) {
        // So low that a stranger's face often goes to review.
        self.wait_for_embedder().await;
        for code in ["SCI", "ART"] {
            let made = self
                .change(
                    "mutation($code: String!) { createDepartment(input: { name: $code, code: $code }) { department { id } } }",
                    json!({ "code": code }),
                )
                .await;
            self.departments
                .push(text(&made["createDepartment"]["department"]["id"]));
        }
        let made = self
            .change(
                "mutation { createVenue(input: { name: \"Hall\" }) { venue { id } } }",
                json!({}),
            )
            .await;
        self.venue = text(&made["createVenue"]["venue"]["id"]);
        for n in 0..size.classes {
            let made = self
                .change(
                    "mutation($code: String!) { createClass(input: { name: \"Class\", code: $code }) { class { id } } }",
                    json!({ "code": format!("C{n}") }),
                )
                .await;
            self.classes.push(text(&made["createClass"]["class"]["id"]));
        }
        for n in 0..size.students {
            let class = self.classes[n % size.classes].clone();
            let rows = json!([{ "fullName": format!("Student {n:02}"), "rollNumber": format!("R{n}") }]);
            let made = self
                .change(
                    "mutation($class: ID!, $rows: [StudentInput!]!, $from: Date) { \
                     addStudents(classId: $class, students: $rows, from: $from) { results { student { id } } } }",
                    json!({ "class": class, "rows": rows, "from": self.first }),
                )
                .await;
            let student = text(&made["addStudents"]["results"][0]["student"]["id"]);
            if n % 3 < 2 {
                self.change(
                    "mutation($id: ID!, $department: ID!) { updateUser(id: $id, input: { departmentId: $department }) { user { id } } }",
                    json!({ "id": student, "department": self.departments[n % 3] }),
                )
                .await;
            }
            if n < size.enrolled {
                let job = enrol(&self.admin, &student, &vec![photo(&[person(n)]); ENROLMENT]).await;
                ended(&self.admin, &job).await;
            }
            self.students.push(student);
        }
        let plans = [
            (
                json!(["MONDAY", "WEDNESDAY", "FRIDAY", "SUNDAY"]),
                "09:00",
                "10:00",
                true,
            ),
            (json!(["TUESDAY", "THURSDAY", "SATURDAY"]), "11:00", "12:30", false),
            (json!(["MONDAY", "TUESDAY", "SUNDAY"]), "23:15", "23:59", true),
        ];
        for (class, (weekdays, start, end, in_hall)) in self.classes.clone().into_iter().zip(plans) {
            let input = json!({
                "classId": class, "weekdays": weekdays, "startTime": start, "endTime": end, "from": self.first,
                "to": self.last + Days::new(7), "except": [self.first + Days::new(2)], "allowOverlap": true,
                "venueId": in_hall.then(|| self.venue.clone()),
            });
            let query = "mutation($input: ScheduleInput!) { scheduleSessions(input: $input) { sessions { id } } }";
            self.change(query, json!({ "input": input })).await;
        }
    }

    async fn wait_for_embedder(&self) {
        let query = "mutation { updateOrganization(input: { matchThreshold: 0.9, reviewThreshold: 0.2 }) { organization { id } } }";
        for _ in 0..200 {
            let answer = self.admin.raw(query, json!({})).await;
            if answer.get("errors").is_none() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("no worker has said which embedder it runs with");
    }

    /// Does something that must succeed; then tallies must be right.
    pub async fn change(&mut self, query: &str, variables: Value) -> Value {
        let answer = data(self.admin.raw(query, variables).await);
        self.settle(query).await;
        answer
    }

    /// Does something that the rules may refuse.
    async fn attempt(&mut self, query: &str, variables: Value) -> Value {
        let answer = self.admin.raw(query, variables).await;
        if answer.get("errors").is_some() {
            assert!(matches!(code(&answer), "CONFLICT" | "NOT_FOUND"), "{query}: {answer:#}");
        }
        self.settle(query).await;
        answer
    }

    async fn settle(&mut self, after: &str) {
        self.steps += 1;
        Recount::read(&self.world).await.assert_tallies(after);
    }

    /// Moves the clock on, lets it open and close, and signs in again: tokens last minutes.
    async fn until(&mut self, instant: DateTime<Utc>) {
        let by = instant - self.clock.now();
        if by <= TimeDelta::zero() {
            return;
        }
        self.clock.advance(by);
        sessions::tick(&self.world.service).await.unwrap();
        self.settle("the clock").await;
        self.admin = self.world.stranger().login(&self.email, PASSWORD).await;
    }

    /// Holds the whole term.
    pub async fn hold(&mut self) {
        let mut day = self.first;
        while day <= self.last {
            self.until(local(day, 6, 0)).await;
            self.come_and_go(day).await;
            for meeting in self.meetings(day).await {
                self.meet(&meeting).await;
            }
            day = day + Days::new(1);
        }
        println!("{} steps", self.steps);
    }

    pub fn today(&self) -> NaiveDate {
        self.clock.now().with_timezone(&Madrid).date_naive()
    }

    async fn come_and_go(&mut self, day: NaiveDate) {
        let (class, student) = (self.any(&self.classes.clone()), self.any(&self.students.clone()));
        let happens = self.random.random_range(0..10);
        if happens < 3 {
            self.change(
                "mutation($class: ID!, $id: ID!, $from: Date) { \
                 addStudents(classId: $class, students: [{ id: $id }], from: $from) { results { error { code } } } }",
                json!({ "class": class, "id": student, "from": day }),
            )
            .await;
        } else if happens < 6 {
            self.attempt(
                "mutation($class: ID!, $id: ID!, $from: Date) { \
                 removeStudents(classId: $class, studentIds: [$id], from: $from) { class { id } } }",
                json!({ "class": class, "id": student, "from": day }),
            )
            .await;
        }
    }

    fn any(&mut self, of: &[String]) -> String {
        of.choose(&mut self.random).unwrap().clone()
    }

    async fn meetings(&self, day: NaiveDate) -> Vec<Meeting> {
        let found = self
            .admin
            .query(
                "query($day: Date!) { sessions(range: { from: $day, to: $day }, state: SCHEDULED, first: 100) { \
                 nodes { id startsAt endsAt } } }",
                json!({ "day": day }),
            )
            .await;
        let nodes = found["sessions"]["nodes"].as_array().unwrap().clone();
        let meeting = |node: &Value| Meeting {
            id: text(&node["id"]),
            starts_at: text(&node["startsAt"]).parse().unwrap(),
            ends_at: text(&node["endsAt"]).parse().unwrap(),
        };
        nodes.iter().map(meeting).collect()
    }

    async fn meet(&mut self, meeting: &Meeting) {
        let id = json!({ "id": meeting.id });
        let roll = self.roll(&meeting.id).await;
        if self.random.random_bool(0.3) {
            self.say(&meeting.id, &roll, &["EXCUSED", "ABSENT"]).await;
        }
        match self.random.random_range(0..10) {
            0 => {
                self.attempt("mutation($id: ID!) { cancelSession(id: $id) { session { id } } }", id)
                    .await;
                return;
            }
            // The clock opens it and closes it.
            1 => return,
            2 | 3 => {
                self.until(meeting.starts_at - TimeDelta::minutes(20)).await;
                self.attempt(
                    "mutation($id: ID!) { openSession(id: $id) { session { id } } }",
                    id.clone(),
                )
                .await;
            }
            _ => self.until(meeting.starts_at + TimeDelta::minutes(1)).await,
        }
        for _ in 0..self.random.random_range(1..5) {
            let minutes = self.random.random_range(0..12);
            self.until(self.clock.now() + TimeDelta::minutes(minutes)).await;
            self.something(&meeting.id, &roll).await;
        }
        if self.random.random_bool(0.1) {
            self.attempt("mutation($id: ID!) { cancelSession(id: $id) { session { id } } }", id)
                .await;
            return;
        }
        if self.random.random_bool(0.6) {
            self.attempt(
                "mutation($id: ID!) { closeSession(id: $id) { session { id } } }",
                id.clone(),
            )
            .await;
        } else {
            self.until(meeting.ends_at + TimeDelta::minutes(16)).await;
        }
        for _ in 0..self.random.random_range(0..3) {
            self.afterwards(&meeting.id, &roll).await;
        }
        if self.random.random_bool(0.3) {
            self.attempt(
                "mutation($id: ID!) { openSession(id: $id) { session { id } } }",
                id.clone(),
            )
            .await;
            for _ in 0..self.random.random_range(0..3) {
                self.something(&meeting.id, &roll).await;
            }
            if self.random.random_bool(0.8) {
                self.attempt("mutation($id: ID!) { closeSession(id: $id) { session { id } } }", id)
                    .await;
            }
        }
    }

    async fn roll(&self, session: &str) -> Vec<String> {
        let found = self
            .admin
            .query(
                "query($id: ID!) { session(id: $id) { roll(first: 100) { nodes { student { id } } } } }",
                json!({ "id": session }),
            )
            .await;
        let nodes = found["session"]["roll"]["nodes"].as_array().unwrap().clone();
        nodes.iter().map(|node| text(&node["student"]["id"])).collect()
    }

    async fn something(&mut self, session: &str, roll: &[String]) {
        match self.random.random_range(0..6) {
            0..3 => self.photograph(session).await,
            3 => self.review().await,
            _ => self.afterwards(session, roll).await,
        }
    }

    async fn afterwards(&mut self, session: &str, roll: &[String]) {
        match self.random.random_range(0..4) {
            0 => self.review().await,
            1 => self.clear(session, roll).await,
            2 => {
                let rows: Vec<Value> = roll
                    .iter()
                    .filter(|_| self.random.random_bool(0.3))
                    .map(|student| json!({ "sessionId": session, "studentId": student, "status": "LATE" }))
                    .collect();
                self.change(
                    "mutation($rows: [MarkInput!]!) { markAttendanceBulk(inputs: $rows) { results { error { code } } } }",
                    json!({ "rows": rows }),
                )
                .await;
            }
            _ => self.say(session, roll, &["PRESENT", "LATE", "EXCUSED", "ABSENT"]).await,
        }
    }

    async fn say(&mut self, session: &str, roll: &[String], statuses: &[&str]) {
        let Some(student) = roll.choose(&mut self.random).cloned() else {
            return;
        };
        let status = *statuses.choose(&mut self.random).unwrap();
        self.attempt(
            "mutation($session: ID!, $student: ID!, $status: MarkStatus!) { \
             markAttendance(input: { sessionId: $session, studentId: $student, status: $status }) { mark { id } } }",
            json!({ "session": session, "student": student, "status": status }),
        )
        .await;
    }

    async fn clear(&mut self, session: &str, roll: &[String]) {
        let Some(student) = roll.choose(&mut self.random).cloned() else {
            return;
        };
        self.attempt(
            "mutation($session: ID!, $student: ID!) { clearMark(sessionId: $session, studentId: $student) { entry { mark { status } } } }",
            json!({ "session": session, "student": student }),
        )
        .await;
    }

    async fn photograph(&mut self, session: &str) {
        let mut faces: Vec<Colour> = (0..self.enrolled)
            .filter(|_| self.random.random_bool(0.5))
            .map(person)
            .collect();
        if self.random.random_bool(0.5) {
            faces.push(person(self.random.random_range(200..240)));
        }
        let picture: Bytes = photo(&faces);
        let answer = self
            .admin
            .upload_raw(
                "mutation($session: ID!, $photo: PhotoInput!) { submitClassPhoto(sessionId: $session, photo: $photo) { job { id } } }",
                json!({ "session": session, "photo": { "upload": null } }),
                &[("photo.upload", picture)],
            )
            .await;
        if answer.get("errors").is_some() {
            assert_eq!(code(&answer), "CONFLICT", "{answer:#}");
            return;
        }
        let job = text(&answer["data"]["submitClassPhoto"]["job"]["id"]);
        // The session may be closed before the photo is looked at: it counts all the same. Nothing
        // is counted here until the photo was.
        if self.random.random_bool(0.1) {
            let close = "mutation($id: ID!) { closeSession(id: $id) { session { id } } }";
            self.admin.raw(close, json!({ "id": session })).await;
        }
        assert_eq!(ended(&self.admin, &job).await["status"], "SUCCEEDED");
        self.settle("a photo").await;
    }

    async fn review(&mut self) {
        let waiting = self
            .admin
            .query("{ reviewQueue(first: 3) { nodes { id } } }", json!({}))
            .await;
        let faces = waiting["reviewQueue"]["nodes"].as_array().unwrap().clone();
        for face in faces {
            let student = self.any(&self.students.clone());
            let (decision, student) = match self.random.random_range(0..3) {
                0 => ("CONFIRM", None),
                1 => ("REASSIGN", Some(student)),
                _ => ("DISMISS", None),
            };
            self.attempt(
                "mutation($id: ID!, $decision: ReviewDecision!, $student: ID) { \
                 reviewFace(faceId: $id, decision: $decision, studentId: $student) { face { decision } mark { id } } }",
                json!({ "id": face["id"], "decision": decision, "student": student }),
            )
            .await;
        }
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
