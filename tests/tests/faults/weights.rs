//! Where the weights cannot be had the server starts, says so, and photos wait until they are here.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::client::Client;
use tests::faces;
use tests::school::{School, ended};

use crate::alone::Alone;

async fn health(admin: &Client) -> (Value, Value) {
    let data = admin
        .query("{ health { state components { name state detail } } }", json!({}))
        .await;
    let parts = data["health"]["components"].as_array().unwrap().clone();
    let models = parts.into_iter().find(|part| part["name"] == "models").unwrap();
    (data["health"]["state"].clone(), models)
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_wait_for_the_weights() {
    let (models, mirror) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = |folder: &TempDir| folder.path().display().to_string();
    let (models_dir, no_mirror) = (path(&models), path(&mirror));
    let mut alone = Alone::start(&[
        ("MUSTER_MODELS_DIR", &models_dir),
        ("MUSTER_MODELS_MIRROR", &no_mirror),
        // Has no copy beside the checkout; and the way to its own address leads nowhere, on any machine.
        ("MUSTER_EMBEDDER", "face_recognition_sface_2021dec"),
        ("HTTPS_PROXY", "http://127.0.0.1:9"),
    ])
    .await;
    let admin = alone.admin().await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    let photo = picture::encode_jpeg(&image::RgbImage::new(64, 48), 90).unwrap();
    let job = school.submit(&session, photo.into()).await;

    // Long enough for several beats of the worker, which would take the job if it could.
    for _ in 0..12 {
        let now = admin
            .query(
                "query($id: ID!) { job(id: $id) { status attempts stage } }",
                json!({ "id": job }),
            )
            .await;
        assert_eq!(
            now["job"],
            json!({ "status": "QUEUED", "attempts": 0, "stage": "WAITING" })
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let (state, models) = health(&admin).await;
    assert_eq!((&state, &models["state"]), (&json!("DEGRADED"), &json!("DEGRADED")));
    assert!(
        models["detail"].as_str().unwrap().contains("has its face models"),
        "{models}"
    );
    assert!(alone.process.lives());
    assert!(alone.process.stop().await.success());

    // The operator brings the weights, and what has waited is done.
    if !faces::present() {
        return;
    }
    let (models_dir, mirror) = (
        faces::models_dir().display().to_string(),
        faces::mirror().display().to_string(),
    );
    let here = [
        ("MUSTER_MODELS_DIR", models_dir.as_str()),
        ("MUSTER_MODELS_MIRROR", &mirror),
        ("MUSTER_EMBEDDER", ""),
        ("HTTPS_PROXY", ""),
    ];
    alone.start_again(&here).await;
    let admin = admin.at(&alone.process.base);
    let job = ended(&admin, &job).await;
    assert_eq!((&job["status"], &job["attempts"]), (&json!("SUCCEEDED"), &json!(1)));
    assert_eq!(health(&admin).await.0, "OK");
}
