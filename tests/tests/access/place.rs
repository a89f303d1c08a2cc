//! Three places to ask about: the asker's own class, another class of their organization, and a
//! class of another organization, each with everything that a class can have.

use std::collections::BTreeMap;
use std::sync::Mutex;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use service::accounts::{self, NewAccount};
use service::id::OrganizationId;
use service::kinds::Role;
use service::{Scope, Service};
use tests::client::Client;
use tests::fake::{person, photo};
use tests::insider::Insider;
use tests::school::{ENROLMENT, School, ended, enrol, now};
use tests::world::{PASSWORD, World, address};

/// The colour of the student who can sign in.
/// People of a place: the mate, Sam, and somebody else.
const PEOPLE: usize = 10;

pub struct Place {
    pub organization: OrganizationId,
    pub school: School,
    pub student: Client,
    /// The person whom the mate is; Sam is the next.
    first: usize,
    admin: Client,
    insider: Insider,
    /// Of the address that was named last: its code or token.
    secret: Mutex<String>,
    /// What an operation calls `@name`, as GraphQL writes it.
    pub names: BTreeMap<&'static str, String>,
}

/// One asker of each role, and the places: own, other, foreign.
pub struct Land {
    pub world: World,
    pub admin: Client,
    pub teacher: Client,
    pub student: Client,
    pub places: [Place; 3],
}

impl Land {
    pub async fn of(world: World) -> Self {
        let (here, admin) = world.organization("Here").await;
        let (there, their_admin) = world.organization("There").await;
        let own = Place::of(&world, here, &admin, 0).await;
        let other = Place::of(&world, here, &admin, PEOPLE).await;
        let foreign = Place::of(&world, there, &their_admin, 0).await;
        let (teacher, student) = (own.school.teacher.clone(), own.student.clone());
        Self {
            world,
            admin,
            teacher,
            student,
            places: [own, other, foreign],
        }
    }

    pub fn stranger(&self) -> Client {
        self.world.stranger()
    }

    /// Somebody of the asker's organization and role, who may be lost.
    pub async fn like(&self, role: &str) -> Client {
        let role = match role {
            "admin" => Role::Admin,
            "teacher" => Role::Teacher,
            "student" => Role::Student,
            _ => return self.stranger(),
        };
        self.world
            .member(self.places[0].organization, "Lost Lodger", role)
            .await
            .1
    }
}

