//! Crops of faces on their way into the media store.

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::kinds::JobStage;
use crate::queue::claims::{self, Claim, MOMENT};
use crate::{Service, media};

/// Crops that are being stored, while other work goes on. Those that no row comes to name are let go again.
#[derive(Debug)]
pub struct Crops {
    service: Service,
    keys: Vec<String>,
    storing: Option<JoinHandle<Result<()>>>,
}

impl Crops {
    /// Begins to store them, under keys that hold the claim's fence: a worker that lost its lease never overwrites
    /// another's. Call within a runtime.
    pub fn store(service: &Service, claim: &Claim, crops: Vec<Bytes>) -> Self {
        let prefix = format!("crops/{}/{}", claim.id.0.simple(), claim.fence);
        let keys: Vec<String> = crops.iter().map(|_| media::new_key(service, &prefix)).collect();
        let storing = {
            let (service, objects) = (service.clone(), keys.iter().cloned().zip(crops).collect());
            async move { service.media.put_all(objects).await }
        };
        Self {
            service: service.clone(),
            keys,
            storing: Some(tokio::spawn(storing)),
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// Waits until all are stored, and answers a key for each. Where that takes more than a [`MOMENT`] it says that the
    /// job comes to be written.
    pub(super) async fn stored(mut self, claim: &Claim) -> Result<Vec<String>> {
        if let Some(storing) = &mut self.storing {
            let ended = match timeout(MOMENT, &mut *storing).await {
                Ok(ended) => ended,
                Err(_) if claims::progress(&self.service, claim, JobStage::Writing, 0.9).await? => storing.await,
                Err(_) => return Err(claims::lost()),
            };
            // Before it is looked at: what has ended is not waited for again when these are let go.
            self.storing = None;
            ended.map_err(Error::internal)??;
        }
        Ok(std::mem::take(&mut self.keys))
    }
}

impl Drop for Crops {
    fn drop(&mut self) {
        if self.keys.is_empty() {
            return;
        }
        let (service, keys, storing) = (
            self.service.clone(),
            std::mem::take(&mut self.keys),
            self.storing.take(),
        );
        // Without a runtime the process is about to end; the sweep finds them.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                if let Some(storing) = storing {
                    // What is on its way would arrive after it was removed.
                    let _ = storing.await;
                }
                media::abandon(&service, &keys).await;
            });
        }
    }
}

/// Stores the crops and answers a key for each.
pub(super) async fn store(service: &Service, claim: &Claim, crops: Vec<Bytes>) -> Result<Vec<String>> {
    Crops::store(service, claim, crops).stored(claim).await
}

/// Lets the crops go again where the rows that were to name them were refused: the job may have
/// been cancelled because somebody in the photo was erased. Where the database did not say whether
/// it has them, they stay.
pub(super) async fn keep_if(service: &Service, written: Result<()>, crops: &[String]) -> Result<()> {
    if written.as_ref().is_err_and(|error| !error.is_transient()) {
        media::abandon(service, crops).await;
    }
    written
}
