//! A new embedder beside the old: each enrolled photo gets a template of it, from the crop that was
//! kept, and once all have one the gallery goes over to it at once. Until then the old one serves.
//!
//! The job writes a few templates at a time, each time under its fence. What is written stays, so that
//! whoever takes the job after a kill, or after something more urgent, goes on behind it.
//!
//! What people decided holds: a template's status is its photo's, and gates that were passed at the
//! enrolment are not asked again. Only where the new embedder has no face to read is its template
//! REJECTED with the reason.

use std::collections::HashSet;
use std::time::Instant;

use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};

use super::{Seen, embedders, gallery};
use crate::db::{Scalar, Sql, Values};
use crate::error::{About, Error, Result};
use crate::id::{JobId, OrganizationId, PersonId, TemplateId};
use crate::kinds::{JobKind, JobStage, TemplateStatus};
use crate::queue::claims::{self, Claim, Failure};
use crate::queue::{self, Job, NewJob, Timings};
use crate::scope::Scope;
use crate::{Service, Tx, audit, classes, organizations, people};

/// Templates that are looked up at once.
const PAGE: u64 = 200;
/// The share of the progress that is the templates'; the rest is the switch.
const MAKING: f64 = 0.95;

/// What the job's row says is wanted: the embedder by its name in the catalog.
#[derive(Serialize, Deserialize)]
struct Wanted {
    model: String,
}

#[derive(FromQueryResult)]
struct Running {
    id: JobId,
}

/// Queues the re-embedding of the organization's gallery with the embedder that the workers run with.
pub async fn reembed_gallery(service: &Service, scope: &Scope) -> Result<Job> {
    let viewer = scope.admin()?;
    let mut tx = service.begin().await?;
    // Two that ask at once come one after the other.
    let gallery = embedders::hold(&tx, viewer.organization).await?;
    let current = organizations::current_embedder(&tx).await?;
    let refused = |reason, message: &str| Err(Error::conflict(reason, message));
    let (Some(gallery), Some(model)) = (gallery, current) else {
        return refused(
            "NOTHING_TO_DO",
            "nobody is enrolled, or no worker has said yet which embedder it runs with",
        );
    };
    if gallery == model {
        return refused(
            "NOTHING_TO_DO",
            "the gallery is of the embedder that the workers run with; start them with another one first",
        );
    }
    only_one(&tx, viewer.organization).await?;
    let summary = format!("{gallery} to {model}, queued");
    let new = NewJob {
        kind: JobKind::Reembed,
        organization: viewer.organization,
        submitted_by: viewer.person,
        session: None,
        class: None,
        person: None,
        payload: serde_json::to_value(Wanted { model })?,
    };
    let id = queue::insert(&mut tx, new).await?;
    audit::record(&tx, viewer, "reembedGallery", ("Job", id.0), &summary).await?;
    tx.commit().await?;
    queue::by_ids(service, scope, &[id])
        .await?
        .pop()
        .ok_or(Error::NotFound("job"))
}

/// Refuses a re-embedding beside another one.
async fn only_one(tx: &Tx<'_>, organization: OrganizationId) -> Result<()> {
    let running: Option<Running> = tx
        .one(
            "SELECT id FROM job WHERE organization_id = $1 AND kind = 'REEMBED' AND status IN ('QUEUED', 'RUNNING')",
            vec![organization.into()],
        )
        .await?;
    match running {
        None => Ok(()),
        Some(running) => Err(Error::conflict_with(
            "ALREADY_RUNNING",
            About::Job(running.id),
            "the gallery is being recomputed already; follow that job",
        )),
    }
}

/// A template of another embedder, for the worker that makes its counterpart.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Template {
    pub id: TemplateId,
    person_id: PersonId,
    status: TemplateStatus,
    crop_key: Option<String>,
}

impl Template {
    /// The key of the crop to look at; none where nothing is to be read: what was rejected is kept as
    /// a picture alone.
    pub fn crop(&self) -> Option<&str> {
        self.crop_key
            .as_deref()
            .filter(|_| self.status != TemplateStatus::Rejected)
    }
}

/// A claimed re-embedding on its way.
#[derive(Debug)]
pub struct Reembedding<'a> {
    service: &'a Service,
    claim: &'a Claim,
    /// The name of the embedder that is gone over to.
    pub model: String,
    begun: Instant,
    /// Photos that have their template, and all that should.
    done: i64,
    all: i64,
}

/// What became of the last step.
#[derive(Debug, PartialEq, Eq)]
pub enum Switch {
    Done,
    /// Somebody was enrolled meanwhile: the new photos come first.
    MoreCame,
    /// Somebody would not be recognized any more.
    Refused(Failure),
}

