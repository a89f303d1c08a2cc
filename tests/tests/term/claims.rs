//! What the API says of a term, held against the recount.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, Days, NaiveDate};
use rand::RngExt;
use serde_json::{Value, json};
use tests::school::ended;
use uuid::Uuid;

use crate::recount::{Recount, Session, Sum};
use crate::school::{Term, text};

const SUMMARY: &str = "{ sessions expected present late excused absent unmarked rate }";

fn uuid(id: &str) -> Uuid {
    id.split_once('_').unwrap().1.parse().unwrap()
}

fn sum(value: &Value) -> Sum {
    let number = |field: &str| value[field].as_i64().unwrap_or_else(|| panic!("{field} of {value}"));
    let said = Sum {
        sessions: number("sessions"),
        expected: number("expected"),
        present: number("present"),
        late: number("late"),
        excused: number("excused"),
        absent: number("absent"),
        unmarked: number("unmarked"),
    };
    match (value["rate"].as_f64(), said.rate()) {
        (None, None) => {}
        (Some(a), Some(b)) if (a - b).abs() < 1e-9 => {}
        (a, b) => panic!("rate {a:?} and not {b:?}: {value}"),
    }
    said
}

pub async fn check_all(term: &mut Term) {
    let recount = Recount::read(&term.world).await;
    let length = (term.last - term.first).num_days();
    let mut ranges = vec![
        (term.first, term.last),
        (term.first - Days::new(40), term.last + Days::new(40)),
    ];
    for _ in 0..4 {
        let from = term.random.random_range(0..=length);
        let to = term.random.random_range(from..=length);
        ranges.push((
            term.first + Days::new(from.unsigned_abs()),
            term.first + Days::new(to.unsigned_abs()),
        ));
    }
    for range in ranges {
        check_summaries(term, &recount, range).await;
        check_trend(term, &recount, range).await;
        check_groups(term, &recount, range).await;
        check_students(term, &recount, range).await;
        check_dashboard(term, &recount, range).await;
        check_export(term, &recount, range).await;
    }
    check_pages(term, &recount).await;
}

type Range = (NaiveDate, NaiveDate);

fn within(range: Range) -> impl Fn(&Session) -> bool {
    move |session| session.day >= range.0 && session.day <= range.1
}

fn of(range: Range) -> Value {
    json!({ "from": range.0, "to": range.1 })
}

async fn summary(term: &Term, filter: Value) -> Sum {
    let query = format!("query($filter: StatisticsFilter!) {{ attendanceSummary(filter: $filter) {SUMMARY} }}");
    let data = term.admin.query(&query, json!({ "filter": filter })).await;
    sum(&data["attendanceSummary"])
}

async fn check_summaries(term: &Term, recount: &Recount, range: Range) {
    let inside = within(range);
    let said = summary(term, json!({ "range": of(range) })).await;
    assert_eq!(said, recount.sum(&inside, None), "{range:?}");
    for class in &term.classes {
        let said = summary(term, json!({ "range": of(range), "classId": class })).await;
        let own = |session: &Session| inside(session) && session.class == uuid(class);
        assert_eq!(said, recount.sum(own, None), "a class in {range:?}");
    }
    let said = summary(term, json!({ "range": of(range), "venueId": term.venue })).await;
    let there = |session: &Session| inside(session) && session.venue == Some(uuid(&term.venue));
    assert_eq!(said, recount.sum(there, None), "the venue in {range:?}");
    for department in &term.departments {
        let said = summary(term, json!({ "range": of(range), "departmentId": department })).await;
        let theirs = |student| recount.departments[&student] == Some(uuid(department));
        assert_eq!(said, recount.sum(&inside, Some(&theirs)), "a department in {range:?}");
    }
    for student in &term.students {
        let said = summary(term, json!({ "range": of(range), "studentId": student })).await;
        let theirs = |id| id == uuid(student);
        assert_eq!(said, recount.sum(&inside, Some(&theirs)), "{student} in {range:?}");
        let class = &term.classes[0];
        let said = summary(
            term,
            json!({ "range": of(range), "studentId": student, "classId": class, "venueId": term.venue }),
        )
        .await;
        let both = |session: &Session| there(session) && session.class == uuid(class);
        assert_eq!(
            said,
            recount.sum(both, Some(&theirs)),
            "{student} in a class in {range:?}"
        );
    }
}

