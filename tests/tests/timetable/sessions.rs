//! Single sessions are moved and cancelled.

use chrono::TimeDelta;
use serde_json::{Value, json};
use service::kinds::Role;
use tests::both;
use tests::client::data;
use tests::school::{School, now};
use tests::world::{Setup, World};

use crate::{UPDATE_SESSION, at, by_id, conflict, global, invalid, new_venue, planned, refusal, state, unknown};

async fn moved(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 2).await;
    let venue = new_venue(&admin, "Aula").await;
    let session = planned(
        &admin,
        json!({ "classId": school.class, "venueId": venue, "title": "Algebra", "startsAt": "2027-01-04T08:00:00Z",
            "endsAt": "2027-01-04T09:00:00Z" }),
    )
    .await;
    let other = planned(
        &admin,
        json!({ "classId": school.class, "startsAt": "2027-01-04T10:00:00Z", "endsAt": "2027-01-04T11:00:00Z" }),
    )
    .await;
    let update = async |input: Value| {
        admin
            .raw(UPDATE_SESSION, json!({ "id": session, "input": input }))
            .await
    };

    // What is absent stays, and it is not in its own way.
    let got = data(update(json!({ "endsAt": "2027-01-04T09:30:00Z" })).await)["updateSession"]["session"].clone();
    assert_eq!(at(got["startsAt"].as_str().unwrap()), at("2027-01-04T08:00:00Z"));
    assert_eq!(at(got["endsAt"].as_str().unwrap()), at("2027-01-04T09:30:00Z"));
    assert_eq!((&got["title"], &got["venue"]["id"]), (&json!("Algebra"), &json!(venue)));
    let got = data(update(json!({ "title": null, "venueId": null })).await)["updateSession"]["session"].clone();
    assert_eq!((&got["title"], &got["venue"]), (&Value::Null, &Value::Null));
    data(update(json!({ "title": "  " })).await);

    for (input, problem) in [
        (json!({ "startsAt": null }), invalid("startsAt")),
        (json!({ "endsAt": null }), invalid("endsAt")),
        (json!({ "endsAt": "2027-01-04T08:00:00Z" }), invalid("endsAt")),
        (json!({ "startsAt": "2027-01-04T09:30:00Z" }), invalid("startsAt")),
        (json!({ "endsAt": "2027-01-05T08:00:01Z" }), invalid("endsAt")),
        (json!({ "startsAt": "0001-01-01T00:00:00Z" }), invalid("startsAt")),
        (json!({ "endsAt": "9999-01-01T00:00:00Z" }), invalid("endsAt")),
        (json!({ "title": "x".repeat(201) }), invalid("title")),
        (json!({ "venueId": "ven_x" }), unknown()),
        (json!({ "venueId": school.class }), unknown()),
        (json!({ "endsAt": "2027-01-04T10:00:01Z" }), conflict("TEACHER_BUSY")),
    ] {
        let answer = update(input.clone()).await;
        assert_eq!(refusal(&answer), problem, "{input}");
    }
    let refused = update(json!({ "endsAt": "2027-01-04T10:01:00Z" })).await;
    assert_eq!(refused["errors"][0]["extensions"]["sessionId"], other);
    data(update(json!({ "endsAt": "2027-01-04T10:01:00Z", "allowOverlap": true })).await);
    // An overlap that was allowed is no hindrance to a new title.
    data(update(json!({ "title": "Geometry" })).await);
    data(
        admin
            .raw(
                UPDATE_SESSION,
                json!({ "id": other, "input": { "venueId": venue, "allowOverlap": true } }),
            )
            .await,
    );
    let refused = update(json!({ "venueId": venue })).await;
    assert_eq!(refusal(&refused), conflict("VENUE_TAKEN"));
}

both!(a_session_is_moved, moved, |s| Setup { workers: 0, ..s });

