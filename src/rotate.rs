//! `muster admin rotate-key`: a new secret makes from the next start on, and the old ones still open
//! what they made.

use std::fs::File;

use crate::secret::{FILE, kept, key_ring, random, replace};
use crate::settings::{Settings, bad};
use crate::{Failure, Outcome, say};

pub(crate) fn run(settings: &Settings) -> Outcome {
    // Whatever is wrong with the secrets as they are is told first.
    key_ring(settings)?;
    match &settings.secret {
        Some(current) => say(&to_be_set(current, &settings.old_secrets)?),
        None => in_the_data_folder(settings),
    }
}

fn in_the_data_folder(settings: &Settings) -> Outcome {
    let path = settings.data_dir.join(FILE);
    let failed = |error: std::io::Error| Failure::Failed(format!("{}: {error}", path.display()));
    // Two rotations at once: the second must know what the first made.
    let folder = File::open(&settings.data_dir).map_err(failed)?;
    folder.lock().map_err(failed)?;
    let mut secrets = kept(settings)?;
    secrets.insert(0, random());
    replace(&path, &secrets).map_err(failed)?;
    say(&format!(
        "{} has a new secret in its first line; the ones before stay below it, and what they made stays readable.\n\
         A server that is running takes it when it is restarted: restart it now. Then copy the file to where you keep \
         the one before.",
        path.display()
    ))
}

/// What to set where the secrets come from outside, which nobody can change from here.
fn to_be_set(current: &str, old: &[String]) -> Result<String, Failure> {
    if current.contains(',') || current.contains(char::is_control) {
        return bad(
            "MUSTER_SECRET_KEY",
            "the secret has a comma or a line break in it, so that MUSTER_SECRET_KEYS_OLD, whose secrets are separated \
             by commas, cannot carry it: everybody would be logged out and no enrolled face be readable; nothing was \
             changed",
        );
    }
    let all: Vec<&str> = std::iter::once(current).chain(old.iter().map(String::as_str)).collect();
    Ok(format!(
        "# Nothing was changed: the secret comes from outside. Set these for every api and worker, then restart them.\n\
         # Where MUSTER_SECRET_KEY_FILE is set, put the first value into that file as a line before all others instead.\n\
         MUSTER_SECRET_KEY={}\n\
         MUSTER_SECRET_KEYS_OLD={}",
        random(),
        all.join(",")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_set_carries_every_old_secret() {
        let old = ["a".repeat(32), "b".repeat(32)];
        let said = to_be_set(&"c".repeat(32), &old).unwrap();
        let line = format!("MUSTER_SECRET_KEYS_OLD={},{},{}", "c".repeat(32), old[0], old[1]);
        assert_eq!(said.lines().last(), Some(line.as_str()));
        let new = said.lines().find_map(|line| line.strip_prefix("MUSTER_SECRET_KEY="));
        assert_eq!(new.map(str::len), Some(64));
    }

    #[test]
    fn a_secret_that_a_list_cannot_carry_stays() {
        for secret in [
            "one, two, and thirty more characters",
            "of two lines\nand of many characters",
        ] {
            let refused = to_be_set(secret, &[]);
            assert!(
                matches!(&refused, Err(Failure::Usage(line)) if line.starts_with("MUSTER_SECRET_KEY: ") && !line.contains(secret)),
                "{refused:?}"
            );
        }
    }
}
