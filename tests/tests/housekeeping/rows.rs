//! Rows that are over: codes, logins, answers, entries of the log, workers that are gone.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::Value;
use service::housekeeping::Chore;
use service::kinds::Role;
use tests::both;
use tests::school::now;
use tests::world::{Setup, World};
use uuid::Uuid;

use super::{after, count, done, done_by_two, query};

/// Does a chore with so much to do: none of it too early, all of it by two at once, and nothing again.
async fn takes(world: &World, chore: Chore, expected: u64) {
    assert_eq!(
        done_by_two(world, TimeDelta::zero(), chore).await,
        expected,
        "{chore:?}"
    );
    assert_eq!(done(&world.service, chore).await, 0, "{chore:?} again");
}

async fn put(world: &World, sql: &str, values: Vec<Value>) {
    query(world, sql, values).await;
}

fn ago(time: TimeDelta) -> DateTime<Utc> {
    now() - time
}

async fn codes(world: World) {
    // More than one piece of old ones.
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for n in 0..1203_u32 {
        let expires = if n < 1200 {
            TimeDelta::minutes(61)
        } else {
            TimeDelta::minutes(59)
        };
        let hash = n.to_be_bytes().to_vec();
        values.extend([Value::from(hash), ago(expires).into()]);
        let (hash, at) = (values.len() - 1, values.len());
        rows.push(format!("('EMAIL', ${hash}, ${hash}, 0, ${at}, ${at})"));
    }
    let code = "INSERT INTO code (purpose, address_hash, secret_hash, tries, sent_at, expires_at) VALUES";
    put(&world, &format!("{code} {}", rows.join(", ")), values).await;
    let (organization, _) = world.organization("Here").await;
    let invitation = "INSERT INTO invitation (person_id, organization_id, token_hash, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $4)";
    for (n, days) in [31, 29].into_iter().enumerate() {
        let (person, _) = world.member(organization, "Somebody", Role::Teacher).await;
        let hash = vec![u8::try_from(n).unwrap()];
        let values = vec![
            person.0.into(),
            organization.0.into(),
            hash.into(),
            ago(TimeDelta::days(days)).into(),
        ];
        put(&world, invitation, values).await;
    }
    takes(&world, Chore::Codes, 1201).await;
    assert_eq!((count(&world, "code").await, count(&world, "invitation").await), (3, 1));
}

both!(codes_and_invitations_that_ran_out, codes, |setup| Setup {
    workers: 0,
    ..setup
});

async fn logins(world: World) {
    let (organization, _) = world.organization("Here").await;
    let (person, _) = world.member(organization, "Somebody", Role::Teacher).await;
    let (once, _) = world.member(organization, "Seldom", Role::Teacher).await;
    let login = "INSERT INTO login (id, organization_id, person_id, refresh_hash, created_at, refreshed_at, expires_at, \
         ended_at) VALUES ($1, $2, $3, $4, $5, $5, $6, $7)";
    let (long, lately) = (Some(ago(TimeDelta::days(31))), Some(ago(TimeDelta::days(29))));
    for (expires, ended) in [
        // Over for long: they go.
        (long, long),
        (long, None),
        (Some(now() + TimeDelta::days(1)), long),
        // Over since lately, or not at all.
        (lately, None),
        (long, lately),
        (Some(now() + TimeDelta::days(1)), None),
    ] {
        let values = vec![
            Uuid::new_v4().into(),
            organization.0.into(),
            person.0.into(),
            vec![1_u8].into(),
            ago(TimeDelta::days(62)).into(),
            expires.unwrap().into(),
            ended.into(),
        ];
        put(&world, login, values).await;
    }
    // The last of somebody says when they were seen.
    query(
        &world,
        "UPDATE login SET ended_at = $1, refreshed_at = $1 WHERE person_id = $2",
        vec![ago(TimeDelta::days(400)).into(), once.0.into()],
    )
    .await;
    takes(&world, Chore::Logins, 3).await;
    // Besides the admin's, the one of the member and the one who is seldom seen.
    assert_eq!(count(&world, "login").await, 3 + 3);
}

both!(logins_that_are_over_but_not_the_last, logins, |setup| Setup {
    workers: 0,
    ..setup
});

async fn answers(world: World) {
    let (organization, _) = world.organization("Here").await;
    let (person, _) = world.member(organization, "Somebody", Role::Teacher).await;
    let answer = "INSERT INTO idempotency (person_id, operation, key, organization_id, request_hash, answer, created_at) \
         VALUES ($1, 'x', $2, $3, $4, $5, $6)";
    for (key, hours) in [("old", 25), ("older", 2500), ("young", 23)] {
        let values = vec![
            person.0.into(),
            key.into(),
            organization.0.into(),
            vec![1_u8].into(),
            serde_json::json!(1).into(),
            ago(TimeDelta::hours(hours)).into(),
        ];
        put(&world, answer, values).await;
    }
    takes(&world, Chore::Answers, 2).await;
    assert_eq!(count(&world, "idempotency WHERE key = 'young'").await, 1);
}

