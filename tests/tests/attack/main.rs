//! A scripted attack on a server of its own: each thing that is tried is refused with its code, and
//! others go on being served meanwhile. Prints how long others waited in each part; with
//! `MUSTER_LONG=1` it fails where that is more than three times what they wait in the calm part:
//! `MUSTER_LONG=1 cargo test -p tests --test attack -- --nocapture`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod scene;
mod tricks;

use scene::Scene;
use service::kinds::Role;

/// From one address of the network, while others go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_refused_and_others_go_on() {
    let Some(scene) = Scene::new().await else { return };
    let photo = tricks::a_photo(&scene).await;
    scene.calm().await;

    let codes = scene.assault("logins", "127.0.0.66", 10_000, 4).await;
    let refused = codes["RATE_LIMITED"].as_u64().unwrap();
    let tried = codes["UNAUTHENTICATED"].as_u64().unwrap();
    assert_eq!(refused + tried, 10_000, "{codes}");
    // A hundred at once, and as many more as minutes pass.
    assert!((100..400).contains(&tried), "{codes}");

    for kind in ["bombs", "aliases"] {
        let codes = scene.assault(kind, "127.0.0.67", 500, 2).await;
        assert_eq!(codes, serde_json::json!({ "BAD_REQUEST": 500 }), "{kind}");
    }
    let codes = scene.assault("endless", "127.0.0.68", 400, 4).await;
    // Whoever goes on sending may not hear why they are cut off.
    let heard = codes["PAYLOAD_TOO_LARGE"].as_u64().unwrap_or(0);
    assert_eq!(heard + codes["CUT"].as_u64().unwrap_or(0), 400, "{codes}");
    let codes = scene.assault("drip", "127.0.0.69", 2, 2).await;
    let heard = codes["BAD_REQUEST"].as_u64().unwrap_or(0);
    assert_eq!(heard + codes["CUT"].as_u64().unwrap_or(0), 2, "{codes}");
    tricks::forged_tokens(&scene).await;
    tricks::spent_refresh(&scene).await;
    tricks::edited_names(&scene, &photo).await;
    tricks::guessed_codes(&scene).await;
    scene.after("forgeries and guesses");
    scene.verdict();
}

/// A class signs in when the lesson begins; five classes, one after another, so that there are
/// requests enough to speak of a ninety-fifth percentile.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_logins_at_once_stall_nobody() {
    let Some(scene) = Scene::new().await else { return };
    let mut pupils = Vec::new();
    for _ in 0..50 {
        pupils.push(scene.account(Role::Student).await);
    }
    scene.calm().await;
    for round in 0..5 {
        let begun = std::time::Instant::now();
        let codes = scene.class_signs_in(&format!("127.0.0.{}", 70 + round), &pupils).await;
        assert_eq!(codes, serde_json::json!({ "ANSWERED": 50 }));
        println!("50 logins took {:?}", begun.elapsed());
    }
    scene.after("50 logins at once");
    scene.verdict();
}
