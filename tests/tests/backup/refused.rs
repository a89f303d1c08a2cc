//! What backup and restore don't do, each with a line that says why, and nothing left behind.

use std::fs;
use std::path::Path;

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, Statement};
use tests::client::Client;
use tests::fake::{person, photo};
use tests::school::School;
use tests::world::PASSWORD;

use crate::place::{EMAIL, Place, open};

fn is_empty(place: &Place) -> bool {
    fn no_file(folder: &Path) -> bool {
        let mut inside = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
        inside.all(|path| path.is_dir() && no_file(&path))
    }
    no_file(&place.data())
}

async fn backed_up(words: &[&str]) -> (Place, String) {
    let mut place = Place::new();
    place.found();
    place.start().await;
    let admin = Client::new(place.base()).login(EMAIL, PASSWORD).await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    school.submit(&session, photo(&[person(0)])).await;
    let file = place.folder().join("backup.tar").display().to_string();
    place.muster(&[&["backup", file.as_str()], words].concat()).unwrap();
    (place, file)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_archive_is_refused() {
    let (here, file) = backed_up(&[]).await;
    let whole = fs::read(&file).unwrap();
    let other = here.folder().join("changed.tar").display().to_string();
    let there = Place::new();
    let mut places: Vec<usize> = (0..whole.len()).step_by(whole.len() / 7).collect();
    places.push(whole.len() - 1);
    for place in places {
        let mut changed = whole.clone();
        changed[place] ^= 0x10;
        fs::write(&other, &changed).unwrap();
        let (code, said) = there.muster(&["restore", &other]).unwrap_err();
        assert_eq!(code, 1);
        assert!(said.contains("damaged"), "byte {place}: {said}");
        assert!(is_empty(&there), "byte {place}");
    }
    fs::write(&other, &whole[..whole.len() / 2]).unwrap();
    assert!(there.muster(&["restore", &other]).unwrap_err().1.contains("damaged"));
    there.muster(&["restore", &file]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_empty_folder_is_filled() {
    let (here, file) = backed_up(&["--with-key"]).await;
    let secret = fs::read_to_string(here.secret_file()).unwrap();
    let (code, said) = here.muster(&["restore", &file]).unwrap_err();
    assert_eq!(code, 2);
    assert!(said.contains("MUSTER_DATA_DIR") && said.contains("not empty"), "{said}");
    let (code, said) = here.muster(&["backup", &file]).unwrap_err();
    assert_eq!(code, 2);
    assert!(said.contains("is there already"), "{said}");

    let there = Place::new();
    fs::create_dir_all(there.data().join("media/photos")).unwrap();
    fs::write(there.data().join("media/photos/one"), "a photo").unwrap();
    assert_eq!(there.muster(&["restore", &file]).unwrap_err().0, 2);
    fs::remove_dir_all(there.data().join("media")).unwrap();
    // Another secret than the archive's would open nothing.
    fs::write(there.secret_file(), "0".repeat(64)).unwrap();
    let (_, said) = there.muster(&["restore", &file]).unwrap_err();
    assert!(said.contains("another secret"), "{said}");
    fs::remove_file(there.secret_file()).unwrap();
    assert!(is_empty(&there), "what failed was taken back");

    there.muster(&["restore", &file]).unwrap();
    assert_eq!(fs::read_to_string(there.secret_file()).unwrap().trim(), secret.trim());
    let list = there.muster(&["admin", "list"]).unwrap();
    assert!(list.contains(EMAIL), "{list}");
    // Nothing that was cleared away is missing, and nothing is there that nobody names.
    let said = there.muster(&["housekeeping"]).unwrap();
    assert!(said.contains("0 objects missing"), "{said}");
}

/// The id in the installation's row, as text.
async fn installation(place: &Place) -> String {
    let db = open(&place.data().join("muster.db")).await;
    let statement = Statement::from_string(db.reader().get_database_backend(), "SELECT id FROM installation");
    let row = db.reader().query_one_raw(statement).await.unwrap().unwrap();
    let id: uuid::Uuid = row.try_get("", "id").unwrap();
    db.close().await.unwrap();
    id.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_store_of_ones_own_is_filled() {
    let (_here, file) = backed_up(&["--with-key"]).await;
    let mut there = Place::new();
    let store = there.folder().join("store");
    let url = store.display().to_string();
    there.settings.push(("MUSTER_MEDIA_URL".into(), url));
    // Beside our folders may lie what cannot be looked into.
    fs::create_dir_all(store.join("lost+found")).unwrap();
    std::os::unix::fs::symlink("itself", store.join("lost+found/itself")).unwrap();
    let anothers = "f5b1a1a0-0000-4000-8000-000000000000";
    fs::write(store.join("installation"), anothers).unwrap();
    let (code, said) = there.muster(&["restore", &file]).unwrap_err();
    assert_eq!(code, 1);
    assert!(said.contains(anothers) && said.contains("MUSTER_MEDIA_URL"), "{said}");
    assert_eq!(fs::read_to_string(store.join("installation")).unwrap(), anothers);
    let photos = store.join("photos");
    assert!(
        !photos.exists() || photos.read_dir().unwrap().count() == 0,
        "taken back"
    );
    assert!(!there.data().join("muster.db").exists());

    fs::remove_file(store.join("installation")).unwrap();
    fs::remove_file(there.secret_file()).unwrap();
    there.muster(&["restore", &file]).unwrap();
    assert_eq!(photos.read_dir().unwrap().count(), 1);
    let said = fs::read_to_string(store.join("installation")).unwrap();
    assert_eq!(said, installation(&there).await);
}

/// A secret that comes from outside stands before the one that the archive puts into the folder.
#[tokio::test(flavor = "multi_thread")]
async fn the_secret_outside_is_the_archives() {
    let (here, file) = backed_up(&["--with-key"]).await;
    let secret = fs::read_to_string(here.secret_file()).unwrap().trim().to_owned();
    let with = |settings: &[(&str, &str)]| {
        let mut there = Place::new();
        let settings = settings.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        there.settings.extend(settings);
        there
    };
    let other = "0".repeat(64);
    let there = with(&[("MUSTER_SECRET_KEY", &other)]);
    let (code, said) = there.muster(&["restore", &file]).unwrap_err();
    assert_eq!(code, 2);
    assert!(
        said.contains("MUSTER_SECRET_KEY") && said.contains("another secret"),
        "{said}"
    );
    assert!(!said.contains(&secret) && !said.contains(&other), "{said}");
    assert!(is_empty(&there), "what failed was taken back");
    for settings in [
        &[("MUSTER_SECRET_KEY", secret.as_str())][..],
        &[("MUSTER_SECRET_KEY", &other), ("MUSTER_SECRET_KEYS_OLD", &secret)],
    ] {
        with(settings).muster(&["restore", &file]).unwrap();
    }
}

/// An archive whose database is of another schema: `change` makes it so.
async fn of_schema(change: &str) -> (Place, String) {
    let place = Place::new();
    place.muster(&["migrate"]).unwrap();
    let db = open(&place.data().join("muster.db")).await;
    for statement in change.split(';').filter(|s| !s.trim().is_empty()) {
        db.writer().execute_unprepared(statement).await.unwrap();
    }
    db.close().await.unwrap();
    let file = place.folder().join("other.tar").display().to_string();
    // The command line brings no schema up to date for a backup: what is there is copied.
    place.muster(&["backup", &file]).unwrap();
    (place, file)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_refused_and_an_older_one_is_brought_up_to_date() {
    let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m20990101_000001_more', 0)";
    let (_here, file) = of_schema(newer).await;
    let there = Place::new();
    let (code, said) = there.muster(&["restore", &file]).unwrap_err();
    assert_eq!(code, 1);
    assert!(said.contains("newer than this program's"), "{said}");
    assert!(is_empty(&there));

    let older = "DROP INDEX photo_by_age; DROP INDEX face_by_age; DROP INDEX photo_by_key; DROP INDEX face_by_key; \
         DROP INDEX face_template_by_key; DROP TABLE installation; \
         DELETE FROM seaql_migrations WHERE version LIKE '%_media_indexes' OR version LIKE '%_installation'";
    let (_here, file) = of_schema(older).await;
    let there = Place::new();
    let said = there.muster(&["restore", &file]).unwrap();
    assert!(said.contains("migrations applied: 2"), "{said}");
    let db = open(&there.data().join("muster.db")).await;
    let sql = "SELECT version AS v FROM seaql_migrations";
    let statement = Statement::from_string(db.reader().get_database_backend(), sql);
    let rows = db.reader().query_all_raw(statement).await.unwrap();
    assert_eq!(rows.len(), Migrator::migrations().len());
    db.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_is_for_its_own_tools() {
    let mut place = Place::new();
    place
        .settings
        .push(("DATABASE_URL".into(), "postgres://nobody@127.0.0.1:1/none".into()));
    for command in ["backup", "restore"] {
        let (code, said) = place.muster(&[command, "file.tar"]).unwrap_err();
        assert_eq!(code, 2);
        assert!(
            said.contains("pg_dump") && said.contains("docs/postgresql.md"),
            "{said}"
        );
    }
    let empty = Place::new();
    let file = empty.folder().join("x.tar").display().to_string();
    let (code, said) = empty.muster(&["backup", &file]).unwrap_err();
    assert_eq!(code, 2);
    assert!(said.contains("there is no database"), "{said}");
    assert!(!empty.data().exists() && !Path::new(&file).exists());
}
