//! The log: newest first, by actor and by day, with what each entry is about.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};
use service::clock::ManualClock;
use service::kinds::Role;
use tests::both;
use tests::client::{Client, code};
use tests::world::{Mode, Setup, World};

use crate::{create, delete, global, me, update};

async fn log(admin: &Client, arguments: &str, variables: Value) -> Value {
    let query = format!(
        "query($actor: ID, $range: DateRange, $after: String, $before: String) {{ auditLog(actorId: $actor, range: $range, \
         after: $after, before: $before{arguments}) {{ nodes {{ id at action targetType targetId summary actor {{ id }} \
         target {{ __typename ... on User {{ id fullName status }} }} }} totalCount pageInfo {{ hasNextPage endCursor startCursor }} }} }}"
    );
    admin.query(&query, variables).await["auditLog"].clone()
}

fn actions(log: &Value) -> Vec<&str> {
    let nodes = log["nodes"].as_array().unwrap();
    nodes.iter().map(|n| n["action"].as_str().unwrap()).collect()
}

async fn entries(world: World) {
    let (organization, admin) = world.organization("School").await;
    let (eve_id, eve) = world.member(organization, "Eve", Role::Admin).await;
    let ann = create(&admin, json!({ "fullName": "Ann", "role": "STUDENT" })).await;
    update(&eve, &ann["id"], json!({ "fullName": "Anna", "role": "TEACHER" })).await;
    eve.query("mutation { submitFeedback(message: \"Fine\") { received } }", json!({}))
        .await;
    let whole = log(&admin, "", json!({})).await;
    assert_eq!(
        actions(&whole),
        [
            "submitFeedback",
            "updateUser",
            "createUser",
            "login",
            "createUser",
            "login",
            "found"
        ]
    );
    assert_eq!(whole["totalCount"], 7);
    let change = &whole["nodes"][1];
    assert_eq!(change["actor"]["id"], global(eve_id));
    assert_eq!(
        (&change["targetType"], &change["targetId"]),
        (&json!("User"), &ann["id"])
    );
    assert_eq!(change["target"]["fullName"], "Anna");
    assert_eq!(change["summary"], "fullName, role");
    let feedback = &whole["nodes"][0];
    assert_eq!(
        (&feedback["targetType"], &feedback["target"]),
        (&json!("Feedback"), &Value::Null)
    );
    assert_eq!(whole["nodes"][6]["actor"], Value::Null);
    assert_eq!(whole["nodes"][6]["target"]["__typename"], "Organization");

    let hers = log(&admin, "", json!({ "actor": global(eve_id) })).await;
    assert_eq!(actions(&hers), ["submitFeedback", "updateUser", "login"]);
    // Page by page the same, both ways, while more is written.
    for forwards in [true, false] {
        let (size, cursor, end) = if forwards {
            (", first: 2", "after", "endCursor")
        } else {
            (", last: 2", "before", "startCursor")
        };
        let actor = me(&admin).await["id"].clone();
        let mut pages = Vec::new();
        let mut place = Value::Null;
        let before = log(&admin, "", json!({ "actor": actor })).await;
        loop {
            let page = log(&admin, size, json!({ "actor": actor, cursor: place })).await;
            let mut nodes = page["nodes"].as_array().unwrap().clone();
            if nodes.is_empty() {
                break;
            }
            if !forwards {
                nodes.reverse();
            }
            pages.extend(nodes);
            place = page["pageInfo"][end].clone();
            if forwards || pages.len() < 2 {
                admin
                    .query(
                        "mutation { updateMySettings(input: { locale: \"en\" }) { user { id } } }",
                        json!({}),
                    )
                    .await;
            }
            assert!(pages.len() <= 20, "no end: {pages:?}");
        }
        let old = before["nodes"].as_array().unwrap();
        if forwards {
            assert_eq!(&pages, old);
        } else {
            pages.reverse();
            assert!(pages.ends_with(old), "{pages:?} {old:?}");
        }
    }

    // Of who was erased the log holds no name.
    delete(&eve, &ann["id"]).await;
    let after = log(&admin, ", first: 1", json!({ "actor": global(eve_id) })).await;
    assert_eq!(actions(&after), ["deleteUser"]);
    assert_eq!(
        after["nodes"][0]["target"],
        json!({ "__typename": "User", "id": ann["id"], "fullName": "", "status": "ERASED" })
    );

    // Another organization reads its own.
    let (_, elsewhere) = world.organization("Elsewhere").await;
    assert_eq!(actions(&log(&elsewhere, "", json!({})).await), ["login", "found"]);
    assert_eq!(
        actions(&log(&elsewhere, "", json!({ "actor": global(eve_id) })).await),
        Vec::<&str>::new()
    );
    let (_, tess) = world.member(organization, "Tess", Role::Teacher).await;
    assert_eq!(
        code(&tess.raw("{ auditLog { totalCount } }", json!({})).await),
        "FORBIDDEN"
    );
}

both!(the_log_tells_who_did_what, entries, |s| Setup { workers: 0, ..s });

/// Days are the organization's: Madrid's begins an hour before that of UTC in winter.
#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_the_log_is_the_organizations() {
    let start = "2026-01-09T22:59:59Z".parse().unwrap();
    let clock = Arc::new(ManualClock::at(start));
    let setup = Setup {
        workers: 0,
        clock: Some(clock.clone()),
        ..Setup::new(Mode::Embedded)
    };
    let world = setup.build().await.unwrap();
    // Founded by the server of the clock, so that its entries are of that time.
    let (_, admin) = world.organization("School").await;
    let settings = "mutation($locale: String) { updateMySettings(input: { locale: $locale }) { user { id } } }";
    admin.query(settings, json!({ "locale": "en" })).await;
    clock.advance(TimeDelta::seconds(1));
    admin.query(settings, json!({ "locale": "de" })).await;
    for (from, to, count) in [
        ("2026-01-09", "2026-01-09", 3),
        ("2026-01-10", "2026-01-10", 1),
        ("2026-01-09", "2026-01-10", 4),
        ("2026-01-11", "2026-01-12", 0),
    ] {
        let found = log(&admin, "", json!({ "range": { "from": from, "to": to } })).await;
        assert_eq!(found["totalCount"], count, "{from} {to}: {found:#}");
    }
    let backwards = "{ auditLog(range: { from: \"2026-01-10\", to: \"2026-01-09\" }) { totalCount } }";
    let answer = admin.raw(backwards, json!({})).await;
    assert_eq!(code(&answer), "INVALID_INPUT");
    assert_eq!(answer["errors"][0]["extensions"]["field"], "range");
}