both!(answers_that_nobody_asks_for_again, answers, |setup| Setup {
    workers: 0,
    ..setup
});

async fn audit(world: World) {
    let entry = "INSERT INTO audit (id, organization_id, at, action, target_type, target_id, summary) \
         VALUES ($1, $2, $3, 'x', 'User', $1, '')";
    for name in ["Here", "There"] {
        let (organization, _) = world.organization(name).await;
        for days in [729, 731, 7000] {
            let values = vec![
                Uuid::new_v4().into(),
                organization.0.into(),
                ago(TimeDelta::days(days)).into(),
            ];
            put(&world, entry, values).await;
        }
    }
    let young = count(&world, "audit").await - 4;
    takes(&world, Chore::Audit, 4).await;
    assert_eq!(count(&world, "audit").await, young);
    // As long as the operator says, and no longer.
    let short = world.twin(|parts| parts.audit_kept = TimeDelta::days(1));
    assert_eq!(done(&short, Chore::Audit).await, 2);
}

both!(the_log_is_kept_as_long_as_the_operator_says, audit, |setup| Setup {
    workers: 0,
    ..setup
});

async fn workers(world: World) {
    let (organization, _) = world.organization("Here").await;
    let (old, young) = (ago(TimeDelta::hours(25)), ago(TimeDelta::seconds(1)));
    for (name, at) in [("old", old), ("dispatcher", young)] {
        let node = "INSERT INTO worker_node (id, slots, seen_at) VALUES ($1, 1, $2)";
        put(&world, node, vec![Uuid::new_v4().into(), at.into()]).await;
        let lease = "INSERT INTO lease (name, holder, until) VALUES ($1, $2, $3)";
        put(&world, lease, vec![name.into(), Uuid::new_v4().into(), at.into()]).await;
        let turn = "INSERT INTO queue_turn (organization_id, claimed_at) VALUES ($1, $2)";
        let whose = if at == old { Uuid::new_v4() } else { organization.0 };
        put(&world, turn, vec![whose.into(), at.into()]).await;
    }
    takes(&world, Chore::Workers, 3).await;
    // What health writes is nobody's lease.
    for table in ["worker_node", "lease WHERE name <> 'health'", "queue_turn"] {
        assert_eq!(count(&world, table).await, 1, "{table}");
    }
}

both!(workers_duties_and_turns_of_long_ago, workers, |setup| Setup {
    workers: 0,
    ..setup
});

async fn reports(world: World) {
    let (_, admin) = world.organization("Here").await;
    let school = tests::school::School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    let jobs = [
        school.submit(&session, tests::fake::photo(&[])).await,
        school.submit(&session, tests::fake::photo(&[])).await,
    ];
    for (job, key) in jobs.iter().zip(["exports/1", "exports/2"]) {
        world.service.media.put(key, "a report".into()).await.unwrap();
        let report = "INSERT INTO export (job_id, organization_id, media_key, rows, byte_size, created_at) \
             SELECT id, organization_id, $2, 1, 8, $3 FROM job WHERE id = $1";
        let days = if key == "exports/1" { 8 } else { 6 };
        let values = vec![super::uuid(job).into(), key.into(), ago(TimeDelta::days(days)).into()];
        put(&world, report, values).await;
    }
    takes(&world, Chore::Reports, 1).await;
    takes(&world, Chore::DiscardedMedia, 1).await;
    assert!(!world.service.media.holds("exports/1").await.unwrap());
    assert!(world.service.media.holds("exports/2").await.unwrap());
    assert_eq!(done(&after(&world, TimeDelta::days(2)), Chore::Reports).await, 1);
}

both!(reports_go_with_their_files, reports, |setup| Setup {
    workers: 0,
    ..setup
});

/// Each process looks after its own folder of mails.
#[tokio::test]
async fn mail_files_go_after_a_month() {
    use std::fs::{self, File};
    use std::time::{Duration, SystemTime};

    use service::mail::Courier;
    use tests::world::Mode;

    let setup = Setup {
        workers: 0,
        ..Setup::new(Mode::Embedded)
    };
    let world = setup.build().await.unwrap();
    let outbox = world.folder.path().join("outbox");
    fs::create_dir_all(&outbox).unwrap();
    for (name, days) in [("old.eml", 31), ("young.eml", 29), ("old.txt", 31)] {
        let file = File::create(outbox.join(name)).unwrap();
        let written = SystemTime::from(now()) - Duration::from_hours(days * 24);
        file.set_modified(written).unwrap();
    }
    Courier::new(world.service.clone()).round(|| false).await.unwrap();
    let mut left: Vec<_> = outbox
        .read_dir()
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["old.txt", "young.eml"]);
}
