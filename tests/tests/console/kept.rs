//! What could not be sent yet is kept for whoever made it: whatever view is shown, and whoever is logged in meanwhile.

use serde_json::json;
use service::kinds::Role;
use tests::drawing;
use tests::relay::Relay;
use tests::world::{PASSWORD, address};

use super::scene::{NAMES, Scene, log_in, member};

/// Whether the page asks before it closes.
const ASKS: &str = "(() => { const event = new Event('beforeunload', { cancelable: true }); \
     window.dispatchEvent(event); return event.defaultPrevented; })()";
/// Notes the key under which each photo goes.
const NOTE_KEYS: &str = "window.keys = []; const { append } = FormData.prototype; \
     FormData.prototype.append = function (name, ...rest) { \
       if (name === 'operations') window.keys.push(JSON.parse(rest[0]).variables.key); \
       return append.call(this, name, ...rest); }";
const LOGIN: &str = "document.querySelector('input[name=password]')";

async fn choose(scene: &Scene, name: &str, people: &[usize]) {
    let photo = scene.file(name, &drawing::class_photo(people, 3));
    scene.browser.type_into("#choose", photo.to_str().unwrap()).await;
    scene.browser.until("document.querySelector('#photos progress')").await;
}

/// Shows a session of which so many are present and marks somebody without a network.
async fn mark_in_vain(scene: &Scene, relay: &Relay, session: &str, present: usize, student: usize) {
    let browser = &scene.browser;
    scene.show(&format!("#/session/{session}")).await;
    let here = format!(
        "location.hash.endsWith('{session}') && document.querySelector('#roll .status:not(:disabled)') && \
         document.querySelectorAll('#roll [data-mark=PRESENT]').length === {present}"
    );
    browser.until(&here).await;
    relay.cut();
    scene.mark_by_key(&scene.school.students[student], "l").await;
    browser.until("document.querySelector('#roll .waits')").await;
}

async fn a_photo_outlives_its_view(scene: &Scene, relay: &Relay) {
    let browser = &scene.browser;
    relay.hold();
    choose(scene, "first.png", &scene.cast[..3]).await;
    scene.show("#/dashboard").await;
    browser
        .until("document.querySelector('#main').dataset.view === 'dashboard'")
        .await;
    assert_eq!(browser.run(&format!("return {ASKS}"), json!([])).await, true);
    relay.mend();
    browser.until(&format!("!{ASKS}")).await;
}

/// Ends the login of the page as a lost answer does: its refresh token is spent, and used again.
async fn end_login(scene: &Scene) {
    let kept = "return JSON.parse(sessionStorage.getItem('muster.login')).refresh";
    let token = scene.browser.run(kept, json!([])).await;
    for _ in 0..2 {
        let query = "mutation($token: String!) { refresh(refreshToken: $token) { accessToken } }";
        scene.world.stranger().raw(query, json!({ "token": token })).await;
    }
}

async fn a_login_that_ends_takes_nothing_with_it(scene: &Scene, relay: &Relay, session: &str) {
    let (browser, school) = (&scene.browser, &scene.school);
    mark_in_vain(scene, relay, session, 3, 5).await;
    choose(scene, "second.png", &scene.cast[3..5]).await;
    browser
        .until("document.querySelector('#photos').innerText.includes('Not sent yet')")
        .await;
    end_login(scene).await;
    relay.mend();
    browser.until(LOGIN).await;
    let told = "document.querySelector('#notices').innerText.includes('Not sent: 1 mark and 1 photo')";
    browser.until(told).await;

    // Nobody else sends it.
    let email = address("colleague");
    member(
        &scene.world,
        scene.organization,
        "Caroline Herschel",
        &email,
        Role::Teacher,
    )
    .await;
    log_in(browser, &email, PASSWORD).await;
    browser.until("document.querySelector('#classes')").await;
    browser.click("#logout").await;
    browser.until(LOGIN).await;
    browser.until(&format!("{ASKS} && {told}")).await;
    assert!(school.marked(session, "LATE").await.is_empty());

    scene.log_in().await;
    browser
        .until("document.querySelector('#notices').innerText.includes('has been sent')")
        .await;
    assert_eq!(browser.run(&format!("return {ASKS}"), json!([])).await, false);
    assert_eq!(school.marked(session, "LATE").await, [NAMES[5]]);
    scene.show(&format!("#/session/{session}")).await;
    browser
        .until("document.querySelectorAll('#roll [data-mark=PRESENT]').length === 5")
        .await;
    browser
        .until("document.querySelectorAll('#photos .faces').length === 2")
        .await;
    // Each photo goes once, however often it was sent.
    let keys: Vec<String> = serde_json::from_value(browser.run("return window.keys", json!([])).await).unwrap();
    let different: std::collections::BTreeSet<&String> = keys.iter().collect();
    assert!(keys.len() > 2 && different.len() == 2, "{keys:?}");
    let photos = "query($id: ID!) { session(id: $id) { photos { id } } }";
    let found = school.teacher.query(photos, json!({ "id": session })).await;
    assert_eq!(found["session"]["photos"].as_array().unwrap().len(), 2);
}

async fn a_refusal_is_told_in_every_view(scene: &Scene, relay: &Relay) {
    let browser = &scene.browser;
    let cancelled = scene.school.open_session().await;
    mark_in_vain(scene, relay, &cancelled, 0, 4).await;
    scene.show("#/classes").await;
    scene.school.set(&cancelled, "cancelSession").await;
    relay.mend();
    let told = format!(
        "document.querySelector('#notices').innerText.includes('the mark of {}')",
        NAMES[4]
    );
    browser.until(&told).await;
    let away = "for (const button of document.querySelectorAll('#notices button')) button.click()";
    browser.run(away, json!([])).await;
    browser
        .until("document.querySelector('#notices').innerText === ''")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_sent_waits_for_whoever_made_it() {
    let Some(scene) = Scene::open().await else { return };
    let (browser, school) = (&scene.browser, &scene.school);
    let session = school.open_session().await;
    let relay = Relay::to(scene.base()).await;
    browser.go(&relay.base).await;
    browser.run(NOTE_KEYS, json!([])).await;
    scene.log_in().await;
    scene.show(&format!("#/session/{session}")).await;
    browser
        .until("document.querySelector('#roll .status:not(:disabled)')")
        .await;
    a_photo_outlives_its_view(&scene, &relay).await;
    a_login_that_ends_takes_nothing_with_it(&scene, &relay, &session).await;
    a_refusal_is_told_in_every_view(&scene, &relay).await;

    // Whoever logs out leaves nothing behind, once they were asked.
    mark_in_vain(&scene, &relay, &session, 5, 0).await;
    browser.click("#logout").await;
    browser.until(LOGIN).await;
    assert_eq!(browser.run(&format!("return {ASKS}"), json!([])).await, false);
    relay.mend();
    scene.log_in().await;
    scene.show(&format!("#/session/{session}")).await;
    browser
        .until("document.querySelectorAll('#roll [data-mark=PRESENT]:not(.waits)').length === 5")
        .await;
    assert_eq!(school.marked(&session, "LATE").await, [NAMES[5]]);
}