impl Place {
    /// A class of two: Sam, who can sign in, and a mate. Both were recognized in one session.
    async fn of(world: &World, organization: OrganizationId, admin: &Client, first: usize) -> Self {
        let (teacher_id, teacher) = world.member(organization, "Tess Teacher", Role::Teacher).await;
        let (student_id, student) = world.member(organization, "Sam Student", Role::Student).await;
        let (tess, sam) = (
            format!("usr_{}", teacher_id.0.simple()),
            format!("usr_{}", student_id.0.simple()),
        );
        let department = department_of(admin, &tess, &sam).await;
        let school = School::enrolled_from(&teacher, first, 1).await;
        belongs(&world.service, &school.class, &department).await;
        join(&teacher, &school.class, &sam).await;
        let enrolment = enrol(&teacher, &sam, &vec![photo(&[person(first + 1)]); ENROLMENT]).await;
        assert_eq!(ended(&teacher, &enrolment).await["status"], "SUCCEEDED");

        let venue = venue(admin).await;
        let input = json!({ "classId": school.class, "venueId": venue, "startsAt": now().to_rfc3339(),
            "endsAt": (now() + TimeDelta::hours(1)).to_rfc3339() });
        let session = teacher
            .query(
                "mutation($input: SessionInput!) { createSession(input: $input) { session { id } } }",
                json!({ "input": input }),
            )
            .await;
        let session = text(&session["createSession"]["session"]["id"]);
        school.set(&session, "openSession").await;
        let picture = photo(&[person(first), person(first + 1)]);
        let job = school.submit(&session, picture.clone()).await;
        assert_eq!(ended(&teacher, &job).await["marks"].as_array().unwrap().len(), 2);
        // Twice the same face: the second waits for a person.
        let doubtful = school.submit(&session, photo(&[person(first), person(first)])).await;
        ended(&teacher, &doubtful).await;
        let asked = teacher
            .query(
                "mutation($photo: PhotoInput!, $class: ID!) { identifyFaces(photo: $photo, classId: $class) { job { id } } }",
                json!({ "photo": { "base64": BASE64_STANDARD.encode(&picture) }, "class": school.class }),
            )
            .await;
        let identification = text(&asked["identifyFaces"]["job"]["id"]);
        ended(&teacher, &identification).await;

        let mut names = BTreeMap::from([
            ("organization", format!("org_{}", organization.0.simple())),
            ("teacher", tess),
            ("student", sam.clone()),
            ("mate", school.students[0].clone()),
            ("class", school.class.clone()),
            ("venue", venue),
            ("session", session.clone()),
            ("job", job.clone()),
            ("enrolment", enrolment.clone()),
            ("identification", identification),
            (
                "email",
                text(&student.query("{ viewer { email } }", json!({})).await["viewer"]["email"]),
            ),
            ("password", PASSWORD.to_owned()),
            ("mine", PASSWORD.to_owned()),
            ("department", department),
            ("entry", entry(admin, &teacher).await),
        ]);
        let found = teacher
            .query(
                "query($session: ID!, $job: ID!, $enrolment: ID!) { \
                 session(id: $session) { roll { nodes { student { id } mark { id } } } } \
                 job(id: $job) { photos { id } faces { id student { id } } } \
                 enrolment: job(id: $enrolment) { photos { id } templates { id } } }",
                json!({ "session": session, "job": job, "enrolment": enrolment }),
            )
            .await;
        let of_sam = |list: &Value| {
            let all = list.as_array().unwrap();
            let found = all.iter().find(|one| one["student"]["id"] == *sam).unwrap();
            found.clone()
        };
        let of_mate = |list: &Value| {
            let all = list.as_array().unwrap();
            let found = all.iter().find(|one| one["student"]["id"] != *sam).unwrap();
            found.clone()
        };
        let roll = &found["session"]["roll"]["nodes"];
        names.insert("mark", text(&of_sam(roll)["mark"]["id"]));
        names.insert("matesMark", text(&of_mate(roll)["mark"]["id"]));
        names.insert("face", text(&of_sam(&found["job"]["faces"])["id"]));
        names.insert("photo", text(&found["job"]["photos"][0]["id"]));
        names.insert("selfie", text(&found["enrolment"]["photos"][0]["id"]));
        names.insert("template", text(&found["enrolment"]["templates"][0]["id"]));
        let waiting = teacher
            .query("{ reviewQueue(last: 1) { nodes { id } } }", json!({}))
            .await;
        names.insert("waiting", text(&waiting["reviewQueue"]["nodes"][0]["id"]));
        Self {
            organization,
            school,
            student,
            first,
            admin: admin.clone(),
            insider: Insider::of(world),
            secret: Mutex::default(),
            names,
        }
    }

    /// Somebody new, without a login.
    async fn newcomer(&self) -> String {
        let made = self
            .admin
            .query(
                "mutation { createUser(input: { fullName: \"Nell Newcomer\", role: STUDENT }) { user { id } } }",
                json!({}),
            )
            .await;
        text(&made["createUser"]["user"]["id"])
    }

    async fn spare_department(&self) -> String {
        let code = uuid::Uuid::new_v4().simple().to_string();
        let made = self
            .admin
            .query(
                "mutation($code: String!) { createDepartment(input: { name: \"Spare\", code: $code }) { \
                 department { id } } }",
                json!({ "code": code }),
            )
            .await;
        text(&made["createDepartment"]["department"]["id"])
    }

