//! Photos that are refused at the door, from their header and their size alone: the same at every
//! operation that takes one, however it is sent.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use tests::both;
use tests::client::{Client, data};
use tests::fake::{person, photo};
use tests::school::{School, ended};
use tests::world::World;

use crate::{ENROL, IDENTIFY, SUBMIT, State, files, refusal, untouched};

const KEY: &str = "the-same-for-all";
const MB: usize = 1 << 20;

/// Name, file, code and field.
fn bad_photos() -> Vec<(&'static str, Bytes, &'static str, Option<&'static str>)> {
    let whole = files::jpeg(&files::scene(64, 64));
    let mut no_size = b"GIF89a\0\0\0\0".to_vec();
    no_size.extend([0; 40]);
    vec![
        ("an empty file", Bytes::new(), "INVALID_INPUT", Some("photo")),
        (
            "HTML named .jpg",
            Bytes::from_static(files::HTML),
            "UNSUPPORTED_MEDIA",
            None,
        ),
        ("a PDF", Bytes::from_static(b"%PDF-1.7\n"), "UNSUPPORTED_MEDIA", None),
        (
            "a HEIC photo",
            Bytes::from_static(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
            "UNSUPPORTED_MEDIA",
            None,
        ),
        (
            "a bitmap",
            Bytes::from_static(b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0"),
            "UNSUPPORTED_MEDIA",
            None,
        ),
        (
            "the first byte of a JPEG",
            Bytes::from_static(b"\xFF"),
            "UNSUPPORTED_MEDIA",
            None,
        ),
        (
            "a JPEG cut within its header",
            whole[..20].to_vec().into(),
            "UNSUPPORTED_MEDIA",
            None,
        ),
        (
            "a PNG without a size",
            Bytes::from_static(b"\x89PNG\r\n\x1a\n"),
            "UNSUPPORTED_MEDIA",
            None,
        ),
        ("a GIF of no pixels", no_size.into(), "UNSUPPORTED_MEDIA", None),
        ("30000 x 30000", files::vast_png(30_000), "PAYLOAD_TOO_LARGE", None),
        ("26 MB", files::padded(26 * MB), "PAYLOAD_TOO_LARGE", None),
        (
            "25 MB and a byte",
            files::padded(25 * MB + 1),
            "PAYLOAD_TOO_LARGE",
            None,
        ),
    ]
}

fn base64(photo: &[u8]) -> Value {
    json!({ "base64": BASE64_STANDARD.encode(photo) })
}

async fn refused_whichever_way_they_come(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 1).await;
    let session = school.open_session().await;
    let (class, student) = (&school.class, &school.students[0]);
    let good = photo(&[person(0)]);
    let before = State::of(&world).await;
    for (name, bad, code, field) in bad_photos() {
        let upload = json!({ "upload": null });
        let submit = |photo: Value| json!({ "session": session, "photo": photo, "key": KEY });
        // The good photo before it is not kept either.
        let enrol = |photos: [Value; 2]| json!({ "user": student, "photos": photos, "key": KEY });
        let identify = json!({ "class": class, "photo": upload });
        let one = [("photo.upload", bad.clone())];
        let two = [("photos.0.upload", good.clone()), ("photos.1.upload", bad.clone())];
        let answers = [
            (
                "submitted",
                admin.upload_raw(SUBMIT, submit(upload.clone()), &one).await,
            ),
            ("submitted as base64", admin.raw(SUBMIT, submit(base64(&bad))).await),
            (
                "enrolled",
                admin
                    .upload_raw(ENROL, enrol([upload.clone(), upload.clone()]), &two)
                    .await,
            ),
            (
                "enrolled as base64",
                admin.raw(ENROL, enrol([base64(&good), base64(&bad)])).await,
            ),
            ("identified", admin.upload_raw(IDENTIFY, identify, &one).await),
        ];
        for (way, answer) in answers {
            let case = format!("{name}, {way}");
            let got = refusal(&answer, &case);
            assert_eq!((got.0.as_str(), got.1.as_deref()), (code, field), "{case}");
        }
        untouched(&world, &before, &admin, name).await;
    }
    // A refusal uses no idempotency key up.
    let job = data(school.submit_raw(&session, good, Some(KEY)).await);
    let job = ended(&admin, job["submitClassPhoto"]["job"]["id"].as_str().unwrap()).await;
    assert_eq!(job["marks"].as_array().unwrap().len(), 1, "{job:#}");
}

both!(photos, refused_whichever_way_they_come);

/// Exactly as large as is allowed is allowed.
async fn the_largest_photo_is_taken(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 0).await;
    let session = school.open_session().await;
    let job = ended(&admin, &school.submit(&session, files::padded(25 * MB)).await).await;
    assert_eq!(
        (&job["status"], &job["photos"][0]["width"]),
        (&json!("SUCCEEDED"), &json!(8)),
        "{job:#}"
    );
}