impl<'a> Reembedding<'a> {
    pub async fn begin(service: &'a Service, claim: &'a Claim) -> Result<Self> {
        let Wanted { model } = serde_json::from_value(claim.payload.clone())?;
        let missing = embedders::missing(service.db.reader(), claim.organization_id, &model).await?;
        let made: Option<Scalar> = service
            .db
            .reader()
            .one(
                "SELECT COUNT(*) AS value FROM face_template WHERE organization_id = $1 AND model = $2",
                vec![claim.organization_id.into(), model.clone().into()],
            )
            .await?;
        let done = made.map_or(0, |made| made.value);
        Ok(Self {
            service,
            claim,
            model,
            begun: Instant::now(),
            done,
            all: done + missing,
        })
    }

    /// Some of the templates that lack a counterpart, in the order of their ids from `behind` on.
    pub async fn next(&self, behind: Option<TemplateId>) -> Result<Vec<Template>> {
        let mut values = Values::default();
        let lacking = embedders::lacking(&mut values, self.claim.organization_id, &self.model);
        let from = behind.map_or_else(String::new, |id| format!("AND t.id > {}", values.push(id)));
        let sql = format!("SELECT t.id, t.person_id, t.status, t.crop_key {lacking} {from} ORDER BY t.id LIMIT {PAGE}");
        self.service.db.reader().all(&sql, values.done()).await
    }

    /// Writes the counterparts of templates whose crops were looked at; none was seen where a crop was
    /// not there or could not be read. Whoever was erased and what was deleted meanwhile gets none.
    pub async fn keep(&mut self, seen: Vec<(Template, Option<Seen>)>) -> Result<()> {
        let (service, claim) = (self.service, self.claim);
        let count = i64::try_from(seen.len()).unwrap_or_default();
        let mut tx = service.begin().await?;
        claims::go_on(&mut tx, claim, JobStage::Embedding, self.progress(count)).await?;
        // Erasure locks the person before it deletes their templates, and finds what is written here.
        let here = people::still_here(&tx, seen.iter().map(|(template, _)| template.person_id)).await?;
        let mut values = Values::default();
        let list = values.list(seen.iter().map(|(template, _)| template.id));
        let lacking = embedders::lacking(&mut values, claim.organization_id, &self.model);
        let lock = if tx.for_share().is_empty() {
            ""
        } else {
            " FOR SHARE OF t"
        };
        // As they are now: somebody may have decided about them, and whoever is about to waits.
        let originals: Vec<Original> = tx
            .all(
                &format!(
                    "SELECT t.id, t.person_id, t.job_id, t.photo_index, t.status, t.quality, t.rejections, t.crop_key, \
                     t.created_at {lacking} AND t.id IN {list} ORDER BY t.id{lock}"
                ),
                values.done(),
            )
            .await?;
        let mut photos = HashSet::new();
        let mut rows = Vec::with_capacity(originals.len());
        for original in originals {
            if here.contains(&original.person_id) && photos.insert((original.job_id, original.photo_index)) {
                let looked = seen.iter().find(|(template, _)| template.id == original.id);
                let looked = looked.and_then(|(_, seen)| seen.as_ref());
                rows.push(original.counterpart(service, claim.organization_id, &self.model, looked)?);
            }
        }
        tx.insert(rows).await?;
        tx.commit().await?;
        self.done += count;
        Ok(())
    }

    fn progress(&self, more: i64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a share of the work, to look at")]
        let share = (self.done + more) as f64 / self.all.max(1) as f64;
        MAKING * share.min(1.0)
    }

    /// The last step: the job is done and the gallery is the new embedder's, or neither.
    pub async fn switch(&self) -> Result<Switch> {
        let (service, claim, model) = (self.service, self.claim, &self.model);
        let organization = claim.organization_id;
        let making = self.begun.elapsed();
        let mut tx = service.begin().await?;
        claims::complete(&mut tx, claim).await?;
        classes::raise_all_galleries(&tx, organization).await?;
        let from = embedders::hold(&tx, organization).await?;
        if embedders::missing(&*tx, organization, model).await? > 0 {
            return Ok(Switch::MoreCame);
        }
        if let Some(from) = from.as_deref().filter(|from| from != model) {
            let lost: Option<Scalar> = tx
                .one(LOST, vec![organization.into(), from.into(), model.clone().into()])
                .await?;
            match lost.map_or(0, |lost| lost.value) {
                0 => {}
                lost => return Ok(Switch::Refused(unreadable(lost))),
            }
            embedders::turn(&tx, organization, model).await?;
            let summary = format!("{from} to {model}, done");
            let target = ("Organization", organization.0);
            audit::entry(
                &tx,
                organization,
                claim.submitted_by,
                "reembedGallery",
                target,
                &summary,
            )
            .await?;
        }
        let (queued, total) = (claim.queued_ms(), self.begun.elapsed());
        let timings = Timings {
            queued,
            embed: making.as_secs_f64() * 1000.0,
            write: total.saturating_sub(making).as_secs_f64() * 1000.0,
            total: queued + total.as_secs_f64() * 1000.0,
            ..Timings::default()
        };
        claims::record_timings(&mut tx, claim, &timings).await?;
        tx.commit().await?;
        Ok(Switch::Done)
    }
}

