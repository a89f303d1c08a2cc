//! The command line: reads the settings, builds the parts, hands them to each other. No rule of
//! attendance, no HTTP and no SQL is here.

mod admin;
mod archive;
mod args;
mod backup;
mod calibrate;
mod database;
mod enrol;
mod health;
mod housekeeping;
mod logs;
mod metrics;
mod models_command;
mod parts;
mod prepare;
mod restore;
mod roles;
mod rotate;
mod secret;
mod seed;
mod settings;
mod stop;
mod table;
mod traces;

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use service::media::Store;

use args::{Cli, Command};
use settings::Settings;

/// How a process gets its models: ONNX in the real one, a fake in tests. May block.
pub type VisionFactory =
    Arc<dyn Fn(models::Settings) -> Result<Arc<dyn models::Vision>, models::SetupError> + Send + Sync>;

/// What lies between a process and its media store: nothing in the real one, failures in tests.
pub type MediaFilter = Arc<dyn Fn(Store) -> Store + Send + Sync>;

/// Why a command ends without having done its work: one line for the person at the terminal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The command or a setting is wrong: exit code 2.
    Usage(String),
    /// Something did not work: exit code 1.
    Failed(String),
}

impl Failure {
    pub fn failed(problem: impl fmt::Display) -> Self {
        Self::Failed(problem.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Usage(text) | Self::Failed(text)) = self;
        // One line, whatever a library's error holds.
        f.write_str(&text.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// What a command gives back: success is 0.
pub(crate) type Outcome = Result<(), Failure>;

/// Runs the command line of this process with models from `factory`.
pub fn main_with(factory: VisionFactory) -> ExitCode {
    main_through(factory, Arc::new(|store| store))
}

/// The same with a filter before the media store.
pub fn main_through(factory: VisionFactory, media: MediaFilter) -> ExitCode {
    let outcome = args::check_encoding().and_then(|()| run(Cli::parse(), factory, media));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(match failure {
                Failure::Usage(_) => 2,
                Failure::Failed(_) => 1,
            })
        }
    }
}

fn run(cli: Cli, factory: VisionFactory, media_filter: MediaFilter) -> Outcome {
    let command = cli.command.unwrap_or(Command::Up);
    // Needs nothing of this machine, so nothing of it may stand in the way.
    if matches!(command, Command::Schema) {
        return say(api::sdl().trim_end());
    }
    let settings = Settings {
        media_filter,
        ..Settings::read(cli.settings)?
    };
    // Held to the end: then what is left of them is sent.
    let _traces = logs::start(&settings, command.serves())?;
    match command {
        Command::Up => block_on(roles::up(settings, factory)),
        Command::Api => block_on(roles::api(settings)),
        Command::Worker => block_on(roles::worker(settings, factory)),
        Command::Migrate => block_on(database::migrate(settings)),
        Command::Schema => Ok(()),
        Command::Models { command } => models_command::run(&command, &settings.models),
        Command::Admin { command } => block_on(admin::run(settings, command)),
        Command::Calibrate(wanted) => block_on(calibrate::run(settings, wanted)),
        Command::Seed(plan) => block_on(seed::run(settings, plan)),
        Command::Enrol(wanted) => block_on(enrol::run(settings, wanted)),
        Command::Housekeeping(wanted) => block_on(housekeeping::run(settings, wanted)),
        Command::Backup(wanted) => block_on(backup::run(settings, wanted)),
        Command::Restore(wanted) => block_on(restore::run(settings, wanted)),
        Command::Health(asked) => health::ask(asked.address.as_deref().unwrap_or(&settings.listen)),
    }
}

/// Answers on standard output. Whoever stops reading (`muster schema | head`) has seen enough.
pub(crate) fn say(text: &str) -> Outcome {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::failed(error)),
        _ => Ok(()),
    }
}

fn block_on(work: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::failed)?;
    let outcome = runtime.block_on(work);
    // What still blocks now was given its time; it must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}
