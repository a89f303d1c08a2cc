//! Whether Muster can do its work. Anybody may ask for the state, admins for the parts. However often that is asked,
//! each part is looked at once in a while; and however long a part takes, an answer doesn't.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use uuid::Uuid;

use crate::db::Sql;
use crate::error::Result;
use crate::kinds::Role;
use crate::queue::nodes;
use crate::scope::Scope;
use crate::{Service, media};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Ok,
    Degraded,
    Down,
}

#[derive(Clone, Copy, Debug)]
pub struct Component {
    pub name: &'static str,
    pub state: State,
    pub latency_ms: f64,
    /// What it means, where it is not well.
    pub detail: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub struct Health {
    pub state: State,
    /// For admins.
    pub components: Option<Vec<Component>>,
}

/// A part that has not answered by then is away.
const PATIENCE: Duration = Duration::from_secs(3);
/// So long an answer serves.
const FRESH: Duration = Duration::from_secs(1);
/// The same of a store that takes what is put in: with many machines it asks for money each time.
const MEDIA_FRESH: Duration = Duration::from_secs(5);
/// The same of mail: each look is a login at the server, which counts them.
const MAIL_FRESH: Duration = Duration::from_mins(1);
const MAIL_AWAY_FRESH: Duration = Duration::from_secs(10);

/// What was seen last of each part.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    database: Look,
    redis: Look,
    media: Look,
    mail: Look,
    workers: Look,
    models: Look,
    /// The last answer to [`ready`] was no.
    unready: AtomicBool,
}

#[derive(Debug, Default)]
struct Look(Mutex<Option<(Instant, Component)>>);

impl Look {
    /// What was seen last, unless that is older than it may be; one at a time looks anew, and whoever waits for it
    /// is answered by it.
    async fn at(&self, fresh: impl FnOnce(State) -> Duration, look: impl Future<Output = Component>) -> Component {
        let mut seen = self.0.lock().await;
        if let Some((at, component)) = *seen
            && at.elapsed() < fresh(component.state)
        {
            return component;
        }
        let component = look.await;
        *seen = Some((Instant::now(), component));
        component
    }
}

/// A part as `look` finds it: well, or `otherwise` with what that means.
async fn component<T>(
    name: &'static str,
    look: impl Future<Output = T>,
    judge: impl FnOnce(Option<T>) -> Option<(State, &'static str)>,
) -> Component {
    let begun = Instant::now();
    let found = tokio::time::timeout(PATIENCE, look).await.ok();
    let latency_ms = begun.elapsed().as_secs_f64() * 1000.0;
    let (state, detail) = match judge(found) {
        None => (State::Ok, None),
        Some((state, detail)) => (state, Some(detail)),
    };
    Component {
        name,
        state,
        latency_ms,
        detail,
    }
}

/// For a part that is well or is not.
fn unless(well: bool, state: State, detail: &'static str) -> Option<(State, &'static str)> {
    (!well).then_some((state, detail))
}

/// Looks at every part. Without its database Muster is down; without another part it is degraded: something waits.
pub async fn check(service: &Service, scope: Option<&Scope>) -> Health {
    let (database, media, redis, mail, workers, models) = tokio::join!(
        database(service),
        media(service),
        redis(service),
        mail(service),
        workers(service),
        models(service),
    );
    let mut components = vec![database, media, mail];
    components.extend(redis);
    if database.state == State::Ok {
        components.extend([workers, models]);
    }
    let state = components.iter().map(|c| c.state).max().unwrap_or(State::Ok);
    let admin = scope.is_some_and(|s| s.viewer().is_ok_and(|v| v.role == Role::Admin));
    Health {
        state,
        components: admin.then_some(components),
    }
}

/// Whether the truth can be written now: rows, and the photos that they name.
pub async fn ready(service: &Service) -> bool {
    let (database, media) = tokio::join!(database(service), media(service));
    let away = [database, media].into_iter().find(|part| part.state != State::Ok);
    let was_unready = service.seen().unready.swap(away.is_some(), Ordering::Relaxed);
    match away {
        Some(part) if !was_unready => {
            tracing::error!(part = part.name, "not ready: {}", part.detail.unwrap_or_default());
        }
        None if was_unready => tracing::info!("ready again"),
        _ => {}
    }
    away.is_none()
}

/// Writes a row, as a disk that is full is still read from.
async fn database(service: &Service) -> Component {
    const WRITE: &str = "INSERT INTO lease (name, holder, until) VALUES ('health', $1, $2) \
                         ON CONFLICT (name) DO UPDATE SET until = excluded.until";
    let write = async {
        let values = vec![Uuid::nil().into(), service.now().into()];
        service.db.writer().run(WRITE, values).await
    };
    let look = component("database", write, |written| {
        let well = matches!(written, Some(Ok(_)));
        unless(well, State::Down, "nothing can be written to the database")
    });
    service.seen().database.at(|_| FRESH, look).await
}

/// Puts an object where photos are put, has it again and removes it. Twice, if need be: a store that refuses one in
/// twenty is no store that is away.
async fn media(service: &Service) -> Component {
    let probe = async {
        let (media, key) = (service.media.clone(), media::new_key(service, "photos"));
        // In a task of its own: what was put in is removed, whoever waits for it no longer.
        let tried = tokio::spawn(async move { media.keeps(&key).await || media.keeps(&key).await });
        tried.await.unwrap_or(false)
    };
    let look = component("media", probe, |well| {
        let detail = "the media store takes no photos: uploads are refused, and jobs wait";
        unless(well == Some(true), State::Degraded, detail)
    });
    let fresh = |state| if state == State::Ok { MEDIA_FRESH } else { FRESH };
    service.seen().media.at(fresh, look).await
}

/// None where there is none.
async fn redis(service: &Service) -> Option<Component> {
    if !service.limiter.has_server() {
        return None;
    }
    let look = component("redis", service.limiter.answers(), |well| {
        let detail = "Redis is away: jobs begin and subscribers hear a second later, and each process counts rates \
                      for itself";
        unless(well == Some(true), State::Degraded, detail)
    });
    Some(service.seen().redis.at(|_| FRESH, look).await)
}

async fn mail(service: &Service) -> Component {
    let look = component("mail", service.mailer.takes(), |well| {
        let detail = "the mail server, or the folder for mail, takes nothing: mails wait";
        unless(well == Some(true), State::Degraded, detail)
    });
    let fresh = |state| {
        if state == State::Ok {
            MAIL_FRESH
        } else {
            MAIL_AWAY_FRESH
        }
    };
    service.seen().mail.at(fresh, look).await
}

async fn workers(service: &Service) -> Component {
    let look = component("workers", nodes::living(service), |living| {
        let some = found(living).is_some_and(|living| !living.is_empty());
        unless(some, State::Degraded, "no worker is running: photos wait")
    });
    service.seen().workers.at(|_| FRESH, look).await
}

async fn models(service: &Service) -> Component {
    let look = component("models", nodes::living(service), |living| {
        let able = found(living).is_some_and(|living| living.iter().any(|node| node.slots > 0));
        let detail = "no worker has its face models: photos wait; run `muster models fetch`";
        unless(able, State::Degraded, detail)
    });
    service.seen().models.at(|_| FRESH, look).await
}

fn found<T>(answer: Option<Result<T>>) -> Option<T> {
    answer.and_then(Result::ok)
}
