//! The way of the mail: in every worker, whether or not its models are here, until `shutdown`.

use std::time::Duration;

use service::Service;
use service::events::Topic;
use service::mail::Courier;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Between two looks where nobody says that a mail waits.
const LOOK: Duration = Duration::from_secs(1);

pub(crate) async fn run(service: Service, shutdown: CancellationToken) {
    let mut news = service.announcer.subscribe();
    let mut courier = Courier::new(service);
    let mut tick = interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut hears = true;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = tick.tick() => {}
            topic = news.recv(), if hears => match topic {
                Ok(Topic::Mail) | Err(RecvError::Lagged(_)) => {}
                Ok(_) => continue,
                Err(RecvError::Closed) => {
                    hears = false;
                    continue;
                }
            },
        }
        // What is on its way is finished: cut off, it might come twice.
        match courier.round(|| shutdown.is_cancelled()).await {
            Ok(0) => {}
            Ok(sent) => tracing::debug!(sent, "mails went out"),
            Err(error) => tracing::debug!(%error, "no mail goes: the database is away"),
        }
    }
}
