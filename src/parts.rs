//! The parts of a process, made as the settings say.

use std::net::SocketAddr;
use std::sync::Arc;

use chrono::TimeDelta;
use service::accounts::PasswordCost;
use service::clock::{SystemClock, SystemEntropy};
use service::db::Db;
use service::events::{Announcer, LocalAnnouncer, RedisAnnouncer};
use service::keys::KeyRing;
use service::media::Store;
use service::queue::Wake;
use service::rates::{Limiter, MemoryLimiter, RedisLimiter};
use service::{Parts, Service};
use worker::queue::Consumer;

use crate::Failure;
use crate::database::why;
use crate::secret::private_folder;
use crate::settings::{Media, Settings};

/// The service over an open database, and the end of the queue at which a worker stands.
pub(crate) async fn build(
    settings: &Settings,
    db: Db,
    keys: KeyRing,
    public_url: String,
) -> Result<(Service, Consumer), Failure> {
    let (wake, consumer) = queue(settings).await?;
    let service = Service::new(Parts {
        db,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        keys,
        media: media(settings)?,
        announcer: announcer(settings)?,
        wake,
        mailer: settings.mailer.clone(),
        public_url,
        password_cost: PasswordCost::Recommended,
        open_registration: settings.open_registration,
        limiter: limiter(settings)?,
        rates: settings.rates.clone(),
        audit_kept: TimeDelta::days(settings.audit_days.into()),
    });
    Ok((service, consumer))
}

async fn queue(settings: &Settings) -> Result<(Arc<dyn Wake>, Consumer), Failure> {
    match &settings.redis_url {
        None => Ok(worker::queue::memory()),
        Some(url) => worker::queue::redis(url, &settings.namespace)
            .await
            .map_err(|error| Failure::Usage(format!("REDIS_URL: {error}"))),
    }
}

fn announcer(settings: &Settings) -> Result<Arc<dyn Announcer>, Failure> {
    match &settings.redis_url {
        None => Ok(Arc::new(LocalAnnouncer::default())),
        Some(url) => match RedisAnnouncer::start(url, &format!("{}:news", settings.namespace)) {
            Ok(announcer) => Ok(Arc::new(announcer)),
            // Not the error's own text: it may repeat the address, which holds a password.
            Err(_) => Err(Failure::failed("REDIS_URL: the address cannot be read")),
        },
    }
}

fn limiter(settings: &Settings) -> Result<Arc<dyn Limiter>, Failure> {
    match &settings.redis_url {
        None => Ok(Arc::new(MemoryLimiter::default())),
        Some(url) => match RedisLimiter::new(url, &format!("{}:rates", settings.namespace)) {
            Ok(limiter) => Ok(Arc::new(limiter)),
            Err(_) => Err(Failure::failed("REDIS_URL: the address cannot be read")),
        },
    }
}

pub(crate) fn media(settings: &Settings) -> Result<Store, Failure> {
    match &settings.media {
        Media::S3(url) => Store::s3(url, settings.storage_secret.as_deref()),
        Media::Folder(folder) => {
            private_folder("MUSTER_MEDIA_URL", folder)?;
            Store::folder(folder)
        }
    }
    .map(|store| (settings.media_filter)(store))
    .map_err(|error| Failure::Failed(format!("MUSTER_MEDIA_URL: {}", why(&error))))
}

/// Where clients reach us unless the operator says otherwise.
pub(crate) fn public_url(settings: &Settings, address: Option<SocketAddr>) -> String {
    let served_at = match address {
        // Everywhere is no place that a browser can go to.
        Some(address) if address.ip().is_unspecified() => format!("localhost:{}", address.port()),
        Some(address) => address.to_string(),
        None => settings.listen.clone(),
    };
    settings
        .public_url
        .clone()
        .unwrap_or_else(|| format!("http://{served_at}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::RawSettings;

    #[test]
    fn links_lead_where_clients_can_go() {
        let settings = Settings::read(RawSettings::default()).unwrap();
        let at = |address: &str| public_url(&settings, Some(address.parse().unwrap()));
        assert_eq!(at("127.0.0.1:8080"), "http://127.0.0.1:8080");
        assert_eq!(at("0.0.0.0:80"), "http://localhost:80");
        assert_eq!(at("[::]:80"), "http://localhost:80");
        let behind_a_proxy = RawSettings {
            public_url: Some("https://example.org/".into()),
            ..RawSettings::default()
        };
        let settings = Settings::read(behind_a_proxy).unwrap();
        assert_eq!(
            public_url(&settings, Some("0.0.0.0:80".parse().unwrap())),
            "https://example.org"
        );
    }
}
