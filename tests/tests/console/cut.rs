//! The network goes away and comes back.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;
use tests::relay::Relay;

use super::scene::{NAMES, Scene};

/// Students and statuses as they arrived, the oldest first.
const FEED: &str = "[...document.querySelectorAll('#feed li')].reverse().map((line) => \
     [line.dataset.student, line.dataset.status, line.dataset.cursor])";

async fn away_and_back(scene: &Scene, relay: &Relay, session: &str, silent: bool) {
    let (browser, school) = (&scene.browser, &scene.school);
    let before = browser.run(&format!("return {FEED}.length"), json!([])).await;
    if silent {
        // Until nothing is under way: only the silence itself is to be noticed.
        tokio::time::sleep(Duration::from_secs(2)).await;
        relay.hold();
    } else {
        relay.cut();
    }
    // Others go on meanwhile.
    let second = if silent { "ABSENT" } else { "PRESENT" };
    for (student, status) in [(0, "LATE"), (1, second), (0, "ABSENT")] {
        school.mark(session, &school.students[student], status).await;
    }
    browser
        .until("document.querySelector('#notices').innerText.includes('no connection')")
        .await;
    // So does the teacher, as far as it goes.
    scene
        .mark_by_key(&school.students[5], if silent { "e" } else { "l" })
        .await;
    let waits = format!(
        "document.querySelector('.waits[data-student=\"{}\"]')",
        school.students[5]
    );
    browser.until(&waits).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    relay.mend();
    browser
        .until("document.querySelector('#notices').innerText === ''")
        .await;
    browser.until(&format!("!{waits}")).await;
    browser.until(&format!("{FEED}.length === {before} + 4")).await;
    let status = if silent { "EXCUSED" } else { "LATE" };
    assert_eq!(school.marked(session, status).await, [NAMES[5]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_network_is_told_and_nothing_is_missed_or_repeated() {
    let Some(scene) = Scene::open().await else { return };
    let (browser, school) = (&scene.browser, &scene.school);
    let session = school.open_session().await;
    school.mark(&session, &school.students[0], "PRESENT").await;
    let relay = Relay::to(scene.base()).await;
    browser.go(&relay.base).await;
    scene.log_in().await;
    scene.show(&format!("#/session/{session}")).await;
    // Once it has heard of the mark that is there, the page hears of whatever comes.
    browser.until("document.querySelector('#feed[data-seen]')").await;
    browser.run("window.same = true", json!([])).await;

    away_and_back(&scene, &relay, &session, false).await;
    away_and_back(&scene, &relay, &session, true).await;

    // Each event once, in the order of the table.
    let seen = browser.run(&format!("return {FEED}"), json!([])).await;
    let seen = seen.as_array().unwrap();
    let history = school
        .teacher
        .query(
            "query($id: ID!) { session(id: $id) { roll { nodes { student { id } history { to at } } } } }",
            json!({ "id": session }),
        )
        .await;
    let mut changes: Vec<(DateTime<Utc>, String, String)> = Vec::new();
    for entry in history["session"]["roll"]["nodes"].as_array().unwrap() {
        for change in entry["history"].as_array().unwrap() {
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let at = change["at"].as_str().unwrap().parse().unwrap();
            changes.push((at, text(&entry["student"]["id"]), text(&change["to"])));
        }
    }
    assert_eq!(changes.len(), 9, "{changes:?}");
    let arrived: Vec<(String, String)> = seen
        .iter()
        .map(|line| {
            (
                line[0].as_str().unwrap().to_owned(),
                line[1].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    changes.sort();
    let news = changes.into_iter().skip(1);
    let expected: Vec<(String, String)> = news.map(|(_, who, to)| (who, to)).collect();
    assert_eq!(arrived, expected);
    let cursors: std::collections::BTreeSet<&str> = seen.iter().map(|line| line[2].as_str().unwrap()).collect();
    assert_eq!(cursors.len(), seen.len());
    assert_eq!(browser.run("return window.same ?? null", json!([])).await, true);
}
