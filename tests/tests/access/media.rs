//! Signed addresses: good for one object and some minutes, and nothing in them can be changed.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};
use service::clock::ManualClock;
use tests::school::now;
use tests::world::{Mode, Setup};

use crate::place::Land;

/// Kind, id and the first byte of the time, in characters of the token.
const OBJECT: usize = 24;

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_good_for_its_object_and_its_minutes() {
    let clock = Arc::new(ManualClock::at(now()));
    let setup = Setup {
        clock: Some(clock.clone()),
        ..Setup::new(Mode::Embedded)
    };
    let land = Land::of(setup.build().await.unwrap()).await;
    let [own, _, foreign] = &land.places;
    let urls = |data: &Value| -> Vec<String> {
        ["url", "annotatedUrl"]
            .iter()
            .map(|u| data["node"][u].as_str().unwrap().to_owned())
            .collect()
    };
    let query = "query($id: ID!) { node(id: $id) { ... on Photo { url annotatedUrl } \
                 ... on DetectedFace { cropUrl } ... on FaceTemplate { cropUrl } } }";
    let ours = urls(&land.teacher.query(query, json!({ "id": own.names["photo"] })).await);
    let theirs = urls(
        &foreign
            .school
            .teacher
            .query(query, json!({ "id": foreign.names["photo"] }))
            .await,
    );
    let mut crops = Vec::new();
    for name in ["face", "template"] {
        let data = land.teacher.query(query, json!({ "id": own.names[name] })).await;
        crops.push(data["node"]["cropUrl"].as_str().unwrap().to_owned());
    }
    // Whoever holds an address needs no token, as an <img> has none.
    let status = async |url: &str| land.stranger().get(url).await.status().as_u16();
    for url in ours.iter().chain(&theirs).chain(&crops) {
        let answer = land.stranger().get(url).await;
        assert_eq!(
            (
                answer.status().as_u16(),
                &answer.headers()["content-type"] == "image/jpeg"
            ),
            (200, true)
        );
    }

    let (base, token) = ours[0].rsplit_once('/').unwrap();
    for at in 0..token.len() {
        let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
        let edited = format!("{base}/{}{other}{}", &token[..at], &token[at + 1..]);
        assert_eq!(status(&edited).await, 404, "character {at} was changed");
    }
    for edited in [
        &token[..token.len() - 1],
        &token[..OBJECT],
        "",
        &format!("{token}A"),
        &format!("{token}AAAA"),
    ] {
        assert_eq!(status(&format!("{base}/{edited}")).await, 404);
    }
    // Another object, or another view of the same, with this one's signature.
    for other in theirs.iter().chain(&ours[1..]).chain(&crops) {
        let (_, of_other) = other.rsplit_once('/').unwrap();
        let spliced = format!("{base}/{}{}", &of_other[..OBJECT], &token[OBJECT..]);
        assert_eq!(status(&spliced).await, 404);
    }

    clock.advance(TimeDelta::minutes(4));
    assert_eq!(status(&ours[0]).await, 200);
    clock.advance(TimeDelta::minutes(1));
    for url in ours.iter().chain(&theirs).chain(&crops) {
        assert_eq!(status(url).await, 404);
    }
}
