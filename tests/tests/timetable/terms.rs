//! Whole terms: on the right days, at the same time of day across changes of the clocks, all or
//! none, and by as many statements as a short one.

use serde_json::{Value, json};
use tests::both;
use tests::client::{Client, data};
use tests::school::School;
use tests::world::{Mode, Setup, World};

use crate::{SCHEDULE, at, conflict, count, invalid, new_venue, planned, refusal};

async fn zoned(world: &World, zone: &str) -> Client {
    let (_, admin) = world.organization("School").await;
    admin
        .query(
            "mutation($zone: String!) { updateOrganization(input: { timezone: $zone }) { organization { timezone } } }",
            json!({ "zone": zone }),
        )
        .await;
    admin
}

fn starts(answer: &Value) -> Vec<&str> {
    let sessions = answer["scheduleSessions"]["sessions"].as_array().unwrap();
    sessions.iter().map(|s| s["startsAt"].as_str().unwrap()).collect()
}

/// A weekly lesson stays at nine, whatever the clocks do.
async fn nine_is_nine(world: World) {
    for (zone, from, to, weekday, expected) in [
        (
            "Europe/Madrid",
            "2026-10-18",
            "2026-11-02",
            "MONDAY",
            ["2026-10-19T07:00", "2026-10-26T08:00", "2026-11-02T08:00"],
        ),
        (
            "America/New_York",
            "2026-03-01",
            "2026-03-16",
            "MONDAY",
            ["2026-03-02T14:00", "2026-03-09T13:00", "2026-03-16T13:00"],
        ),
        (
            "Asia/Kolkata",
            "2026-03-22",
            "2026-04-05",
            "SUNDAY",
            ["2026-03-22T03:30", "2026-03-29T03:30", "2026-04-05T03:30"],
        ),
        // It had no 30 December: the lesson of that Friday is not held on another day.
        (
            "Pacific/Apia",
            "2011-12-16",
            "2012-01-06",
            "FRIDAY",
            ["2011-12-16T19:00", "2011-12-23T19:00", "2012-01-05T19:00"],
        ),
    ] {
        let admin = zoned(&world, zone).await;
        let school = School::with_students(&admin, 2).await;
        let input = json!({ "classId": school.class, "weekdays": [weekday], "startTime": "09:00", "endTime": "10:30",
            "from": from, "to": to });
        let made = data(admin.raw(SCHEDULE, json!({ "input": input })).await);
        let got: Vec<String> = starts(&made)
            .iter()
            .map(|s| at(s).format("%Y-%m-%dT%H:%M").to_string())
            .collect();
        assert_eq!(got, expected, "{zone}");
    }
}

both!(a_lesson_stays_at_its_time_of_day, nine_is_nine, |s| Setup {
    workers: 0,
    ..s
});

/// 02:30 on the night when it is skipped, and on the night when it comes twice.
async fn nights(world: World) {
    let admin = zoned(&world, "Europe/Madrid").await;
    let school = School::with_students(&admin, 1).await;
    for (day, start, end) in [
        ("2026-03-29", "2026-03-29T01:30:00Z", "2026-03-29T02:30:00Z"),
        ("2026-10-25", "2026-10-25T00:30:00Z", "2026-10-25T03:30:00Z"),
    ] {
        let input = json!({ "classId": school.class, "weekdays": ["SUNDAY"], "startTime": "02:30", "endTime": "04:30",
            "from": day, "to": day });
        let made = data(admin.raw(SCHEDULE, json!({ "input": input })).await);
        let session = &made["scheduleSessions"]["sessions"][0];
        assert_eq!(
            (
                at(session["startsAt"].as_str().unwrap()),
                at(session["endsAt"].as_str().unwrap())
            ),
            (at(start), at(end))
        );
        let found = admin
            .query(
                "query($id: ID!, $range: DateRange!) { class(id: $id) { sessions(range: $range) { totalCount } } }",
                json!({ "id": school.class, "range": { "from": day, "to": day } }),
            )
            .await;
        assert_eq!(found["class"]["sessions"]["totalCount"], 1, "it is of its day");
    }
}

both!(half_past_two_on_both_nights, nights, |s| Setup { workers: 0, ..s });

