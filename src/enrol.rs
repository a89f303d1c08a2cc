//! `muster enrol`: the photos of a class from a folder, one folder a student. Sends in what was not
//! sent in before, and follows the workers; ended at any moment and begun again, it goes on.

mod folders;
mod report;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use bytes::Bytes;
use service::id::{JobId, PersonId};
use service::queue::{self, nodes};
use service::recognition::{self, Sent};
use service::{Error, Scope, Service, accounts};
use tokio::time::sleep;

use crate::admin::open;
use crate::args::Enrol;
use crate::database::why;
use crate::settings::Settings;
use crate::{Failure, Outcome, say};
use folders::{Folder, Photo};
use report::Report;

const LOOK: Duration = Duration::from_millis(500);
/// After so long without a worker the operator is told.
const PATIENCE: Duration = Duration::from_secs(5);
/// Photos of one job, and so the most of which the largest group is sought; the service takes more.
const AT_ONCE: usize = 10;

/// A photo whose result is to come.
struct Waiting {
    name: String,
    place: i32,
    /// It was sent in by an earlier run.
    again: bool,
}

pub(crate) async fn run(settings: Settings, wanted: Enrol) -> Outcome {
    let Some(class) = api::class_id(&wanted.class) else {
        return Err(Failure::Usage(
            "--class: this is no id of a class; it is the API's Class.id, such as cls_0190…".into(),
        ));
    };
    let folders = folders::read(&wanted.folder)?;
    let service = open(&settings).await?;
    let scope = accounts::on_behalf(&service, &Scope::System("muster enrol"), &wanted.acting)
        .await
        .map_err(|error| refused("--as: nobody who may enrol logs in with this address", &error))?;
    let pupils = recognition::pupils(&service, &scope, class)
        .await
        .map_err(|error| refused("--class: this person has no such class", &error))?;
    let pupils: HashMap<String, PersonId> = pupils.into_iter().map(|p| (p.roll_number, p.id)).collect();

    let mut report = Report::new(folders.iter().map(|f| f.photos.len()).sum());
    let mut waiting: BTreeMap<JobId, Vec<Waiting>> = BTreeMap::new();
    for folder in folders {
        let Some(student) = pupils.get(&folder.roll_number) else {
            report.problem(&folder.roll_number, "nobody in the class has this roll number")?;
            report.skip(folder.photos.len());
            continue;
        };
        if folder.photos.is_empty() {
            report.problem(&folder.roll_number, "there are no photos in the folder")?;
        }
        send(&service, &scope, *student, folder, &mut report, &mut waiting).await?;
    }
    if wanted.no_wait {
        let sent: usize = waiting.values().map(Vec::len).sum();
        say(&format!("{sent} photos are with the workers."))?;
    } else {
        follow(&service, &scope, waiting, &mut report).await?;
    }
    report.end()
}

fn refused(unknown: &str, error: &Error) -> Failure {
    match error {
        Error::NotFound(_) | Error::Forbidden => Failure::failed(unknown),
        other => Failure::Failed(why(other)),
    }
}

/// Sends in the photos of a student that were not sent in before.
async fn send(
    service: &Service,
    scope: &Scope,
    student: PersonId,
    folder: Folder,
    report: &mut Report,
    waiting: &mut BTreeMap<JobId, Vec<Waiting>>,
) -> Outcome {
    let failed = |error: Error| Failure::Failed(why(&error));
    let mut known = recognition::sent(service, scope, student).await.map_err(failed)?;
    let mut photos = folder.photos.into_iter().peekable();
    while photos.peek().is_some() {
        let mut new: Vec<(String, Bytes, Vec<u8>)> = Vec::new();
        while new.len() < AT_ONCE
            && let Some(Photo { name, path }) = photos.next()
        {
            let read = match folders::bytes(path).await {
                Ok(bytes) => recognition::check_photo(scope, &bytes)
                    .map(|()| bytes)
                    .map_err(|error| error.to_string()),
                Err(error) => Err(error),
            };
            let bytes = match read {
                Ok(bytes) => bytes,
                Err(problem) => {
                    report.problem(&name, &problem)?;
                    report.skip(1);
                    continue;
                }
            };
            let digest = recognition::digest(service, &bytes).await.map_err(failed)?;
            if let Some(Sent { job_id, position, .. }) = known.iter().find(|k| k.digest == digest) {
                waiting.entry(*job_id).or_default().push(Waiting {
                    name,
                    place: *position,
                    again: true,
                });
            } else if let Some((first, ..)) = new.iter().find(|(.., other)| *other == digest) {
                report.same(&name, first)?;
            } else {
                new.push((name, bytes, digest));
            }
        }
        if new.is_empty() {
            continue;
        }
        let bytes = new.iter().map(|(_, bytes, _)| bytes.clone()).collect();
        let job = recognition::enrol_faces(service, scope, student, bytes, None)
            .await
            .map_err(failed)?;
        for (place, (name, _, digest)) in (0..).zip(new) {
            known.push(Sent {
                digest,
                job_id: job.id,
                position: place,
            });
            let again = false;
            waiting.entry(job.id).or_default().push(Waiting { name, place, again });
        }
    }
    Ok(())
}

/// Tells what became of each photo, as its job ends.
async fn follow(
    service: &Service,
    scope: &Scope,
    mut waiting: BTreeMap<JobId, Vec<Waiting>>,
    report: &mut Report,
) -> Outcome {
    let failed = |error: Error| Failure::Failed(why(&error));
    let mut quiet = Instant::now();
    let mut told = false;
    while !waiting.is_empty() {
        let ids: Vec<JobId> = waiting.keys().copied().take(100).collect();
        let jobs = queue::by_ids(service, scope, &ids).await.map_err(failed)?;
        let gone = ids.iter().filter(|id| !jobs.iter().any(|job| job.id == **id));
        let gone: Vec<JobId> = gone.copied().collect();
        for id in gone {
            for photo in waiting.remove(&id).into_iter().flatten() {
                report.problem(&photo.name, "the student is gone")?;
                report.skip(1);
            }
        }
        for job in jobs.into_iter().filter(queue::Job::has_ended) {
            let templates = recognition::templates_by_jobs(service, scope, &[job.id])
                .await
                .map_err(failed)?;
            for photo in waiting.remove(&job.id).into_iter().flatten() {
                let template = templates.iter().find(|t| t.photo_index == photo.place);
                report.result(&photo.name, photo.again, &job, template)?;
            }
            quiet = Instant::now();
        }
        if waiting.is_empty() {
            break;
        }
        if !told && quiet.elapsed() > PATIENCE && !nodes::any_lives(service).await.map_err(failed)? {
            told = true;
            report.note(
                "No worker runs; the photos wait until `muster up` or `muster worker` does. This may be ended and \
                 begun again.",
            );
        }
        sleep(LOOK).await;
    }
    Ok(())
}
