//! `muster seed`: a made-up organization at size, for trying and measuring.

use service::Scope;
use service::seed::{Plan, seed};

use crate::admin::open;
use crate::args::Seed;
use crate::database::why;
use crate::settings::Settings;
use crate::{Failure, Outcome, say};

/// Everybody may know it: nothing in a seeded organization is anybody's.
const PASSWORD: &str = "a seeded school for trying";

pub(crate) async fn run(settings: Settings, asked: Seed) -> Outcome {
    let service = open(&settings).await?;
    let plan = Plan {
        organization: &asked.organization,
        email: &asked.email,
        password: PASSWORD,
        students: asked.students,
        sessions: asked.sessions,
        seed: asked.seed,
        until: asked.until.unwrap_or_else(|| service.now().date_naive()),
    };
    let made = seed(&service, &Scope::System("muster seed"), &plan)
        .await
        .map_err(|error| Failure::Failed(why(&error)))?;
    say(&format!(
        "Made {} with {} students, {} classes, {} sessions and {} marks.\nLog in as {} with the password: {PASSWORD}",
        asked.organization.trim(),
        asked.students,
        made.classes,
        made.sessions,
        made.marks,
        asked.email.trim(),
    ))
}
