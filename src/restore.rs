//! `muster restore`: an archive of `muster backup` becomes a data folder. Everything is checked before
//! anything is written, and the database is put into its place last: what was cut off has none, and what
//! failed is taken back. Nothing that others put there meanwhile is overwritten or removed.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use migration::Standing;
use service::backup;
use service::clock::SystemEntropy;
use service::db::Db;
use service::media::{MARKER, Store, claim};

use crate::archive::{self, DATABASE, FORMAT, MANIFEST, MEDIA, Manifest, SECRET};
use crate::args::Restore;
use crate::backup::{embedded, private};
use crate::database::{bring_up_to_date, sqlite_url, why};
use crate::secret::{database_file, private_folder, sync_folder};
use crate::settings::{Database, Settings, bad};
use crate::{Failure, Outcome, parts, say};

/// What may be in the data folder before: an operator brings the secret, and models needn't be fetched twice.
const WELCOME: [&str; 2] = [SECRET, "models"];
/// What `SQLite` keeps beside a database that is in use.
const LOGS: [&str; 2] = ["-wal", "-shm"];
/// More than any manifest has.
const MANIFEST_BYTES: u64 = 1 << 20;

pub(crate) async fn run(settings: Settings, wanted: Restore) -> Outcome {
    embedded(&settings, "restore")?;
    if settings.database != Database::Embedded {
        return bad(
            "DATABASE_URL",
            "`muster restore` fills the data folder; unset it, and move muster.db afterwards where you want it",
        );
    }
    private_folder("MUSTER_DATA_DIR", &settings.data_dir)?;
    is_empty(&settings.data_dir)?;
    let manifest = look(&wanted.file)?;
    let standing = Standing::between(manifest.schema.clone());
    if !standing.unknown.is_empty() {
        return Err(Failure::Failed(format!(
            "{}: it was made by muster {}, whose schema is newer than this program's; restore it with that version or \
             a later one",
            wanted.file.display(),
            manifest.muster
        )));
    }
    let media = parts::media(&settings)?;
    if has_objects(&media).await? {
        return bad(
            "MUSTER_MEDIA_URL",
            "there are photos in the media store; restore into an empty one",
        );
    }
    let draft = database_file(&settings.data_dir).with_extension("db.part");
    // Whoever makes it is the one who restores; it is the database's later.
    let database = private(&draft).map_err(of(&draft))?;
    let mut keys = Vec::new();
    if let Err(failure) = put(&settings, &wanted.file, &media, &draft, database, &mut keys).await {
        take_back(&media, &keys, &draft).await;
        return Err(failure);
    }
    let objects = keys.iter().filter(|key| *key != MARKER).count();
    say(&format!(
        "Restored the database and {objects} pictures and files as they were at {}; migrations applied: {}.",
        manifest.made_at.format("%Y-%m-%d %H:%M:%S UTC"),
        standing.missing.len()
    ))?;
    if settings.secret.is_none() && !settings.data_dir.join(SECRET).exists() {
        say(&format!(
            "The secret was not in the archive: put your copy of it at {} before the first start.",
            settings.data_dir.join(SECRET).display()
        ))?;
    }
    Ok(())
}

fn is_empty(folder: &Path) -> Outcome {
    let entries = fs::read_dir(folder).map_err(|error| Failure::Failed(format!("{}: {error}", folder.display())))?;
    for entry in entries {
        let name = entry.map_err(Failure::failed)?.file_name();
        if holds_files(&folder.join(&name)) && !WELCOME.iter().any(|welcome| name == *welcome) {
            return bad(
                "MUSTER_DATA_DIR",
                format!(
                    "{} is not empty: there is {}; restore into an empty folder",
                    folder.display(),
                    name.to_string_lossy()
                ),
            );
        }
    }
    Ok(())
}

/// Folders alone are nothing: whoever looks for photos makes one.
fn holds_files(path: &Path) -> bool {
    match fs::read_dir(path) {
        Ok(inside) => inside.flatten().any(|entry| holds_files(&entry.path())),
        // A folder that nobody may look into, such as `lost+found`, holds nothing of ours.
        Err(_) => !path.is_dir(),
    }
}

