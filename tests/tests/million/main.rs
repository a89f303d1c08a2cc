//! Statistics over a million marks, each against a plain count of all marks in the same run:
//! `MUSTER_LONG=1 cargo test --release -p tests --test million -- --nocapture` prints both databases'
//! tables and fails where one takes more than half of the count. Without it a small school is
//! asked the same questions, and no time is judged.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod scans;

use std::time::{Duration, Instant};

use chrono::{Days, NaiveDate};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use service::Scope;
use service::accounts::NewAccount;
use service::kinds::Role;
use service::seed::{Plan, seed};
use tests::both;
use tests::client::Client;
use tests::school::now;
use tests::world::{Mode, PASSWORD, Setup, World, address};

const ROUNDS: usize = 15;
const MOST: f64 = 0.5;
const SUMMARY: &str = "sessions expected present late excused absent unmarked rate";

pub fn long() -> bool {
    std::env::var_os("MUSTER_LONG").is_some()
}

/// A made-up school, and its admin signed in.
pub async fn seeded(world: &World) -> (Client, String, NaiveDate) {
    let email = address("seed");
    let admin = NewAccount {
        full_name: "Ada Admin",
        email: &email,
        password: PASSWORD,
        role: Role::Admin,
    };
    let (students, sessions) = if long() { (2000, 33_000) } else { (120, 600) };
    let plan = Plan {
        seed: 1,
        organization: "Seeded".into(),
        timezone: "Europe/Madrid".into(),
        students,
        sessions,
        last: now().date_naive(),
    };
    let begun = Instant::now();
    let made = seed(&world.service, &Scope::System("test"), &plan, &admin, |_, _| ())
        .await
        .unwrap();
    println!(
        "{} marks of {} sessions made in {:.0?}",
        made.marks,
        made.sessions,
        begun.elapsed()
    );
    let client = world.stranger().login(&email, PASSWORD).await;
    (client, email, plan.last)
}

/// What is measured: a name, an operation and its variables.
pub fn questions(last: NaiveDate) -> Vec<(&'static str, String, Value)> {
    let range = |days: u64| json!({ "from": last - Days::new(days), "to": last });
    vec![
        (
            "dashboard of a month",
            format!(
                "query($range: DateRange) {{ dashboard(range: $range) {{ today {{ {SUMMARY} }} inRange {{ {SUMMARY} }} students \
                 enrolledStudents teachers classes venues openSessions {{ id }} trend {{ bucket summary {{ rate }} }} \
                 recentMarks {{ status student {{ fullName }} }} reviewQueueLength }} }}"
            ),
            json!({ "range": range(30) }),
        ),
        (
            "trend of a year by week",
            format!(
                "query($filter: StatisticsFilter!) {{ attendanceTrend(filter: $filter, interval: WEEK) {{ bucket summary {{ {SUMMARY} }} }} }}"
            ),
            json!({ "filter": { "range": range(365) } }),
        ),
        (
            "classStatistics of a year",
            format!(
                "query($filter: StatisticsFilter!) {{ classStatistics(filter: $filter) {{ class {{ name }} summary {{ {SUMMARY} }} }} }}"
            ),
            json!({ "filter": { "range": range(365) } }),
        ),
        (
            "studentsAtRisk of a term",
            format!(
                "query($filter: StatisticsFilter!) {{ studentsAtRisk(filter: $filter, belowRate: 0.8, first: 50) {{ totalCount \
                 nodes {{ student {{ fullName }} summary {{ {SUMMARY} }} consecutiveAbsences lastPresentAt }} }} }}"
            ),
            json!({ "filter": { "range": range(120) } }),
        ),
    ]
}

const PAGE: &str = "query($after: String) { marks(first: 100, after: $after) { nodes { status markedAt student { fullName } } \
     pageInfo { hasNextPage endCursor } } }";

/// The cursor in front of the five hundredth page, or of the last there is.
async fn far_cursor(client: &Client) -> Value {
    let mut cursor = Value::Null;
    for _ in 0..499 {
        let data = client.query(PAGE, json!({ "after": cursor })).await;
        let info = &data["marks"]["pageInfo"];
        if info["hasNextPage"] != true {
            break;
        }
        cursor = info["endCursor"].clone();
    }
    cursor
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

async fn timed(world: World) {
    let (client, _, last) = seeded(&world).await;
    let mut asked = questions(last);
    let cursor = far_cursor(&client).await;
    asked.push(("page 500 of marks", PAGE.to_owned(), json!({ "after": cursor })));
    let db = world.service.db.reader();
    let count = || {
        Statement::from_string(
            db.get_database_backend(),
            "SELECT status, count(*) FROM mark GROUP BY status",
        )
    };
    let mut counts = Vec::new();
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); asked.len()];
    for round in 0..=ROUNDS {
        let begun = Instant::now();
        db.query_all_raw(count()).await.unwrap();
        let took = begun.elapsed();
        let warm = round > 0;
        if warm {
            counts.push(took);
        }
        for ((_, query, variables), times) in asked.iter().zip(&mut times) {
            let begun = Instant::now();
            client.query(query, variables.clone()).await;
            if warm {
                times.push(begun.elapsed());
            }
        }
    }
    let whole = median(counts);
    println!("{:28} {:>9.1?}   ratio", "count of all marks", whole);
    let mut slow = Vec::new();
    for ((name, _, _), times) in asked.iter().zip(times) {
        let took = median(times);
        let ratio = took.as_secs_f64() / whole.as_secs_f64();
        println!("{name:28} {took:>9.1?}   {ratio:.2}");
        if ratio > MOST {
            slow.push(*name);
        }
    }
    assert!(!long() || slow.is_empty(), "more than {MOST} of the count: {slow:?}");
}

both!(statistics_take_a_part_of_counting_all_marks, timed, |setup| Setup {
    workers: 0,
    ..setup
});

/// Two schools from one seed are two schools.
#[tokio::test(flavor = "multi_thread")]
async fn a_seed_serves_twice() {
    let setup = Setup {
        workers: 0,
        ..Setup::new(Mode::Embedded)
    };
    let world = setup.build().await.unwrap();
    let plan = Plan {
        seed: 1,
        organization: "One".into(),
        timezone: "UTC".into(),
        students: 60,
        sessions: 50,
        last: NaiveDate::from_ymd_opt(2027, 3, 3).unwrap(),
    };
    let mut made = Vec::new();
    for organization in ["One", "Two"] {
        let email = address("seed");
        let admin = NewAccount {
            full_name: "Ada Admin",
            email: &email,
            password: PASSWORD,
            role: Role::Admin,
        };
        let plan = Plan {
            organization: organization.into(),
            ..plan.clone()
        };
        let scope = Scope::System("test");
        made.push(seed(&world.service, &scope, &plan, &admin, |_, _| ()).await.unwrap());
    }
    assert_eq!((made[0].sessions, made[0].marks), (50, made[1].marks));
    let rows = world.service.db.writer();
    let count = "SELECT COUNT(*) AS n FROM session";
    let count = rows
        .query_one_raw(Statement::from_string(rows.get_database_backend(), count))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(count.try_get::<i64>("", "n").unwrap(), 100);
}
