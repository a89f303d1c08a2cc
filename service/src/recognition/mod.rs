//! From photos to marks: what is submitted, who is in it, and what is written.

mod assignment;
mod bulk;
pub mod calibrate;
mod check_in;
mod company;
mod crops;
mod embedders;
mod enrol;
mod faces;
pub mod gallery;
mod gates;
pub(crate) mod kept;
mod known;
pub mod matching;
mod matrix;
mod photos;
mod place;
mod recognize;
mod reembed;
pub(crate) mod retention;
mod review;
mod sift;
mod submit;
mod templates;
mod waiting;

use std::time::Instant;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};

pub use bulk::{Pupil, Sent, check as check_photo, digest, pupils, sent};
pub use check_in::check_in;
pub use crops::Crops;
pub use embedders::{GALLERY_SWITCHED, switch_gallery};
pub use enrol::{EnrolledPhoto, enrol};
pub use faces::{Candidate, Face, by_ids as faces_by_ids, by_jobs as faces_by_jobs, by_photos as faces_by_photos};
pub use known::Known;
pub use photos::{Photo, by_ids as photos_by_ids, by_jobs as photos_by_jobs, by_sessions as photos_by_sessions};
pub use recognize::{identify, recognize};
pub use reembed::{Reembedding, Switch, reembed_gallery};
pub use review::{ReviewDecision, review_face};
pub use sift::{delete as delete_template, list as list_templates, review as review_template};
pub use submit::{CheckIn, PhotoOf, enrol_faces, identify_faces, submit_class_photo, submit_selfie};
pub(crate) use templates::ENROLLED;
pub use templates::{
    Template, by_ids as templates_by_ids, by_jobs as templates_by_jobs, enrolled, of_people as templates_of_people,
    unenrolled,
};
pub(crate) use waiting::waiting_faces;
pub use waiting::{ReviewEvent, follow_queue, review_queue};

use crate::Service;
use crate::db::Sql;
use crate::error::Result;
use crate::id::PhotoId;
use crate::queue::Timings;
use crate::queue::claims::Claim;

/// The embedder that made a photo's embeddings, and its thresholds (cosine similarity).
#[derive(Clone, Debug, PartialEq)]
pub struct Embedder {
    pub name: String,
    pub match_threshold: f32,
    pub review_threshold: f32,
}

impl Embedder {
    /// What lies nearer to each other than its thresholds do, it cannot tell apart.
    pub fn doubt(&self) -> f32 {
        self.match_threshold - self.review_threshold
    }
}

/// 0 to 1 from worst to best; angles in degrees; between the eyes in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    pub overall: f32,
    pub sharpness: f32,
    pub brightness: f32,
    pub yaw: f32,
    pub pitch: f32,
    pub roll: f32,
    pub interocular: f32,
}

/// A face as the models saw it, in pixels of the upright photo.
#[derive(Clone, Debug)]
pub struct SeenFace {
    pub x: i32,
    pub y: i32,
    pub width: i32,
    pub height: i32,
    pub score: f32,
    pub quality: Quality,
    /// Too few pixels to be recognized.
    pub too_small: bool,
    /// Of length 1; none where the face is too small.
    pub embedding: Option<Vec<f32>>,
    /// Probability that it is a living person and no picture of one; none where nobody asked.
    pub liveness: Option<f32>,
    /// A JPEG of the face.
    pub crop: Bytes,
}

/// What the models saw in a photo.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub width: u32,
    pub height: u32,
    pub faces: Vec<SeenFace>,
    pub decode_ms: f64,
    pub detect_ms: f64,
    pub embed_ms: f64,
}

/// A job's photo, for its worker.
#[derive(Clone, Debug, FromQueryResult)]
pub struct PhotoToRead {
    pub id: PhotoId,
    pub position: i32,
    pub media_key: Option<String>,
    pub submitted_at: DateTime<Utc>,
}

pub async fn photos_to_read(service: &Service, claim: &Claim) -> Result<Vec<PhotoToRead>> {
    service
        .db
        .reader()
        .all(
            "SELECT id, position, media_key, submitted_at FROM photo WHERE job_id = $1 ORDER BY position",
            vec![claim.id.into()],
        )
        .await
}

/// Times the parts of a job that are the service's.
struct Watch {
    timings: Timings,
    begun: Instant,
}

impl Watch {
    fn start(claim: &Claim, seen: &[&Seen]) -> Self {
        let sum = |part: fn(&Seen) -> f64| seen.iter().map(|s| part(s)).sum::<f64>();
        Self {
            timings: Timings {
                queued: claim.queued_ms(),
                decode: sum(|s| s.decode_ms),
                detect: sum(|s| s.detect_ms),
                embed: sum(|s| s.embed_ms),
                ..Timings::default()
            },
            begun: Instant::now(),
        }
    }

    fn lap(&mut self) -> f64 {
        let ms = self.begun.elapsed().as_secs_f64() * 1000.0;
        self.begun = Instant::now();
        ms
    }

    fn total(&mut self) -> &Timings {
        self.timings.write = self.lap();
        let t = &mut self.timings;
        t.total = t.queued + t.decode + t.detect + t.embed + t.r#match + t.write;
        t
    }
}
