//! Two who plan at the same time, of which each alone would be right.

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Value, json};
use service::kinds::Role;
use tests::both;
use tests::client::{Client, data};
use tests::school::{School, now};
use tests::world::{Setup, World};

use crate::{CREATE_SESSION, SCHEDULE, UPDATE_SESSION, at, by_id, conflict, new_venue, planned, refusal};

const ROUNDS: i64 = 100;

fn hour(round: i64) -> (String, String) {
    let starts = at("2027-01-04T00:00:00Z") + TimeDelta::hours(2 * round);
    (starts.to_rfc3339(), (starts + TimeDelta::hours(1)).to_rfc3339())
}

/// Exactly one of them has it, and the other is told whose session is in the way.
fn one_has_it(answers: &[Value], round: i64) -> String {
    let won: Vec<&Value> = answers.iter().filter(|a| a.get("errors").is_none()).collect();
    assert_eq!(won.len(), 1, "round {round}: {answers:?}");
    let (_, payload) = won[0]["data"].as_object().unwrap().iter().next().unwrap();
    let session = payload["session"]["id"]
        .as_str()
        .or_else(|| payload["sessions"][0]["id"].as_str());
    for lost in answers.iter().filter(|a| a.get("errors").is_some()) {
        assert_eq!(refusal(lost), conflict("VENUE_TAKEN"), "round {round}");
        assert_eq!(
            lost["errors"][0]["extensions"]["sessionId"].as_str(),
            session,
            "round {round}"
        );
    }
    session.unwrap().to_owned()
}

struct Rivals {
    venue: String,
    schools: [School; 2],
    clients: [Client; 2],
}

async fn rivals(world: &World) -> Rivals {
    let (organization, admin) = world.organization("School").await;
    admin
        .query(
            "mutation { updateOrganization(input: { timezone: \"UTC\" }) { organization { id } } }",
            json!({}),
        )
        .await;
    let (_, tess) = world.member(organization, "Tess", Role::Teacher).await;
    let (_, tom) = world.member(organization, "Tom", Role::Teacher).await;
    let tom = tom.at(world.bases.last().unwrap());
    Rivals {
        venue: new_venue(&admin, "Aula").await,
        schools: [
            School::with_students(&tess, 1).await,
            School::with_students(&tom, 1).await,
        ],
        clients: [tess, tom],
    }
}

async fn same_hour(world: World) {
    let rivals = rivals(&world).await;
    for round in 0..ROUNDS {
        let (from, to) = hour(round);
        let create = async |n: usize| {
            let input =
                json!({ "classId": rivals.schools[n].class, "venueId": rivals.venue, "startsAt": from, "endsAt": to });
            rivals.clients[n].raw(CREATE_SESSION, json!({ "input": input })).await
        };
        let term = async |n: usize| {
            let starts = at(&from);
            let day = starts.format("%Y-%m-%d").to_string();
            let weekday = starts.format("%A").to_string().to_uppercase();
            let input = json!({ "classId": rivals.schools[n].class, "venueId": rivals.venue, "weekdays": [weekday],
                "startTime": starts.format("%H:%M").to_string(), "endTime": starts.format("%H:30").to_string(),
                "from": day, "to": day });
            rivals.clients[n].raw(SCHEDULE, json!({ "input": input })).await
        };
        let answers = match round % 3 {
            0 => tokio::join!(create(0), create(1)),
            1 => tokio::join!(create(0), term(1)),
            _ => tokio::join!(term(0), term(1)),
        };
        one_has_it(&[answers.0, answers.1], round);
    }
}

both!(of_two_who_want_a_venue_at_once_one_has_it, same_hour, |s| Setup {
    workers: 0,
    apis: 2,
    ..s
});

/// Two sessions are moved to the same hour at once.
async fn moved(world: World) {
    let rivals = rivals(&world).await;
    let mut sessions = Vec::new();
    for n in 0..2 {
        let (from, to) = hour(1000 + n);
        let input = json!({ "classId": rivals.schools[usize::from(n == 1)].class, "venueId": rivals.venue, "startsAt": from, "endsAt": to });
        sessions.push(planned(&rivals.clients[usize::from(n == 1)], input).await);
    }
    for round in 0..ROUNDS {
        let (from, to) = hour(round);
        let input = json!({ "startsAt": from, "endsAt": to });
        let moving = async |n: usize| {
            let variables = json!({ "id": sessions[n], "input": input });
            rivals.clients[n].raw(UPDATE_SESSION, variables).await
        };
        let answers = tokio::join!(moving(0), moving(1));
        one_has_it(&[answers.0, answers.1], round);
    }
}

both!(of_two_that_are_moved_to_an_hour_one_is_there, moved, |s| Setup {
    workers: 0,
    apis: 2,
    ..s
});

/// A class and a venue are deleted while somebody plans in them: nothing is left over, nobody waits
/// in a circle, and nothing is anybody's fault but the caller's.
async fn torn_down(world: World) {
    let (_, admin) = world.organization("School").await;
    let far = admin.at(world.bases.last().unwrap());
    for _ in 0..20 {
        let school = School::with_students(&admin, 2).await;
        let venue = new_venue(&admin, "Aula").await;
        let session = school.session(now()).await;
        let plan = async |n: i64| {
            let (from, to) = hour(n);
            let input = json!({ "classId": school.class, "venueId": venue, "startsAt": from, "endsAt": to,
                "allowOverlap": true });
            far.raw(CREATE_SESSION, json!({ "input": input })).await
        };
        let variables = json!({ "id": session, "input": { "venueId": venue, "allowOverlap": true } });
        let (made, moved, venue_gone, class_gone) = tokio::join!(
            join_all((0..4).map(plan)),
            far.raw(UPDATE_SESSION, variables),
            by_id(&admin, "deleteVenue", &venue),
            by_id(&admin, "deleteClass", &school.class),
        );
        data(venue_gone);
        data(class_gone);
        for answer in made.iter().chain([&moved]).filter(|a| a.get("errors").is_some()) {
            let (code, _) = refusal(answer);
            assert!(["NOT_FOUND", "CONFLICT"].contains(&code.as_str()), "{answer}");
        }
    }
    let left = admin
        .query(
            "{ sessions { totalCount } classes { totalCount } venues { totalCount } }",
            json!({}),
        )
        .await;
    for what in ["sessions", "classes", "venues"] {
        assert_eq!(left[what]["totalCount"], 0, "{what}");
    }
}

both!(what_is_deleted_while_it_is_planned_in_is_gone, torn_down, |s| Setup {
    workers: 0,
    apis: 2,
    ..s
});

/// The clock, a teacher who closes and one who cancels want the same session.
async fn three_hands(world: World) {
    let (_, admin) = world.organization("School").await;
    let far = admin.at(world.bases.last().unwrap());
    let school = School::with_students(&admin, 2).await;
    let clock = std::sync::Arc::new(service::clock::ManualClock::at(now() + TimeDelta::days(1)));
    let server = world.twin(|parts| parts.clock = clock);
    for _ in 0..30 {
        let session = school.open_session().await;
        let (ticked, closed, cancelled) = tokio::join!(
            service::sessions::tick(&server),
            by_id(&admin, "closeSession", &session),
            by_id(&far, "cancelSession", &session),
        );
        let won = [closed, cancelled].iter().filter(|a| a.get("errors").is_none()).count() + ticked.unwrap();
        assert_eq!(won, 1);
    }
}

both!(one_hand_ends_a_session, three_hands, |s| Setup {
    workers: 0,
    apis: 2,
    ..s
});
