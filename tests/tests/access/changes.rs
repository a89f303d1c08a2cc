//! The table of everything that changes something. What was allowed leaves an entry of its doer
//! in the audit log, what was refused leaves nothing; and the log holds ids, never names.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, QueryResult, Statement};
use serde_json::json;
use tests::client::Client;
use tests::world::World;
use uuid::Uuid;

use crate::accounts::ACCOUNTS;
use crate::administration::ADMINISTRATION;
use crate::place::Land;
use crate::review::DECISIONS;
use crate::table::{Row, row};
use crate::timetable::TIMETABLE;

pub const SCHOOL: &[Row] = &[
    row(
        "Mutation.createClass",
        "createClass(input: { name: \"New\", code: @unique }) { class { id } }",
        "vvv",
        "vvv",
        "FFF",
    ),
    row(
        "Mutation.createClass",
        "createClass(input: { name: \"New\", code: @unique, teacherIds: [@teacher] }) { class { id } }",
        "vv4",
        "vv4",
        "FFF",
    ),
    row(
        "Mutation.createClass",
        "createClass(input: { name: \"New\", code: @unique, teacherIds: [@student] }) { class { id } }",
        "II4",
        "II4",
        "FFF",
    ),
    row(
        "Mutation.addStudents",
        "addStudents(classId: @class, students: [{ fullName: \"Nora New\", rollNumber: @unique }]) { class { id } }",
        "vv4",
        "v44",
        "FF4",
    ),
    row(
        "Mutation.createVenue",
        "createVenue(input: { name: @unique }) { venue { id } }",
        "vvv",
        "FFF",
        "FFF",
    ),
    row(
        "Mutation.createSession",
        "createSession(input: { classId: @class, startsAt: \"2027-01-04T08:00:00Z\", \
         endsAt: \"2027-01-04T09:00:00Z\", allowOverlap: true }) { session { id } }",
        "vv4",
        "v44",
        "FF4",
    ),
    row(
        "Mutation.createSession",
        "createSession(input: { classId: #class, venueId: @venue, startsAt: \"2027-01-04T08:00:00Z\", \
         endsAt: \"2027-01-04T09:00:00Z\", allowOverlap: true }) { session { id } }",
        "vv4",
        "vv4",
        "FFF",
    ),
    row(
        "Mutation.openSession",
        "openSession(id: @scheduled) { session { id } }",
        "vv4",
        "v44",
        "FF4",
    ),
    row(
        "Mutation.closeSession",
        "closeSession(id: @open) { session { id } }",
        "vv4",
        "v44",
        "FF4",
    ),
    row(
        "Mutation.enrolFaces",
        "enrolFaces(userId: @student, photos: [{ base64: @picture }]) { job { id } }",
        "vv4",
        "v44",
        "v44",
    ),
    row(
        "Mutation.enrolFaces",
        "enrolFaces(userId: @mate, photos: [{ base64: @picture }]) { job { id } }",
        "vv4",
        "v44",
        "444",
    ),
    row(
        "Mutation.enrolFaces",
        "enrolFaces(userId: @teacher, photos: [{ base64: @picture }]) { job { id } }",
        "II4",
        "I44",
        "444",
    ),
    row(
        "Mutation.submitClassPhoto",
        "submitClassPhoto(sessionId: @open, photo: { base64: @picture }) { job { id } }",
        "vv4",
        "v44",
        "FF4",
    ),
    row(
        "Mutation.identifyFaces",
        "identifyFaces(photo: { base64: @picture }) { job { id } }",
        "vvv",
        "FFF",
        "FFF",
    ),
    row(
        "Mutation.identifyFaces",
        "identifyFaces(classId: @class, photo: { base64: @picture }) { job { id } }",
        "vv4",
        "v44",
        "FF4",
    ),
    row(
        "Mutation.clearMark",
        "clearMark(sessionId: @marked, studentId: @mate) { entry { student { id } } }",
        "vv4",
        "v44",
        "FF4",
    ),
    row(
        "Mutation.exportAttendance",
        "exportAttendance(input: { range: { from: \"2026-01-01\", to: \"2026-02-01\" }, classId: @class, format: CSV }) { \
         job { id } }",
        "vv4",
        "v44",
        "FFF",
    ),
    row(
        "Mutation.markAttendanceBulk",
        "markAttendanceBulk(inputs: [{ sessionId: @open, studentId: @mate, status: EXCUSED }]) { \
         results { mark { id } } }",
        "vv-",
        "v--",
        "FFF",
    )
    .at("markAttendanceBulk.results.0.mark"),
    row(
        "Mutation.markAttendance",
        "markAttendance(input: { sessionId: @open, studentId: @mate, status: PRESENT }) { mark { id } }",
        "vv4",
        "v44",
        "FF4",
    ),
    row(
        "Mutation.markAttendance",
        "markAttendance(input: { sessionId: #open, studentId: @mate, status: PRESENT }) { mark { id } }",
        "v44",
        "v44",
        "FFF",
    ),
];

