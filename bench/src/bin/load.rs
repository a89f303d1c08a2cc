//! `load subscribers` and `load mixed`: what one api process bears, as tables. `bench/load` builds
//! what it needs and starts it; `bench/README.md` says what the lines mean.
#![expect(
    clippy::doc_markdown,
    reason = "the comments are the help, where backticks would show"
)]

use std::process::ExitCode;
use std::time::Duration;

use bench::load::{mixed, subscribers};
use clap::{Parser, Subcommand};
use tests::world::Mode;

/// What one api process bears. Servers are processes of their own; clients are this process, on the same cores.
#[derive(Debug, Parser)]
struct Words {
    #[command(subcommand)]
    subject: Subject,
    /// On SQLite in one process, not on TEST_DATABASE_URL and TEST_REDIS_URL
    #[arg(long, global = true)]
    sqlite: bool,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Many watch one session
    Subscribers {
        /// How many
        #[arg(long, default_value_t = 1000)]
        subscribers: usize,
        /// Marks whose way to them is timed
        #[arg(long, default_value_t = 200)]
        marks: usize,
    },
    /// Reads, marks and uploads at 70 % of what is held, at twice as much as is held, and afterwards
    Mixed {
        /// Operations a second that are held, where that is known; else it is looked for
        #[arg(long)]
        held: Option<f64>,
        /// How long the calm part takes
        #[arg(long, default_value_t = 300)]
        seconds: u64,
        /// How long the overload takes
        #[arg(long, default_value_t = 30)]
        overload: u64,
        /// With the real models and photos, by fewer teachers
        #[arg(long)]
        real: bool,
        /// MUSTER_REQUESTS_AT_ONCE of the server
        #[arg(long)]
        at_once: Option<usize>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let words = Words::parse();
    let mode = if words.sqlite { Mode::Apart } else { Mode::Processes };
    let lines = match words.subject {
        Subject::Subscribers { subscribers, marks } => {
            let plan = subscribers::Plan {
                marks,
                ..subscribers::Plan::new(mode, subscribers)
            };
            subscribers::run(plan).await.map(|report| report.lines())
        }
        Subject::Mixed {
            held,
            seconds,
            overload,
            real,
            at_once,
        } => {
            let default = mixed::Plan::new(mode);
            let plan = mixed::Plan {
                held,
                real,
                at_once,
                teachers: if real { 4 } else { default.teachers },
                calm: Duration::from_secs(seconds),
                overload: Duration::from_secs(overload),
                ..default
            };
            mixed::run(plan).await.map(|report| report.lines())
        }
    };
    let Some(lines) = lines else { return ExitCode::from(2) };
    for line in lines {
        println!("{line}");
    }
    ExitCode::SUCCESS
}