async fn has_objects(media: &Store) -> Result<bool, Failure> {
    use futures_util::TryStreamExt;
    let first = media.list().try_next().await;
    first
        .map(|first| first.is_some())
        .map_err(|error| Failure::Failed(format!("MUSTER_MEDIA_URL: {}", why(&error))))
}

fn of(file: &Path) -> impl Fn(io::Error) -> Failure + use<'_> {
    move |error| Failure::Failed(format!("{}: {error}", file.display()))
}

/// Checks the whole of the archive, and reads what stands at its beginning.
fn look(file: &Path) -> Result<Manifest, Failure> {
    let unusable = of(file);
    let mut archive = File::open(file).and_then(archive::open).map_err(&unusable)?;
    let first = archive.entries().map_err(&unusable)?.next();
    let first = first
        .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
        .flatten();
    let mut first = first.map_err(&unusable)?;
    let mut text = Vec::new();
    if first.path_bytes().as_ref() == MANIFEST.as_bytes() {
        (&mut first)
            .take(MANIFEST_BYTES)
            .read_to_end(&mut text)
            .map_err(&unusable)?;
    }
    let format = serde_json::from_slice::<serde_json::Value>(&text)
        .ok()
        .and_then(|manifest| manifest["format"].as_u64());
    match format {
        Some(known) if known == u64::from(FORMAT) => serde_json::from_slice(&text)
            .map_err(|error| Failure::Failed(format!("{}: its manifest cannot be read: {error}", file.display()))),
        Some(_) => Err(Failure::Failed(format!(
            "{}: it was made by a newer version of muster; restore it with that one",
            file.display()
        ))),
        None => Err(Failure::Failed(format!("{}: it has no manifest", file.display()))),
    }
}

/// Notes the key of each object before it puts it.
async fn put(
    settings: &Settings,
    file: &Path,
    media: &Store,
    draft: &Path,
    database: File,
    keys: &mut Vec<String>,
) -> Outcome {
    let unusable = of(file);
    let in_store = |error: service::Error| Failure::Failed(format!("MUSTER_MEDIA_URL: {}", why(&error)));
    let mut archive = File::open(file).and_then(archive::open).map_err(&unusable)?;
    let mut database = Some(database);
    for entry in archive.entries().map_err(&unusable)? {
        let mut entry = entry.map_err(&unusable)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        match name.as_str() {
            MANIFEST => {}
            DATABASE => {
                let twice = || Failure::Failed(format!("{}: it has two databases", file.display()));
                copy_into(&mut entry, database.take().ok_or_else(twice)?).map_err(of(draft))?;
            }
            SECRET => keep_secret(settings, &mut entry)?,
            other => {
                let Some(key) = other.strip_prefix(MEDIA) else {
                    return Err(Failure::Failed(format!(
                        "{}: nobody knows what {other} is",
                        file.display()
                    )));
                };
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).map_err(&unusable)?;
                // Another restore's, into the same store: its objects are not ours to take back.
                if media.holds(key).await.map_err(in_store)? {
                    return Err(Failure::Failed(format!(
                        "MUSTER_MEDIA_URL: {key} came to be meanwhile; restore into an empty media store that nobody uses"
                    )));
                }
                keys.push(key.to_owned());
                media.put(key, bytes.into()).await.map_err(in_store)?;
            }
        }
    }
    if database.is_some() {
        return Err(Failure::Failed(format!("{}: it has no database", file.display())));
    }
    let db = finish(draft).await?;
    let claimed = claim(&db, media, &SystemEntropy).await;
    db.close().await.map_err(Failure::failed)?;
    if claimed.map_err(in_store)? {
        keys.push(MARKER.to_owned());
    }
    publish(draft, &database_file(&settings.data_dir))
}

/// Puts the database into its place, unless there is one by now: a server may have been started there meanwhile.
fn publish(draft: &Path, place: &Path) -> Outcome {
    let taken = |path: &Path| {
        Failure::Failed(format!(
            "{} came to be meanwhile: is a server running on this folder? Stop it, and restore into an empty folder",
            path.display()
        ))
    };
    // A log beside the database would be read into it.
    for end in LOGS {
        let log = beside(place, end);
        if log.exists() {
            return Err(taken(&log));
        }
    }
    match fs::hard_link(draft, place) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(taken(place)),
        linked => linked.map_err(of(place))?,
    }
    let done = fs::remove_file(draft).and_then(|()| sync_folder(place));
    if done.is_err() {
        // What failed is taken back, and a database without its pictures must not stay.
        let _ = fs::remove_file(place);
    }
    done.map_err(of(place))
}