fn bucket(day: NaiveDate, interval: &str) -> NaiveDate {
    let month = |month: u32| NaiveDate::from_ymd_opt(day.year(), month, 1).unwrap();
    match interval {
        "DAY" => day,
        "WEEK" => day - Days::new(day.weekday().num_days_from_monday().into()),
        "MONTH" => month(day.month()),
        "QUARTER" => month((day.month0() / 3) * 3 + 1),
        _ => month(1),
    }
}

async fn check_trend(term: &Term, recount: &Recount, range: Range) {
    let query = format!(
        "query($filter: StatisticsFilter!, $interval: Interval!) {{ \
         attendanceTrend(filter: $filter, interval: $interval) {{ bucket summary {SUMMARY} }} }}"
    );
    for interval in ["DAY", "WEEK", "MONTH", "QUARTER", "YEAR"] {
        let variables = json!({ "filter": { "range": of(range) }, "interval": interval });
        let data = term.admin.query(&query, variables).await;
        let mut buckets: Vec<NaiveDate> = Vec::new();
        let mut day = range.0;
        while day <= range.1 {
            let bucket = bucket(day, interval);
            if buckets.last() != Some(&bucket) {
                buckets.push(bucket);
            }
            day = day + Days::new(1);
        }
        let points = data["attendanceTrend"].as_array().unwrap();
        let said: Vec<NaiveDate> = points.iter().map(|p| text(&p["bucket"]).parse().unwrap()).collect();
        assert_eq!(said, buckets, "{interval} of {range:?}");
        for (point, first) in points.iter().zip(buckets) {
            let inside = within(range);
            let there = |session: &Session| inside(session) && bucket(session.day, interval) == first;
            assert_eq!(sum(&point["summary"]), recount.sum(there, None), "{interval} {first}");
        }
    }
}

async fn check_groups(term: &Term, recount: &Recount, range: Range) {
    let inside = within(range);
    let query = format!(
        "query($filter: StatisticsFilter!, $range: DateRange!) {{ \
         classStatistics(filter: $filter) {{ class {{ id statistics(range: $range) {SUMMARY} }} summary {SUMMARY} }} \
         departmentStatistics(range: $range) {{ department {{ id }} students summary {SUMMARY} }} }}"
    );
    let variables = json!({ "filter": { "range": of(range) }, "range": of(range) });
    let data = term.admin.query(&query, variables).await;
    let mut seen = BTreeSet::new();
    for row in data["classStatistics"].as_array().unwrap() {
        let class = uuid(row["class"]["id"].as_str().unwrap());
        assert!(seen.insert(class));
        let own = recount.sum(|session| inside(session) && session.class == class, None);
        assert_eq!(sum(&row["summary"]), own);
        assert_eq!(sum(&row["class"]["statistics"]), own);
    }
    let met: BTreeSet<Uuid> = recount
        .sessions
        .iter()
        .filter(|s| s.counts() && inside(s))
        .map(|s| s.class)
        .collect();
    assert!(met.is_subset(&seen), "a class that met is missing");
    let mut seen = BTreeSet::new();
    for row in data["departmentStatistics"].as_array().unwrap() {
        let department = row["department"]["id"].as_str().map(uuid);
        assert!(seen.insert(department));
        let theirs = |student| recount.departments[&student] == department;
        assert_eq!(
            sum(&row["summary"]),
            recount.sum(&inside, Some(&theirs)),
            "{department:?}"
        );
        let students = recount.departments.values().filter(|d| **d == department).count();
        assert_eq!(row["students"], students);
    }
    let all: BTreeSet<Option<Uuid>> = recount.departments.values().copied().collect();
    assert!(all.is_subset(&seen), "a department with students is missing");
}

