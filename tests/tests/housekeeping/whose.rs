//! A store that is not the database's own is left as it is, and what the database cannot know of.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use chrono::TimeDelta;
use service::Service;
use service::error::Error;
use service::housekeeping::{self, Chore, Occasion};
use service::media::Store;
use tests::both;
use tests::school::now;
use tests::world::{Mode, Setup, World};

use super::{count, done, media_folder, newest, query, school};

/// Has every file there be of so long ago.
fn age(folder: &Path, by: Duration) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            age(&path, by);
        } else {
            let file = File::options().append(true).open(&path).unwrap();
            file.set_modified(SystemTime::from(now()) - by).unwrap();
        }
    }
}

/// Why the store was not swept.
async fn refusal(service: &Service) -> String {
    let ran = housekeeping::run(service, Chore::OrphanedMedia, Occasion::Asked).await;
    let done = ran.unwrap().expect("nobody else is at it").done;
    assert!(matches!(done, Err(Error::Conflict { .. })), "{done:?}");
    done.unwrap_err().to_string()
}

fn marker(world: &World) -> Option<String> {
    fs::read_to_string(media_folder(world).join("installation")).ok()
}

async fn another(mut world: World) {
    school(&mut world).await;
    newest(&world, TimeDelta::zero()).await;
    let mode = if world.service.db.is_postgres() {
        Mode::Processes
    } else {
        Mode::Embedded
    };
    let setup = Setup {
        workers: 0,
        ..Setup::new(mode)
    };
    let mut other = setup.build().await.unwrap();
    let media = media_folder(&world);
    let stranger = |other: &World| other.twin(|parts| parts.media = Store::folder(&media).unwrap());
    age(&media, Duration::from_hours(3));
    let before = world.media_files();
    assert!(before.len() > 5, "{before:?}");

    // With a database that has no rows, and with one that has its own.
    let empty = refusal(&stranger(&other)).await;
    school(&mut other).await;
    newest(&other, TimeDelta::zero()).await;
    let full = refusal(&stranger(&other)).await;
    assert_eq!(world.media_files(), before);
    for said in [empty, full] {
        assert!(
            said.contains("of another installation") && said.contains("MUSTER_MEDIA_URL"),
            "{said}"
        );
    }

    // The same where nothing says whose it is, as before there were markers. Its own database is known by its rows.
    let _ = fs::remove_file(media.join("installation"));
    let said = refusal(&stranger(&other)).await;
    assert!(said.contains("seems to be of another installation"), "{said}");
    assert_eq!(marker(&world), None, "nobody takes it for its own");
    assert_eq!(done(&world.service, Chore::OrphanedMedia).await, 0);
    let ours = marker(&world).unwrap();
    let said = refusal(&stranger(&other)).await;
    assert!(
        said.contains(&ours) && said.contains("remove the object `installation`"),
        "{said}"
    );
    assert_eq!(world.media_files(), before);

    // An empty one becomes whose it is first, and stays so.
    let folder = world.folder.path().join("new");
    let both = [&world, &other].map(|of| of.twin(|parts| parts.media = Store::folder(&folder).unwrap()));
    assert_eq!(done(&both[1], Chore::OrphanedMedia).await, 0);
    refusal(&both[0]).await;
    assert_ne!(fs::read_to_string(folder.join("installation")).unwrap(), ours);
    assert_eq!(done(&both[1], Chore::OrphanedMedia).await, 0);
}

both!(a_store_of_another_is_left_alone, another, |setup| Setup {
    workers: 0,
    ..setup
});

async fn dump(mut world: World) {
    school(&mut world).await;
    // As after yesterday's dump was put beside the store of today.
    let yesterday = now() - TimeDelta::hours(24);
    for (table, at) in [
        ("photo", "submitted_at"),
        ("face", "created_at"),
        ("face_template", "created_at"),
        ("export", "created_at"),
    ] {
        query(&world, &format!("UPDATE {table} SET {at} = $1"), vec![yesterday.into()]).await;
    }
    let media = media_folder(&world);
    let put = async |name: &str, hours: u64| {
        world.service.media.put(name, "nobody's".into()).await.unwrap();
        let file = File::options().append(true).open(media.join(name)).unwrap();
        file.set_modified(SystemTime::from(now()) - Duration::from_hours(hours))
            .unwrap();
    };
    put("photos/today", 20).await;
    put("photos/half-an-hour-before", 24).await;
    put("photos/before", 26).await;
    assert_eq!(done(&world.service, Chore::OrphanedMedia).await, 1);
    assert!(media.join("photos/today").exists() && media.join("photos/half-an-hour-before").exists());
    assert!(!media.join("photos/before").exists());

    // A database without any row knows of nothing.
    put("photos/before", 26).await;
    query(&world, "UPDATE mark SET face_id = NULL", vec![]).await;
    for table in ["face", "face_template", "export", "photo"] {
        query(&world, &format!("DELETE FROM {table}"), vec![]).await;
    }
    assert_eq!(count(&world, "photo").await, 0);
    let before = world.media_files();
    assert_eq!(done(&world.service, Chore::OrphanedMedia).await, 0);
    assert_eq!(world.media_files(), before);
}

both!(what_came_after_the_newest_row_stays, dump, |setup| Setup {
    workers: 0,
    ..setup
});
