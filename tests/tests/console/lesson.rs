//! A teacher's lesson from the login to the dashboard.

use serde_json::{Value, json};
use tests::browser::Browser;
use tests::drawing;
use tests::world::PASSWORD;

use super::scene::{HOSTILE, NAMES, Scene, log_in};

/// Nothing that a browser complains of in its console.
async fn no_complaint(browser: &Browser) {
    let log = browser.log("browser").await;
    let quiet = |entry: &Value| ["INFO", "DEBUG"].iter().any(|level| entry["level"] == *level);
    assert!(log.iter().all(quiet), "{log:#?}");
}

/// Names by which the boxes over the photo are read aloud.
const BOXES: &str = "[...document.querySelectorAll('.faces .face')].map((face) => face.getAttribute('aria-label'))";

/// How far the boxes on the screen are from where the API says that the faces are: the largest
/// distance of a corner, in pixels of the screen.
const OFF: &str = "const photo = document.querySelector('.sheet img').getBoundingClientRect(); \
     const scale = photo.width / arguments[0].width; \
     return Math.max(...arguments[0].faces.map(({ id, box }) => { \
       const drawn = document.querySelector(`[data-face=\"${id}\"] .box`).getBoundingClientRect(); \
       return Math.max(Math.abs(photo.left + box.x * scale - drawn.left), \
         Math.abs(photo.top + box.y * scale - drawn.top), \
         Math.abs(box.width * scale - drawn.width), Math.abs(box.height * scale - drawn.height)); }))";

async fn review_goes_on(scene: &Scene) {
    let browser = &scene.browser;
    browser.go(&format!("{}/#/review", scene.base())).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let others = format!("!{}.includes(document.activeElement?.dataset.face)", json!(seen));
        browser
            .until(&format!("document.activeElement?.matches('.decider') && {others}"))
            .await;
        seen.push(
            browser
                .run("return document.activeElement.dataset.face", json!([]))
                .await,
        );
        let likely = browser.text(".candidates .answer .grow").await;
        let likely = likely.lines().next().unwrap();
        // A key that is still down from the face before decides nothing.
        browser.hold('n').await;
        let second_claim = browser.text(".answers p").await.contains("Another face of the photo");
        assert_eq!(likely, if second_claim { NAMES[0] } else { NAMES[4] });
        browser.press(if second_claim { "n" } else { "1" }).await;
    }
    browser
        .until("document.querySelector('#review').innerText.includes('Nothing waits')")
        .await;
    let roll = scene.school.roll(&session(scene).await).await;
    let mark = &roll.iter().find(|(name, _)| name == NAMES[4]).unwrap().1;
    assert_eq!(
        (&mark["status"], &mark["source"]),
        (&json!("PRESENT"), &json!("REVIEW"))
    );
}

async fn session(scene: &Scene) -> String {
    let found = scene
        .school
        .teacher
        .query("{ sessions(state: OPEN) { nodes { id } } }", Value::Null)
        .await;
    found["sessions"]["nodes"][0]["id"].as_str().unwrap().to_owned()
}