async fn a_term(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 3).await;
    let venue = new_venue(&admin, "Aula").await;
    let term = |weekdays: Value, except: Value| {
        json!({ "classId": school.class, "venueId": venue, "title": " Algebra ", "weekdays": weekdays,
            "startTime": "09:00", "endTime": "10:00", "from": "2027-01-04", "to": "2027-01-17", "except": except })
    };
    // The same weekday twice is one lesson; a day that is left out need not be one of them.
    let weekdays = json!(["MONDAY", "WEDNESDAY", "MONDAY", "SUNDAY"]);
    let input = term(weekdays, json!(["2027-01-06", "2027-01-05", "2029-01-01"]));
    let made = data(admin.raw(SCHEDULE, json!({ "input": input })).await);
    let days = ["01-04", "01-10", "01-11", "01-13", "01-17"].map(|day| format!("2027-{day}T08:00:00Z"));
    let got: Vec<_> = starts(&made).iter().map(|s| at(s)).collect();
    assert_eq!(got, days.map(|day| at(&day)));
    for session in made["scheduleSessions"]["sessions"].as_array().unwrap() {
        assert_eq!(
            (&session["title"], &session["state"]),
            (&json!("Algebra"), &json!("SCHEDULED"))
        );
        assert_eq!(session["venue"]["id"], venue);
    }

    // One day of a second term is taken: nothing of it is planned, and the answer names the session.
    let other = School::with_students(&admin, 0).await;
    let taken = &made["scheduleSessions"]["sessions"][3]["id"];
    let mut input = term(json!(["TUESDAY", "WEDNESDAY"]), Value::Null);
    input["classId"] = json!(other.class);
    let refused = admin.raw(SCHEDULE, json!({ "input": input })).await;
    assert_eq!(refusal(&refused), conflict("VENUE_TAKEN"));
    assert_eq!(&refused["errors"][0]["extensions"]["sessionId"], taken);
    assert_eq!(count(&admin, &other.class).await, 0);
    input["venueId"] = Value::Null;
    let refused = admin.raw(SCHEDULE, json!({ "input": input })).await;
    assert_eq!(refusal(&refused), conflict("TEACHER_BUSY"));
    assert_eq!(&refused["errors"][0]["extensions"]["sessionId"], taken);
    input["allowOverlap"] = json!(true);
    data(admin.raw(SCHEDULE, json!({ "input": input })).await);
    assert_eq!(count(&admin, &other.class).await, 4);
}

both!(all_of_a_term_or_nothing, a_term, |s| Setup { workers: 0, ..s });

/// The members are expected at every session, and one that was planned by itself is in the way too.
async fn roll(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 3).await;
    let single = planned(
        &admin,
        json!({ "classId": school.class, "startsAt": "2027-01-05T08:30:00Z", "endsAt": "2027-01-05T08:31:00Z" }),
    )
    .await;
    let mut input = json!({ "classId": school.class, "weekdays": ["TUESDAY"], "startTime": "09:00", "endTime": "10:00",
        "from": "2027-01-01", "to": "2027-01-31" });
    let refused = admin.raw(SCHEDULE, json!({ "input": input })).await;
    assert_eq!(refused["errors"][0]["extensions"]["sessionId"], single);
    // What only touches is not in the way.
    input["startTime"] = json!("09:31");
    let made = data(admin.raw(SCHEDULE, json!({ "input": input })).await);
    for session in made["scheduleSessions"]["sessions"].as_array().unwrap() {
        let found = admin
            .query(
                "query($id: ID!) { session(id: $id) { roll { totalCount } } }",
                json!({ "id": session["id"] }),
            )
            .await;
        assert_eq!(found["session"]["roll"]["totalCount"], 3);
    }
}

both!(members_are_expected_at_each, roll, |s| Setup { workers: 0, ..s });

