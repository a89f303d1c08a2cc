//! The log: to standard error, since standard output is for what a command answers.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, registry};

use crate::Failure;
use crate::settings::{LogFormat, Settings};
use crate::traces::Traces;

/// These tell of each step of theirs, which is no news of Muster.
const QUIET: &str = "sqlx=warn,sea_orm_migration=warn,apalis_core=warn,poem::server=warn";

const OWN: [&str; 7] = ["muster", "api", "worker", "service", "models", "picture", "migration"];

/// What libraries say at TRACE is what passes through them: a WebSocket's, each message with its
/// token. Whatever an operator asks for, that is not written.
fn keeps_secrets(about: &Metadata<'_>) -> bool {
    *about.level() < Level::TRACE || is_own(about)
}

/// Whether something is said by one of our own rooms.
pub(crate) fn is_own(about: &Metadata<'_>) -> bool {
    let from = about.target().split("::").next().unwrap_or_default();
    OWN.contains(&from)
}

/// `serving`: as what this process stays; one that does a single thing speaks only of trouble. What is given back
/// sends traces for as long as it is held.
pub(crate) fn start(settings: &Settings, serving: Option<&str>) -> Result<Option<Traces>, Failure> {
    let default = format!("{},{QUIET}", if serving.is_some() { "info" } else { "warn" });
    let directives = settings.log.as_deref().unwrap_or(&default);
    let filter = EnvFilter::builder().parse(directives).map_err(Failure::failed)?;
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let traces = match (serving, &settings.traces) {
        (Some(role), Some(endpoint)) => Some(Traces::start(endpoint, role)?),
        _ => None,
    };
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match settings.log_format {
        LogFormat::Pretty => lines.with_ansi(colour).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    registry()
        .with(traces.as_ref().map(Traces::layer::<Registry>))
        .with(lines.with_filter(filter.and(filter_fn(keeps_secrets))))
        .try_init()
        .map_err(Failure::failed)?;
    panic::set_hook(Box::new(log_panic));
    Ok(traces)
}

/// The message only where it was written in the source: one that was put together at run time may
/// hold a name or a secret.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic
        .payload()
        .downcast_ref::<&str>()
        .copied()
        .unwrap_or("(not shown: it may hold personal data)");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(message, place, thread = thread.name(), %backtrace, "panic");
    } else {
        tracing::error!(message, place, thread = thread.name(), "panic");
    }
}