/// The latest absences in a row until the end of the range, before whose first day they may have
/// begun; excuses neither count nor break.
fn absences_in_a_row(recount: &Recount, student: Uuid, inside: &dyn Fn(&Session) -> bool) -> i64 {
    let mut entries: Vec<_> = recount.entries().into_iter().filter(|e| e.student == student).collect();
    entries.retain(|e| inside(&recount.sessions[e.session]));
    let mut count = 0;
    for entry in entries.iter().rev() {
        match entry.status.as_deref() {
            Some("ABSENT") => count += 1,
            Some("PRESENT" | "LATE") => break,
            _ => {}
        }
    }
    count
}

async fn check_students(term: &Term, recount: &Recount, range: Range) {
    let inside = within(range);
    let query = format!(
        "query($filter: StatisticsFilter!, $rate: Float!, $range: DateRange!) {{ \
         studentStatistics(filter: $filter, first: 100) {{ totalCount nodes {{ student {{ id statistics(range: $range) {SUMMARY} }} \
         summary {SUMMARY} consecutiveAbsences lastPresentAt }} }} \
         studentsAtRisk(filter: $filter, belowRate: $rate, first: 100) {{ nodes {{ student {{ id }} summary {SUMMARY} }} }} }}"
    );
    for class in [None, Some(&term.classes[0])] {
        let of_class = |session: &Session| class.is_none_or(|c| session.class == uuid(c));
        let inside = |session: &Session| inside(session) && of_class(session);
        let until = |session: &Session| session.day <= range.1 && of_class(session);
        let variables = json!({ "filter": { "range": of(range), "classId": class }, "rate": 0.6, "range": of(range) });
        let data = term.admin.query(&query, variables).await;
        let mut told = BTreeMap::new();
        for row in data["studentStatistics"]["nodes"].as_array().unwrap() {
            let student = uuid(row["student"]["id"].as_str().unwrap());
            let theirs = |id| id == student;
            let own = recount.sum(inside, Some(&theirs));
            assert_eq!(sum(&row["summary"]), own, "{student} {range:?}");
            if class.is_none() {
                assert_eq!(sum(&row["student"]["statistics"]), own);
            }
            assert_eq!(
                row["consecutiveAbsences"],
                absences_in_a_row(recount, student, &until),
                "{row}"
            );
            told.insert(student, own);
        }
        let expected: BTreeSet<Uuid> = recount
            .entries()
            .iter()
            .filter(|e| inside(&recount.sessions[e.session]))
            .map(|e| e.student)
            .collect();
        assert!(
            expected.is_subset(&told.keys().copied().collect()),
            "a student is missing"
        );
        let at_risk: Vec<f64> = data["studentsAtRisk"]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                let student = uuid(row["student"]["id"].as_str().unwrap());
                assert_eq!(sum(&row["summary"]), told[&student]);
                told[&student].rate().unwrap()
            })
            .collect();
        assert!(
            at_risk.is_sorted() && at_risk.iter().all(|rate| *rate < 0.6),
            "{at_risk:?}"
        );
        let below = told
            .values()
            .filter(|sum| sum.rate().is_some_and(|rate| rate < 0.6))
            .count();
        assert_eq!(at_risk.len(), below);
    }
}

async fn check_dashboard(term: &Term, recount: &Recount, range: Range) {
    let query = format!(
        "query($range: DateRange) {{ dashboard(range: $range) {{ today {SUMMARY} inRange {SUMMARY} classes students \
         openSessions {{ id }} trend {{ summary {SUMMARY} }} }} }}"
    );
    let data = term.admin.query(&query, json!({ "range": of(range) })).await;
    let board = &data["dashboard"];
    let today = term.today();
    assert_eq!(sum(&board["today"]), recount.sum(|s| s.day == today, None));
    assert_eq!(sum(&board["inRange"]), recount.sum(within(range), None));
    assert_eq!(board["classes"], term.classes.len());
    assert_eq!(board["students"], term.students.len());
    let open = recount.sessions.iter().filter(|s| s.state == "OPEN").count();
    assert_eq!(board["openSessions"].as_array().unwrap().len(), open.min(100));
    let trend: i64 = board["trend"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| sum(&p["summary"]).expected)
        .sum();
    assert_eq!(trend, recount.sum(within(range), None).expected);
}