fn beside(file: &Path, end: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(end);
    PathBuf::from(path)
}

fn copy_into(from: &mut impl Read, mut file: File) -> io::Result<()> {
    io::copy(from, &mut file)?;
    file.sync_all()
}

/// A secret that is there already stays, in the folder or in the settings; another would not open what this one
/// sealed.
fn keep_secret(settings: &Settings, from: &mut impl Read) -> Outcome {
    let to = &settings.data_dir.join(SECRET);
    let mut secrets = String::new();
    from.read_to_string(&mut secrets).map_err(of(to))?;
    if let Some(secret) = &settings.secret {
        let current = secrets.lines().next().unwrap_or_default().trim();
        if secret != current && !settings.old_secrets.iter().any(|old| old == current) {
            return bad(
                "MUSTER_SECRET_KEY",
                "the archive has another secret, which seals the faces in it; name that one, or give it too with \
                 MUSTER_SECRET_KEYS_OLD, or unset the variable",
            );
        }
    }
    if !to.exists() {
        return private(to)
            .and_then(|file| copy_into(&mut secrets.as_bytes(), file))
            .map_err(of(to));
    }
    if fs::read_to_string(to).map_err(of(to))?.trim() == secrets.trim() {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "{}: the archive has another secret; move the file away, and restore again",
        to.display()
    )))
}

/// Brings the database up to this version's schema, and looks whether it is sound.
async fn finish(draft: &Path) -> Result<Db, Failure> {
    let broken = |error: service::Error| Failure::Failed(format!("{}: {}", draft.display(), why(&error)));
    let db = Db::connect(&sqlite_url(draft)).await.map_err(broken)?;
    bring_up_to_date(&db).await?;
    if backup::is_sound(&db).await.map_err(broken)? {
        return Ok(db);
    }
    db.close().await.map_err(broken)?;
    Err(Failure::failed("the database in the archive is damaged"))
}

/// Leaves folder and store as they were found, but for a secret: what was put there goes, and nothing else.
async fn take_back(media: &Store, keys: &[String], draft: &Path) {
    for key in keys {
        if let Err(error) = media.remove(key).await {
            tracing::warn!(%error, "a photo of the failed restore stays in the media store");
        }
    }
    for end in LOGS.into_iter().chain([""]) {
        let _ = fs::remove_file(beside(draft, end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("muster-restore-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("muster.db.part"), "restored").unwrap();
            Self(path)
        }

        fn publish(&self) -> Outcome {
            publish(&self.0.join("muster.db.part"), &database_file(&self.0))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_database_that_came_meanwhile_is_not_overwritten() {
        let folder = Folder::new("meanwhile");
        for name in ["muster.db", "muster.db-wal", "muster.db-shm"] {
            fs::write(folder.0.join(name), "a server's").unwrap();
            let refused = folder.publish();
            assert!(
                matches!(refused, Err(Failure::Failed(line)) if line.contains(name)),
                "{name}"
            );
            assert_eq!(fs::read_to_string(folder.0.join(name)).unwrap(), "a server's");
            fs::remove_file(folder.0.join(name)).unwrap();
        }
        folder.publish().unwrap();
        assert_eq!(fs::read_to_string(folder.0.join("muster.db")).unwrap(), "restored");
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "no draft stays");
    }

    #[tokio::test]
    async fn what_others_put_meanwhile_is_not_taken_back() {
        let folder = Folder::new("taken-back");
        let media = Store::folder(&folder.0.join("media")).unwrap();
        for key in ["photos/ours", "photos/theirs"] {
            media.put(key, "a photo".into()).await.unwrap();
        }
        let draft = folder.0.join("muster.db.part");
        take_back(&media, &["photos/ours".into(), "photos/not there".into()], &draft).await;
        assert!(!media.holds("photos/ours").await.unwrap());
        assert!(media.holds("photos/theirs").await.unwrap());
        assert!(!draft.exists());
    }
}
