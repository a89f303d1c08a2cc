//! Marking by hand while marks arrive: what one has at hand stays where it is.

use std::time::Duration;

use serde_json::json;

use super::scene::Scene;

/// The students whom the roll shows, by id and name.
const ROWS: &str = "return [...document.querySelectorAll('#roll .entry:not([hidden])')].map((row) => \
     [row.dataset.student, row.querySelector('.full').textContent])";

async fn the_code_stays_open(scene: &Scene, session: &str) {
    let (browser, school) = (&scene.browser, &scene.school);
    browser.click(".checkin summary").await;
    browser
        .until("/[0-9]/.test(document.querySelector('.checkin output').innerText)")
        .await;
    browser
        .run(
            "window.code = document.querySelector('.checkin'); window.code.querySelector('summary').focus()",
            json!([]),
        )
        .await;
    school.mark(session, &school.students[5], "EXCUSED").await;
    browser
        .until("document.querySelector('#roll [data-mark=EXCUSED]')")
        .await;
    // Until the session was read again, as it is after every mark.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let stays = "return window.code.isConnected && window.code.open && \
         document.activeElement === window.code.querySelector('summary')";
    assert_eq!(browser.run(stays, json!([])).await, true);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_has_at_hand_stays_while_marks_arrive() {
    let Some(scene) = Scene::open().await else { return };
    let (browser, school) = (&scene.browser, &scene.school);
    let session = school.open_session().await;
    browser.go(scene.base()).await;
    scene.log_in().await;
    scene.show(&format!("#/session/{session}")).await;
    browser
        .until("document.querySelector('#roll .status:not(:disabled)')")
        .await;
    the_code_stays_open(&scene, &session).await;

    // Whoever is marked goes from this list, and nobody is left out.
    browser
        .run(
            "const filter = document.querySelector('#roll-filter'); filter.value = 'unmarked'; \
             filter.dispatchEvent(new Event('change')); \
             document.querySelector('#roll .entry:not([hidden]) .status').focus()",
            json!([]),
        )
        .await;
    let rows: Vec<(String, String)> = serde_json::from_value(browser.run(ROWS, json!([])).await).unwrap();
    assert_eq!(rows.len(), 5);
    for (student, name) in &rows[..3] {
        let focused = "return document.activeElement.closest('.entry').querySelector('.full').textContent";
        assert_eq!(browser.run(focused, json!([])).await, json!(name));
        browser.press("p").await;
        browser
            .until(&format!(
                "document.querySelector('#roll [data-student=\"{student}\"]').hidden && !document.querySelector('.waits')"
            ))
            .await;
    }

    // A key that is held down marks nobody more.
    for _ in 0..3 {
        browser.hold('p').await;
    }
    browser.press("l").await;
    browser
        .until("document.querySelector('#roll [data-mark=LATE]:not(.waits)')")
        .await;
    let names = |rows: &[(String, String)]| rows.iter().map(|(_, name)| name.clone()).collect::<Vec<_>>();
    assert_eq!(school.marked(&session, "PRESENT").await, names(&rows[..3]));
    assert_eq!(school.marked(&session, "LATE").await, names(&rows[3..4]));
}
