//! `muster backup`: database and photos of the embedded default in one file, while the server runs. Why
//! the two agree is told in `service::backup`.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use service::backup::{self, Objects};
use service::clock::{Clock, SystemClock};
use service::db::Db;

use crate::archive::{DATABASE, FORMAT, MANIFEST, MEDIA, Manifest, SECRET, Writer};
use crate::args::Backup;
use crate::database::{self, sqlite_url, why};
use crate::secret::{self, database_file};
use crate::settings::{Database, Settings, bad};
use crate::{Failure, Outcome, parts, say, stop};

/// Files that are removed unless they were put where they belong.
struct Draft {
    archive: PathBuf,
    copy: PathBuf,
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.archive);
        let _ = fs::remove_file(&self.copy);
        for end in ["-wal", "-shm", "-journal"] {
            let mut beside = self.copy.clone().into_os_string();
            beside.push(end);
            let _ = fs::remove_file(beside);
        }
    }
}

/// What a backup holds.
#[derive(Default)]
struct Held {
    objects: usize,
    missing: usize,
}

pub(crate) async fn run(settings: Settings, wanted: Backup) -> Outcome {
    embedded(&settings, "backup")?;
    if settings.database == Database::Embedded && !database_file(&settings.data_dir).exists() {
        return bad(
            "MUSTER_DATA_DIR",
            format!("there is no database in {}", settings.data_dir.display()),
        );
    }
    let file = &wanted.file;
    if file.exists() {
        return Err(Failure::Usage(format!(
            "{} is there already; name a file that is not",
            file.display()
        )));
    }
    let beside = |end: &str| {
        let mut path = file.clone().into_os_string();
        path.push(format!(".{}.{end}", std::process::id()));
        PathBuf::from(path)
    };
    let draft = Draft {
        archive: beside("part"),
        copy: beside("db"),
    };
    let stop = stop::on_signal()?;
    let held = tokio::select! {
        held = make(&settings, &wanted, &draft) => held?,
        // The drafts go: the copy is as much to guard as the database.
        () = stop.cancelled() => return Err(Failure::failed("interrupted; nothing was written")),
    };
    tell(&wanted, &held)
}

async fn make(settings: &Settings, wanted: &Backup, draft: &Draft) -> Result<Held, Failure> {
    let file = &wanted.file;
    let unusable = |error: io::Error| Failure::Failed(format!("{}: {error}", file.display()));
    let archive = private(&draft.archive).map_err(unusable)?;
    private(&draft.copy).map_err(unusable)?;
    let live = database::connect(settings).await?;
    let copy = copy(&live, &draft.copy).await?;
    let mut writer = Writer::new(archive);
    let manifest = Manifest {
        format: FORMAT,
        muster: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: SystemClock.now(),
        schema: database::standing(&copy).await.map_err(Failure::Failed)?.applied,
    };
    let text = serde_json::to_vec_pretty(&manifest).map_err(Failure::failed)?;
    writer.append(MANIFEST, &text).map_err(unusable)?;
    let held = objects(settings, &copy, &live, &mut writer).await?;
    if wanted.with_key {
        writer.append(SECRET, secrets(settings)?.as_bytes()).map_err(unusable)?;
    }
    // The write-ahead log goes into the file with its last connection.
    copy.close().await.map_err(|error| Failure::Failed(why(&error)))?;
    let database = File::open(&draft.copy).map_err(unusable)?;
    // It is read to its end all the same, and does not stay where the process is killed meanwhile.
    fs::remove_file(&draft.copy).map_err(unusable)?;
    writer.append_file(DATABASE, &database).map_err(unusable)?;
    writer.finish().map_err(unusable)?;
    fs::rename(&draft.archive, file).map_err(unusable)?;
    secret::sync_folder(&file.canonicalize().map_err(unusable)?).map_err(unusable)?;
    Ok(held)
}

/// Backup and restore are for what is in one place.
pub(crate) fn embedded(settings: &Settings, command: &str) -> Outcome {
    if matches!(settings.database, Database::Postgres(_)) {
        return bad(
            "DATABASE_URL",
            format!(
                "`muster {command}` is for SQLite; with PostgreSQL use pg_dump and pg_restore and copy the media, in \
                 the order that docs/postgresql.md gives"
            ),
        );
    }
    Ok(())
}

/// A new file for its owner's eyes alone.
pub(crate) fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

async fn copy(live: &Db, file: &Path) -> Result<Db, Failure> {
    let copied = async {
        backup::copy_database(live, file).await?;
        Db::connect(&sqlite_url(file)).await
    };
    copied
        .await
        .map_err(|error| Failure::Failed(format!("the database cannot be copied: {}", why(&error))))
}

async fn objects(settings: &Settings, copy: &Db, live: &Db, writer: &mut Writer) -> Result<Held, Failure> {
    let media = parts::media(settings)?;
    let mut objects = Objects::new(copy, live, &media);
    let mut held = Held::default();
    while let Some(page) = objects
        .next()
        .await
        .map_err(|error| Failure::Failed(format!("the photos cannot be copied: {}", why(&error))))?
    {
        held.objects += page.objects.len();
        held.missing += page.missing.len();
        for (key, bytes) in page.objects {
            writer
                .append(&format!("{MEDIA}{key}"), &bytes)
                .map_err(|error| Failure::Failed(format!("the archive cannot be written: {error}")))?;
        }
    }
    Ok(held)
}

/// The secrets as the data folder keeps them, wherever they come from.
fn secrets(settings: &Settings) -> Result<String, Failure> {
    let mut all = match &settings.secret {
        Some(secret) => vec![secret.clone()],
        None => secret::kept(settings)?,
    };
    all.extend(settings.old_secrets.iter().cloned());
    Ok(all.join("\n") + "\n")
}

fn tell(wanted: &Backup, held: &Held) -> Outcome {
    let size = fs::metadata(&wanted.file).map_or(0, |data| data.len());
    say(&format!(
        "{}: the database and {} pictures and files, {} kB.",
        wanted.file.display(),
        held.objects,
        size.div_ceil(1000)
    ))?;
    if held.missing > 0 {
        say(&format!(
            "{} that the database names are not in the media store, and so not in the backup; `muster housekeeping \
             --list` counts them.",
            held.missing
        ))?;
    }
    say(if wanted.with_key {
        "The secret is in it: whoever has the file can read every enrolled face. Keep it as you keep the secret."
    } else {
        "The secret is not in it, and without it no enrolled face can be read: keep a copy of DATA_DIR/secret.key, or \
         of what you set, apart from this file. --with-key puts it in."
    })
}