/// The rows of the export are the lines of the rolls.
async fn check_export(term: &Term, recount: &Recount, range: Range) {
    let made = term
        .admin
        .query(
            "mutation($range: DateRange!) { exportAttendance(input: { range: $range, format: CSV }) { job { id } } }",
            json!({ "range": of(range) }),
        )
        .await;
    let job = text(&made["exportAttendance"]["job"]["id"]);
    assert_eq!(ended(&term.admin, &job).await["status"], "SUCCEEDED");
    let found = term
        .admin
        .query(
            "query($id: ID!) { job(id: $id) { export { url rows } } }",
            json!({ "id": job }),
        )
        .await;
    let file = term
        .admin
        .get(found["job"]["export"]["url"].as_str().unwrap())
        .await
        .bytes()
        .await
        .unwrap();
    let mut reader = csv::Reader::from_reader(file.strip_prefix(b"\xef\xbb\xbf").expect("a byte order mark"));
    let headers = reader.headers().unwrap().clone();
    let column = |name: &str| headers.iter().position(|h| h.eq_ignore_ascii_case(name)).unwrap();
    let mut counted: BTreeMap<(String, String, String), i64> = BTreeMap::new();
    for row in reader.records() {
        let row = row.unwrap();
        let key = |name: &str| row[column(name)].to_owned();
        *counted
            .entry((key("date"), key("roll number"), key("status")))
            .or_default() += 1;
    }
    let inside = within(range);
    let numbers: BTreeMap<Uuid, String> = (0..)
        .zip(&term.students)
        .map(|(n, id)| (uuid(id), format!("R{n}")))
        .collect();
    let mut expected: BTreeMap<(String, String, String), i64> = BTreeMap::new();
    for entry in recount.entries() {
        let session = &recount.sessions[entry.session];
        if inside(session) {
            let key = (
                session.day.to_string(),
                numbers[&entry.student].clone(),
                entry.status.unwrap_or_default(),
            );
            *expected.entry(key).or_default() += 1;
        }
    }
    assert_eq!(counted, expected, "the export of {range:?}");
    assert_eq!(found["job"]["export"]["rows"], expected.values().sum::<i64>());
}

/// What each student's own page lists.
async fn check_pages(term: &Term, recount: &Recount) {
    let states = [("UPCOMING", "SCHEDULED"), ("PENDING", "OPEN")];
    for student in &term.students {
        let id = uuid(student);
        let mut listed = 0;
        for state in ["UPCOMING", "PENDING", "MARKED", "MISSED"] {
            let data = term
                .admin
                .query(
                    "query($id: ID!, $state: StudentSessionState) { user(id: $id) { \
                     sessions(state: $state, first: 100) { totalCount nodes { state session { id state } mark { status } } } } }",
                    json!({ "id": student, "state": state }),
                )
                .await;
            let page = &data["user"]["sessions"];
            listed += page["totalCount"].as_u64().unwrap();
            for row in page["nodes"].as_array().unwrap() {
                let marked = row["mark"]["status"].as_str();
                let right = match state {
                    "MARKED" => marked.is_some_and(|s| s != "ABSENT"),
                    "MISSED" => marked == Some("ABSENT"),
                    _ => {
                        let session = states.iter().find(|s| s.0 == state).unwrap().1;
                        marked.is_none() && row["session"]["state"] == session
                    }
                };
                assert!(right && row["state"] == state, "{row}");
            }
        }
        let theirs = |s: &&Session| s.state != "CANCELLED" && recount.roll(s).contains(&id);
        assert_eq!(
            listed,
            recount.sessions.iter().filter(theirs).count() as u64,
            "{student}"
        );
        let data = term
            .admin
            .query(
                "query($id: ID!) { user(id: $id) { marks(first: 1) { totalCount } } }",
                json!({ "id": student }),
            )
            .await;
        let marks = recount.marks_of(id);
        assert_eq!(data["user"]["marks"]["totalCount"], marks);
    }
}
