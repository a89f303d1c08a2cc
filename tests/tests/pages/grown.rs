//! A school that grows by one thing at a time.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tests::client::Client;
use tests::fake::{person, photo};
use tests::school::{School, ended, enrol, now};

#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Student,
    Class,
    Venue,
    Session,
    Job,
    /// Of one student, in a session of its own.
    Mark,
    /// A student who was absent.
    Absentee,
    /// A photo that holds an enrolled student five times: four of them wait for a person.
    Claims,
    /// Five more of an enrolled student.
    Templates,
}

pub struct Grown {
    school: School,
    names: Vec<(&'static str, String)>,
    begun: DateTime<Utc>,
    count: usize,
}

async fn id(client: &Client, query: &str, variables: Value, path: [&str; 2]) -> String {
    let made = client.query(query, variables).await;
    made[path[0]][path[1]]["id"].as_str().unwrap().to_owned()
}

impl Grown {
    /// With some of everything that needs no worker.
    pub async fn new(admin: &Client) -> Self {
        let mut grown = Self::of(School::with_students(admin, 3).await).await;
        for _ in 0..16 {
            for kind in [
                Kind::Student,
                Kind::Class,
                Kind::Venue,
                Kind::Session,
                Kind::Job,
                Kind::Mark,
                Kind::Absentee,
            ] {
                grown.grow(admin, kind).await;
            }
        }
        grown
    }

    pub async fn of(school: School) -> Self {
        let admin = &school.teacher.clone();
        let viewer = admin.query("{ viewer { id } }", json!({})).await;
        let viewer = viewer["viewer"]["id"].as_str().unwrap().to_owned();
        let venue = id(
            admin,
            "mutation { createVenue(input: { name: \"Hall\" }) { venue { id } } }",
            json!({}),
            ["createVenue", "venue"],
        )
        .await;
        let department = id(
            admin,
            "mutation { createDepartment(input: { name: \"D\", code: \"D\" }) { department { id } } }",
            json!({}),
            ["createDepartment", "department"],
        )
        .await;
        let session = school.open_session().await;
        Self {
            names: vec![
                ("#class", school.class.clone()),
                ("#admin", viewer),
                ("#venue", venue),
                ("#department", department),
                ("#session", session),
                ("#student", school.students[0].clone()),
            ],
            school,
            begun: now(),
            count: 0,
        }
    }

    pub fn named(&self, step: &str) -> String {
        let names = self.names.iter();
        names.fold(step.to_owned(), |text, (name, id)| {
            text.replace(name, &json!(id).to_string())
        })
    }

    fn name(&self, name: &str) -> &str {
        &self.names.iter().find(|(known, _)| *known == name).unwrap().1
    }

    /// One more, somewhere among the others by name or by time.
    pub async fn grow(&mut self, admin: &Client, kind: Kind) {
        self.count += 1;
        let place = (self.count * 37) % 101;
        let name = format!("N{place:03}-{}", self.count);
        match kind {
            Kind::Student => {
                self.student(admin, &name).await;
            }
            Kind::Absentee => {
                let student = self.student(admin, &name).await;
                let marked = self.school.mark(self.name("#session"), &student, "ABSENT").await;
                assert!(marked.get("errors").is_none(), "{marked:#}");
            }
            Kind::Claims => {
                let photo = photo(&[person(0); 5]);
                let job = self.school.submit(self.name("#session"), photo).await;
                assert_eq!(ended(admin, &job).await["status"], "SUCCEEDED");
            }
            Kind::Templates => {
                let photos = vec![photo(&[person(0)]); 5];
                let job = enrol(admin, &self.school.students[0], &photos).await;
                assert_eq!(ended(admin, &job).await["status"], "SUCCEEDED");
            }
            Kind::Class => {
                let query =
                    "mutation($name: String!) { createClass(input: { name: $name, code: $name }) { class { id } } }";
                admin.query(query, json!({ "name": name })).await;
            }
            Kind::Venue => {
                let query = "mutation($name: String!) { createVenue(input: { name: $name }) { venue { id } } }";
                admin.query(query, json!({ "name": name })).await;
            }
            Kind::Session => {
                let starts = self.begun + TimeDelta::minutes(60 + i64::try_from(place).unwrap());
                let input = json!({
                    "classId": self.school.class, "venueId": self.name("#venue"), "startsAt": starts,
                    "endsAt": starts + TimeDelta::minutes(30), "allowOverlap": true,
                });
                let query = "mutation($input: SessionInput!) { createSession(input: $input) { session { id } } }";
                admin.query(query, json!({ "input": input })).await;
            }
            Kind::Mark => {
                let session = self.school.open_session().await;
                let marked = self.school.mark(&session, &self.school.students[0], "LATE").await;
                assert!(marked.get("errors").is_none(), "{marked:#}");
            }
            Kind::Job => {
                enrol(admin, &self.school.students[0], &[photo(&[person(self.count)])]).await;
            }
        }
    }
    /// The id of a new student of class and department.
    async fn student(&self, admin: &Client, name: &str) -> String {
        let rows = json!([{ "fullName": name, "rollNumber": format!("R{}", self.count) }]);
        let added = admin
            .query(
                "mutation($class: ID!, $rows: [StudentInput!]!) { addStudents(classId: $class, students: $rows) { \
                 results { student { id } } } }",
                json!({ "class": self.school.class, "rows": rows }),
            )
            .await;
        let student = added["addStudents"]["results"][0]["student"]["id"].as_str().unwrap();
        admin
            .query(
                "mutation($id: ID!, $department: ID!) { updateUser(id: $id, input: { departmentId: $department }) { user { id } } }",
                json!({ "id": student, "department": self.name("#department") }),
            )
            .await;
        student.to_owned()
    }
}
