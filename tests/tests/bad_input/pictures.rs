//! Pictures that are taken in: the odd kinds are looked at like any other, and what turns out
//! unreadable fails with its reason and is kept. The fake vision sees each pixel as a face.

use bytes::Bytes;
use image::{DynamicImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage, Rgba};
use serde_json::{Value, json};
use tests::both;
use tests::client::Client;
use tests::fake::{Colour, NOBODY, person, photo};
use tests::school::{School, ended, enrol};
use tests::world::World;

use crate::{State, files};

fn row(people: &[Colour]) -> RgbImage {
    let width = u32::try_from(people.len()).unwrap();
    RgbImage::from_fn(width, 1, |x, _| Rgb(people[x as usize]))
}

/// Name, file, size and the students who are seen for certain.
type Case<'a> = (&'a str, Bytes, (u32, u32), &'a [usize]);

async fn odd_pictures_are_looked_at(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 3).await;
    let deep = ImageBuffer::from_fn(2, 1, |x, _| {
        let [r, g, b] = person(x as usize).map(|v| u16::from(v) * 257);
        Rgb([r, g, b])
    });
    let clear = ImageBuffer::from_fn(1, 1, |_, _| {
        let [r, g, b] = person(0);
        Rgba([r, g, b, 255])
    });
    let shades = |w, h| ImageBuffer::from_fn(w, h, |x, _| Luma([1000 * u16::try_from(x + 3).unwrap()]));
    let grey = DynamicImage::ImageRgb8(files::scene(9, 2));
    let scene = files::scene(24, 16);
    let cases: Vec<Case<'_>> = vec![
        ("one pixel", photo(&[person(0)]), (1, 1), &[0]),
        (
            "one pixel as JPEG",
            files::jpeg(&files::scene(1, 1)).into(),
            (1, 1),
            &[],
        ),
        (
            "16 bits a channel",
            files::png(DynamicImage::ImageRgb16(deep)),
            (2, 1),
            &[0, 1],
        ),
        (
            "16 bits of grey",
            files::png(DynamicImage::ImageLuma16(shades(5, 1))),
            (5, 1),
            &[],
        ),
        ("8 bits of grey", files::png(grey.to_luma8()), (9, 2), &[]),
        (
            "grey and see-through",
            files::png(ImageBuffer::from_pixel(3, 2, LumaA([90_u8, 10]))),
            (3, 2),
            &[],
        ),
        ("grey as JPEG", files::grey_jpeg(&scene), (24, 16), &[]),
        (
            "a channel of transparency",
            files::png(DynamicImage::ImageRgba8(clear)),
            (1, 1),
            &[0],
        ),
        ("CMYK", files::cmyk(&scene), (24, 16), &[]),
        (
            "an animation",
            files::animation(&[person(0), person(1)], &[person(2), NOBODY]),
            (2, 1),
            &[0, 1],
        ),
        ("nobody", photo(&[NOBODY, NOBODY]), (2, 1), &[]),
    ];
    for (name, file, (width, height), present) in cases {
        let session = school.open_session().await;
        let job = ended(&admin, &school.submit(&session, file).await).await;
        assert_eq!(
            (&job["status"], &job["error"], &job["attempts"]),
            (&json!("SUCCEEDED"), &Value::Null, &json!(1)),
            "{name}: {job:#}"
        );
        let shown = &job["photos"][0];
        assert_eq!(
            (&shown["width"], &shown["height"]),
            (&json!(width), &json!(height)),
            "{name}"
        );
        let expected: Vec<String> = present.iter().map(|n| format!("Student {n:03}")).collect();
        assert_eq!(school.marked(&session, "PRESENT").await, expected, "{name}");
        let served = served(&world, &admin, &shown["url"]).await;
        assert_eq!((served.width, served.height), (width, height), "{name}");
    }
}

both!(odd, odd_pictures_are_looked_at);

/// What the address of a photo shows.
async fn served(world: &World, client: &Client, url: &Value) -> picture::Header {
    let path = url.as_str().unwrap().split_once("/media/").unwrap().1;
    let answer = client.get(&format!("{}/media/{path}", world.bases[0])).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"image/jpeg".parse().unwrap())
    );
    let bytes = answer.bytes().await.unwrap();
    assert!(!bytes.windows(4).any(|w| w == b"Exif"), "metadata are shown");
    picture::inspect(&bytes).unwrap()
}

