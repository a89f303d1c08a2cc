//! Statistics of a small term made by hand, whose numbers are known, through the API.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use service::id::OrganizationId;
use service::kinds::Role;
use tests::both;
use tests::client::{Client, code};
use tests::school::School;
use tests::world::{Setup, World};

const SUM: &str = "sessions expected present late excused absent unmarked rate";
/// It begins on the last day of a week and ends on the first of another.
const TERM: &str = "range: { from: \"2026-03-29\", to: \"2026-04-13\" }";

struct Term {
    world: World,
    admin: Client,
    teacher: Client,
    me: Client,
    mine: String,
    /// Taught by the teacher: three students.
    physics: School,
    /// Taught by the admin: one student, and me.
    music: School,
    open: String,
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

async fn met(school: &School, starts: &str, marks: &[(usize, &str)], close: bool) -> String {
    let session = school.session(at(starts)).await;
    school.set(&session, "openSession").await;
    for (student, status) in marks {
        let answer = school.mark(&session, &school.students[*student], status).await;
        assert!(answer.get("errors").is_none(), "{answer}");
    }
    if close {
        school.set(&session, "closeSession").await;
    }
    session
}

/// The day on which they joined is long ago.
async fn joined_long_ago(world: &World, _: OrganizationId) {
    let db = world.service.db.writer();
    let sql = "UPDATE membership SET joined_at = '2020-01-01T00:00:00+00:00'";
    db.execute_raw(Statement::from_string(db.get_database_backend(), sql))
        .await
        .unwrap();
}

impl Term {
    async fn of(world: World) -> Self {
        let (organization, admin) = world.organization("Term").await;
        let (_, teacher) = world.member(organization, "Tom Teacher", Role::Teacher).await;
        let (_, me) = world.member(organization, "Mia Member", Role::Student).await;
        let mine = me.query("{ viewer { id } }", json!({})).await["viewer"]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let physics = School::with_students(&teacher, 3).await;
        let mut music = School::with_students(&admin, 1).await;
        admin
            .query(
                "mutation($class: ID!, $id: ID!) { addStudents(classId: $class, students: [{ id: $id }]) { class { id } } }",
                json!({ "class": music.class, "id": mine }),
            )
            .await;
        music.students.push(mine.clone());
        joined_long_ago(&world, organization).await;
        // Half past midnight in Madrid, before and after the night without two o'clock.
        met(&physics, "2026-03-28T23:30:00Z", &[(0, "PRESENT"), (1, "LATE")], true).await;
        let marks = [(0, "PRESENT"), (1, "ABSENT"), (2, "EXCUSED")];
        met(&physics, "2026-03-29T22:30:00Z", &marks, true).await;
        let open = met(&physics, "2026-04-13T08:00:00Z", &[(0, "PRESENT")], false).await;
        physics.session(at("2026-04-14T08:00:00Z")).await;
        met(&music, "2026-04-01T08:00:00Z", &[(0, "PRESENT"), (1, "PRESENT")], true).await;
        Self {
            world,
            admin,
            teacher,
            me,
            mine,
            physics,
            music,
            open,
        }
    }