both!(largest, the_largest_photo_is_taken);

/// Name, operation with its variables, code and field.
type Case<'a> = (&'a str, (&'a str, Value), &'a str, Option<&'a str>);

async fn what_is_no_photo_at_all_is_refused(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    let photo = base64(&photo(&[person(0)]));
    let submit = |photo: Value| (SUBMIT, json!({ "session": session, "photo": photo }));
    let enrol = |photos: Vec<Value>| (ENROL, json!({ "user": school.students[0], "photos": photos }));
    let cases: Vec<Case<'_>> = vec![
        (
            "no base64",
            submit(json!({ "base64": "%%%" })),
            "INVALID_INPUT",
            Some("photo"),
        ),
        (
            "an address",
            submit(json!({ "base64": "https://example.org/1.jpg" })),
            "INVALID_INPUT",
            Some("photo"),
        ),
        (
            "data of no base64",
            submit(json!({ "base64": "data:image/png,x" })),
            "INVALID_INPUT",
            Some("photo"),
        ),
        (
            "an empty text",
            submit(json!({ "base64": "" })),
            "INVALID_INPUT",
            Some("photo"),
        ),
        (
            "empty data",
            submit(json!({ "base64": "data:image/jpeg;base64," })),
            "INVALID_INPUT",
            Some("photo"),
        ),
        ("a text", submit(json!("photo.jpg")), "BAD_REQUEST", None),
        ("null", submit(json!(null)), "BAD_REQUEST", None),
        (
            "both ways",
            submit(json!({ "base64": photo["base64"], "upload": null })),
            "BAD_REQUEST",
            None,
        ),
        (
            "both ways, with a file that is not there",
            submit(json!({ "base64": photo["base64"], "upload": "#__graphql_file__:0" })),
            "BAD_REQUEST",
            None,
        ),
        ("neither way", submit(json!({})), "BAD_REQUEST", None),
        ("null as base64", submit(json!({ "base64": null })), "BAD_REQUEST", None),
        ("null as upload", submit(json!({ "upload": null })), "BAD_REQUEST", None),
        (
            "a way that there is not",
            submit(json!({ "url": "https://example.org/1.jpg" })),
            "BAD_REQUEST",
            None,
        ),
        ("no photos", enrol(vec![]), "INVALID_INPUT", Some("photos")),
        (
            "too many photos",
            enrol(vec![photo.clone(); 21]),
            "INVALID_INPUT",
            Some("photos"),
        ),
        (
            "one of two in no way",
            enrol(vec![photo.clone(), json!({})]),
            "BAD_REQUEST",
            None,
        ),
    ];
    let before = State::of(&world).await;
    for (case, (query, variables), code, field) in cases {
        let got = refusal(&admin.raw(query, variables).await, case);
        assert_eq!((got.0.as_str(), got.1.as_deref()), (code, field), "{case}");
        untouched(&world, &before, &admin, case).await;
    }
    both_ways_with_a_file(&admin, &session).await;
    untouched(&world, &before, &admin, "both ways, with a file").await;
    let taken = data(admin.raw(SUBMIT, json!({ "session": session, "photo": photo })).await);
    ended(&admin, taken["submitClassPhoto"]["job"]["id"].as_str().unwrap()).await;
}

/// Both ways at once, each with a good photo.
async fn both_ways_with_a_file(admin: &Client, session: &str) {
    let photo = photo(&[person(0)]);
    let mut both = base64(&photo);
    both["upload"] = Value::Null;
    let variables = json!({ "session": session, "photo": both });
    let answer = admin.upload_raw(SUBMIT, variables, &[("photo.upload", photo)]).await;
    assert_eq!(refusal(&answer, "both ways, with a file").0, "BAD_REQUEST");
}

both!(no_photos, what_is_no_photo_at_all_is_refused);
