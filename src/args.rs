//! What may be said on the command line and in the environment. Every setting is both; what the
//! words mean, and whether they make sense, is decided in `settings`.
#![expect(
    clippy::doc_markdown,
    reason = "the comments are the help, where backticks would show"
)]

use std::env;

use clap::{Args, Parser, Subcommand};

use crate::Failure;

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
    /// Asks the API that listens at MUSTER_LISTEN whether it is ready, for container health checks
    Health,
}

impl Command {
    /// Whether the command stays and works, rather than doing one thing and ending.
    pub const fn serves(&self) -> bool {
        matches!(self, Self::Up | Self::Api | Self::Worker)
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

/// The settings as they were given: text, unchecked.
#[derive(Clone, Default, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct RawSettings {
    /// Address to serve at [default: 127.0.0.1:8080]
    #[arg(long, env = "MUSTER_LISTEN", value_name = "HOST:PORT", global = true)]
    pub listen: Option<String>,
    /// Folder for everything that has no other place [default: ./data]
    #[arg(long, env = "MUSTER_DATA_DIR", value_name = "FOLDER", global = true)]
    pub data_dir: Option<String>,
    /// postgres://USER:PASSWORD@HOST/DATABASE [default: SQLite in the data folder]
    #[arg(
        long,
        env = "DATABASE_URL",
        value_name = "URL",
        global = true,
        hide_env_values = true
    )]
    pub database_url: Option<String>,
    /// redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE] [default: within the process]
    #[arg(long, env = "REDIS_URL", value_name = "URL", global = true, hide_env_values = true)]
    pub redis_url: Option<String>,
    /// Where photos are kept: s3://BUCKET[/PREFIX] or a folder [default: DATA_DIR/media]
    #[arg(long, env = "MUSTER_MEDIA_URL", value_name = "URL", global = true)]
    pub media_url: Option<String>,
    /// Folder of the face models and ONNX Runtime [default: DATA_DIR/models]
    #[arg(long, env = "MUSTER_MODELS_DIR", value_name = "FOLDER", global = true)]
    pub models_dir: Option<String>,
    /// Folder or http(s) address that is asked for models before the catalog's own addresses
    #[arg(long, env = "MUSTER_MODELS_MIRROR", value_name = "PLACE", global = true)]
    pub models_mirror: Option<String>,
    /// Catalog of face models whose entries come before the built-in ones [default: the built-in ones alone]
    #[arg(long, env = "MUSTER_MODEL_CATALOG", value_name = "FILE", global = true)]
    pub model_catalog: Option<String>,
    /// Face detector, by its name in the catalog [default: the first that is here, or can be had]
    #[arg(long, env = "MUSTER_DETECTOR", value_name = "NAME", global = true)]
    pub detector: Option<String>,
    /// Face embedder, by its name in the catalog [default: the first that is here, or can be had]
    #[arg(long, env = "MUSTER_EMBEDDER", value_name = "NAME", global = true)]
    pub embedder: Option<String>,
    /// What the models run on: cpu, cuda or cuda:N, the last two where it was built with CUDA [default: cpu]
    #[arg(long, env = "MUSTER_DEVICE", value_name = "DEVICE", global = true)]
    pub device: Option<String>,
    /// The ONNX Runtime library [default: the system's, else fetched with pip into the models folder]
    #[arg(long, env = "ORT_DYLIB_PATH", value_name = "FILE", global = true)]
    pub ort_dylib_path: Option<String>,
    /// Secret from which every key derives, 32 characters or more [default on SQLite: made once, kept in
    /// DATA_DIR/secret.key]. Prefer the variable or the file: a flag shows in the list of processes
    #[arg(
        long,
        env = "MUSTER_SECRET_KEY",
        value_name = "SECRET",
        global = true,
        hide_env_values = true
    )]
    pub secret_key: Option<String>,
    /// File that holds the secret
    #[arg(long, env = "MUSTER_SECRET_KEY_FILE", value_name = "FILE", global = true)]
    pub secret_key_file: Option<String>,
    /// Earlier secrets, separated by commas: they still open what they sealed
    #[arg(
        long,
        env = "MUSTER_SECRET_KEYS_OLD",
        value_name = "SECRETS",
        global = true,
        hide_env_values = true
    )]
    pub secret_keys_old: Option<String>,
    /// smtps://USER:PASSWORD@HOST:465 or smtp://HOST:587?tls=required [default: .eml files in DATA_DIR/outbox]
    #[arg(long, env = "SMTP_URL", value_name = "URL", global = true, hide_env_values = true)]
    pub smtp_url: Option<String>,
    /// PEM file of an authority that signed the mail server's certificate, besides the public ones
    #[arg(long, env = "MUSTER_SMTP_CA_FILE", value_name = "FILE", global = true)]
    pub smtp_ca_file: Option<String>,
    /// Who mails are from, such as "School <muster@example.org>" [default: Muster <muster@HOST>]
    #[arg(long, env = "MUSTER_MAIL_FROM", value_name = "SENDER", global = true)]
    pub mail_from: Option<String>,
    /// What is logged: a level, or levels by module such as info,service=debug [default: info]
    #[arg(long, env = "MUSTER_LOG", value_name = "FILTER", global = true)]
    pub log: Option<String>,
    /// pretty, or json with one object a line [default: pretty]
    #[arg(long, env = "MUSTER_LOG_FORMAT", value_name = "FORMAT", global = true)]
    pub log_format: Option<String>,
    /// Photos that this process works on at once, 1 to 256 [default: one a core]
    #[arg(long, env = "MUSTER_WORKERS", value_name = "NUMBER", global = true)]
    pub workers: Option<String>,
    /// Where clients reach the API [default: http:// and the address to serve at]
    #[arg(long, env = "MUSTER_PUBLIC_URL", value_name = "URL", global = true)]
    pub public_url: Option<String>,
    /// on: strangers may found organizations; off: they come by invitation, or by `muster admin create` [default: off]
    #[arg(long, env = "MUSTER_OPEN_REGISTRATION", value_name = "on|off", global = true)]
    pub open_registration: Option<String>,
    /// Name that keeps installations on one Redis apart [default: muster]
    #[arg(long, env = "MUSTER_NAMESPACE", value_name = "NAME", global = true)]
    pub namespace: Option<String>,
    /// Logins that one address of the network may try in a minute, 1 to 1000000 [default: 100]
    #[arg(long, env = "MUSTER_LOGINS_PER_MINUTE", value_name = "NUMBER", global = true)]
    pub logins_per_minute: Option<String>,
    /// Uploads that one account may make in a minute, 1 to 1000000; one address of the network may make five
    /// times as many [default: 120]
    #[arg(long, env = "MUSTER_UPLOADS_PER_MINUTE", value_name = "NUMBER", global = true)]
    pub uploads_per_minute: Option<String>,
    /// Proxies whose X-Forwarded-For is believed: addresses or networks, separated by commas [default: none]
    #[arg(long, env = "MUSTER_TRUSTED_PROXIES", value_name = "ADDRESSES", global = true)]
    pub trusted_proxies: Option<String>,
    /// Origins whose pages may call the API from a browser, such as https://app.example.org, separated by commas
    /// [default: the API's own pages only]
    #[arg(long, env = "MUSTER_CORS_ORIGINS", value_name = "ORIGINS", global = true)]
    pub cors_origins: Option<String>,
    /// Whether clients may read the schema, and with it GraphiQL: on or off [default: on]
    #[arg(long, env = "MUSTER_INTROSPECTION", value_name = "SWITCH", global = true)]
    pub introspection: Option<String>,
}

