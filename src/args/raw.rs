//! The settings as they stand in the environment and on the command line: text, not looked at yet.

use std::env;

use clap::Args;

use super::Cli;
use crate::Failure;

/// The settings as they were given: text, unchecked.
#[derive(Clone, Default, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct RawSettings {
    /// Address to serve at [default: 127.0.0.1:8080]
    #[arg(long, env = "MUSTER_LISTEN", value_name = "HOST:PORT", global = true)]
    pub listen: Option<String>,
    /// Address to serve /metrics and /health at, to the operator's own machines: nobody is asked who they are there
    /// [default: none]
    #[arg(long, env = "MUSTER_METRICS_LISTEN", value_name = "HOST:PORT", global = true)]
    pub metrics_listen: Option<String>,
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
    /// File that holds it instead
    #[arg(long, env = "DATABASE_URL_FILE", value_name = "FILE", global = true)]
    pub database_url_file: Option<String>,
    /// redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE] [default: within the process]
    #[arg(long, env = "REDIS_URL", value_name = "URL", global = true, hide_env_values = true)]
    pub redis_url: Option<String>,
    /// Where photos are kept: s3://BUCKET[/PREFIX] or a folder [default: DATA_DIR/media]
    #[arg(long, env = "MUSTER_MEDIA_URL", value_name = "URL", global = true)]
    pub media_url: Option<String>,
    /// File that holds the secret key of S3's credentials, instead of AWS_SECRET_ACCESS_KEY
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY_FILE", value_name = "FILE", global = true)]
    pub storage_secret_file: Option<String>,
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
    /// File that holds the secret, and below it, one a line, those before
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
    /// File that holds it instead
    #[arg(long, env = "SMTP_URL_FILE", value_name = "FILE", global = true)]
    pub smtp_url_file: Option<String>,
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
    /// Collector that traces are sent to by OTLP over HTTP, such as http://127.0.0.1:4318 [default: none]
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        value_name = "URL",
        global = true,
        hide_env_values = true
    )]
    pub otlp_endpoint: Option<String>,
    /// Photos that this process works on at once, 1 to 256 [default: one a core]
    #[arg(long, env = "MUSTER_WORKERS", value_name = "NUMBER", global = true)]
    pub workers: Option<String>,
    /// Where clients reach the API [default: http:// and the address to serve at]
    #[arg(long, env = "MUSTER_PUBLIC_URL", value_name = "URL", global = true)]
    pub public_url: Option<String>,
    /// on: strangers may found organizations; off: they come by invitation, or by `muster admin create` [default: off]
    #[arg(long, env = "MUSTER_OPEN_REGISTRATION", value_name = "on|off", global = true)]
    pub open_registration: Option<String>,
    /// Days that entries of the audit log are kept, 1 to 36500 [default: 730]
    #[arg(long, env = "MUSTER_AUDIT_DAYS", value_name = "NUMBER", global = true)]
    pub audit_days: Option<String>,
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
    /// Requests that the API works on at once, 1 to 100000; half as many uploads, and four times as many of those who
    /// are not signed in [default: 32]
    #[arg(long, env = "MUSTER_REQUESTS_AT_ONCE", value_name = "NUMBER", global = true)]
    pub requests_at_once: Option<String>,
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