/// A venue is taken by somebody whose session the asker may not see: they learn its id alone.
async fn hidden(world: World) {
    let (organization, admin) = world.organization("School").await;
    let (_, tess) = world.member(organization, "Tess", Role::Teacher).await;
    let school = School::with_students(&admin, 0).await;
    let venue = new_venue(&admin, "Aula").await;
    let times = json!({ "venueId": venue, "startsAt": "2027-01-04T08:00:00Z", "endsAt": "2027-01-04T09:00:00Z" });
    let mut input = times.clone();
    input["classId"] = json!(school.class);
    input["title"] = json!("Secret council");
    let session = planned(&admin, input).await;
    let mut input = times;
    input["classId"] = json!(School::with_students(&tess, 0).await.class);
    let refused = tess.raw(crate::CREATE_SESSION, json!({ "input": input })).await;
    assert_eq!(refusal(&refused), conflict("VENUE_TAKEN"));
    assert_eq!(refused["errors"][0]["extensions"]["sessionId"], session);
    let text = refused.to_string();
    assert!(!text.contains("Secret") && !text.contains("Physics"), "{text}");
    let looked = tess
        .query("query($id: ID!) { session(id: $id) { id } }", json!({ "id": session }))
        .await;
    assert_eq!(looked["session"], Value::Null);
}

both!(who_may_not_see_the_other_session_learns_its_id, hidden, |s| Setup {
    workers: 0,
    ..s
});

/// Marks stay what they are when the start moves; they count on the new day.
async fn marked(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 3).await;
    let session = school.open_session().await;
    data(school.mark(&session, &school.students[0], "PRESENT").await);
    data(school.mark(&session, &school.students[1], "ABSENT").await);
    let starts = now() - TimeDelta::days(21);
    let input = json!({ "startsAt": starts.to_rfc3339(), "endsAt": (now() + TimeDelta::minutes(30) - TimeDelta::days(21)).to_rfc3339() });
    let got = data(
        admin
            .raw(UPDATE_SESSION, json!({ "id": session, "input": input }))
            .await,
    );
    let summary = &got["updateSession"]["session"]["summary"];
    assert_eq!((&summary["present"], &summary["absent"]), (&json!(1), &json!(1)));
    assert_eq!(school.marked(&session, "PRESENT").await, ["Student 000"]);
    weeks_fit(&world).await;

    school.set(&session, "closeSession").await;
    weeks_fit(&world).await;
    let move_it = json!({ "startsAt": now().to_rfc3339(), "endsAt": (now() + TimeDelta::hours(1)).to_rfc3339() });
    let refused = admin
        .raw(UPDATE_SESSION, json!({ "id": session, "input": move_it }))
        .await;
    assert_eq!(refusal(&refused), conflict("CLOSED"));
    // What is no move is none; and what it was about may be said afterwards.
    let same = json!({ "startsAt": got["updateSession"]["session"]["startsAt"], "title": "Exam" });
    data(admin.raw(UPDATE_SESSION, json!({ "id": session, "input": same })).await);
}

both!(marks_stay_when_a_session_is_moved, marked, |s| Setup {
    workers: 0,
    ..s
});

