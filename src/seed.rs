//! `muster seed`: a made-up school in the database of the settings.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};
use service::Scope;
use service::accounts::NewAccount;
use service::kinds::Role;
use service::seed::{Plan, seed};

use crate::admin::{open, read_password};
use crate::args::Seed;
use crate::settings::Settings;
use crate::{Failure, Outcome, say};

pub(crate) async fn run(settings: Settings, wanted: Seed) -> Outcome {
    if wanted.students == 0 || wanted.sessions == 0 {
        return Err(Failure::Usage("--students and --sessions are at least 1".into()));
    }
    let password = read_password("seed", wanted.password_stdin)?;
    let service = open(&settings).await?;
    let admin = NewAccount {
        full_name: "Ada Admin",
        email: &wanted.email,
        password: &password,
        role: Role::Admin,
    };
    let plan = Plan {
        seed: wanted.number,
        organization: wanted.organization,
        timezone: wanted.timezone,
        students: wanted.students,
        sessions: wanted.sessions,
        last: wanted.until.unwrap_or_else(|| service.now().date_naive()),
    };
    let bar = if stderr().is_terminal() {
        ProgressBar::new(0)
    } else {
        ProgressBar::hidden()
    };
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} classes, {eta} left") {
        bar.set_style(style);
    }
    let seeded = seed(&service, &Scope::System("muster seed"), &plan, &admin, |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })
    .await
    .map_err(Failure::failed)?;
    bar.finish_and_clear();
    say(&format!(
        "Made {} with {} students in {} classes, {} sessions and {} marks; {} can log in.",
        plan.organization, seeded.students, seeded.classes, seeded.sessions, seeded.marks, wanted.email
    ))
}
