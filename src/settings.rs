//! From text to settings that make sense. Everything is looked at before anything starts, and
//! what is wrong is told in one line that names the variable; a secret is never repeated.

mod catalog;
mod exposure;
mod face_models;
mod rates;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;

use models::catalog::Role;
use service::keys::KeyRing;
use service::mail::{BadMailSetting, Mailer, SmtpSettings};
use service::rates::Rates;
use tracing_subscriber::EnvFilter;

use crate::args::RawSettings;
use crate::{Failure, MediaFilter};

const LISTEN: &str = "127.0.0.1:8080";
const DATA_DIR: &str = "./data";
const NAMESPACE: &str = "muster";
const MAX_WORKERS: usize = 256;
const AUDIT_DAYS: u16 = 730;
const MAX_AUDIT_DAYS: u16 = 36_500;

pub(crate) struct Settings {
    pub listen: String,
    /// None: what is measured is not served.
    pub metrics_listen: Option<String>,
    pub data_dir: PathBuf,
    pub database: Database,
    pub redis_url: Option<String>,
    pub media: Media,
    /// None: as the environment says.
    pub storage_secret: Option<String>,
    pub media_filter: MediaFilter,
    pub models: models::Settings,
    /// None: to be read from the data folder, or made there.
    pub secret: Option<String>,
    pub old_secrets: Vec<String>,
    pub mailer: Mailer,
    pub log: Option<String>,
    pub log_format: LogFormat,
    /// The collector of traces; none: there are none.
    pub traces: Option<String>,
    /// Photos that are worked on at once.
    pub workers: usize,
    pub public_url: Option<String>,
    pub open_registration: bool,
    pub audit_days: u16,
    pub namespace: String,
    pub rates: Rates,
    /// Requests that the API works on at once, where it is not the default.
    pub requests_at_once: Option<usize>,
    /// Who may say in a header where a request came from.
    pub trusted_proxies: api::Proxies,
    pub exposure: api::Exposure,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Database {
    /// `SQLite` in the data folder.
    Embedded,
    Sqlite(String),
    Postgres(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Folder(PathBuf),
    S3(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Pretty,
    Json,
}

impl Settings {
    pub fn read(raw: RawSettings) -> Result<Self, Failure> {
        let data_dir = PathBuf::from(given(raw.data_dir).unwrap_or_else(|| DATA_DIR.into()));
        let workers = workers(given(raw.workers))?;
        let catalog = catalog::Models::read(given(raw.model_catalog))?;
        let (secret, mut old_secrets) = secret(given(raw.secret_key), given(raw.secret_key_file))?;
        old_secrets.extend(listed_secrets(given(raw.secret_keys_old))?);
        Ok(Self {
            listen: listen("MUSTER_LISTEN", given(raw.listen).unwrap_or_else(|| LISTEN.into()))?,
            metrics_listen: given(raw.metrics_listen)
                .map(|text| listen("MUSTER_METRICS_LISTEN", text))
                .transpose()?,
            database: database(or_file(
                "DATABASE_URL",
                given(raw.database_url),
                given(raw.database_url_file),
            )?)?,
            redis_url: redis_url(given(raw.redis_url))?,
            media: media(given(raw.media_url), &data_dir)?,
            storage_secret: or_file("AWS_SECRET_ACCESS_KEY", None, given(raw.storage_secret_file))?,
            media_filter: Arc::new(|store| store),
            models: models::Settings {
                models_dir: given(raw.models_dir).map_or_else(|| data_dir.join("models"), PathBuf::from),
                mirror: face_models::mirror(given(raw.models_mirror))?,
                detector: catalog.named("MUSTER_DETECTOR", Role::Detector, given(raw.detector))?,
                embedder: catalog.named("MUSTER_EMBEDDER", Role::Embedder, given(raw.embedder))?,
                catalog: catalog.file,
                ort_dylib: face_models::library(given(raw.ort_dylib_path))?,
                slots: workers,
                threads: (cores() / workers).max(1),
                device: face_models::device(given(raw.device))?,
            },
            secret,
            old_secrets,
            mailer: mailer(
                or_file("SMTP_URL", given(raw.smtp_url), given(raw.smtp_url_file))?.as_deref(),
                given(raw.smtp_ca_file).as_deref(),
                given(raw.mail_from).as_deref(),
                &data_dir,
            )?,
            log: log(given(raw.log))?,
            log_format: log_format(given(raw.log_format).as_deref())?,
            traces: traces(given(raw.otlp_endpoint))?,
            public_url: public_url(given(raw.public_url))?,
            open_registration: switch(
                "MUSTER_OPEN_REGISTRATION",
                given(raw.open_registration).as_deref(),
                false,
            )?,
            audit_days: audit_days(given(raw.audit_days))?,
            namespace: namespace(given(raw.namespace))?,
            rates: rates::rates(given(raw.logins_per_minute), given(raw.uploads_per_minute))?,
            requests_at_once: rates::requests_at_once(given(raw.requests_at_once))?,
            trusted_proxies: rates::proxies(given(raw.trusted_proxies))?,
            exposure: exposure::exposure(given(raw.cors_origins), given(raw.introspection).as_deref())?,
            workers,
            data_dir,
        })
    }

    /// One role alone can only work where others reach the same database and the same queue.
    pub fn shared(&self, role: &str) -> Result<(), Failure> {
        if !matches!(self.database, Database::Postgres(_)) {
            return bad(
                "DATABASE_URL",
                format!("`muster {role}` needs PostgreSQL, postgres://…; without one run `muster up`"),
            );
        }
        if self.redis_url.is_none() {
            return bad(
                "REDIS_URL",
                format!("`muster {role}` needs Redis, redis://…; without one run `muster up`"),
            );
        }
        Ok(())
    }
}

/// An empty variable is one that was unset in a file of variables.
fn given(value: Option<String>) -> Option<String> {
    value.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

pub(crate) fn bad<T>(variable: &str, problem: impl std::fmt::Display) -> Result<T, Failure> {
    Err(Failure::Usage(format!("{variable}: {problem}")))
}

fn cores() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

fn listen(variable: &str, text: String) -> Result<String, Failure> {
    let is_name = |host: &str| {
        !host.is_empty()
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
    };
    let named = text
        .rsplit_once(':')
        .is_some_and(|(host, port)| is_name(host) && port.parse::<u16>().is_ok());
    if named || text.parse::<std::net::SocketAddr>().is_ok() {
        Ok(text)
    } else {
        bad(
            variable,
            format!("{text:?} is no address to serve at, such as {LISTEN}"),
        )
    }
}

fn database(value: Option<String>) -> Result<Database, Failure> {
    let Some(url) = value else {
        return Ok(Database::Embedded);
    };
    match url.split_once(':') {
        Some(("postgres" | "postgresql", rest)) if rest.len() > 2 && rest.starts_with("//") && !has_blank(rest) => {
            Ok(Database::Postgres(url))
        }
        // Each connection to `:memory:` would see a database of its own.
        Some(("sqlite", rest)) if !rest.trim_start_matches('/').is_empty() && !rest.contains(":memory:") => {
            Ok(Database::Sqlite(url))
        }
        _ => bad(
            "DATABASE_URL",
            "this is no database; it looks like postgres://USER:PASSWORD@HOST/DATABASE or sqlite://FILE?mode=rwc",
        ),
    }
}

fn has_blank(text: &str) -> bool {
    text.contains(char::is_whitespace)
}

fn redis_url(value: Option<String>) -> Result<Option<String>, Failure> {
    let Some(url) = value else { return Ok(None) };
    match url.split_once(':') {
        Some(("redis", rest)) if rest.len() > 2 && rest.starts_with("//") && !has_blank(rest) => Ok(Some(url)),
        Some(("unix" | "redis+unix", rest)) if !rest.trim_start_matches('/').is_empty() => Ok(Some(url)),
        Some(("rediss", _)) => bad(
            "REDIS_URL",
            "TLS to Redis is not built in; use redis:// within a private network",
        ),
        _ => bad(
            "REDIS_URL",
            "this is no Redis; it looks like redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]",
        ),
    }
}

fn media(value: Option<String>, data_dir: &Path) -> Result<Media, Failure> {
    let Some(url) = value else {
        return Ok(Media::Folder(data_dir.join("media")));
    };
    match url.split_once("://") {
        None => Ok(Media::Folder(url.into())),
        Some(("s3", bucket)) if !bucket.is_empty() && !bucket.starts_with('/') && !has_blank(bucket) => {
            Ok(Media::S3(url))
        }
        Some(_) => bad(
            "MUSTER_MEDIA_URL",
            "this is no place for photos; it looks like s3://BUCKET/PREFIX or is a folder",
        ),
    }
}

/// The setting itself, or what is in the file that `…_FILE` names.
fn or_file(variable: &str, value: Option<String>, file: Option<String>) -> Result<Option<String>, Failure> {
    let Some(file) = file else { return Ok(value) };
    if value.is_some() {
        return bad(variable, format!("{variable}_FILE is set as well; set one of them"));
    }
    match std::fs::read_to_string(&file) {
        Ok(text) if text.trim().is_empty() => bad(&format!("{variable}_FILE"), format!("{file} is empty")),
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) => bad(&format!("{variable}_FILE"), format!("{file} cannot be read: {error}")),
    }
}

/// The current secret, and those of the same file that were before.
fn secret(key: Option<String>, file: Option<String>) -> Result<(Option<String>, Vec<String>), Failure> {
    const VARIABLE: &str = "MUSTER_SECRET_KEY";
    if file.is_none() {
        let key = key.map(|key| strong(VARIABLE, key)).transpose()?;
        return Ok((key, Vec::new()));
    }
    let text = or_file(VARIABLE, key, file)?.unwrap_or_default();
    let mut secrets = text
        .lines()
        .filter_map(|line| given(Some(line.to_owned())))
        .map(|line| strong("MUSTER_SECRET_KEY_FILE", line));
    let current = secrets.next().transpose()?;
    Ok((current, secrets.collect::<Result<_, _>>()?))
}

fn listed_secrets(value: Option<String>) -> Result<Vec<String>, Failure> {
    let text = value.unwrap_or_default();
    text.split(',')
        .filter_map(|key| given(Some(key.to_owned())))
        .map(|key| strong("MUSTER_SECRET_KEYS_OLD", key))
        .collect()
}

/// The secret as it is, if the key ring would take it.
pub(crate) fn strong(variable: &str, secret: String) -> Result<String, Failure> {
    match KeyRing::new(&secret, &[]) {
        Ok(_) => Ok(secret),
        Err(error) => bad(variable, format!("{error}; make one with `openssl rand -hex 32`")),
    }
}

fn mailer(url: Option<&str>, authority: Option<&str>, from: Option<&str>, data_dir: &Path) -> Result<Mailer, Failure> {
    let authority = match authority {
        None => None,
        Some(file) => match std::fs::read(file) {
            Ok(pem) => Some(pem),
            Err(error) => return bad("MUSTER_SMTP_CA_FILE", format!("{file} cannot be read: {error}")),
        },
    };
    let made = match url {
        None => Mailer::folder(data_dir.join("outbox"), from),
        Some(url) => Mailer::smtp(&SmtpSettings {
            url,
            authority: authority.as_deref(),
            from,
            takes: None,
        }),
    };
    made.or_else(|wrong| match wrong {
        // Not the error's own text: it may repeat the address, which holds a password.
        BadMailSetting::Url => bad(
            "SMTP_URL",
            "this is no mail server; it looks like smtps://USER:PASSWORD@HOST:465 or smtp://HOST:587?tls=required",
        ),
        BadMailSetting::Authority => bad("MUSTER_SMTP_CA_FILE", "the file holds no certificate in PEM"),
        BadMailSetting::From => bad(
            "MUSTER_MAIL_FROM",
            "this is no sender; it looks like muster@example.org or School <muster@example.org>",
        ),
    })
}

fn log(value: Option<String>) -> Result<Option<String>, Failure> {
    let Some(text) = value else { return Ok(None) };
    match EnvFilter::builder().parse(&text) {
        Ok(_) => Ok(Some(text)),
        Err(error) => bad(
            "MUSTER_LOG",
            format!("{text:?} is no filter such as info or info,service=debug ({error})"),
        ),
    }
}

fn log_format(value: Option<&str>) -> Result<LogFormat, Failure> {
    match value {
        None | Some("pretty") => Ok(LogFormat::Pretty),
        Some("json") => Ok(LogFormat::Json),
        Some(other) => bad("MUSTER_LOG_FORMAT", format!("{other:?} is neither pretty nor json")),
    }
}

fn traces(value: Option<String>) -> Result<Option<String>, Failure> {
    let Some(url) = value else { return Ok(None) };
    match url.split_once("://") {
        Some(("http" | "https", rest)) if !rest.is_empty() && !rest.starts_with('/') && !has_blank(rest) => {
            Ok(Some(url))
        }
        // Not the text: it may hold a password.
        _ => bad(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "this is no collector; it looks like http://HOST:4318",
        ),
    }
}

fn workers(value: Option<String>) -> Result<usize, Failure> {
    let Some(text) = value else {
        return Ok(cores().min(MAX_WORKERS));
    };
    match text.parse() {
        Ok(number @ 1..=MAX_WORKERS) => Ok(number),
        _ => bad(
            "MUSTER_WORKERS",
            format!("{text:?} is no number from 1 to {MAX_WORKERS}"),
        ),
    }
}

fn public_url(value: Option<String>) -> Result<Option<String>, Failure> {
    let Some(text) = value else { return Ok(None) };
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest.map(|rest| rest.trim_end_matches('/')) {
        Some(rest)
            if !rest.is_empty() && !rest.starts_with('/') && !rest.contains(['?', '#', '@']) && !has_blank(rest) =>
        {
            Ok(Some(text.trim_end_matches('/').to_owned()))
        }
        _ => bad(
            "MUSTER_PUBLIC_URL",
            format!("{text:?} is no address such as https://muster.example.org"),
        ),
    }
}

fn switch(variable: &str, value: Option<&str>, default: bool) -> Result<bool, Failure> {
    match value {
        None => Ok(default),
        Some("on" | "true" | "1" | "yes") => Ok(true),
        Some("off" | "false" | "0" | "no") => Ok(false),
        Some(other) => bad(variable, format!("{other:?} is neither on nor off")),
    }
}

fn audit_days(value: Option<String>) -> Result<u16, Failure> {
    let Some(text) = value else { return Ok(AUDIT_DAYS) };
    match text.parse() {
        Ok(days @ 1..=MAX_AUDIT_DAYS) => Ok(days),
        _ => bad(
            "MUSTER_AUDIT_DAYS",
            format!("{text:?} is no number of days from 1 to {MAX_AUDIT_DAYS}"),
        ),
    }
}

fn namespace(value: Option<String>) -> Result<String, Failure> {
    let text = value.unwrap_or_else(|| NAMESPACE.into());
    let plain = text.len() <= 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if plain {
        Ok(text)
    } else {
        bad(
            "MUSTER_NAMESPACE",
            format!("{text:?} is no name of at most 64 letters, digits, dots, dashes and underscores"),
        )
    }
}

#[cfg(test)]
mod tests;
