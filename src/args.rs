//! What may be said on the command line and in the environment. Every setting is both; what the
//! words mean, and whether they make sense, is decided in `settings`.
#![expect(
    clippy::doc_markdown,
    reason = "the comments are the help, where backticks would show"
)]

mod raw;

use clap::{Args, Parser, Subcommand};

#[cfg(test)]
use raw::variables;
pub(crate) use raw::{RawSettings, check_encoding};

#[derive(Debug, Parser)]
#[command(
    name = "muster",
    version,
    about = "Attendance by photo: a GraphQL API with background workers.\n\n\
        Without a command everything runs in one process, with SQLite and folders under the data folder.\n\
        Every setting is an environment variable and a flag; the flag wins. An empty value counts as absent.",
    after_help = "S3 takes its credentials, region and endpoint from the usual AWS_ACCESS_KEY_ID,\n\
        AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT and AWS_ALLOW_HTTP.\n\n\
        Exit codes: 0 done, 1 failed, 2 a setting or the command is wrong."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub settings: RawSettings,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Everything in one process: fetches what is missing, migrates, serves (the default)
    Up,
    /// The API alone, for PostgreSQL and Redis
    Api,
    /// A worker alone, for PostgreSQL and Redis
    Worker,
    /// Brings the database's schema up to date
    Migrate,
    /// Prints the GraphQL schema
    Schema,
    /// The face models
    Models {
        #[command(subcommand)]
        command: ModelsCommand,
    },
    /// What only an operator may do
    Admin {
        #[command(subcommand)]
        command: AdminCommand,
    },
    /// Compares an organization's own templates, and says which thresholds they ask for
    Calibrate(Calibrate),
    /// Fills the database with a made-up school, for trying and measuring
    Seed(Seed),
    /// Enrols the students of a class from photos: one folder a student, named by roll number
    Enrol(Enrol),
    /// Clears away what is over, all of it now, and says what was done; workers do the same by themselves
    Housekeeping(Housekeeping),
    /// Copies database and photos of the embedded default into one file, also while a server runs
    Backup(Backup),
    /// Puts what `muster backup` copied into an empty data folder
    Restore(Restore),
    /// Asks a server of this machine whether it is ready, for container health checks
    Health(Health),
}

impl Command {
    /// As what the command stays and works, rather than doing one thing and ending.
    pub const fn serves(&self) -> Option<&'static str> {
        match self {
            Self::Up => Some("up"),
            Self::Api => Some("api"),
            Self::Worker => Some("worker"),
            _ => None,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// Fetches the selected models and ONNX Runtime where they are missing
    Fetch,
    /// Lists the catalog's models and whether they are here
    List,
    /// Computes every checksum anew and loads ONNX Runtime
    Check,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Founds an organization with its first admin
    Create(NewAdmin),
    /// Lists everybody who can log in, or could
    List,
    /// Keeps somebody from logging in, and ends their logins
    Suspend(Login),
    /// Lets somebody who was suspended log in again
    Activate(Login),
    /// Sets somebody's password, and ends their logins
    ResetPassword(NewPassword),
    /// Shows what people told the operator, the newest first
    Feedback(Newest),
    /// Makes a new secret; what the old ones signed and sealed stays readable
    RotateKey,
}

#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The address with which they log in
    #[arg(long)]
    pub email: String,
}

