//! Getting in, staying in, and what each role sees.

use serde_json::{Value, json};
use service::kinds::Role;
use tests::mailbox;
use tests::world::{PASSWORD, address};

use super::scene::{NAMES, Scene, log_in, member};

const NEW: &str = "an entirely new password";

#[tokio::test(flavor = "multi_thread")]
async fn a_login_outlives_a_reload_and_no_second_tab_takes_it() {
    let Some(scene) = Scene::with(&[]).await else { return };
    let browser = &scene.browser;
    browser.go(&format!("{}/#/dashboard", scene.base())).await;
    browser.until("location.hash === '#/login'").await;
    scene.log_in().await;
    let kept = "return JSON.parse(sessionStorage.getItem('muster.login')).refresh";
    let first = browser.run(kept, json!([])).await;
    for _ in 0..3 {
        browser.reload().await;
        browser.until("document.querySelector('#logout')").await;
    }
    // The refresh token works once: a page that is loaded again while it is spent would have none.
    assert_eq!(browser.run(kept, json!([])).await, first);
    // Neither token is anywhere that a later visitor finds it.
    let stays = "return localStorage.length + document.cookie.length";
    assert_eq!(browser.run(stays, json!([])).await, 0);

    // A window that is opened so begins with a copy of the tab's storage.
    browser.run("window.open(location.href)", json!([])).await;
    let windows = browser.windows().await;
    browser.switch(&windows[1]).await;
    browser.until("document.querySelector('input[name=password]')").await;
    browser.switch(&windows[0]).await;
    browser.reload().await;
    browser.until("document.querySelector('#logout')").await;

    let kept = browser.run(kept, json!([])).await;
    browser.click("#logout").await;
    browser.until("document.querySelector('input[name=password]')").await;
    let refused = scene
        .world
        .stranger()
        .error(
            "mutation($token: String!) { refresh(refreshToken: $token) { accessToken } }",
            json!({ "token": kept }),
        )
        .await;
    assert_eq!(refused["extensions"]["code"], "UNAUTHENTICATED");
    assert_eq!(browser.run("return sessionStorage.length", json!([])).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_ended_elsewhere_ends_here() {
    let Some(scene) = Scene::with(&[]).await else { return };
    let browser = &scene.browser;
    browser.go(scene.base()).await;
    scene.log_in().await;
    browser.until("document.querySelector('#classes')").await;
    let teacher = scene.world.stranger().login(&scene.email, PASSWORD).await;
    teacher
        .query("mutation { logoutEverywhere { endedLogins } }", Value::Null)
        .await;
    browser.until("document.querySelector('input[name=password]')").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_set_anew_with_a_mailed_code() {
    let Some(scene) = Scene::with(&[]).await else { return };
    let browser = &scene.browser;
    browser.go(scene.base()).await;
    browser.click(".elsewhere button:first-child").await;
    browser
        .until("document.querySelector('h1')?.innerText === 'A new password'")
        .await;
    browser.type_into("input[name=email]", &scene.email).await;
    browser.click("form button[type=submit]").await;
    browser.until("document.querySelector('input[name=code]')").await;
    browser.type_into("input[name=code]", "000000").await;
    browser.type_into("input[name=newPassword]", NEW).await;
    browser.click("form button[type=submit]").await;
    browser.until("document.querySelector('.problem:not([hidden])')").await;
    let code = mailbox::code(&scene.world, &scene.email).await;
    browser.fill("input[name=code]", &code).await;
    browser.click("form button[type=submit]").await;
    browser.until("document.querySelector('input[name=email]')").await;
    log_in(browser, &scene.email, NEW).await;
    browser.until("document.querySelector('#classes')").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_student_sees_their_own_attendance_and_nothing_else() {
    let Some(scene) = Scene::open().await else { return };
    let (browser, school) = (&scene.browser, &scene.school);
    let email = address("student");
    member(&scene.world, scene.organization, "Sam Student", &email, Role::Student).await;
    let found = scene
        .admin
        .query(
            "{ users(filter: { search: \"Sam Student\" }) { nodes { id } } }",
            Value::Null,
        )
        .await;
    let me = found["users"]["nodes"][0]["id"].as_str().unwrap();
    let rows = json!({ "class": school.class, "rows": [{ "id": me }] });
    scene
        .admin
        .query(
            "mutation($class: ID!, $rows: [StudentInput!]!) { addStudents(classId: $class, students: $rows) { results { error { message } } } }",
            rows,
        )
        .await;
    let session = school.open_session().await;
    browser.go(&format!("{}/#/session/{session}", scene.base())).await;
    browser.until("document.querySelector('input[name=email]')").await;
    log_in(browser, &email, PASSWORD).await;
    browser
        .until("document.querySelector('h1')?.innerText === 'My attendance'")
        .await;
    assert!(browser.text(".lines.own").await.contains("not marked yet"));
    school.mark(&session, me, "LATE").await;
    browser.until("document.querySelector('.lines.own .word.LATE')").await;
    for view in ["classes", "review", "dashboard", &format!("session/{session}")] {
        scene.show(&format!("#/{view}")).await;
        browser
            .until("location.hash === '#/own' && document.querySelector('h1')?.innerText === 'My attendance'")
            .await;
    }
    let page = browser.text("body").await;
    assert!(!NAMES.iter().any(|name| page.contains(name)), "{page}");
}
