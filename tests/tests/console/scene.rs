//! A school with a class of drawn people, a teacher, and a browser before the console.

use std::path::PathBuf;

use bytes::Bytes;
use serde_json::{Value, json};
use service::accounts::{self, NewAccount};
use service::id::OrganizationId;
use service::kinds::Role;
use service::scope::Scope;
use tests::browser::{Browser, DOWN};
use tests::client::Client;
use tests::school::{self, ENROLMENT, School, ended};
use tests::world::{Mode, PASSWORD, Setup, World, address};
use tests::{drawing, fake};

/// A name that would be markup if any text of the page ever were.
pub const HOSTILE: &str = "<img src=x onerror=\"window.harmed=1\">";
pub const NAMES: [&str; 6] = [
    "Ada Lovelace",
    "Alan Turing",
    "Grace Hopper",
    HOSTILE,
    "Edsger Dijkstra",
    "Barbara Liskov",
];

/// Above which two faces of the stand-in resemble each other, once [`Scene`] has set it.
const REVIEW: f32 = 0.3;

#[derive(Debug)]
pub struct Scene {
    pub world: World,
    pub browser: Browser,
    pub organization: OrganizationId,
    pub admin: Client,
    /// By the teacher's login.
    pub school: School,
    pub email: String,
    /// The numbers of the people who are enrolled, in the order of the names.
    pub cast: Vec<usize>,
}

/// So many people none of whom resembles another.
fn cast(count: usize) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    for n in 0.. {
        if chosen.len() == count {
            break;
        }
        let like = |other: &usize| fake::similarity(fake::person(n), fake::person(*other)) > REVIEW - 0.05;
        if !chosen.iter().any(like) {
            chosen.push(n);
        }
    }
    chosen
}

impl Scene {
    /// None where there is no Chromium.
    pub async fn open() -> Option<Self> {
        Self::with(&NAMES).await
    }

    pub async fn with(names: &[&str]) -> Option<Self> {
        let browser = Browser::open().await?;
        let world = Setup::new(Mode::Embedded).build().await?;
        let (organization, admin) = world.organization("Analytical School").await;
        admin
            .query(
                "mutation($least: Float!) { updateOrganization(input: { matchThreshold: 0.7, reviewThreshold: $least }) { \
                 organization { id } } }",
                json!({ "least": REVIEW }),
            )
            .await;
        let email = address("teacher");
        let teacher = member(&world, organization, "Mary Somerville", &email, Role::Teacher).await;
        let cast = cast(names.len());
        let school = class(&teacher, names, &cast).await;
        Some(Self {
            world,
            browser,
            organization,
            admin,
            school,
            email,
            cast,
        })
    }

    pub fn base(&self) -> &str {
        &self.world.bases[0]
    }

    /// Somebody who resembles one of the cast half, and nobody else.
    pub fn double(&self, of: usize) -> usize {
        let like = |n: usize, other: usize| fake::similarity(fake::person(n), fake::person(self.cast[other]));
        let mut others = (1000..).filter(|n| (0.36..0.6).contains(&like(*n, of)));
        others
            .find(|n| (0..self.cast.len()).all(|other| other == of || like(*n, other) < REVIEW - 0.05))
            .unwrap()
    }

    /// A photo as a file that can be chosen.
    pub fn file(&self, name: &str, photo: &Bytes) -> PathBuf {
        let path = self.world.folder.path().join(name);
        std::fs::write(&path, photo).unwrap();
        path
    }

    /// Shows another view, as a link would.
    pub async fn show(&self, hash: &str) {
        self.browser.run("location.hash = arguments[0]", json!([hash])).await;
    }

    /// Marks a student of the roll that is shown by keys alone: from its first row down to theirs.
    pub async fn mark_by_key(&self, student: &str, key: &str) {
        let row = self
            .browser
            .run(
                "document.querySelector('#roll .entry:first-child .status').focus(); \
                 return [...document.querySelectorAll('#roll .entry')].findIndex((row) => row.dataset.student === arguments[0])",
                json!([student]),
            )
            .await;
        let down = usize::try_from(row.as_u64().unwrap()).unwrap();
        self.browser.press(&format!("{}{key}", DOWN.repeat(down))).await;
    }

    /// Logs in at the page that is shown.
    pub async fn log_in(&self) {
        log_in(&self.browser, &self.email, PASSWORD).await;
        self.browser.until("document.querySelector('#logout')").await;
    }
}

pub async fn log_in(browser: &Browser, email: &str, password: &str) {
    browser.fill("input[name=email]", email).await;
    browser.fill("input[name=password]", password).await;
    browser.click("form button[type=submit]").await;
}

/// Somebody with an address of the test's choice.
pub async fn member(world: &World, organization: OrganizationId, name: &str, email: &str, role: Role) -> Client {
    let account = NewAccount {
        full_name: name,
        email,
        password: PASSWORD,
        role,
    };
    accounts::add(&world.service, &Scope::System("test"), organization, &account)
        .await
        .unwrap();
    world.stranger().login(email, PASSWORD).await
}

/// A class of these names, each enrolled as the one of the cast with the same number.
async fn class(teacher: &Client, names: &[&str], cast: &[usize]) -> School {
    let mut school = School::with_students(teacher, 0).await;
    if names.is_empty() {
        return school;
    }
    let rows: Vec<Value> = names
        .iter()
        .zip(1..)
        .map(|(name, n)| json!({ "fullName": name, "rollNumber": format!("PH-{n:02}") }))
        .collect();
    let added = teacher
        .query(
            "mutation($class: ID!, $rows: [StudentInput!]!) { addStudents(classId: $class, students: $rows) { \
             results { student { id } } } }",
            json!({ "class": school.class, "rows": rows }),
        )
        .await;
    let mut jobs = Vec::new();
    for (i, n) in cast.iter().enumerate() {
        let id = &added["addStudents"]["results"][i]["student"]["id"];
        let id = id.as_str().unwrap().to_owned();
        jobs.push(school::enrol(teacher, &id, &vec![drawing::portrait(*n); ENROLMENT]).await);
        school.students.push(id);
    }
    for job in jobs {
        let job = ended(teacher, &job).await;
        assert_eq!(job["status"], "SUCCEEDED", "{job}");
    }
    school
}
