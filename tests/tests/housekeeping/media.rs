//! Store and database side by side: what nobody names goes, what is missing is told.

use chrono::TimeDelta;
use service::housekeeping::{self, Chore, Occasion};
use tests::both;
use tests::world::{Setup, World};

use super::{after, count, done, done_by_two, each_of_two, media_folder, newest, query, school};

/// Every key that any row of any table names, by the database's own catalog: a table that comes later is looked
/// into without a word here.
async fn keys(world: &World) -> Vec<String> {
    let catalog = if world.service.db.is_postgres() {
        "SELECT table_name::text AS t, column_name::text AS c FROM information_schema.columns \
         WHERE table_schema = 'public'"
    } else {
        "SELECT m.name AS t, c.name AS c FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
    };
    let mut all = Vec::new();
    for column in query(world, catalog, vec![]).await {
        let text = |name: &str| column.try_get::<String>("", name).unwrap();
        let (table, column) = (text("t"), text("c"));
        if !["media_key", "crop_key"].contains(&column.as_str()) || table == "discarded" || table == "missing_media" {
            continue;
        }
        let sql = format!("SELECT {column} AS k FROM {table} WHERE {column} IS NOT NULL");
        let rows = query(world, &sql, vec![]).await;
        assert!(!rows.is_empty(), "the test has no {table}.{column}");
        all.extend(rows.iter().map(|row| row.try_get::<String>("", "k").unwrap()));
    }
    all
}

async fn orphans(mut world: World) {
    school(&mut world).await;
    let media = media_folder(&world);
    let nobodys = [
        "photos/00000000000000000000000000000000",
        "crops/00000000000000000000000000000000/1/00000000000000000000000000000000",
        "exports/00000000000000000000000000000000/1/00000000000000000000000000000000",
    ];
    for name in nobodys {
        world.service.media.put(name, "nobody's".into()).await.unwrap();
    }
    // What a process leaves that is killed while it writes; what is not ours; and one that is to go anyway.
    std::fs::write(media.join("photos/11111111111111111111111111111111#1"), "half a face").unwrap();
    std::fs::create_dir_all(media.join("crops/22222222222222222222222222222222/1")).unwrap();
    std::fs::create_dir_all(media.join("lost+found")).unwrap();
    // What cannot be looked into, as other people's folders often cannot.
    std::os::unix::fs::symlink("itself", media.join("lost+found/itself")).unwrap();
    std::fs::write(media.join("lost+found/notes"), "somebody else's").unwrap();
    let named = keys(&world).await;

    assert_eq!(done(&world.service, Chore::OrphanedMedia).await, 0, "all are young");
    assert_eq!(
        done(&after(&world, TimeDelta::minutes(59)), Chore::OrphanedMedia).await,
        0
    );
    let later = TimeDelta::minutes(61);
    assert_eq!(
        done(&after(&world, later), Chore::OrphanedMedia).await,
        0,
        "no row came behind them: the database may be behind its store"
    );
    newest(&world, later).await;
    assert_eq!(done_by_two(&world, later, Chore::OrphanedMedia).await, 4);
    assert_eq!(done(&after(&world, later), Chore::OrphanedMedia).await, 0);
    for name in nobodys {
        assert!(!media.join(name).exists(), "{name}");
    }
    assert!(!media.join("photos/11111111111111111111111111111111#1").exists());
    assert!(!media.join("crops/22222222222222222222222222222222/1").exists());
    assert!(media.join("lost+found/notes").exists());
    for key in named {
        assert!(media.join(&key).is_file(), "{key} went");
    }
}

both!(what_nobody_names_goes_after_an_hour, orphans, |setup| Setup {
    workers: 0,
    ..setup
});

async fn missing(mut world: World) {
    school(&mut world).await;
    let media = media_folder(&world);
    assert_eq!(done(&world.service, Chore::MissingMedia).await, 0);
    let key = |sql: &'static str| {
        let world = &world;
        async move { query(world, sql, vec![]).await[0].try_get::<String>("", "k").unwrap() }
    };
    let lost = [
        key("SELECT media_key AS k FROM photo ORDER BY media_key LIMIT 1").await,
        key("SELECT crop_key AS k FROM face_template").await,
    ];
    for key in &lost {
        std::fs::rename(media.join(key), world.folder.path().join(key.replace('/', "_"))).unwrap();
    }
    // It counts what is missing, not what it changed: the second says the same.
    let known = each_of_two(&world, TimeDelta::zero(), Chore::MissingMedia).await;
    assert!(!known.is_empty() && known.iter().all(|known| *known == 2), "{known:?}");
    assert_eq!(done(&world.service, Chore::MissingMedia).await, 2, "still");
    assert_eq!(count(&world, "missing_media").await, 2);
    assert_eq!(
        count(&world, "photo WHERE media_key IS NULL").await,
        0,
        "nothing is changed for it"
    );

    // One is there again, the other is named no more.
    std::fs::rename(
        world.folder.path().join(lost[0].replace('/', "_")),
        media.join(&lost[0]),
    )
    .unwrap();
    query(
        &world,
        "UPDATE face_template SET crop_key = NULL WHERE crop_key = $1",
        vec![lost[1].clone().into()],
    )
    .await;
    assert_eq!(done(&world.service, Chore::MissingMedia).await, 0);
    assert_eq!(count(&world, "missing_media").await, 0);
}

both!(what_is_missing_is_told, missing, |setup| Setup { workers: 0, ..setup });

async fn parts(mut world: World) {
    school(&mut world).await;
    let photo = query(&world, "SELECT media_key AS k FROM photo LIMIT 1", vec![]).await;
    std::fs::remove_file(media_folder(&world).join(photo[0].try_get::<String>("", "k").unwrap())).unwrap();
    // As after a run that came to the faces.
    assert_eq!(done(&world.service, Chore::OrphanedMedia).await, 0);
    let begun = tests::school::now() - TimeDelta::hours(2);
    let chore = "INSERT INTO chore (name, begun_at, place) VALUES ('missing-media', $1, '1 ') \
         ON CONFLICT (name) DO UPDATE SET begun_at = excluded.begun_at, place = excluded.place";
    query(&world, chore, vec![begun.into()]).await;
    let due = || async {
        let ran = housekeeping::run(&world.service, Chore::MissingMedia, Occasion::Due).await;
        ran.unwrap().unwrap().done.unwrap()
    };
    assert_eq!(due().await, 0, "photos were looked for before");
    query(&world, "UPDATE chore SET begun_at = $1", vec![begun.into()]).await;
    assert_eq!(due().await, 1, "from the beginning");
}

both!(a_run_goes_on_where_the_last_one_stopped, parts, |setup| Setup {
    workers: 0,
    ..setup
});
