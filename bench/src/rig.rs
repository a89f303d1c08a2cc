//! A whole Muster in this process on `SQLite`, whose worker is led by hand: one job at a time, and
//! the time that it took from the claim to the commit.

use std::sync::{Arc, Mutex, PoisonError};

use ::tests::client::Client;
use ::tests::faces;
use ::tests::school::{self, School, ended};
use ::tests::world::{Mode, Setup, World};
use bytes::Bytes;
use models::{Settings, Vision};
use serde_json::{Value, json};
use service::queue::claims;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::pairs::timed;

/// What the models are loaded with, for one slot of that many threads.
pub fn settings(threads: usize) -> Settings {
    Settings {
        models_dir: faces::models_dir(),
        mirror: Some(faces::mirror().display().to_string()),
        ort_dylib: std::env::var_os("ORT_DYLIB_PATH").map(Into::into),
        slots: 1,
        threads,
        ..Settings::default()
    }
}

/// One face as the job decided of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// `MATCHED`, `NEEDS_REVIEW` or `UNKNOWN`.
    pub decision: String,
    /// Whom it was matched to, or is likely to be.
    pub student: Option<String>,
}

/// A job that succeeded.
#[derive(Debug)]
pub struct Done {
    /// Milliseconds from the claim to the commit.
    pub took: f64,
    pub faces: Vec<Decided>,
    /// Milliseconds of each of [`STAGES`], as the job tells them.
    pub stages: [f64; 5],
}

/// The stages of a job whose times it tells.
pub const STAGES: [&str; 5] = ["decode", "detect", "embed", "match", "write"];

impl Done {
    /// The students who were matched, in order.
    pub fn matched(&self) -> Vec<String> {
        let matched = self.faces.iter().filter(|face| face.decision == "MATCHED");
        let mut names: Vec<String> = matched.filter_map(|face| face.student.clone()).collect();
        names.sort();
        names
    }
}

#[derive(Debug)]
struct Inside {
    world: World,
    admin: Client,
    shutdown: CancellationToken,
}

/// The server, its models, and an organization.
pub struct Rig {
    runtime: Runtime,
    pub models: Arc<dyn Vision>,
    inside: Inside,
}

impl std::fmt::Debug for Rig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rig")
            .field("inside", &self.inside)
            .finish_non_exhaustive()
    }
}

/// What rigs left behind.
static FOLDERS: Mutex<Vec<TempDir>> = Mutex::new(Vec::new());

/// Their folders stay until [`clear`]: for minutes after many files were removed a file system may be slow to make new
/// ones (ext4 without a journal is), and what comes next would pay for it.
impl Drop for Rig {
    fn drop(&mut self) {
        // Without another to put in its place it goes at once.
        if let Ok(other) = TempDir::new() {
            let folder = std::mem::replace(&mut self.inside.world.folder, other);
            FOLDERS.lock().unwrap_or_else(PoisonError::into_inner).push(folder);
        }
    }
}

/// Removes the folders of all rigs that are no more.
pub fn clear() {
    FOLDERS.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

impl Rig {
    /// With models of one slot and that many threads.
    pub fn new(threads: usize) -> Self {
        let models: Arc<dyn Vision> = Arc::new(models::prepare(&settings(threads)).unwrap());
        let runtime = Runtime::new().unwrap();
        let inside = runtime.block_on(async {
            let setup = Setup {
                workers: 0,
                ..Setup::new(Mode::Embedded)
            };
            let world = setup.build().await.unwrap();
            let (_, admin) = world.organization("Bench").await;
            Inside {
                world,
                admin,
                shutdown: CancellationToken::new(),
            }
        });
        Self {
            runtime,
            models,
            inside,
        }
    }

    /// A class of these students, each enrolled with these portraits.
    pub fn class(&self, students: &[(String, Vec<Bytes>)]) -> School {
        self.runtime.block_on(async {
            let admin = &self.inside.admin;
            let mut class = School::with_students(admin, 0).await;
            for (name, portraits) in students {
                let added = admin
                    .query(
                        "mutation($class: ID!, $rows: [StudentInput!]!) { addStudents(classId: $class, students: $rows) { \
                         results { student { id } error { message } } } }",
                        json!({ "class": class.class, "rows": [{
                            "fullName": name, "rollNumber": format!("{name}-{}", class.class),
                        }] }),
                    )
                    .await;
                let id = added["addStudents"]["results"][0]["student"]["id"].as_str();
                let id = id.unwrap_or_else(|| panic!("{added:#}")).to_owned();
                let job = school::enrol(admin, &id, portraits).await;
                self.drive().await;
                let job = ended(admin, &job).await;
                assert_eq!(job["status"], "SUCCEEDED", "{name}: {job:#}");
                class.students.push(id);
            }
            class
        })
    }

    /// Submits a photo to a new session of the class and does its job.
    pub fn recognize(&self, class: &School, photo: &Bytes) -> Done {
        self.runtime.block_on(async {
            let session = class.open_session().await;
            let job = class.submit(&session, photo.clone()).await;
            let took = self.drive().await;
            let job = ended(&self.inside.admin, &job).await;
            assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
            let decided = |face: &Value| Decided {
                decision: face["decision"].as_str().unwrap_or_default().to_owned(),
                student: face["student"]["fullName"].as_str().map(str::to_owned),
            };
            Done {
                took,
                faces: job["faces"].as_array().unwrap().iter().map(decided).collect(),
                stages: STAGES.map(|stage| job["timings"][stage].as_f64().unwrap()),
            }
        })
    }

    /// Does every job that waits, and answers the milliseconds that the last one took from its claim on.
    async fn drive(&self) -> f64 {
        let Inside { world, shutdown, .. } = &self.inside;
        let mut took = 0.0;
        loop {
            let begun = std::time::Instant::now();
            let Some(claim) = claims::claim(&world.service).await.unwrap() else {
                return took;
            };
            worker::handle(&world.service, claim, self.models.clone(), shutdown).await;
            took = begun.elapsed().as_secs_f64() * 1000.0;
        }
    }

    /// Milliseconds for the models to say everything of a photo, and how many faces there are.
    pub fn analyse(&self, photo: &[u8]) -> (f64, usize) {
        let go_on = |_: models::Stage<'_>| std::ops::ControlFlow::Continue(());
        let (took, seen) = timed(|| self.models.analyse(photo, &models::Ask::default(), &go_on));
        (took, seen.unwrap().faces.len())
    }
}