// By hand: half of these are secrets.
impl std::fmt::Debug for RawSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawSettings").finish_non_exhaustive()
    }
}

/// The variables that clap reads, in the order of the help.
pub(crate) fn variables() -> Vec<String> {
    let command = <Cli as clap::CommandFactory>::command();
    command
        .get_arguments()
        .filter_map(|argument| argument.get_env())
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

/// clap's own complaint about text that is not UTF-8 names no variable.
pub(crate) fn check_encoding() -> Result<(), Failure> {
    for name in variables() {
        if env::var_os(&name).is_some_and(|value| value.to_str().is_none()) {
            return Err(Failure::Usage(format!("{name}: the value is not UTF-8 text")));
        }
    }
    Ok(())
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
            "MUSTER_DATA_DIR",
            "DATABASE_URL",
            "REDIS_URL",
            "MUSTER_MEDIA_URL",
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
            "MUSTER_SMTP_CA_FILE",
            "MUSTER_MAIL_FROM",
            "MUSTER_LOG",
            "MUSTER_LOG_FORMAT",
            "MUSTER_WORKERS",
            "MUSTER_PUBLIC_URL",
            "MUSTER_OPEN_REGISTRATION",
            "MUSTER_NAMESPACE",
            "MUSTER_LOGINS_PER_MINUTE",
            "MUSTER_UPLOADS_PER_MINUTE",
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
