//! Venues are changed and deleted.

use serde_json::{Value, json};
use tests::both;
use tests::client::data;
use tests::school::School;
use tests::world::{Setup, World};

use crate::{UPDATE_VENUE, by_id, invalid, new_venue, planned, refusal, unknown};

async fn changed(world: World) {
    let (_, admin) = world.organization("School").await;
    let venue = new_venue(&admin, "Aula").await;
    let update = async |input: Value| admin.raw(UPDATE_VENUE, json!({ "id": venue, "input": input })).await;
    let got = async |input: Value| data(update(input).await)["updateVenue"]["venue"].clone();
    let seen =
        got(json!({ "name": "קומה ב׳ 🏫", "building": "North", "capacity": 0, "latitude": -90, "longitude": 180 }))
            .await;
    assert_eq!(
        (&seen["name"], &seen["building"], &seen["capacity"]),
        (&json!("קומה ב׳ 🏫"), &json!("North"), &json!(0))
    );
    assert_eq!(seen["location"], json!({ "latitude": -90.0, "longitude": 180.0 }));
    // One of the two alone moves a venue that has both.
    let seen = got(json!({ "latitude": 40.5 })).await;
    assert_eq!(seen["location"], json!({ "latitude": 40.5, "longitude": 180.0 }));
    for (input, problem) in [
        (json!({ "name": null }), invalid("name")),
        (json!({ "name": "" }), invalid("name")),
        (json!({ "building": "x".repeat(201) }), invalid("building")),
        (json!({ "capacity": -1 }), invalid("capacity")),
        (json!({ "latitude": 90.001 }), invalid("latitude")),
        (json!({ "longitude": -180.5 }), invalid("longitude")),
        (json!({ "longitude": 1e300 }), invalid("longitude")),
        (json!({ "latitude": null }), invalid("latitude")),
        (json!({ "longitude": null }), invalid("latitude")),
    ] {
        assert_eq!(refusal(&update(input.clone()).await), problem, "{input}");
    }
    let seen = got(json!({ "latitude": null, "longitude": null, "building": null, "capacity": null })).await;
    assert_eq!(seen["location"], Value::Null);
    assert_eq!((&seen["building"], &seen["capacity"]), (&Value::Null, &Value::Null));
    assert_eq!(refusal(&update(json!({ "latitude": 1 })).await), invalid("latitude"));
    assert_eq!(seen["name"], "קומה ב׳ 🏫");
    let unknown_one = admin.raw(UPDATE_VENUE, json!({ "id": "ven_x", "input": {} })).await;
    assert_eq!(refusal(&unknown_one), unknown());
}

both!(a_venue_is_changed, changed, |s| Setup { workers: 0, ..s });

async fn deleted(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 0).await;
    let venue = new_venue(&admin, "Aula").await;
    let session = planned(
        &admin,
        json!({ "classId": school.class, "venueId": venue, "startsAt": "2027-01-04T08:00:00Z",
            "endsAt": "2027-01-04T09:00:00Z" }),
    )
    .await;
    let answer = data(by_id(&admin, "deleteVenue", &venue).await);
    assert_eq!(answer["deleteVenue"]["deletedId"], venue);
    let found = admin
        .query(
            "query($id: ID!, $venue: ID!) { session(id: $id) { venue { id } } venue(id: $venue) { id } }",
            json!({ "id": session, "venue": venue }),
        )
        .await;
    assert_eq!(found, json!({ "session": { "venue": null }, "venue": null }));
    assert_eq!(refusal(&by_id(&admin, "deleteVenue", &venue).await), unknown());
}

both!(sessions_outlive_their_venue, deleted, |s| Setup { workers: 0, ..s });
