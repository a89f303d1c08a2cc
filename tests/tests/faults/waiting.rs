//! Without a worker photos wait, and the API looks at their headers alone.

use std::time::Duration;

use bytes::Bytes;
use image::{Rgb, RgbImage};
use serde_json::{Value, json};
use tests::both;
use tests::client::data;
use tests::fake::{person, photo};
use tests::school::{School, ended};
use tests::world::{Setup, World};

use crate::rows;

/// A JPEG whose header is whole and of whose pixels the half is missing.
fn cut_short() -> Bytes {
    let picture = RgbImage::from_fn(640, 480, |x, y| Rgb([x.to_le_bytes()[0], y.to_le_bytes()[0], 7]));
    let jpeg = picture::encode_jpeg(&picture, 90).unwrap();
    Bytes::copy_from_slice(&jpeg[..jpeg.len() / 2])
}

async fn photos_wait_unseen(mut world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    let mut jobs = Vec::new();
    for photo in [cut_short(), photo(&[person(0)])] {
        let answer = school.submit_raw(&session, photo, None).await;
        let job = data(answer)["submitClassPhoto"]["job"].clone();
        assert_eq!(job["status"], "QUEUED");
        jobs.push(job["id"].as_str().unwrap().to_owned());
    }
    for job in &jobs {
        rows::stays_queued(&world, job, Duration::from_secs(3)).await;
        assert!(!rows::is_decoded(&world, job).await, "the api looked");
    }
    let photos = admin
        .query(
            "query($id: ID!) { session(id: $id) { photos { width height faces { id } } } }",
            json!({ "id": session }),
        )
        .await;
    for photo in photos["session"]["photos"].as_array().unwrap() {
        assert_eq!(*photo, json!({ "width": null, "height": null, "faces": [] }));
    }

    world.hire().await;
    let cut = ended(&admin, &jobs[0]).await;
    assert_eq!(
        (&cut["status"], &cut["error"]["code"]),
        (&json!("FAILED"), &json!("UNREADABLE_IMAGE"))
    );
    assert_eq!(
        (&cut["error"]["retryable"], &cut["attempts"]),
        (&Value::Bool(false), &json!(1))
    );
    let whole = ended(&admin, &jobs[1]).await;
    assert_eq!(
        (&whole["status"], &whole["photos"][0]["width"]),
        (&json!("SUCCEEDED"), &json!(1))
    );
}

both!(without_a_worker, photos_wait_unseen, |setup| Setup {
    workers: 0,
    ..setup
});
