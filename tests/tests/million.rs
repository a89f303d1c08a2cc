//! Statistics at size: a seeded school, and what is asked of it against a plain count of its marks
//! in the same run. `MUSTER_LONG=1`: a million marks, and the ratio is asserted.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

use std::time::{Duration, Instant};

use chrono::{NaiveDate, TimeDelta};
use sea_orm::{ConnectionTrait, Statement};
use service::attendance::{self, MarkFilter};
use service::id::LoginId;
use service::kinds::Role;
use service::page::PageRequest;
use service::seed::{Made, Plan, seed};
use service::statistics::{self, Filter, Interval};
use service::{Scope, Service, Viewer};
use tests::both;
use tests::world::{PASSWORD, World, address};
use uuid::Uuid;

/// An operation may take half of what a plain count takes.
const MOST: f64 = 0.5;

fn long() -> bool {
    std::env::var_os("MUSTER_LONG").is_some()
}

/// The median of runs, of which the first, that warms the caches, does not count.
async fn median<F: Future>(run: impl Fn() -> F) -> Duration {
    run().await;
    let mut times = Vec::new();
    for _ in 0..15 {
        let begun = Instant::now();
        run().await;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

async fn dashboard(service: &Service, scope: &Scope, range: (NaiveDate, NaiveDate)) {
    statistics::today(service, scope).await.unwrap();
    statistics::summary(service, scope, &Filter::days(range.0, range.1))
        .await
        .unwrap();
    statistics::counts(service, scope).await.unwrap();
    statistics::open_sessions(service, scope).await.unwrap();
    statistics::trend_of(service, scope, range).await.unwrap();
    statistics::recent_marks(service, scope).await.unwrap();
    statistics::review_queue_length(service, scope).await.unwrap();
}

fn page(after: Option<String>) -> PageRequest {
    PageRequest {
        first: Some(50),
        after,
        count: true,
        ..PageRequest::default()
    }
}

/// The cursor in front of the 500th page, or of the last but one where there are fewer.
async fn page_500(service: &Service, scope: &Scope) -> String {
    let mut cursor = None;
    for _ in 0..499 {
        let request = PageRequest {
            count: false,
            ..page(cursor.clone())
        };
        let found = attendance::list(service, scope, &MarkFilter::default(), &request)
            .await
            .unwrap();
        if !found.has_next {
            break;
        }
        cursor = found.rows.last().map(|(cursor, _)| cursor.clone());
    }
    cursor.unwrap()
}

async fn at_size(world: World) {
    let service = &world.service;
    let until = service.now().date_naive();
    let (students, sessions) = if long() { (2_000, 33_000) } else { (100, 650) };
    let begun = Instant::now();
    let email = address("seed");
    let plan = Plan {
        organization: "Seeded",
        email: &email,
        password: PASSWORD,
        students,
        sessions,
        seed: 7,
        until,
    };
    let made = seed(service, &Scope::System("test"), &plan).await.unwrap();
    let database = if service.db.is_postgres() {
        "PostgreSQL"
    } else {
        "SQLite"
    };
    println!("{database}: {} marks in {:.1?}", made.marks, begun.elapsed());
    let again = seed(service, &Scope::System("test"), &plan).await;
    assert!(matches!(again, Err(service::Error::Conflict { .. })), "{again:?}");
    check(service, &made).await;

    let scope = Scope::from(Viewer {
        login: LoginId(Uuid::nil()),
        person: Uuid::nil().into(),
        organization: made.organization,
        role: Role::Admin,
        timezone: "Europe/Madrid".parse().unwrap(),
        max_upload_bytes: 0,
    });
    let plain =
        median(|| async { count(service, "SELECT status, COUNT(*) AS n FROM mark GROUP BY status").await }).await;
    let year = (until - TimeDelta::days(364), until);
    let (year, term) = (year, Filter::days(until - TimeDelta::days(120), until));
    let yearly = Filter::days(year.0, year.1);
    let cursor = page_500(service, &scope).await;
    let scans = scans(service).await;
    let times = [
        ("dashboard", median(|| dashboard(service, &scope, year)).await),
        (
            "trend of a year by week",
            median(|| async {
                statistics::trend(service, &scope, &yearly, Interval::Week)
                    .await
                    .unwrap()
            })
            .await,
        ),
        (
            "classStatistics",
            median(|| async { statistics::classes(service, &scope, &yearly).await.unwrap() }).await,
        ),
        (
            "studentsAtRisk of a term",
            median(|| async {
                statistics::at_risk(service, &scope, &term, 0.85, &page(None))
                    .await
                    .unwrap()
            })
            .await,
        ),
        (
            "page 500 of marks",
            median(|| async {
                let request = page(Some(cursor.clone()));
                attendance::list(service, &scope, &MarkFilter::default(), &request)
                    .await
                    .unwrap()
            })
            .await,
        ),
    ];
    println!("{:<28}{:>12}{:>8}", "plain count", format!("{plain:.1?}"), "1.00");
    let ratios = times.map(|(what, time)| (what, time, time.as_secs_f64() / plain.as_secs_f64()));
    for (what, time, ratio) in ratios {
        println!("{what:<28}{:>12}{ratio:>8.2}", format!("{time:.1?}"));
    }
    for (what, _, ratio) in ratios {
        assert!(
            !long() || ratio <= MOST,
            "{database}: {what} takes {ratio:.2} of a plain count"
        );
    }
    if long() {
        assert_eq!(
            self::scans(service).await,
            scans,
            "{database}: marks were read from end to end"
        );
    }
}

/// The seeded rows agree with each other.
async fn check(service: &Service, made: &Made) {
    for (what, sql) in [
        (
            "tallies",
            "SELECT COUNT(*) AS n FROM session s WHERE s.event_seq <> (SELECT COUNT(*) FROM mark m \
             WHERE m.session_id = s.id) OR s.absent <> (SELECT COUNT(*) FROM mark m WHERE m.session_id = s.id \
             AND m.status = 'ABSENT')",
        ),
        (
            "changes",
            "SELECT (SELECT COUNT(*) FROM mark) - (SELECT COUNT(*) FROM mark_change) AS n",
        ),
        (
            "weeks",
            "SELECT (SELECT COUNT(*) FROM mark) - (SELECT SUM(present + late + excused + absent) FROM student_week) AS n",
        ),
    ] {
        assert_eq!(count(service, sql).await, 0, "{what}");
    }
    let marks = count(service, "SELECT COUNT(*) AS n FROM mark").await;
    assert_eq!(usize::try_from(marks).unwrap(), made.marks);
}

async fn count(service: &Service, sql: &str) -> i64 {
    let db = service.db.reader();
    let rows = db
        .query_all_raw(Statement::from_string(db.get_database_backend(), sql))
        .await
        .unwrap();
    rows[0].try_get("", "n").unwrap()
}

/// How often `PostgreSQL` read all marks from end to end so far.
async fn scans(service: &Service) -> i64 {
    if !service.db.is_postgres() {
        return 0;
    }
    // The other connections report within a second.
    tokio::time::sleep(Duration::from_secs(2)).await;
    count(
        service,
        "SELECT seq_scan AS n FROM pg_stat_user_tables WHERE relname = 'mark'",
    )
    .await
}

both!(statistics_of_many_marks, at_size, |setup| tests::world::Setup {
    workers: 0,
    ..setup
});