    /// What `@name` stands for; what can be used once is made.
    pub async fn name(&self, name: &str) -> String {
        match name {
            // Later than the clock would open it meanwhile, and soon enough to be opened by hand.
            "scheduled" => self.school.session(now() + TimeDelta::minutes(30)).await,
            "open" => self.school.open_session().await,
            // An open session in which somebody is marked by hand.
            "marked" => {
                let session = self.school.open_session().await;
                let done = self.school.mark(&session, &self.names["mate"], "PRESENT").await;
                assert!(done.get("errors").is_none(), "{done:#}");
                session
            }
            // An open session, and the code that it shows.
            "room" => {
                let session = self.school.open_session().await;
                let shown = self
                    .school
                    .teacher
                    .query(
                        "query($id: ID!) { session(id: $id) { checkInCode { code } } }",
                        json!({ "id": session }),
                    )
                    .await;
                *self.secret.lock().unwrap() = text(&shown["session"]["checkInCode"]["code"]);
                session
            }
            // Sent in by the student; it waits for staff.
            "pending" => {
                let job = enrol(
                    &self.student,
                    &self.names["student"],
                    &[photo(&[person(self.first + 1)])],
                )
                .await;
                ended(&self.student, &job).await;
                let found = self
                    .school
                    .teacher
                    .query(
                        "query($id: ID!) { job(id: $id) { templates { id } } }",
                        json!({ "id": job }),
                    )
                    .await;
                text(&found["job"]["templates"][0]["id"])
            }
            "unique" => uuid::Uuid::new_v4().simple().to_string(),
            "address" => address("new"),
            "newcomer" => self.newcomer().await,
            "spare" => self.spare_department().await,
            "spareClass" => School::with_students(&self.school.teacher, 1).await.class,
            "spareVenue" => venue(&self.admin).await,
            "joined" => {
                let newcomer = self.newcomer().await;
                join(&self.admin, &self.school.class, &newcomer).await;
                newcomer
            }
            // An address with a code, one with a token, one with a login and a code to save it.
            "asked" => {
                let email = address("asked");
                *self.secret.lock().unwrap() = self.insider.email_code(&email).await.unwrap().0;
                email
            }
            "proven" => {
                let email = address("proven");
                *self.secret.lock().unwrap() = self.insider.verified(&email).await.unwrap();
                email
            }
            "forgetful" => {
                let email = address("forgetful");
                let account = NewAccount {
                    full_name: "Fay Forgetful",
                    email: &email,
                    password: PASSWORD,
                    role: Role::Student,
                };
                let service = &self.insider.service;
                let added = accounts::add(service, &Scope::System("test"), self.organization, &account).await;
                added.unwrap();
                *self.secret.lock().unwrap() = self.insider.reset_code(&email).await.unwrap().0;
                email
            }
            "secret" => self.secret.lock().unwrap().clone(),
            "picture" => BASE64_STANDARD.encode(photo(&[person(self.first)])),
            "refresh" => {
                let answer = self
                    .student
                    .query(
                        "mutation($email: String!, $password: String!) { \
                         login(email: $email, password: $password) { refreshToken } }",
                        json!({ "email": self.names["email"], "password": PASSWORD }),
                    )
                    .await;
                text(&answer["login"]["refreshToken"])
            }
            known => self.names.get(known).unwrap_or_else(|| panic!("no @{known}")).clone(),
        }
    }
}

async fn venue(admin: &Client) -> String {
    let made = admin
        .query(
            "mutation($name: String!) { createVenue(input: { name: $name }) { venue { id } } }",
            json!({ "name": uuid::Uuid::new_v4().simple().to_string() }),
        )
        .await;
    text(&made["createVenue"]["venue"]["id"])
}

pub async fn join(teacher: &Client, class: &str, student: &str) {
    let added = teacher
        .query(
            "mutation($class: ID!, $id: ID!) { addStudents(classId: $class, students: [{ id: $id }]) { \
             results { error { code } } } }",
            json!({ "class": class, "id": student }),
        )
        .await;
    assert_eq!(added["addStudents"]["results"][0]["error"], Value::Null);
}

/// A department that the teacher leads and the student is of; both have roll numbers.
async fn department_of(admin: &Client, tess: &str, sam: &str) -> String {
    let unique = uuid::Uuid::new_v4().simple().to_string();
    let department = admin
        .query(
            "mutation($code: String!, $head: ID!) { createDepartment(input: { name: \"Sciences\", code: $code, \
             headId: $head }) { department { id } } }",
            json!({ "code": unique, "head": tess }),
        )
        .await;
    let department = text(&department["createDepartment"]["department"]["id"]);
    for (user, number) in [(tess, format!("T-{unique}")), (sam, format!("S-{unique}"))] {
        admin
            .query(
                "mutation($id: ID!, $number: String!, $department: ID!) { updateUser(id: $id, \
                 input: { rollNumber: $number, departmentId: $department }) { user { id } } }",
                json!({ "id": user, "number": number, "department": department }),
            )
            .await;
    }
    department
}

/// Gives a class a department, which no mutation does after its creation yet.
async fn belongs(service: &Service, class: &str, department: &str) {
    let db = service.db.writer();
    let id = |global: &str| global.split_once('_').unwrap().1.parse::<uuid::Uuid>().unwrap();
    let statement = Statement::from_sql_and_values(
        db.get_database_backend(),
        "UPDATE class SET department_id = $1 WHERE id = $2",
        [id(department).into(), id(class).into()],
    );
    assert_eq!(db.execute_raw(statement).await.unwrap().rows_affected(), 1);
}

/// What a teacher did last.
async fn entry(admin: &Client, teacher: &Client) -> String {
    let me = teacher.query("{ viewer { id } }", json!({})).await;
    let log = admin
        .query(
            "query($actor: ID!) { auditLog(actorId: $actor, first: 1) { nodes { id } } }",
            json!({ "actor": me["viewer"]["id"] }),
        )
        .await;
    text(&log["auditLog"]["nodes"][0]["id"])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
