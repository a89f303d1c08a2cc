//! One watcher a process for each thing that is watched: it reads the database once for all who
//! watch, when it is told to look and every second anyway.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::Topic;
use crate::attendance::stream::{self, Event};
use crate::id::{JobId, OrganizationId, SessionId};
use crate::queue::{self, Job};
use crate::sessions::Session;
use crate::sessions::watch::Watcher;
use crate::{Service, duty};

const LOOK: Duration = Duration::from_secs(1);
/// Events that a subscriber may be behind before it must read for itself: more than a class that
/// is closed at once.
const BEHIND: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct Hub {
    sessions: Watchers<SessionId, broadcast::Sender<Arc<Event>>>,
    jobs: Watchers<JobId, watch::Sender<Option<Arc<Job>>>>,
    organizations: Watchers<OrganizationId, broadcast::Sender<Arc<Session>>>,
}

type Shared<T> = Arc<T>;
pub(crate) type SessionSeat = Seat<broadcast::Sender<Arc<Event>>, broadcast::Receiver<Arc<Event>>>;
pub(crate) type SessionsSeat = Seat<broadcast::Sender<Arc<Session>>, broadcast::Receiver<Arc<Session>>>;
pub(crate) type JobSeat = Seat<watch::Sender<Option<Arc<Job>>>, watch::Receiver<Option<Arc<Job>>>>;

#[derive(Debug)]
struct Watchers<K, T>(Mutex<HashMap<K, Weak<T>>>);

impl<K, T> Default for Watchers<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Copy, T> Watchers<K, T> {
    /// The channel of this key, and whether it is new and wants a watcher.
    fn join(&self, key: K, new: impl FnOnce() -> T) -> (Shared<T>, bool) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = all.get(&key).and_then(Weak::upgrade) {
            return (channel, false);
        }
        all.retain(|_, channel| channel.strong_count() > 0);
        let channel = Arc::new(new());
        all.insert(key, Arc::downgrade(&channel));
        (channel, true)
    }
}

/// Holds the channel open: when the last one is dropped, the watcher ends.
#[derive(Debug)]
pub(crate) struct Seat<T, R> {
    _channel: Shared<T>,
    pub receiver: R,
}

impl Hub {
    /// Events of a session from now on, those behind `start` for certain where nobody watched yet.
    /// Read once more after joining: what came in between may have been sent already.
    pub fn session(&self, service: &Service, id: SessionId, start: i64) -> SessionSeat {
        let (channel, new) = self.sessions.join(id, || broadcast::Sender::new(BEHIND));
        let receiver = channel.subscribe();
        if new {
            let (service, weak) = (service.clone(), Arc::downgrade(&channel));
            tokio::spawn(watch_session(service, id, start, weak));
        }
        Seat {
            _channel: channel,
            receiver,
        }
    }

    /// Sessions of an organization, as they are created or change from now on.
    pub fn sessions_of(&self, service: &Service, id: OrganizationId) -> SessionsSeat {
        let (channel, new) = self.organizations.join(id, || broadcast::Sender::new(BEHIND));
        let receiver = channel.subscribe();
        if new {
            let (service, weak) = (service.clone(), Arc::downgrade(&channel));
            let watcher = Watcher::new(id, service.now());
            tokio::spawn(watch_sessions(service, id, watcher, weak));
        }
        Seat {
            _channel: channel,
            receiver,
        }
    }

    /// A job's latest state, as it changes.
    pub fn job(&self, service: &Service, id: JobId) -> JobSeat {
        let (channel, new) = self.jobs.join(id, || watch::Sender::new(None));
        let receiver = channel.subscribe();
        if new {
            let (service, weak) = (service.clone(), Arc::downgrade(&channel));
            tokio::spawn(watch_job(service, id, weak));
        }
        Seat {
            _channel: channel,
            receiver,
        }
    }
}

/// Looks once, then whenever the topic is announced and every second, until `look` says stop.
async fn whenever<F, Fut>(service: &Service, topic: Topic, mut look: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let mut news = service.announcer.subscribe();
    let mut tick = interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            heard = news.recv() => match heard {
                Ok(told) if told != topic => continue,
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => {
                    tick.tick().await;
                }
            },
        }
        if !look().await {
            return;
        }
    }
}

async fn watch_session(service: Service, id: SessionId, start: i64, channel: Weak<broadcast::Sender<Arc<Event>>>) {
    let last = tokio::sync::Mutex::new(start);
    let look = || async {
        let Some(channel) = channel.upgrade() else { return false };
        let mut last = last.lock().await;
        match stream::look(&service, id, *last).await {
            Ok((events, seen)) => {
                *last = seen;
                for event in events {
                    let _ = channel.send(event);
                }
            }
            Err(error) => tracing::debug!(%error, session = %id.0, "cannot look for events"),
        }
        true
    };
    duty::keep("session", || whenever(&service, Topic::Session(id), look)).await;
}

async fn watch_sessions(
    service: Service,
    id: OrganizationId,
    watcher: Watcher,
    channel: Weak<broadcast::Sender<Arc<Session>>>,
) {
    let watcher = tokio::sync::Mutex::new(watcher);
    let look = || async {
        let Some(channel) = channel.upgrade() else { return false };
        match watcher.lock().await.look(&service).await {
            Ok(changed) => {
                for session in changed {
                    let _ = channel.send(session);
                }
            }
            Err(error) => tracing::debug!(%error, organization = %id.0, "cannot look for sessions"),
        }
        true
    };
    duty::keep("sessions", || whenever(&service, Topic::Sessions(id), look)).await;
}

async fn watch_job(service: Service, id: JobId, channel: Weak<watch::Sender<Option<Arc<Job>>>>) {
    let look = || async {
        let Some(channel) = channel.upgrade() else { return false };
        match queue::read(&service, id).await {
            Ok(Some(job)) => {
                channel.send_if_modified(|known| {
                    let newer = known.as_ref().is_none_or(|k| k.revision < job.revision);
                    if newer {
                        *known = Some(Arc::new(job));
                    }
                    newer
                });
            }
            Ok(None) => return false,
            Err(error) => tracing::debug!(%error, job = %id.0, "cannot look at a job"),
        }
        true
    };
    duty::keep("job", || whenever(&service, Topic::Job(id), look)).await;
}