async fn faces_are_boxed(scene: &Scene, session: &str) {
    let browser = &scene.browser;
    browser
        .until("document.querySelectorAll('.faces .face').length === 6")
        .await;
    let labels = browser.run(&format!("return {BOXES}"), json!([])).await;
    let labels: Vec<&str> = labels
        .as_array()
        .unwrap()
        .iter()
        .map(|label| label.as_str().unwrap())
        .collect();
    for name in &NAMES[..4] {
        let matched = format!("{name}, recognized, 100 % alike");
        assert_eq!(
            labels.iter().filter(|label| **label == matched).count(),
            1,
            "{labels:?}"
        );
    }
    for doubtful in [NAMES[0], NAMES[4]] {
        assert!(labels.contains(&&*format!("{doubtful}?, doubtful")), "{labels:?}");
    }
    let tags = browser
        .run(
            "return [...document.querySelectorAll('.tag text')].map((tag) => tag.textContent)",
            json!([]),
        )
        .await;
    assert!(tags.as_array().unwrap().contains(&json!(HOSTILE)), "{tags}");
    let found = scene
        .school
        .teacher
        .query(
            "query($id: ID!) { session(id: $id) { photos { width faces { id box { x y width height } } } } }",
            json!({ "id": session }),
        )
        .await;
    let off = browser.run(OFF, json!([found["session"]["photos"][0]])).await;
    assert!(off.as_f64().unwrap() < 2.0, "{off}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lesson_from_login_to_dashboard() {
    let Some(scene) = Scene::open().await else { return };
    let browser = &scene.browser;
    browser.go(scene.base()).await;
    log_in(browser, &scene.email, "not the password").await;
    browser
        .until("document.querySelector('.problem:not([hidden])')?.innerText.includes('wrong')")
        .await;
    log_in(browser, &scene.email, PASSWORD).await;
    browser
        .until("document.querySelector('#classes')?.innerText.includes('Physics')")
        .await;
    assert!(browser.text("#classes").await.contains("6 students"));
    // Whatever comes from here on comes without loading the page again.
    browser.run("window.same = true", json!([])).await;

    browser.click("#classes h2 a").await;
    browser.type_into("#title", "Optics").await;
    browser.click("#start").await;
    browser.until("document.querySelector('#roll .entry')").await;
    assert_eq!(browser.text("h1").await, "Optics");
    let session = session(&scene).await;

    let people: Vec<usize> = scene.cast[..4]
        .iter()
        .copied()
        .chain([scene.double(4), scene.cast[0]])
        .collect();
    let photo = scene.file("class.png", &drawing::class_photo(&people, 3));
    browser.type_into("#choose", photo.to_str().unwrap()).await;
    faces_are_boxed(&scene, &session).await;
    browser
        .until("document.querySelectorAll('#roll [data-mark=PRESENT]').length === 4")
        .await;
    browser
        .until("document.querySelectorAll('#feed li').length === 4")
        .await;
    browser
        .until("document.querySelector('#numbers').innerText.includes('4 of 6 here')")
        .await;
    let doubtful = format!(
        "document.querySelector('.entry.doubtful')?.innerText.includes('{}')",
        NAMES[4]
    );
    browser.until(&doubtful).await;
    browser
        .until("document.querySelector('#spoken').innerText.includes('2 doubtful')")
        .await;

    review_goes_on(&scene).await;

    // By hand, with keys alone.
    browser.go(&format!("{}/#/session/{session}", scene.base())).await;
    browser
        .until("document.querySelectorAll('#roll [data-mark=PRESENT]').length === 5")
        .await;
    scene.mark_by_key(&scene.school.students[5], "e").await;
    let marked = format!(
        "document.querySelector('[data-student=\"{}\"][data-mark=EXCUSED]:not(.waits)')",
        scene.school.students[5]
    );
    browser.until(&marked).await;
    assert_eq!(scene.school.marked(&session, "EXCUSED").await, [NAMES[5]]);
    browser
        .until("document.querySelector('#feed li[data-status=EXCUSED]')")
        .await;

    browser.click("a[href='#/dashboard']").await;
    browser
        .until("document.querySelectorAll('#dashboard .plot svg').length === 3")
        .await;
    browser.until("document.querySelector('#dashboard .plot .dot')").await;
    assert!(browser.text("#dashboard").await.contains("100 %"));

    assert_eq!(browser.run("return window.same ?? null", json!([])).await, true);
    assert_eq!(
        browser.run("return window.harmed ?? null", json!([])).await,
        Value::Null
    );
    assert_eq!(
        browser
            .run("return document.querySelectorAll('img[src=x]').length", json!([]))
            .await,
        0
    );
    let requests = browser.requests().await;
    assert!(requests.len() > 20, "{requests:?}");
    let host = scene.base().trim_start_matches("http://");
    let ours = |url: &String| {
        let rest = url.strip_prefix("blob:").unwrap_or(url);
        rest.starts_with(&format!("http://{host}/")) || rest.starts_with(&format!("ws://{host}/"))
    };
    let strange: Vec<&String> = requests.iter().filter(|url| !ours(url)).collect();
    assert!(strange.is_empty(), "{strange:?}");
    no_complaint(browser).await;
}
