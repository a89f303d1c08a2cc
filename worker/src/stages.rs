//! Tells how far a job is. Stages are reported from blocking threads and written behind them:
//! no pixel waits for the database, and of stages that are over in a moment nothing is written.

use models::Stage;
use service::Service;
use service::kinds::JobStage;
use service::queue::claims::{self, Claim, MOMENT};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

/// The share of a job that its photos take; the rest is matching and writing.
const LOOKING: f64 = 0.75;
/// Most stages that wait to be written; a slow database loses the ones in between.
const WAITING: usize = 8;

#[derive(Debug)]
pub struct Reporter {
    reports: mpsc::Sender<(JobStage, f64)>,
}

impl Reporter {
    /// Reports until it is dropped, at the job's end. `lost` is called when the job turns out to be another's, or
    /// cancelled.
    pub fn start(service: &Service, claim: &Claim, lost: impl Fn() + Send + Sync + 'static) -> Self {
        let (reports, mut waiting) = mpsc::channel::<(JobStage, f64)>(WAITING);
        let (service, claim) = (service.clone(), claim.clone());
        let written = async move {
            while let Some(mut latest) = waiting.recv().await {
                let told = Instant::now() + MOMENT;
                while let Ok(later) = timeout_at(told, waiting.recv()).await {
                    let Some(later) = later else {
                        return;
                    };
                    latest = later;
                }
                match claims::progress(&service, &claim, latest.0, latest.1).await {
                    Ok(true) => {}
                    Ok(false) => lost(),
                    Err(error) => tracing::debug!(%error, "progress was not written"),
                }
            }
        };
        tokio::spawn(written.in_current_span());
        Self { reports }
    }

    /// Reports for the photo at `place` of `photos`.
    pub fn of_photo(&self, place: usize, photos: usize) -> impl Fn(Stage<'_>) + Send + Sync + use<> {
        let reports = self.reports.clone();
        let share = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        let (done, all) = (share(place), share(photos.max(1)));
        move |stage| {
            let (stage, part) = match stage {
                Stage::Decoding => (JobStage::Decoding, 0.05),
                Stage::Detecting => (JobStage::Detecting, 0.35),
                Stage::Embedding(_) => (JobStage::Embedding, 0.65),
            };
            let _ = reports.try_send((stage, LOOKING * (done + part) / all));
        }
    }

    /// The photos are looked through.
    pub fn matching(&self) {
        let _ = self.reports.try_send((JobStage::Matching, 0.8));
    }
}
