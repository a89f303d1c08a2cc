//! Who joins a class is on the roll of what is held while they belong, and of nothing else.

use chrono::Days;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use tests::both;
use tests::school::{School, now};
use tests::world::{Setup, World};

/// The ids of new or known students, from a day on.
async fn join(school: &School, from: Option<&str>, student: Value) -> String {
    let query = "mutation($class: ID!, $rows: [StudentInput!]!, $from: Date) { \
         addStudents(classId: $class, students: $rows, from: $from) { results { student { id } error { message } } } }";
    let variables = json!({ "class": school.class, "rows": [student], "from": from });
    let added = school.teacher.query(query, variables).await;
    let result = &added["addStudents"]["results"][0];
    assert_eq!(result["error"], Value::Null);
    result["student"]["id"].as_str().unwrap().to_owned()
}

async fn names(school: &School, session: &str) -> Vec<String> {
    school.roll(session).await.into_iter().map(|line| line.0).collect()
}

/// Whoever joins next month is absent from nothing that is held before.
async fn in_advance(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    let later = (now().date_naive() + Days::new(30)).to_string();
    let id = join(&school, Some(&later), json!({ "fullName": "Later" })).await;
    assert_eq!(names(&school, &session).await, ["Student 000"]);
    // Added again, for a day before: from then on.
    join(&school, None, json!({ "id": id })).await;
    assert_eq!(names(&school, &session).await, ["Later", "Student 000"]);
    school.set(&session, "closeSession").await;
    assert_eq!(school.marked(&session, "ABSENT").await, ["Later", "Student 000"]);
}

both!(who_joins_later_is_not_missed_before, in_advance, |setup| Setup {
    workers: 0,
    ..setup
});

/// A session that is opened again after weeks has the roll that it had.
async fn opened_again(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    school.set(&session, "closeSession").await;
    let db = world.service.db.writer();
    for (sql, days) in [
        ("UPDATE session SET starts_at = $1, created_at = $1", 30_u64),
        ("UPDATE session SET ends_at = $1", 29),
        ("UPDATE membership SET joined_at = $1", 60),
    ] {
        let at = now() - Days::new(days);
        db.execute_raw(Statement::from_sql_and_values(
            db.get_database_backend(),
            sql,
            [at.into()],
        ))
        .await
        .unwrap();
    }
    join(&school, None, json!({ "fullName": "New" })).await;
    school.set(&session, "openSession").await;
    assert_eq!(names(&school, &session).await, ["Student 000"]);
    school.set(&session, "closeSession").await;
    assert_eq!(names(&school, &session).await, ["Student 000"]);
}

both!(
    who_joined_since_is_not_missed_in_what_is_opened_again,
    opened_again,
    |setup| Setup { workers: 0, ..setup }
);