/// People of organization $1 who can be recognized by templates of $2, and could not by those of $3.
const LOST: &str = "SELECT COUNT(*) AS value FROM (SELECT t.person_id FROM face_template t \
     JOIN organization o ON o.id = t.organization_id WHERE t.organization_id = $1 AND t.status = 'ACCEPTED' \
     GROUP BY t.person_id, o.min_enrolment_photos \
     HAVING SUM(CASE WHEN t.model = $2 THEN 1 ELSE 0 END) >= o.min_enrolment_photos \
     AND SUM(CASE WHEN t.model = $3 THEN 1 ELSE 0 END) < o.min_enrolment_photos) l";

fn unreadable(students: i64) -> Failure {
    Failure {
        code: "NO_FACE",
        message: format!(
            "{students} enrolled students would not be recognized any more: the new embedder reads no face in too many \
             of their kept crops. Enrol them again and repeat this, or accept it by switchGallery"
        ),
        retryable: true,
    }
}

#[derive(FromQueryResult)]
struct Original {
    id: TemplateId,
    person_id: PersonId,
    job_id: JobId,
    photo_index: i32,
    status: TemplateStatus,
    quality: Option<serde_json::Value>,
    rejections: serde_json::Value,
    crop_key: Option<String>,
    created_at: chrono::DateTime<chrono::Utc>,
}

impl Original {
    /// The same photo's template of another embedder: quality is the photo's own, measured when it
    /// was whole.
    fn counterpart(
        self,
        service: &Service,
        organization: OrganizationId,
        model: &str,
        seen: Option<&Seen>,
    ) -> Result<entity::face_template::Model> {
        let id = TemplateId(service.new_id());
        let mut rejections: Vec<String> = serde_json::from_value(self.rejections)?;
        let (mut status, mut embedding) = (self.status, None);
        if status != TemplateStatus::Rejected {
            match of_the_person(seen) {
                Ok(numbers) => embedding = Some(gallery::seal(service, organization, id, numbers)?),
                Err(reason) => {
                    status = TemplateStatus::Rejected;
                    rejections.push(reason.into());
                }
            }
        }
        Ok(entity::face_template::Model {
            id: id.0,
            organization_id: organization.0,
            person_id: self.person_id.0,
            job_id: self.job_id.0,
            photo_index: self.photo_index,
            model: model.to_owned(),
            status,
            embedding,
            quality: self.quality,
            rejections: serde_json::to_value(rejections)?,
            crop_key: self.crop_key,
            created_at: self.created_at,
        })
    }
}

/// The embedding of the face that a crop was made of: the margin is even, so that it is the one in the
/// middle, whoever else looks in from the side.
fn of_the_person(seen: Option<&Seen>) -> Result<&[f32], &'static str> {
    let seen = seen.ok_or("UNREADABLE_IMAGE")?;
    // Twice the distance from the middle, squared: in whole numbers.
    let off = |at: i32, length: i32, side: u32| (2 * i64::from(at) + i64::from(length) - i64::from(side)).pow(2);
    let face = seen
        .faces
        .iter()
        .min_by_key(|f| off(f.x, f.width, seen.width) + off(f.y, f.height, seen.height))
        .ok_or("NO_FACE")?;
    face.embedding.as_deref().filter(|_| !face.too_small).ok_or("TOO_SMALL")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::{Quality, SeenFace};
    use super::*;

    fn face(x: i32, embedding: Option<Vec<f32>>) -> SeenFace {
        SeenFace {
            x,
            y: 40,
            width: 20,
            height: 20,
            score: 0.9,
            quality: Quality::default(),
            too_small: embedding.is_none(),
            embedding,
            liveness: None,
            crop: Bytes::new(),
        }
    }

    fn of(faces: Vec<SeenFace>) -> Result<Vec<f32>, &'static str> {
        let seen = Seen {
            width: 100,
            height: 100,
            faces,
            ..Seen::default()
        };
        of_the_person(Some(&seen)).map(<[f32]>::to_vec)
    }

    #[test]
    fn the_face_in_the_middle_is_the_persons() {
        let aside = || face(0, Some(vec![0.0]));
        assert_eq!(of(vec![aside(), face(45, Some(vec![1.0])), aside()]), Ok(vec![1.0]));
        assert_eq!(of(vec![aside(), face(45, None)]), Err("TOO_SMALL"));
        assert_eq!(of(vec![]), Err("NO_FACE"));
        assert_eq!(of_the_person(None), Err("UNREADABLE_IMAGE"));
    }
}
