//! A re-embedding: the kept crops of an organization's gallery through another embedder, a few at a
//! time, giving way to whatever is more urgent.

use std::sync::Arc;

use models::{Ask, Vision};
use service::queue::claims::{self, Claim};
use service::recognition::{Reembedding, Switch};
use service::{Error, Service};

use crate::lease::Held;
use crate::look::{fetch, look, named};
use crate::settle::Stop;

/// Crops between two commits: between two looks at what waits.
const AT_ONCE: usize = 16;
/// How often the job goes on behind those who are enrolled while it ends, before it is put back.
const ROUNDS: usize = 10;

pub(crate) async fn reembed(
    service: &Service,
    claim: &Claim,
    models: Arc<dyn Vision>,
    held: impl Fn() -> Held + Send + Sync + Clone + 'static,
) -> Result<(), Stop> {
    let mut work = Reembedding::begin(service, claim).await?;
    let embedder = named(models.clone(), work.model.clone()).await?;
    let ask = Ask {
        embedder: Some(embedder.name),
        ..Ask::default()
    };
    for _ in 0..ROUNDS {
        let mut behind = None;
        loop {
            let page = work.next(behind).await?;
            let Some(last) = page.last() else { break };
            behind = Some(last.id);
            for some in page.chunks(AT_ONCE) {
                let mut seen = Vec::with_capacity(some.len());
                for template in some {
                    let crop = match template.crop() {
                        Some(key) => fetch_crop(service, key).await?,
                        None => None,
                    };
                    let looked = match crop {
                        Some(crop) => match look(models.clone(), crop, ask.clone(), held.clone(), |_| ()).await {
                            Err(Stop::Refused(_)) => None,
                            looked => Some(looked?),
                        },
                        None => None,
                    };
                    seen.push((template.clone(), looked));
                }
                work.keep(seen).await?;
                if claims::is_overtaken(service, claim).await? {
                    return Err(Stop::Again);
                }
            }
        }
        match work.switch().await? {
            Switch::Done => return Ok(()),
            Switch::MoreCame => {}
            Switch::Refused(failure) => return Err(Stop::Refused(failure)),
        }
    }
    Err(Stop::Again)
}

/// None where the store has lost it: that photo alone has no template of the new embedder.
async fn fetch_crop(service: &Service, key: &str) -> Result<Option<bytes::Bytes>, Stop> {
    match fetch(service, key).await {
        Err(Stop::Service(Error::NotFound(_))) => {
            tracing::warn!("a crop is gone from the media store");
            Ok(None)
        }
        crop => crop.map(Some),
    }
}