#[tokio::test(flavor = "multi_thread")]
async fn a_year_costs_as_many_statements_as_a_week() {
    let setup = Setup {
        workers: 0,
        ..Setup::new(Mode::Embedded)
    };
    let world = setup.build().await.unwrap();
    let (_, admin) = world.organization("School").await;
    let mut costs = Vec::new();
    for to in ["2027-01-10", "2027-12-31"] {
        let school = School::with_students(&admin, 30).await;
        let input = json!({ "classId": school.class, "startTime": "09:00", "endTime": "10:00", "from": "2027-01-04",
            "to": to, "weekdays": ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"] });
        let query = "mutation($input: ScheduleInput!) { scheduleSessions(input: $input) { sessions { id } } }";
        let before = world.service.db.statements();
        let refused = admin.raw(query, json!({ "input": input })).await;
        costs.push(world.service.db.statements() - before);
        let made = data(refused)["scheduleSessions"]["sessions"].as_array().unwrap().len();
        assert_eq!(made, if to == "2027-01-10" { 5 } else { 260 });
        // The next class has the same teacher.
        admin
            .query(
                "mutation($id: ID!) { deleteClass(id: $id) { deletedId } }",
                json!({ "id": school.class }),
            )
            .await;
    }
    println!("statements for a term of a week and of a year: {costs:?}");
    assert_eq!(costs[0], costs[1]);
}

async fn bad(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let good = json!({ "classId": school.class, "weekdays": ["MONDAY"], "startTime": "09:00", "endTime": "10:00",
        "from": "2027-01-04", "to": "2027-01-17" });
    let every_day = json!([
        "MONDAY",
        "TUESDAY",
        "WEDNESDAY",
        "THURSDAY",
        "FRIDAY",
        "SATURDAY",
        "SUNDAY"
    ]);
    for (change, field) in [
        (json!({ "endTime": "09:00" }), "endTime"),
        (json!({ "endTime": "08:59" }), "endTime"),
        (json!({ "startTime": "23:30", "endTime": "00:30" }), "endTime"),
        (json!({ "endTime": "24:00" }), "endTime"),
        (json!({ "startTime": "9:00" }), "startTime"),
        (json!({ "startTime": "09:00:00" }), "startTime"),
        (json!({ "startTime": "" }), "startTime"),
        (json!({ "startTime": "٠٩:٠٠" }), "startTime"),
        (json!({ "startTime": "9".repeat(100_000) }), "startTime"),
        (json!({ "from": "2027-01-18" }), "to"),
        (json!({ "from": "1927-01-18", "to": "2027-01-18" }), "from"),
        (json!({ "from": "2027-01-01", "to": "2127-01-01" }), "to"),
        (json!({ "from": "2027-01-01", "to": "2029-01-02" }), "to"),
        (json!({ "from": "0001-01-01", "to": "0001-01-08" }), "from"),
        (json!({ "from": "9999-12-01", "to": "9999-12-31" }), "from"),
        (json!({ "from": "+262142-12-01", "to": "+262142-12-31" }), "from"),
        (json!({ "to": "+262142-12-31" }), "to"),
        (json!({ "weekdays": [] }), "weekdays"),
        (json!({ "weekdays": ["TUESDAY"], "to": "2027-01-04" }), "weekdays"),
        (json!({ "except": ["2027-01-04", "2027-01-11"] }), "weekdays"),
        (json!({ "weekdays": every_day, "to": "2029-01-03" }), "to"),
        (json!({ "weekdays": every_day, "to": "2028-05-18" }), "to"),
        (json!({ "title": "x".repeat(201) }), "title"),
        (json!({ "title": "a\u{0}b" }), "title"),
        (json!({ "title": "two\nlines" }), "title"),
    ] {
        let mut input = good.clone();
        for (key, value) in change.as_object().unwrap() {
            input[key] = value.clone();
        }
        let answer = admin.raw(SCHEDULE, json!({ "input": input })).await;
        let short: String = change.to_string().chars().take(80).collect();
        assert_eq!(refusal(&answer), invalid(field), "{short}");
    }
    for change in [
        json!({ "weekdays": ["FUNDAY"] }),
        json!({ "from": "2027-02-30" }),
        json!({ "from": "yesterday" }),
        json!({ "from": null }),
        json!({ "startTime": null }),
    ] {
        let mut input = good.clone();
        for (key, value) in change.as_object().unwrap() {
            input[key] = value.clone();
        }
        let answer = admin.raw(SCHEDULE, json!({ "input": input })).await;
        assert_eq!(refusal(&answer).0, "BAD_REQUEST", "{change}");
    }
    assert_eq!(count(&admin, &school.class).await, 0, "nothing of it stays");
    // The most that goes at once: 500 days.
    let mut input = good.clone();
    input["weekdays"] = every_day;
    input["to"] = json!("2028-05-17");
    let made = data(admin.raw(SCHEDULE, json!({ "input": input })).await);
    assert_eq!(made["scheduleSessions"]["sessions"].as_array().unwrap().len(), 500);
}

both!(a_term_that_is_none, bad, |s| Setup { workers: 0, ..s });