async fn cancelled(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 2).await;
    let session = school.open_session().await;
    data(school.mark(&session, &school.students[0], "PRESENT").await);
    let got = data(by_id(&admin, "cancelSession", &session).await);
    let got = &got["cancelSession"]["session"];
    assert_eq!(
        (&got["state"], &got["summary"]["sessions"]),
        (&json!("CANCELLED"), &json!(0))
    );
    assert_eq!(school.marked(&session, "PRESENT").await, ["Student 000"], "marks stay");
    weeks_fit(&world).await;
    for mutation in ["cancelSession", "openSession"] {
        let refused = by_id(&admin, mutation, &session).await;
        assert_eq!(refusal(&refused), conflict("CANCELLED"), "{mutation}");
    }
    let refused = school.mark(&session, &school.students[0], "ABSENT").await;
    assert_eq!(refusal(&refused), conflict("CANCELLED"));
    let closed = school.open_session().await;
    school.set(&closed, "closeSession").await;
    assert_eq!(
        refusal(&by_id(&admin, "cancelSession", &closed).await),
        conflict("CLOSED")
    );

    // Its time is free again.
    let times =
        json!({ "classId": school.class, "startsAt": "2027-01-04T08:00:00Z", "endsAt": "2027-01-04T09:00:00Z" });
    let first = planned(&admin, times.clone()).await;
    data(by_id(&admin, "cancelSession", &first).await);
    planned(&admin, times).await;
    assert_eq!(state(&admin, &first).await, "CANCELLED");
    let refused = admin
        .raw(
            UPDATE_SESSION,
            json!({ "id": first, "input": { "endsAt": "2027-01-04T08:30:00Z" } }),
        )
        .await;
    assert_eq!(refusal(&refused), conflict("CANCELLED"));
}

both!(a_cancelled_session_counts_nowhere, cancelled, |s| Setup {
    workers: 0,
    ..s
});

/// A new colleague is not in two places either.
async fn colleagues(world: World) {
    let (organization, admin) = world.organization("School").await;
    let (tess, _) = world.member(organization, "Tess", Role::Teacher).await;
    let (a, b) = (
        School::with_students(&admin, 0).await,
        School::with_students(&admin, 0).await,
    );
    for school in [&a, &b] {
        let input = json!({ "teacherIds": [global(tess)] });
        data(
            admin
                .raw(crate::UPDATE_CLASS, json!({ "id": school.class, "input": input }))
                .await,
        );
    }
    let times =
        |class: &str| json!({ "classId": class, "startsAt": "2027-01-04T08:00:00Z", "endsAt": "2027-01-04T09:00:00Z" });
    planned(&admin, times(&a.class)).await;
    let refused = admin
        .raw(crate::CREATE_SESSION, json!({ "input": times(&b.class) }))
        .await;
    assert_eq!(refusal(&refused), conflict("TEACHER_BUSY"));
}

both!(a_teacher_is_in_one_place, colleagues, |s| Setup { workers: 0, ..s });

/// The sums of weeks are those of the marks that count.
async fn weeks_fit(world: &World) {
    use sea_orm::{ConnectionTrait, Statement};
    let db = world.service.db.reader();
    let ask = async |sql: &str| {
        let rows = db
            .query_all_raw(Statement::from_string(db.get_database_backend(), sql))
            .await
            .unwrap();
        let mut all: Vec<(i32, uuid::Uuid, i64, i64)> = rows
            .iter()
            .map(|row| {
                let n = |name: &str| row.try_get::<i64>("", name).unwrap();
                (
                    row.try_get("", "week").unwrap(),
                    row.try_get("", "student").unwrap(),
                    n("present"),
                    n("absent"),
                )
            })
            .filter(|(_, _, present, absent)| (*present, *absent) != (0, 0))
            .collect();
        all.sort_unstable();
        all
    };
    let kept = ask(
        "SELECT week, student_id AS student, CAST(present AS BIGINT) AS present, CAST(absent AS BIGINT) AS absent FROM student_week",
    )
    .await;
    let counted = ask("SELECT (s.day + 3) / 7 AS week, m.student_id AS student, \
         CAST(SUM(CASE WHEN m.status = 'PRESENT' THEN 1 ELSE 0 END) AS BIGINT) AS present, \
         CAST(SUM(CASE WHEN m.status = 'ABSENT' THEN 1 ELSE 0 END) AS BIGINT) AS absent \
         FROM mark m JOIN session s ON s.id = m.session_id WHERE s.state IN ('OPEN', 'CLOSED') \
         GROUP BY (s.day + 3) / 7, m.student_id")
    .await;
    assert_eq!(kept, counted);
}