#[derive(Debug, Args)]
pub(crate) struct NewPassword {
    #[command(flatten)]
    pub login: Login,
    /// Read the password, one line, from standard input
    #[arg(long)]
    pub password_stdin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Newest {
    /// How many at most
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    pub limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Seed {
    /// The organization's name; one that is there already is left alone
    #[arg(long, value_name = "NAME", default_value = "Seeded")]
    pub organization: String,
    /// The address with which its admin logs in
    #[arg(long)]
    pub email: String,
    /// Read the admin's password, one line, from standard input
    #[arg(long)]
    pub password_stdin: bool,
    #[arg(long, value_name = "NUMBER", default_value_t = 2000)]
    pub students: usize,
    #[arg(long, value_name = "NUMBER", default_value_t = 33_000)]
    pub sessions: usize,
    /// The same number makes the same school
    #[arg(long = "seed", value_name = "NUMBER", default_value_t = 1)]
    pub number: u64,
    /// The day of the last sessions [default: today]
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub until: Option<chrono::NaiveDate>,
    #[arg(long, value_name = "IANA", default_value = "Europe/Madrid")]
    pub timezone: String,
}

#[derive(Debug, Args)]
pub(crate) struct Enrol {
    /// The class, by its id in the API
    #[arg(long, value_name = "ID")]
    pub class: String,
    /// Who does it: the address with which an admin, or a teacher of the class, logs in
    #[arg(long = "as", value_name = "EMAIL")]
    pub acting: String,
    /// Leave the photos to the workers, and don't wait for what they say
    #[arg(long)]
    pub no_wait: bool,
    /// Folder with one folder a student, and their photos in it
    #[arg(value_name = "DIR")]
    pub folder: std::path::PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Calibrate {
    /// The organization's name or id
    #[arg(long, value_name = "NAME")]
    pub organization: String,
    /// The share of comparisons with somebody else that may be taken for a match
    #[arg(long, value_name = "RATE", default_value_t = 1e-4)]
    pub false_match_rate: f64,
    /// The share of them that may go to a person's review [default: ten times as many]
    #[arg(long, value_name = "RATE")]
    pub review_rate: Option<f64>,
    /// Draw both distributions and the thresholds into this file
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<std::path::PathBuf>,
    /// Set the thresholds, as updateOrganization would
    #[arg(long)]
    pub apply: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Housekeeping {
    /// Only show when each chore was last done
    #[arg(long)]
    pub list: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// Put the secret into the archive too: whoever has the file can then read every enrolled face
    #[arg(long)]
    pub with_key: bool,
    /// The archive to make; nothing may be there yet
    #[arg(value_name = "FILE")]
    pub file: std::path::PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Health {
    /// Where it listens, such as a worker's MUSTER_METRICS_LISTEN; by default MUSTER_LISTEN
    #[arg(value_name = "ADDRESS:PORT")]
    pub address: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// An archive that `muster backup` made
    #[arg(value_name = "FILE")]
    pub file: std::path::PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct NewAdmin {
    /// The organization's name
    #[arg(long, value_name = "NAME")]
    pub organization: String,
    /// The admin's name
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// The admin's address, with which they log in
    #[arg(long)]
    pub email: String,
    /// Read the password, one line, from standard input
    #[arg(long)]
    pub password_stdin: bool,
    /// Time zone that decides which day a session belongs to, such as Europe/Madrid [default: UTC]
    #[arg(long, value_name = "IANA")]
    pub timezone: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_shows_every_setting_and_command() {
        let every = [
            "MUSTER_LISTEN",
            "MUSTER_METRICS_LISTEN",
            "MUSTER_DATA_DIR",
            "DATABASE_URL",
            "DATABASE_URL_FILE",
            "REDIS_URL",
            "MUSTER_MEDIA_URL",
            "AWS_SECRET_ACCESS_KEY_FILE",
            "MUSTER_MODELS_DIR",
            "MUSTER_MODELS_MIRROR",
            "MUSTER_MODEL_CATALOG",
            "MUSTER_DETECTOR",
            "MUSTER_EMBEDDER",
            "MUSTER_DEVICE",
            "ORT_DYLIB_PATH",
            "MUSTER_SECRET_KEY",
            "MUSTER_SECRET_KEY_FILE",
            "MUSTER_SECRET_KEYS_OLD",
            "SMTP_URL",
            "SMTP_URL_FILE",
            "MUSTER_SMTP_CA_FILE",
            "MUSTER_MAIL_FROM",
            "MUSTER_LOG",
            "MUSTER_LOG_FORMAT",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "MUSTER_WORKERS",
            "MUSTER_PUBLIC_URL",
            "MUSTER_OPEN_REGISTRATION",
            "MUSTER_AUDIT_DAYS",
            "MUSTER_NAMESPACE",
            "MUSTER_LOGINS_PER_MINUTE",
            "MUSTER_UPLOADS_PER_MINUTE",
            "MUSTER_REQUESTS_AT_ONCE",
            "MUSTER_TRUSTED_PROXIES",
            "MUSTER_CORS_ORIGINS",
            "MUSTER_INTROSPECTION",
        ];
        assert_eq!(variables(), every);
        let help = Cli::command().render_help().to_string();
        for variable in every {
            assert!(
                help.contains(&format!("[env: {variable}")),
                "{variable} is missing from the help"
            );
        }
        for command in [
            "up",
            "api",
            "worker",
            "migrate",
            "schema",
            "models",
            "admin",
            "calibrate",
            "enrol",
            "housekeeping",
            "backup",
            "restore",
        ] {
            assert!(
                help.contains(&format!("\n  {command} ")),
                "{command} is missing from the help"
            );
        }
    }

    #[test]
    fn a_setting_may_stand_before_or_behind_the_command() {
        for line in [["muster", "--workers", "3", "up"], ["muster", "up", "--workers", "3"]] {
            let cli = Cli::try_parse_from(line).unwrap();
            assert_eq!(cli.settings.workers.as_deref(), Some("3"));
        }
    }
}