/// A rotation renews a login that is in the log already, every quarter of an hour; a code is asked
/// for by somebody who has not shown yet who they are.
const UNLOGGED: [&str; 4] = [
    "Mutation.refresh",
    "Mutation.requestEmailVerification",
    "Mutation.confirmEmail",
    "Mutation.requestPasswordReset",
];

/// These end the asker's logins or the asker: somebody like them asks.
const FOR_GOOD: [&str; 4] = [
    "Mutation.logoutEverywhere",
    "Mutation.changePassword",
    "Mutation.changeEmail",
    "Mutation.deleteAccount",
];

/// By a token or a code that is somebody's own: the log tells of that somebody, not of the asker.
const OF_ANOTHER: [&str; 2] = ["Mutation.register", "Mutation.resetPassword"];

async fn all(world: &World, sql: &str) -> Vec<QueryResult> {
    let db = world.service.db.reader();
    let statement = Statement::from_string(db.get_database_backend(), sql);
    db.query_all_raw(statement).await.unwrap()
}

/// The log: by the entry's id who and what.
async fn log(world: &World) -> BTreeMap<Uuid, (Option<Uuid>, String)> {
    let rows = all(world, "SELECT id, actor_id, action FROM audit").await;
    rows.iter()
        .map(|row| {
            let value = (row.try_get("", "actor_id").unwrap(), row.try_get("", "action").unwrap());
            (row.try_get("", "id").unwrap(), value)
        })
        .collect()
}

/// The id of whoever asks; none of a stranger.
async fn person(client: &Client) -> Option<Uuid> {
    let answer = client.raw("{ viewer { id } }", json!({})).await;
    let id = answer["data"]["viewer"]["id"].as_str()?;
    Some(id.trim_start_matches("usr_").parse().unwrap())
}

pub async fn check(land: &Land) {
    let mut wrong = Vec::new();
    for row in [SCHOOL, ACCOUNTS, ADMINISTRATION, TIMETABLE, DECISIONS]
        .into_iter()
        .flatten()
    {
        for (role, client, expected) in row.askers(land) {
            let mut got = String::new();
            for place in &land.places {
                let client = if FOR_GOOD.contains(&row.field) {
                    land.like(role).await
                } else {
                    client.clone()
                };
                // Tokens and passwords speak for themselves, whoever brings them.
                let by_secret = row.operation.contains("@refresh") || row.operation.contains("@password");
                let doer = person(if by_secret { &place.student } else { &client }).await;
                let text = row.text(place, &land.places[0]).await;
                let before = log(&land.world).await;
                let letter = row.ask(&client, &text, place).await;
                got.push(letter);
                let mut new = log(&land.world).await;
                new.retain(|id, _| !before.contains_key(id));
                let logged = letter == 'v' && !UNLOGGED.contains(&row.field);
                let fits = |(actor, action): &(Option<Uuid>, String)| {
                    action == row.root()
                        && if OF_ANOTHER.contains(&row.field) {
                            actor.is_some() && *actor != doer
                        } else {
                            *actor == doer
                        }
                };
                if logged == new.is_empty() || !new.values().all(fits) {
                    wrong.push(format!("{} {role}: {letter} by {doer:?} left {new:?}", row.field));
                }
            }
            if got != expected {
                wrong.push(format!(
                    "{} {role}: {got} and not {expected}: {}",
                    row.field, row.operation
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each word by which somebody could be known.
pub async fn no_names_in_the_log(world: &World) {
    let mut words = Vec::new();
    for person in all(world, "SELECT full_name, email, roll_number, login_email FROM person").await {
        for column in ["full_name", "email", "roll_number", "login_email"] {
            words.extend(person.try_get::<Option<String>>("", column).unwrap());
        }
    }
    // Of who was erased there is no word.
    words.retain(|word| !word.is_empty());
    assert!(words.len() > 20);
    for entry in all(world, "SELECT action, target_type, summary FROM audit").await {
        for column in ["action", "target_type", "summary"] {
            let text: String = entry.try_get("", column).unwrap();
            assert!(
                !words.iter().any(|word| text.contains(word)),
                "a name in the log: {text}"
            );
        }
    }
}
