//! A real photo that lies on its side, as phones store it: boxes, marks and what is shown are
//! those of the upright one.

use std::collections::BTreeMap;

use bytes::Bytes;
use image::{RgbImage, imageops};
use serde_json::Value;
use tests::client::Client;
use tests::faces;
use tests::school::{School, ended};
use tests::world::World;

use crate::files;
use crate::vision::{enrolled, real};

real!(lying_down, a_photo_that_lies_is_seen_upright);

/// How the pixels lie in a file of this orientation (EXIF 2.3, tag 274) that shows `upright`.
fn stored(upright: &RgbImage, orientation: u8) -> RgbImage {
    match orientation {
        2 => imageops::flip_horizontal(upright),
        3 => imageops::rotate180(upright),
        4 => imageops::flip_vertical(upright),
        5 => imageops::flip_horizontal(&imageops::rotate90(upright)),
        6 => imageops::rotate270(upright),
        7 => imageops::flip_horizontal(&imageops::rotate270(upright)),
        8 => imageops::rotate90(upright),
        _ => upright.clone(),
    }
}

/// What came of a photo: its size, who is where, and who was marked.
#[derive(Debug, PartialEq)]
struct Found {
    size: (i64, i64),
    boxes: BTreeMap<String, [i64; 4]>,
    faces: usize,
    present: Vec<String>,
}

async fn find(world: &World, school: &School, photo: Bytes, upright: &RgbImage) -> Found {
    let session = school.open_session().await;
    let job = ended(&school.teacher, &school.submit(&session, photo).await).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    let number = |value: &Value| value.as_i64().unwrap();
    let faces = job["faces"].as_array().unwrap();
    let named = faces.iter().filter(|f| f["decision"] == "MATCHED").map(|f| {
        let at = ["x", "y", "width", "height"].map(|side| number(&f["box"][side]));
        (f["student"]["fullName"].as_str().unwrap().to_owned(), at)
    });
    let shown = &job["photos"][0];
    shows(world, &school.teacher, &shown["url"], upright).await;
    Found {
        size: (number(&shown["width"]), number(&shown["height"])),
        boxes: named.collect(),
        faces: faces.len(),
        present: school.marked(&session, "PRESENT").await,
    }
}

/// The address shows the upright picture, and no metadata.
async fn shows(world: &World, client: &Client, url: &Value, upright: &RgbImage) {
    let path = url.as_str().unwrap().split_once("/media/").unwrap().1;
    let answer = client.get(&format!("{}/media/{path}", world.bases[0])).await;
    let bytes = answer.bytes().await.unwrap();
    assert!(!bytes.windows(4).any(|w| w == b"Exif"), "metadata are shown");
    let shown = picture::decode(&bytes, picture::MAX_PIXELS).unwrap();
    assert_eq!(shown.dimensions(), upright.dimensions());
    let far: u64 = shown
        .as_raw()
        .iter()
        .zip(upright.as_raw())
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    let mean = far / u64::try_from(upright.as_raw().len()).unwrap();
    assert!(mean < 8, "the picture that is shown is another: {mean} on average");
}

async fn a_photo_that_lies_is_seen_upright(world: World) {
    let (photo, names) = faces::group_photos().swap_remove(1);
    let names: Vec<String> = names.into_iter().collect();
    let school = enrolled(&world, &names).await;
    let upright = picture::decode(&photo, picture::MAX_PIXELS).unwrap();
    let expected = find(&world, &school, files::png(upright.clone()), &upright).await;
    assert_eq!(expected.present, names);
    assert_eq!(expected.boxes.len(), names.len());
    let size = (i64::from(upright.width()), i64::from(upright.height()));
    assert_eq!(expected.size, size);
    for orientation in 2..=8 {
        let turned = stored(&upright, orientation);
        // Without loss: the very same pixels, so the very same boxes.
        let same = files::oriented_png(&files::png(turned.clone()), orientation);
        assert_eq!(find(&world, &school, same, &upright).await, expected, "{orientation}");
    }
    for orientation in [3, 6, 8] {
        let turned = picture::encode_jpeg(&stored(&upright, orientation), 95).unwrap();
        let found = find(&world, &school, files::oriented_jpeg(&turned, orientation), &upright).await;
        assert_eq!((found.size, &found.present), (size, &names), "{orientation}");
        for (name, at) in &found.boxes {
            // JPEG moves them by a little.
            let near = at.iter().zip(expected.boxes[name]).all(|(a, b)| a.abs_diff(b) <= 4);
            assert!(
                near,
                "{name} at {at:?} in place of {:?}, {orientation}",
                expected.boxes[name]
            );
        }
    }
}
