//! `muster housekeeping`: what the workers clear away by themselves, done at once, and when each chore was
//! last done.

use service::housekeeping::{self, Chore, Occasion, Ran, State};

use crate::args::Housekeeping;
use crate::database::why;
use crate::settings::Settings;
use crate::table::table;
use crate::{Failure, Outcome, admin, say};

pub(crate) async fn run(settings: Settings, wanted: Housekeeping) -> Outcome {
    let service = admin::open(&settings).await?;
    if wanted.list {
        let states = housekeeping::states(&service)
            .await
            .map_err(|e| Failure::Failed(why(&e)))?;
        let lines: Vec<[String; 4]> = states.iter().map(line).collect();
        return say(table(["CHORE", "EVERY", "LAST DONE", "RESULT"], &lines).trim_end());
    }
    let (mut lines, mut failed) = (Vec::new(), Vec::new());
    for chore in Chore::ALL {
        let ran = housekeeping::run(&service, chore, Occasion::Asked)
            .await
            .map_err(|e| Failure::Failed(why(&e)))?;
        let result = match ran {
            None => "another process is at it".into(),
            Some(Ran { done: Ok(count), took }) => {
                format!("{count} {} in {:.1} s", chore.counts(), took.as_secs_f64())
            }
            Some(Ran { done: Err(error), .. }) => {
                failed.push(chore.name());
                format!("failed: {}", why(&error))
            }
        };
        lines.push([chore.name().to_owned(), result]);
    }
    say(table(["CHORE", "RESULT"], &lines).trim_end())?;
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::Failed(format!("not done: {}", failed.join(", "))))
    }
}

fn line(state: &State) -> [String; 4] {
    let seconds = state.chore.every().as_secs();
    let every = match seconds {
        s if s % 3600 == 0 => format!("{} h", s / 3600),
        s if s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    };
    let last = state
        .ended_at
        .map_or_else(|| "never".into(), |at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string());
    let result = match (&state.error, state.ended_at) {
        (Some(error), _) => format!("failed: {error}"),
        (None, Some(_)) => format!("{} {}", state.done, state.chore.counts()),
        (None, None) => String::new(),
    };
    let result = if state.running {
        format!("{result} (running)").trim_start().to_owned()
    } else {
        result
    };
    [state.chore.name().to_owned(), every, last, result]
}
