//! Every view on a desk and on a phone, by day and by night: held against rules of accessibility, and
//! kept as pictures where `MUSTER_TEST_PICTURES` names a folder.

use std::path::Path;

use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;
use service::kinds::Role;
use tests::drawing;
use tests::school::{self, ended};
use tests::world::{PASSWORD, address};

use super::scene::{Scene, log_in, member};

const RULES: &str = include_str!("rules.js");
const NAMES: [&str; 12] = [
    "Ada Lovelace",
    "Alan Turing",
    "Grace Hopper",
    "Emmy Noether",
    "Edsger Dijkstra",
    "Barbara Liskov",
    "Sofja Kowalewskaja",
    "Katherine Johnson",
    "Srinivasa Ramanujan",
    "Hedy Lamarr",
    "Alonzo Church",
    "Maryam Mirzakhani",
];
const SCREENS: [(&str, u32, u32); 2] = [("desk", 1280, 900), ("phone", 360, 740)];

async fn keeps_the_rules(scene: &Scene, view: &str, ready: &str) {
    let browser = &scene.browser;
    for (name, width, height) in SCREENS {
        browser.screen(width, height).await;
        for (light, dark) in [("light", false), ("dark", true)] {
            browser.dark(dark).await;
            browser.until(ready).await;
            // Plots and tags are drawn at the width that they have, one frame later.
            browser
                .until("new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(true), 60)))")
                .await;
            let problems = browser.run(RULES, json!([])).await;
            if let Some(folder) = std::env::var_os("MUSTER_TEST_PICTURES") {
                let file = format!("console-{view}-{name}-{light}.png");
                std::fs::write(Path::new(&folder).join(file), browser.picture().await).unwrap();
            }
            assert_eq!(problems, json!([]), "{view} on a {name}, {light}");
        }
    }
}

/// Weeks that are over, so that there is something to plot.
async fn past(scene: &Scene) {
    let school = &scene.school;
    let db = scene.world.service.db.writer();
    let joined = "UPDATE membership SET joined_at = '2020-01-01T00:00:00+00:00'";
    let statement = Statement::from_string(db.get_database_backend(), joined);
    db.execute_raw(statement).await.unwrap();
    for day in [27, 25, 20, 18, 13, 11, 6, 4, 2] {
        let session = school.session(school::now() - TimeDelta::days(day)).await;
        // The clock may have been there first.
        for step in ["openSession", "closeSession"] {
            let query = format!("mutation($id: ID!) {{ {step}(id: $id) {{ session {{ id }} }} }}");
            school.teacher.raw(&query, json!({ "id": session })).await;
        }
        for (n, student) in (0_i64..).zip(&school.students) {
            let status = match (n * 7 + day * 3) % 11 {
                0 | 1 => "ABSENT",
                2 => "LATE",
                3 if n % 2 == 0 => "EXCUSED",
                _ => "PRESENT",
            };
            school.mark(&session, student, status).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_can_be_used_by_everybody_everywhere() {
    let Some(scene) = Scene::with(&NAMES).await else { return };
    let (browser, school) = (&scene.browser, &scene.school);
    browser.go(scene.base()).await;
    keeps_the_rules(&scene, "login", "document.querySelector('input[name=password]')").await;

    past(&scene).await;
    school.session(school::now() + TimeDelta::days(2)).await;
    let session = school.open_session().await;
    school.mark(&session, &school.students[9], "EXCUSED").await;
    scene.log_in().await;
    keeps_the_rules(&scene, "classes", "document.querySelector('.open-session')").await;
    scene.show(&format!("#/class/{}", school.class)).await;
    keeps_the_rules(&scene, "class", "document.querySelectorAll('.lines li').length > 8").await;
    scene.show(&format!("#/session/{session}")).await;
    // Once it has heard of the mark that is there, the page hears of whatever comes.
    browser.until("document.querySelector('#feed[data-seen]')").await;
    let people: Vec<usize> = scene.cast[..7].iter().copied().chain([scene.double(8)]).collect();
    let job = school.submit(&session, drawing::class_photo(&people, 4)).await;
    assert_eq!(ended(&school.teacher, &job).await["status"], "SUCCEEDED");
    school.mark(&session, &school.students[10], "LATE").await;
    let drawn = "document.querySelectorAll('.faces .tag .paper[width]').length === 8 && \
         document.querySelectorAll('#feed li').length === 8 && !document.querySelector('.fresh') && \
         document.querySelector('.sheet img').complete";
    keeps_the_rules(&scene, "session", drawn).await;
    browser
        .run(
            "document.querySelector('.face.NEEDS_REVIEW').dispatchEvent(new MouseEvent('click'))",
            json!([]),
        )
        .await;
    keeps_the_rules(&scene, "correct", "document.querySelector('dialog .candidates')").await;
    browser.click("dialog .close").await;
    scene.show("#/review").await;
    keeps_the_rules(&scene, "review", "document.querySelector('.decider .candidates')").await;
    scene.show("#/dashboard").await;
    keeps_the_rules(
        &scene,
        "dashboard",
        "document.querySelectorAll('.plot svg').length === 3",
    )
    .await;
    scene.show("#/nowhere").await;
    browser.until("document.querySelector('#classes')").await;

    // An admin's dashboard has the queues.
    browser.click("#logout").await;
    let email = address("head");
    member(&scene.world, scene.organization, "Helen Head", &email, Role::Admin).await;
    browser.until("document.querySelector('input[name=email]')").await;
    log_in(browser, &email, PASSWORD).await;
    browser.until("document.querySelector('#logout')").await;
    scene.show("#/dashboard").await;
    keeps_the_rules(
        &scene,
        "admin",
        "document.querySelectorAll('#queues tbody tr').length === 6",
    )
    .await;
}
