//! Odd pictures before the real models: none of them fails, and faces are found in those that
//! have some, whatever the kind of the file.

use bytes::Bytes;
use image::codecs::gif::GifEncoder;
use image::{DynamicImage, Frame, RgbImage, imageops};
use serde_json::{Value, json};
use tests::faces;
use tests::school::{self, School, ended};
use tests::world::World;

use crate::files;

/// A test for both modes with the real vision, where its models are.
macro_rules! real {
    ($name:ident, $body:path) => {
        mod $name {
            use tests::world::{Mode, Setup};

            use super::*;

            #[tokio::test(flavor = "multi_thread")]
            async fn embedded() {
                run(Mode::Embedded).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn processes() {
                run(Mode::Processes).await;
            }

            async fn run(mode: Mode) {
                let setup = Setup {
                    real_vision: true,
                    slots: 1,
                    ..Setup::new(mode)
                };
                if tests::faces::present()
                    && let Some(world) = setup.build().await
                {
                    $body(world).await;
                }
            }
        }
    };
}
pub(crate) use real;

real!(odd_pictures, odd_pictures_are_analysed);
real!(enrolments, an_enrolment_wants_one_face);

/// A class of these of the labelled students, enrolled by their portraits.
pub async fn enrolled(world: &World, names: &[String]) -> School {
    let (_, admin) = world.organization("Caltech").await;
    let school = School::with_students(&admin, 0).await;
    for (name, portraits) in faces::students() {
        if !names.contains(&name) {
            continue;
        }
        let add = "mutation($class: ID!, $name: String!) { addStudents(classId: $class, students: [{ fullName: $name }]) { \
             results { student { id } } } }";
        let added = admin.query(add, json!({ "class": school.class, "name": name })).await;
        let id = added["addStudents"]["results"][0]["student"]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let job = ended(&admin, &school::enrol(&admin, &id, &portraits).await).await;
        assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    }
    school
}

/// Name, file, size, and of how many of its three it must be told who they are; none where nobody is.
type Case<'a> = (&'a str, Bytes, (u32, u32), Option<usize>);

async fn odd_pictures_are_analysed(world: World) {
    let (photo, names) = faces::group_photos().swap_remove(1);
    let names: Vec<String> = names.into_iter().collect();
    let school = enrolled(&world, &names).await;
    let upright = picture::decode(&photo, picture::MAX_PIXELS).unwrap();
    let size = upright.dimensions();
    let plain = DynamicImage::ImageRgb8(upright.clone());
    let small = imageops::thumbnail(&upright, 3, 2);
    let cases: Vec<Case<'_>> = vec![
        ("as it is", photo, size, Some(3)),
        ("CMYK", files::cmyk(&upright), size, Some(2)),
        ("16 bits a channel", files::png(plain.to_rgb16()), size, Some(3)),
        ("16 bits of grey", files::png(plain.to_luma16()), size, Some(2)),
        ("8 bits of grey", files::png(plain.to_luma8()), size, Some(2)),
        ("grey as JPEG", files::grey_jpeg(&upright), size, Some(2)),
        ("an animation", animated(&upright), size, Some(2)),
        ("one pixel", files::png(RgbImage::new(1, 1)), (1, 1), None),
        ("a few pixels", files::png(small), (3, 2), None),
        (
            "one pixel high",
            files::png(imageops::crop_imm(&upright, 0, 200, size.0, 1).to_image()),
            (size.0, 1),
            None,
        ),
        (
            "one pixel wide",
            files::png(imageops::crop_imm(&upright, 200, 0, 1, size.1).to_image()),
            (1, size.1),
            None,
        ),
        (
            "a photo with no face",
            files::jpeg(&files::scene(640, 480)).into(),
            (640, 480),
            None,
        ),
        (
            "a white wall",
            files::png(RgbImage::from_pixel(800, 600, image::Rgb([255; 3]))),
            (800, 600),
            None,
        ),
    ];
    for (name, file, (width, height), faces) in cases {
        let session = school.open_session().await;
        let job = ended(&school.teacher, &school.submit(&session, file).await).await;
        assert_eq!(
            (&job["status"], &job["error"]),
            (&json!("SUCCEEDED"), &Value::Null),
            "{name}: {job:#}"
        );
        let shown = &job["photos"][0];
        assert_eq!(
            (&shown["width"], &shown["height"]),
            (&json!(width), &json!(height)),
            "{name}"
        );
        let found = job["faces"].as_array().unwrap().len();
        let present = school.marked(&session, "PRESENT").await;
        match faces {
            None => assert_eq!((found, present.len()), (0, 0), "{name}: {job:#}"),
            // What is seen in colour is seen without; who it is may be told less surely.
            Some(least) => {
                assert!(found >= least, "{name}: {found} faces");
                assert!(present.iter().all(|n| names.contains(n)), "{name}: {present:?}");
                assert!(present.len() >= least, "{name}: {present:?}");
            }
        }
    }
}

/// The photo, and then nothing.
fn animated(photo: &RgbImage) -> Bytes {
    let first = DynamicImage::ImageRgb8(photo.clone()).into_rgba8();
    let second = image::RgbaImage::new(photo.width(), photo.height());
    let mut gif = Vec::new();
    GifEncoder::new_with_speed(&mut gif, 30)
        .encode_frames([Frame::new(first), Frame::new(second)])
        .unwrap();
    gif.into()
}

async fn an_enrolment_wants_one_face(world: World) {
    let (_, admin) = world.organization("Caltech").await;
    let school = School::with_students(&admin, 1).await;
    let students = faces::students();
    let portrait = |n: usize| picture::decode(&students[n].1[0], picture::MAX_PIXELS).unwrap();
    let mut two = RgbImage::new(300, 150);
    imageops::replace(&mut two, &portrait(0), 0, 0);
    imageops::replace(&mut two, &portrait(1), 150, 0);
    let photos = [
        files::png(two),
        files::jpeg(&files::scene(640, 480)).into(),
        files::truncated(),
        files::png(RgbImage::new(1, 1)),
        students[0].1[0].clone(),
    ];
    let job = ended(&admin, &school::enrol(&admin, &school.students[0], &photos).await).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    let templates = job["templates"].as_array().unwrap();
    let of = |index: usize| {
        let found = templates.iter().find(|t| t["photoIndex"] == index).unwrap();
        (found["status"].clone(), found["rejections"].clone())
    };
    for (index, rejection) in [
        (0, "SEVERAL_FACES"),
        (1, "NO_FACE"),
        (2, "UNREADABLE_IMAGE"),
        (3, "NO_FACE"),
    ] {
        assert_eq!(of(index), (json!("REJECTED"), json!([rejection])), "{job:#}");
    }
    assert_eq!(of(4), (json!("ACCEPTED"), json!([])), "{job:#}");
}
