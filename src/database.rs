//! The database, opened and brought up to date.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use migration::{Migrator, MigratorTrait, Standing};
use service::db::Db;

use crate::secret::{database_file, key_ring, private_file};
use crate::settings::{Database, Settings};
use crate::{Failure, Outcome, say};

/// Two processes that migrate at once: the second's first statement fails, and soon there is nothing left to do.
const AGAIN: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

/// Connects. On the embedded default the data folder must be there; the key ring makes it.
pub(crate) async fn connect(settings: &Settings) -> Result<Db, Failure> {
    let (name, url) = match &settings.database {
        Database::Embedded => {
            let file = database_file(&settings.data_dir);
            private_file(&file)?;
            ("MUSTER_DATA_DIR", sqlite_url(&file))
        }
        Database::Sqlite(url) | Database::Postgres(url) => ("DATABASE_URL", url.clone()),
    };
    Db::connect(&url)
        .await
        .map_err(|error| Failure::Failed(format!("{name}: {}", why(&error))))
}

/// An internal error says nothing by itself; a person at the terminal may read its source.
pub(crate) fn why(error: &service::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// The driver decodes percent signs in an address, so whatever is not plain is written with them.
pub(crate) fn sqlite_url(file: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;

    let mut url = String::from("sqlite://");
    for byte in file.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            url.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url + "?mode=rwc"
}

/// `muster migrate`.
pub(crate) async fn migrate(settings: Settings) -> Outcome {
    if settings.database == Database::Embedded {
        // A database without its secret beside it is taken for one that lost it.
        key_ring(&settings)?;
    }
    let applied = bring_up_to_date(&connect(&settings).await?).await?;
    say(&format!("The schema is up to date; migrations applied: {applied}"))
}

/// Applies what is missing; answers how many migrations that were.
pub(crate) async fn bring_up_to_date(db: &Db) -> Result<usize, Failure> {
    let mut pauses = AGAIN.iter();
    loop {
        let problem = match standing(db).await {
            Ok(standing) if standing.missing.is_empty() => {
                usable(&standing)?;
                return Ok(0);
            }
            Ok(standing) => match Migrator::up(db.writer(), None).await {
                Ok(()) => return Ok(standing.missing.len()),
                Err(error) => error.to_string(),
            },
            Err(problem) => problem,
        };
        match pauses.next() {
            Some(pause) => tokio::time::sleep(*pause).await,
            None => {
                return Err(Failure::Failed(format!(
                    "the database's schema cannot be brought up to date: {problem}"
                )));
            }
        }
    }
}

/// The schema of the database beside the one that this program knows.
pub(crate) async fn standing(db: &Db) -> Result<Standing, String> {
    Standing::of(db.writer()).await.map_err(|error| error.to_string())
}

/// Where many processes share a database, an operator decides when its schema changes.
pub(crate) async fn require_up_to_date(db: &Db) -> Outcome {
    let standing = standing(db).await.map_err(Failure::Failed)?;
    if standing.missing.is_empty() {
        return usable(&standing);
    }
    Err(Failure::failed(
        "the database's schema is behind this version; run `muster migrate`",
    ))
}

/// A newer program's schema does for this one as long as it only adds: so the servers of two versions work
/// beside each other while they are replaced.
fn usable(standing: &Standing) -> Outcome {
    if standing.is_out_of_reach() {
        return Err(Failure::failed(
            "the database's schema is of a version that this one cannot work with; start that version",
        ));
    }
    if !standing.unknown.is_empty() {
        tracing::warn!(
            migrations = standing.unknown.len(),
            "the database's schema is newer than this version, which works with it until it is replaced"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_any_name_becomes_an_address() {
        assert_eq!(
            sqlite_url(Path::new("./data/muster.db")),
            "sqlite://./data/muster.db?mode=rwc"
        );
        assert_eq!(
            sqlite_url(Path::new("/a b/c?d#é")),
            "sqlite:///a%20b/c%3Fd%23%C3%A9?mode=rwc"
        );
    }

    #[tokio::test]
    async fn a_schema_is_brought_up_to_date_once() {
        let folder = std::env::temp_dir().join(format!("muster migrate {}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let db = Db::connect(&sqlite_url(&folder.join("a?b.db"))).await.unwrap();
        assert!(folder.join("a?b.db").exists());
        assert!(matches!(require_up_to_date(&db).await, Err(Failure::Failed(line)) if line.contains("muster migrate")));
        assert_eq!(bring_up_to_date(&db).await, Ok(Migrator::migrations().len()));
        assert_eq!(bring_up_to_date(&db).await, Ok(0));
        assert_eq!(require_up_to_date(&db).await, Ok(()));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
