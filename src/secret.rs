//! The secret from which every key derives. On `SQLite` it is made once and kept beside the data, the
//! current one in the first line and below it those before; where many machines share a database
//! each must be told the same, so there none is made up.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use service::clock::{Entropy, SystemEntropy};
use service::keys::KeyRing;

use crate::settings::{Database, Settings, bad, strong};
use crate::{Failure, Outcome};

pub(crate) const FILE: &str = "secret.key";

/// Makes a folder for its owner's eyes alone.
pub(crate) fn private_folder(variable: &str, folder: &Path) -> Outcome {
    match DirBuilder::new().recursive(true).mode(0o700).create(folder) {
        Ok(()) => Ok(()),
        Err(error) => bad(variable, format!("{} cannot be made: {error}", folder.display())),
    }
}

/// Makes an empty file for its owner's eyes alone, unless it is there. `SQLite` gives the files
/// that it puts beside its database the same mode.
pub(crate) fn private_file(file: &Path) -> Outcome {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(Failure::Failed(format!("{} cannot be made: {error}", file.display()))),
    }
}

/// The key ring of the settings, and the data folder where that is where the secret is kept.
pub(crate) fn key_ring(settings: &Settings) -> Result<KeyRing, Failure> {
    let mut secrets = match (&settings.secret, &settings.database) {
        (Some(secret), _) => vec![secret.clone()],
        (None, Database::Postgres(_)) => {
            return bad(
                "MUSTER_SECRET_KEY",
                "is needed with PostgreSQL; make one with `openssl rand -hex 32`",
            );
        }
        (None, Database::Embedded | Database::Sqlite(_)) => kept(settings)?,
    };
    let current = secrets.remove(0);
    secrets.extend(settings.old_secrets.iter().cloned());
    KeyRing::new(&current, &secrets).map_err(Failure::failed)
}

/// The secrets of the data folder, the current one first; there is one at least.
pub(crate) fn kept(settings: &Settings) -> Result<Vec<String>, Failure> {
    private_folder("MUSTER_DATA_DIR", &settings.data_dir)?;
    let path = settings.data_dir.join(FILE);
    let unusable = |error: &dyn std::fmt::Display| Failure::Failed(format!("{}: {error}", path.display()));
    match fs::read_to_string(&path) {
        Ok(text) => {
            if fs::metadata(&path).is_ok_and(|data| data.mode() & 0o077 != 0) {
                tracing::warn!(path = %path.display(), "others may read the secret key; `chmod 600` it");
            }
            return lines(&path, &text);
        }
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(unusable(&error)),
        Err(_) => {}
    }
    // A new key would leave every enrolled face unreadable without a word.
    if settings.database == Database::Embedded && database_file(&settings.data_dir).exists() {
        return bad(
            "MUSTER_SECRET_KEY",
            format!(
                "the database was made with a secret that is not at {}; restore that file or set the variable",
                path.display()
            ),
        );
    }
    let made = make(&path).map_err(|error| unusable(&error))?;
    lines(&path, &made)
}

fn lines(path: &Path, text: &str) -> Result<Vec<String>, Failure> {
    let name = path.display().to_string();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let secrets: Vec<String> = lines
        .map(|line| strong(&name, line.to_owned()))
        .collect::<Result<_, _>>()?;
    if secrets.is_empty() {
        // As weak as a secret can be.
        strong(&name, String::new())?;
    }
    Ok(secrets)
}

/// Where `SQLite` keeps everything on the embedded default.
pub(crate) fn database_file(data_dir: &Path) -> PathBuf {
    data_dir.join("muster.db")
}

/// 32 random bytes.
pub(crate) fn random() -> String {
    let mut bytes = [0; 32];
    SystemEntropy.fill(&mut bytes);
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whole or not at all, and the first of two processes that begin together wins for both.
fn make(path: &Path) -> io::Result<String> {
    let secret = random();
    let draft = draft(path, &secret)?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Ok(()) => {
            sync_folder(path)?;
            Ok(secret)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => fs::read_to_string(path),
        Err(error) => Err(error),
    }
}

/// Puts these secrets in the place of what was there: whole, or not at all.
pub(crate) fn replace(path: &Path, secrets: &[String]) -> io::Result<()> {
    let draft = draft(path, &(secrets.join("\n") + "\n"))?;
    let renamed = fs::rename(&draft, path);
    if renamed.is_err() {
        fs::remove_file(&draft)?;
    }
    renamed.and_then(|()| sync_folder(path))
}

/// A file beside the secret's, safe on the disk, that its owner alone may read.
fn draft(path: &Path, text: &str) -> io::Result<PathBuf> {
    let draft = path.with_extension(format!("{}.tmp", std::process::id()));
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // A new file, since the mode says nothing of one that is there.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all())?;
    Ok(draft)
}

pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::args::RawSettings;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("muster-secret-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }

        fn settings(&self) -> Settings {
            let settings = Settings::read(RawSettings {
                data_dir: Some(self.0.display().to_string()),
                ..RawSettings::default()
            })
            .unwrap();
            private_folder("MUSTER_DATA_DIR", &settings.data_dir).unwrap();
            settings
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_secret_is_made_once_and_kept_from_others() {
        let folder = Folder::new("once");
        let settings = folder.settings();
        let secret = kept(&settings).unwrap();
        assert_eq!((secret.len(), secret[0].len()), (1, 64));
        assert_eq!(kept(&settings).unwrap(), secret);
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&folder.0), 0o700);
        assert_eq!(mode(&folder.0.join(FILE)), 0o600);
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "no draft stays");
    }

    #[test]
    fn several_secrets_are_one_a_line() {
        let folder = Folder::new("several");
        let settings = folder.settings();
        let [new, old] = [random(), random()];
        let path = folder.0.join(FILE);
        replace(&path, &[new.clone(), old.clone()]).unwrap();
        assert_eq!(kept(&settings).unwrap(), [new.clone(), old.clone()]);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let sealed = KeyRing::new(&old, &[])
            .unwrap()
            .sign(service::keys::Purpose::Media, b"before");
        let ring = key_ring(&settings).unwrap();
        assert!(ring.verify(service::keys::Purpose::Media, b"before", &sealed));
        assert_ne!(ring.sign(service::keys::Purpose::Media, b"before"), sealed);
        for bad in ["", "\n \n", "short\n"] {
            fs::write(&path, bad).unwrap();
            assert!(matches!(kept(&settings), Err(Failure::Usage(_))), "{bad:?}");
        }
    }

    #[test]
    fn who_comes_second_takes_the_first_secret() {
        let folder = Folder::new("second");
        let path = folder.settings().data_dir.join(FILE);
        let first = make(&path).unwrap();
        assert_eq!(make(&path).unwrap(), first);
    }

    #[test]
    fn a_database_whose_secret_is_gone_gets_no_other() {
        let folder = Folder::new("gone");
        let settings = folder.settings();
        fs::write(database_file(&folder.0), b"").unwrap();
        assert!(matches!(kept(&settings), Err(Failure::Usage(line)) if line.starts_with("MUSTER_SECRET_KEY: ")));
    }
}