async fn an_oriented_picture_is_measured_upright(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 3).await;
    // Stored in a row, from left to right; upright in a column, the left one above (or below).
    let stored = files::png(row(&[person(0), person(1), person(2)]));
    for (orientation, places) in [
        (1, [(0, 0), (50, 0), (100, 0)]),
        (2, [(100, 0), (50, 0), (0, 0)]),
        (3, [(100, 0), (50, 0), (0, 0)]),
        (4, [(0, 0), (50, 0), (100, 0)]),
        (5, [(0, 0), (0, 50), (0, 100)]),
        (6, [(0, 0), (0, 50), (0, 100)]),
        (7, [(0, 100), (0, 50), (0, 0)]),
        (8, [(0, 100), (0, 50), (0, 0)]),
    ] {
        let session = school.open_session().await;
        let job = ended(
            &admin,
            &school.submit(&session, files::oriented_png(&stored, orientation)).await,
        )
        .await;
        let upright = if orientation < 5 { (3, 1) } else { (1, 3) };
        let shown = &job["photos"][0];
        assert_eq!(
            (&shown["width"], &shown["height"]),
            (&json!(upright.0), &json!(upright.1)),
            "{orientation}: {job:#}"
        );
        for (n, (x, y)) in places.into_iter().enumerate() {
            let name = format!("Student {n:03}");
            let face = job["faces"]
                .as_array()
                .unwrap()
                .iter()
                .find(|f| f["student"]["fullName"] == name);
            let at = &face.unwrap_or_else(|| panic!("{name} is not in {job:#}"))["box"];
            assert_eq!((&at["x"], &at["y"]), (&json!(x), &json!(y)), "{name}, {orientation}");
        }
        for url in ["url", "annotatedUrl"] {
            let served = served(&world, &admin, &shown[url]).await;
            assert_eq!((served.width, served.height), upright, "{url}, {orientation}");
        }
    }
}

both!(oriented, an_oriented_picture_is_measured_upright);

async fn what_cannot_be_read_fails_with_its_reason(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::enrolled(&admin, 2).await;
    let session = school.open_session().await;
    let mut broken = files::png(files::scene(40, 40)).to_vec();
    let middle = broken.len() / 2;
    broken[middle] ^= 0xFF;
    let mut gif = files::animation(&[person(0); 40], &[person(1); 40]).to_vec();
    gif.truncate(40);
    for (name, file) in [
        ("a JPEG cut short", files::truncated()),
        ("a damaged PNG", broken.into()),
        ("a GIF cut short", gif.into()),
    ] {
        let before = State::of(&world).await;
        let job = ended(&admin, &school.submit(&session, file.clone()).await).await;
        assert_eq!(job["status"], "FAILED", "{name}: {job:#}");
        let error = &job["error"];
        assert_eq!(
            (&error["code"], &error["retryable"]),
            (&json!("UNREADABLE_IMAGE"), &json!(false)),
            "{name}"
        );
        // Once is enough to know.
        assert_eq!(job["attempts"], 1, "{name}");
        assert_eq!((&job["faces"], &job["marks"]), (&json!([]), &json!([])), "{name}");
        // The photo is kept, as it was sent, and nothing else has come.
        let after = State::of(&world).await;
        let new: Vec<_> = after.objects.iter().filter(|o| !before.objects.contains(*o)).collect();
        assert_eq!(new.len(), 1, "{name}: {new:?}");
        let stored = world.folder.path().join("media").join(new[0]);
        assert_eq!(std::fs::read(stored).unwrap(), file, "{name}");
        assert_eq!(school.marked(&session, "PRESENT").await, [""; 0], "{name}");
        // It cannot be shown, and that is no fault of ours.
        let path = job["photos"][0]["url"]
            .as_str()
            .unwrap()
            .split_once("/media/")
            .unwrap()
            .1
            .to_owned();
        let shown = admin.get(&format!("{}/media/{path}", world.bases[0])).await;
        assert_eq!(shown.status(), 404, "{name}");
    }
    let job = ended(&admin, &school.submit(&session, photo(&[person(1)])).await).await;
    assert_eq!(job["marks"].as_array().unwrap().len(), 1, "{job:#}");
}

both!(unreadable, what_cannot_be_read_fails_with_its_reason);

async fn an_enrolment_says_what_is_wrong_with_each_photo(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let student = &school.students[0];
    let photos = [
        photo(&[person(0), person(1)]),
        photo(&[NOBODY]),
        files::truncated(),
        photo(&[tests::fake::TINY]),
        photo(&[person(0)]),
    ];
    let job = ended(&admin, &enrol(&admin, student, &photos).await).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    let mut results: Vec<(i64, &str, Value)> = job["templates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| {
            (
                t["photoIndex"].as_i64().unwrap(),
                t["status"].as_str().unwrap(),
                t["rejections"].clone(),
            )
        })
        .collect();
    results.sort_by_key(|(index, ..)| *index);
    assert_eq!(
        results,
        [
            (0, "REJECTED", json!(["SEVERAL_FACES"])),
            (1, "REJECTED", json!(["NO_FACE"])),
            (2, "REJECTED", json!(["UNREADABLE_IMAGE"])),
            (3, "REJECTED", json!(["TOO_SMALL"])),
            (4, "ACCEPTED", json!([])),
        ]
    );
    // Even where nothing is left.
    let job = ended(&admin, &enrol(&admin, student, &photos[..2]).await).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    // Nobody is recognized by what was rejected.
    let session = school.open_session().await;
    let job = ended(&admin, &school.submit(&session, photo(&[person(1)])).await).await;
    assert_eq!(job["faces"][0]["decision"], "UNKNOWN", "{job:#}");
}

both!(enrolment, an_enrolment_says_what_is_wrong_with_each_photo);
