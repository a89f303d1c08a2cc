//! What a process can be: everything at once, the API, a worker.

use std::net::SocketAddr;

use service::{Scope, Service, organizations};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use worker::queue::Consumer;

use crate::parts::{build, public_url};
use crate::secret::key_ring;
use crate::settings::{Database, Media, Settings};
use crate::{Failure, Outcome, VisionFactory, database, metrics, prepare, stop};

/// `muster up`: everything in one process.
pub(crate) async fn up(settings: Settings, factory: VisionFactory) -> Outcome {
    let shutdown = stop::on_signal()?;
    let keys = key_ring(&settings)?;
    // Before the database is touched: a port that is taken is most often another Muster.
    let (listener, address) = bind(&settings.listen).await?;
    let measured = metrics::bind(settings.metrics_listen.as_deref()).await?;
    let url = public_url(&settings, Some(address));
    let db = database::connect(&settings).await?;
    database::bring_up_to_date(&db).await?;
    let (service, consumer) = build(&settings, db, keys, url.clone()).await?;
    if matches!(organizations::any(&service, &Scope::System("start")).await, Ok(false)) {
        // As this process was called, so that the line can be pasted.
        let muster = std::env::args().next().unwrap_or_else(|| "muster".into());
        tracing::info!(
            "no organization yet; make one with its first admin: \
             {muster} admin create --organization NAME --name NAME --email EMAIL --password-stdin"
        );
    }
    let mut parts = JoinSet::new();
    work(&mut parts, &settings, service.clone(), consumer, factory, &shutdown);
    metrics::serve(&mut parts, service.clone(), measured, &shutdown);
    serve(&mut parts, &settings, service, listener, &shutdown);
    announce("up", &settings, Some((address, &url)));
    stop::when_done(parts, shutdown).await
}

/// `muster api`: HTTP and WebSocket alone; photos wait for a worker.
pub(crate) async fn api(settings: Settings) -> Outcome {
    settings.shared("api")?;
    let shutdown = stop::on_signal()?;
    let keys = key_ring(&settings)?;
    let (listener, address) = bind(&settings.listen).await?;
    let measured = metrics::bind(settings.metrics_listen.as_deref()).await?;
    let url = public_url(&settings, Some(address));
    let db = database::connect(&settings).await?;
    database::require_up_to_date(&db).await?;
    let (service, _) = build(&settings, db, keys, url.clone()).await?;
    let mut parts = JoinSet::new();
    metrics::serve(&mut parts, service.clone(), measured, &shutdown);
    serve(&mut parts, &settings, service, listener, &shutdown);
    announce("api", &settings, Some((address, &url)));
    stop::when_done(parts, shutdown).await
}

/// `muster worker`: jobs alone.
pub(crate) async fn worker(settings: Settings, factory: VisionFactory) -> Outcome {
    settings.shared("worker")?;
    let shutdown = stop::on_signal()?;
    let keys = key_ring(&settings)?;
    let measured = metrics::bind(settings.metrics_listen.as_deref()).await?;
    let url = public_url(&settings, None);
    let db = database::connect(&settings).await?;
    database::require_up_to_date(&db).await?;
    let (service, consumer) = build(&settings, db, keys, url).await?;
    let mut parts = JoinSet::new();
    metrics::serve(&mut parts, service.clone(), measured, &shutdown);
    work(&mut parts, &settings, service, consumer, factory, &shutdown);
    announce("worker", &settings, None);
    stop::when_done(parts, shutdown).await
}

async fn bind(listen: &str) -> Result<(TcpListener, SocketAddr), Failure> {
    let bound = async {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        std::io::Result::Ok((listener, address))
    };
    bound
        .await
        .map_err(|error| Failure::Failed(format!("MUSTER_LISTEN: cannot serve at {listen}: {error}")))
}

fn serve(
    parts: &mut JoinSet<Outcome>,
    settings: &Settings,
    service: Service,
    listener: TcpListener,
    shutdown: &CancellationToken,
) {
    let (exposure, shutdown) = (settings.exposure.clone(), shutdown.clone());
    let default = api::Limits::default();
    let limits = api::Limits {
        requests_at_once: settings.requests_at_once.unwrap_or(default.requests_at_once),
        trusted_proxies: settings.trusted_proxies.clone(),
        ..default
    };
    parts.spawn(async move {
        api::serve(service, listener, limits, exposure, shutdown)
            .await
            .map_err(|error| Failure::Failed(format!("the server ended: {error}")))
    });
}

fn work(
    parts: &mut JoinSet<Outcome>,
    settings: &Settings,
    service: Service,
    consumer: Consumer,
    factory: VisionFactory,
    shutdown: &CancellationToken,
) {
    let (ready, vision) = watch::channel(None);
    // No part of its own: it ends when it has done its work.
    tokio::spawn(prepare::run(factory, settings.models.clone(), ready, shutdown.clone()));
    let (slots, shutdown) = (settings.workers, shutdown.clone());
    parts.spawn(async move {
        worker::run(service, consumer, vision, slots, shutdown).await;
        Ok(())
    });
}

/// One line that says what this process is and where its things are, without addresses that hold passwords.
fn announce(role: &str, settings: &Settings, served: Option<(SocketAddr, &str)>) {
    let database = match &settings.database {
        Database::Embedded => format!("SQLite in {}", settings.data_dir.display()),
        Database::Sqlite(_) => "SQLite".into(),
        Database::Postgres(_) => "PostgreSQL".into(),
    };
    let queue = if settings.redis_url.is_some() {
        "Redis"
    } else {
        "memory"
    };
    let media = match &settings.media {
        Media::Folder(folder) => folder.display().to_string(),
        Media::S3(url) => url.clone(),
    };
    if let Some((address, url)) = served {
        let page = if settings.exposure.introspection {
            format!("try it at {url}/graphiql")
        } else {
            format!("clients find it at {url}/graphql")
        };
        tracing::info!(role, database, queue, media, %address, "listening; {page}");
    } else {
        tracing::info!(role, database, queue, media, slots = settings.workers, "working");
    }
}