    async fn ask(client: &Client, query: &str) -> Value {
        client.query(&format!("{{ {query} }}"), json!({})).await
    }
}

fn sum(numbers: [i32; 7], rate: Option<f64>) -> Value {
    let [sessions, expected, present, late, excused, absent, unmarked] = numbers;
    json!({ "sessions": sessions, "expected": expected, "present": present, "late": late, "excused": excused,
        "absent": absent, "unmarked": unmarked, "rate": rate })
}

async fn exact_numbers(world: World) {
    let term = Term::of(world).await;
    let (admin, teacher) = (&term.admin, &term.teacher);
    let all = sum([4, 11, 5, 1, 1, 2, 2], Some(0.75));
    let theirs = sum([3, 9, 3, 1, 1, 2, 2], Some(4.0 / 6.0));

    let summary = format!("attendanceSummary(filter: {{ {TERM} }}) {{ {SUM} }}");
    assert_eq!(Term::ask(admin, &summary).await["attendanceSummary"], all);
    assert_eq!(Term::ask(teacher, &summary).await["attendanceSummary"], theirs);
    let student = &term.physics.students[1];
    let of_one = format!("attendanceSummary(filter: {{ {TERM}, studentId: \"{student}\" }}) {{ {SUM} }}");
    let one = sum([3, 3, 0, 1, 0, 1, 1], Some(0.5));
    assert_eq!(Term::ask(teacher, &of_one).await["attendanceSummary"], one);

    // Each day is the organization's, and empty ones are there.
    let days = "attendanceTrend(interval: DAY, filter: { range: { from: \"2026-03-28\", to: \"2026-03-31\" } }) \
         { bucket summary { sessions expected } }";
    let expected = json!([
        { "bucket": "2026-03-28", "summary": { "sessions": 0, "expected": 0 } },
        { "bucket": "2026-03-29", "summary": { "sessions": 1, "expected": 3 } },
        { "bucket": "2026-03-30", "summary": { "sessions": 1, "expected": 3 } },
        { "bucket": "2026-03-31", "summary": { "sessions": 0, "expected": 0 } },
    ]);
    assert_eq!(Term::ask(admin, days).await["attendanceTrend"], expected);
    let weeks = format!("attendanceTrend(interval: WEEK, filter: {{ {TERM} }}) {{ bucket summary {{ sessions }} }}");
    let expected = json!([
        { "bucket": "2026-03-23", "summary": { "sessions": 1 } },
        { "bucket": "2026-03-30", "summary": { "sessions": 2 } },
        { "bucket": "2026-04-06", "summary": { "sessions": 0 } },
        { "bucket": "2026-04-13", "summary": { "sessions": 1 } },
    ]);
    assert_eq!(Term::ask(admin, &weeks).await["attendanceTrend"], expected);

    let classes = format!("classStatistics(filter: {{ {TERM} }}) {{ class {{ id }} summary {{ {SUM} }} }}");
    let found = Term::ask(admin, &classes).await;
    assert_eq!(found["classStatistics"].as_array().unwrap().len(), 2);
    let found = Term::ask(teacher, &classes).await;
    assert_eq!(
        found["classStatistics"],
        json!([{ "class": { "id": term.physics.class }, "summary": theirs }])
    );
    let departments = format!("departmentStatistics({TERM}) {{ department {{ id }} students summary {{ {SUM} }} }}");
    assert_eq!(
        Term::ask(admin, &departments).await["departmentStatistics"],
        json!([{ "department": null, "students": 5, "summary": all }])
    );
    assert_eq!(
        Term::ask(teacher, &departments).await["departmentStatistics"],
        json!([{ "department": null, "students": 3, "summary": theirs }])
    );

    let lines =
        format!("{{ nodes {{ student {{ id }} summary {{ {SUM} }} consecutiveAbsences lastPresentAt }} totalCount }}");
    let query = format!("studentsAtRisk(belowRate: 0.9, filter: {{ {TERM} }}) {lines}");
    let expected = json!({ "totalCount": 2, "nodes": [
        { "student": { "id": term.physics.students[2] }, "summary": sum([3, 3, 0, 0, 1, 1, 1], Some(0.0)),
          "consecutiveAbsences": 1, "lastPresentAt": null },
        { "student": { "id": student }, "summary": one,
          "consecutiveAbsences": 1, "lastPresentAt": "2026-03-28T23:30:00+00:00" },
    ] });
    assert_eq!(Term::ask(admin, &query).await["studentsAtRisk"], expected);
    assert_eq!(Term::ask(teacher, &query).await["studentsAtRisk"], expected);
    let query = format!("studentStatistics(filter: {{ {TERM} }}) {lines}");
    assert_eq!(Term::ask(admin, &query).await["studentStatistics"]["totalCount"], 5);
    assert_eq!(Term::ask(teacher, &query).await["studentStatistics"]["totalCount"], 3);

    let query = format!(
        "dashboard({TERM}) {{ inRange {{ {SUM} }} today {{ sessions }} students teachers classes \
         openSessions {{ id }} recentMarks {{ status }} reviewQueueLength trend {{ bucket }} }}"
    );
    let board = &Term::ask(admin, &query).await["dashboard"];
    assert_eq!(board["inRange"], all);
    assert_eq!(board["students"], 5);
    assert_eq!(board["openSessions"], json!([{ "id": term.open }]));
    assert_eq!(board["trend"].as_array().unwrap().len(), 16);
    assert_eq!(board["recentMarks"].as_array().unwrap().len(), 9);
    assert_eq!(board["reviewQueueLength"], 0);
    assert_eq!(Term::ask(teacher, &query).await["dashboard"]["inRange"], theirs);
    let none = &Term::ask(admin, "dashboard { inRange { sessions } trend { bucket } }").await["dashboard"];
    assert_eq!(none, &json!({ "inRange": null, "trend": null }));
}

async fn own_alone(world: World) {
    let term = Term::of(world).await;
    let (me, mine) = (&term.me, &term.mine);
    let own = format!(
        "user(id: \"{mine}\") {{ statistics {{ {SUM} }} marks {{ totalCount nodes {{ status }} }} \
         sessions {{ nodes {{ state mark {{ status }} }} }} missed: sessions(state: MISSED) {{ totalCount }} }} \
         marks {{ totalCount }}"
    );
    let seen = Term::ask(me, &own).await;
    assert_eq!(seen["user"]["statistics"], sum([1, 1, 1, 0, 0, 0, 0], Some(1.0)));
    assert_eq!(
        seen["user"]["marks"],
        json!({ "totalCount": 1, "nodes": [{ "status": "PRESENT" }] })
    );
    let marked = json!([{ "state": "MARKED", "mark": { "status": "PRESENT" } }]);
    assert_eq!(seen["user"]["sessions"]["nodes"], marked);
    assert_eq!(seen["user"]["missed"]["totalCount"], 0);
    assert_eq!(seen["marks"]["totalCount"], 1);

    // Of a student, the teacher sees what has become of each session of theirs.
    let student = &term.physics.students[1];
    let states = format!(
        "user(id: \"{student}\") {{ sessions {{ nodes {{ state }} }} statistics(classId: \"{}\") {{ sessions }} }}",
        term.music.class
    );
    let seen = Term::ask(&term.teacher, &states).await;
    let expected =
        json!([{ "state": "MARKED" }, { "state": "MISSED" }, { "state": "PENDING" }, { "state": "UPCOMING" }]);
    assert_eq!(seen["user"]["sessions"]["nodes"], expected);
    assert_eq!(seen["user"]["statistics"]["sessions"], 0);

    for query in [
        "{ dashboard { students } }".to_owned(),
        format!("{{ attendanceSummary(filter: {{ {TERM} }}) {{ sessions }} }}"),
        format!("{{ departmentStatistics({TERM}) {{ students }} }}"),
    ] {
        assert_eq!(code(&me.raw(&query, json!({})).await), "FORBIDDEN", "{query}");
    }
    let reversed = "range: { from: \"2026-02-02\", to: \"2026-02-01\" }";
    let ages = "range: { from: \"0001-01-01\", to: \"2026-02-01\" }";
    let years = "range: { from: \"2020-01-01\", to: \"2026-01-01\" }";
    for (query, field) in [
        (
            format!("attendanceSummary(filter: {{ {reversed} }}) {{ sessions }}"),
            "range",
        ),
        (
            format!("attendanceSummary(filter: {{ {ages} }}) {{ sessions }}"),
            "range",
        ),
        (
            format!("studentStatistics(filter: {{ {reversed} }}) {{ totalCount }}"),
            "range",
        ),
        (format!("marks(filter: {{ {reversed} }}) {{ totalCount }}"), "range"),
        (
            format!("attendanceTrend(interval: DAY, filter: {{ {years} }}) {{ bucket }}"),
            "interval",
        ),
        (
            format!("studentsAtRisk(belowRate: 1.5, filter: {{ {years} }}) {{ totalCount }}"),
            "belowRate",
        ),
    ] {
        let error = term.admin.error(&format!("{{ {query} }}"), json!({})).await;
        assert_eq!(error["extensions"]["code"], "INVALID_INPUT", "{query}");
        assert_eq!(error["extensions"]["field"], field, "{query}");
    }
}

/// Reads a list page by page, with something new before each; answers the ids in the order of the list.
async fn walk(term: &Term, list: &str, id: &str, backwards: bool) -> Vec<String> {
    let (size, from, next, cursor) = if backwards {
        ("last", "before", "hasPreviousPage", "startCursor")
    } else {
        ("first", "after", "hasNextPage", "endCursor")
    };
    let mut seen = Vec::new();
    let mut place = Value::Null;
    loop {
        let answer = term
            .admin
            .query(
                &format!(
                    "query($place: String) {{ {} }}",
                    list.replace("PAGE", &format!("{size}: 2, {from}: $place"))
                        .replace("NODES", &format!("nodes {{ {id} }} pageInfo {{ {next} {cursor} }}"))
                ),
                json!({ "place": place }),
            )
            .await;
        let root = answer.as_object().unwrap().values().next().unwrap();
        let page = if root["nodes"].is_array() {
            root
        } else {
            root.as_object().unwrap().values().next().unwrap()
        };
        let mut ids: Vec<String> = page["nodes"].as_array().unwrap().iter().map(Value::to_string).collect();
        if backwards {
            ids.reverse();
        }
        seen.extend(ids);
        if page["pageInfo"][next] != true {
            break;
        }
        place = page["pageInfo"][cursor].clone();
        // A session long before and one long after, and a mark in each.
        for starts in ["2026-01-01T08:00:00Z", "2026-06-30T08:00:00Z"] {
            met(&term.music, starts, &[(0, "PRESENT"), (1, "PRESENT")], true).await;
        }
    }
    if backwards {
        seen.reverse();
    }
    seen
}

async fn pages(world: World) {
    let term = Term::of(world).await;
    let lists = [
        ("marks(filter: { RANGE }, PAGE) { NODES }".to_owned(), "id"),
        (
            format!(
                "user(id: \"{}\") {{ sessions(PAGE) {{ NODES }} }}",
                term.physics.students[1]
            ),
            "session { id }",
        ),
        (
            format!(
                "user(id: \"{}\") {{ marks(PAGE) {{ NODES }} }}",
                term.physics.students[0]
            ),
            "id",
        ),
        (
            "studentStatistics(filter: { RANGE }, PAGE) { NODES }".to_owned(),
            "student { id }",
        ),
        (
            "studentsAtRisk(belowRate: 1, filter: { RANGE }, PAGE) { NODES }".to_owned(),
            "student { id }",
        ),
    ];
    for (list, id) in lists {
        let list = list.replace("RANGE", TERM);
        let whole = list
            .replace("PAGE", "first: 100")
            .replace("NODES", &format!("nodes {{ {id} }}"));
        let all = Term::ask(&term.admin, &whole).await;
        let root = all.as_object().unwrap().values().next().unwrap();
        let nodes = if root["nodes"].is_array() {
            root
        } else {
            root.as_object().unwrap().values().next().unwrap()
        };
        let all: Vec<String> = nodes["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(Value::to_string)
            .collect();
        assert!(all.len() > 1, "{list}");
        assert_eq!(walk(&term, &list, id, false).await, all, "{list}");
        assert_eq!(walk(&term, &list, id, true).await, all, "{list}");
    }
    drop(term.world);
}

both!(a_term_has_exact_numbers, exact_numbers, |setup| Setup {
    workers: 0,
    ..setup
});
both!(a_student_sees_their_own_alone, own_alone, |setup| Setup {
    workers: 0,
    ..setup
});
both!(every_page_while_lists_grow, pages, |setup| Setup {
    workers: 0,
    ..setup
});
