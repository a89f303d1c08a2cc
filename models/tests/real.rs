//! The whole of it on real weights and real faces: eight people by five portraits each, found again
//! in five group photos. Runs where the weights are (`MUSTER_MODELS_MIRROR`, or beside the
//! checkout) and says so where they aren't; with `MUSTER_REQUIRE_MODELS=1` their absence is a
//! failure.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};

use models::{Analysis, Ask, Face, OnnxVision, Settings, Stage, Vision, VisionError};

/// Loaded once for all tests of this file; the reason where it can't be.
static VISION: LazyLock<Result<OnnxVision, String>> = LazyLock::new(|| {
    let mirror = mirror().ok_or("no weights: MUSTER_MODELS_MIRROR is unset and none lie beside the checkout")?;
    models::prepare(&Settings {
        // Kept from run to run, for the runtime is large.
        models_dir: Path::new(env!("CARGO_TARGET_TMPDIR")).join("models"),
        mirror: Some(mirror.display().to_string()),
        embedder: Some("mobilefacenet_arcface_128".into()),
        ort_dylib: std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from),
        slots: 2,
        threads: 1,
        ..Settings::default()
    })
    .map_err(|error| error.to_string())
});

fn shared() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared")
}

fn mirror() -> Option<PathBuf> {
    let set = std::env::var_os("MUSTER_MODELS_MIRROR").map(PathBuf::from);
    Some(set.unwrap_or_else(|| shared().join("models"))).filter(|folder| folder.is_dir())
}

/// The models, or nothing where this test must be skipped.
fn vision() -> Option<&'static OnnxVision> {
    match &*VISION {
        Ok(vision) => Some(vision),
        Err(why) => skip(why),
    }
}

/// The folder of faces, or nothing where this test must be skipped.
fn faces() -> Option<PathBuf> {
    let folder = shared().join("faces");
    if folder.is_dir() {
        Some(folder)
    } else {
        skip("no faces lie beside the checkout")
    }
}

fn skip<T>(why: &str) -> Option<T> {
    assert!(
        std::env::var_os("MUSTER_REQUIRE_MODELS").is_none_or(|set| set != "1"),
        "{why}"
    );
    eprintln!("skipped: {why}");
    None
}

fn analyse(vision: &OnnxVision, path: &Path) -> Analysis {
    let photo = std::fs::read(path).unwrap();
    vision
        .analyse(&photo, &Ask::default(), &|_| ControlFlow::Continue(()))
        .unwrap()
}

fn largest(analysis: &Analysis) -> Option<&Face> {
    analysis
        .faces
        .iter()
        .max_by_key(|face| face.bounds.width * face.bounds.height)
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Name to one embedding a portrait.
type Gallery = BTreeMap<String, Vec<Vec<f32>>>;

fn enrol(vision: &OnnxVision, faces: &Path) -> Gallery {
    let mut gallery = Gallery::new();
    for student in std::fs::read_dir(faces.join("students")).unwrap().map(Result::unwrap) {
        let name = student.file_name().into_string().unwrap();
        let mut portraits: Vec<PathBuf> = std::fs::read_dir(student.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        portraits.sort();
        for portrait in portraits {
            let analysis = analyse(vision, &portrait);
            let face = largest(&analysis).unwrap_or_else(|| panic!("no face in {}", portrait.display()));
            if analysis.faces.len() > 1 {
                eprintln!("{}: {} faces", portrait.display(), analysis.faces.len());
            }
            let embedding = face
                .embedding
                .clone()
                .unwrap_or_else(|| panic!("{}: too small", portrait.display()));
            gallery.entry(name.clone()).or_default().push(embedding);
        }
    }
    gallery
}

/// Pairs of face and student from the best similarity down, each at most once.
fn recognise(gallery: &Gallery, analysis: &Analysis, least: f32) -> BTreeSet<String> {
    let mut pairs = Vec::new();
    for (index, face) in analysis.faces.iter().enumerate() {
        for (name, templates) in gallery {
            let Some(embedding) = &face.embedding else { continue };
            let best = templates.iter().map(|t| cosine(t, embedding)).max_by(f32::total_cmp);
            pairs.push((best.unwrap(), index, name));
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut taken, mut named) = (BTreeSet::new(), BTreeSet::new());
    for (similarity, index, name) in pairs {
        if similarity >= least && !named.contains(name) && taken.insert(index) {
            named.insert(name.clone());
        }
    }
    named
}

#[test]
fn everyone_in_the_group_photos_is_named_and_nobody_else() {
    let (Some(vision), Some(faces)) = (vision(), faces()) else {
        return;
    };
    let gallery = enrol(vision, &faces);
    assert_eq!((gallery.len(), gallery.values().map(Vec::len).sum::<usize>()), (8, 40));
    let labels = std::fs::read_to_string(faces.join("class/labels.json")).unwrap();
    let labels: BTreeMap<String, BTreeSet<String>> = serde_json::from_str(&labels).unwrap();
    let mut named = 0;
    for (photo, expected) in &labels {
        let analysis = analyse(vision, &faces.join("class").join(photo));
        let found = recognise(&gallery, &analysis, vision.embedder().match_threshold);
        assert_eq!(&found, expected, "{photo}");
        named += found.len();
    }
    assert_eq!(named, 23);
}

#[test]
fn what_an_analysis_says_hangs_together() {
    let (Some(vision), Some(faces)) = (vision(), faces()) else {
        return;
    };
    let analysis = analyse(vision, &faces.join("class/1.jpg"));
    assert!(analysis.faces.is_sorted_by(|a, b| a.score >= b.score));
    for face in &analysis.faces {
        let at = face.bounds;
        assert!(at.x >= 0 && at.y >= 0 && at.width > 0 && at.height > 0);
        assert!(at.x.unsigned_abs() + at.width.unsigned_abs() <= analysis.width);
        assert!(at.y.unsigned_abs() + at.height.unsigned_abs() <= analysis.height);
        assert!((0.6..=1.0).contains(&face.score));
        let quality = face.quality;
        for share in [quality.overall, quality.sharpness, quality.brightness] {
            assert!((0.0..=1.0).contains(&share), "{quality:?}");
        }
        assert!(quality.yaw.abs() <= 90.0 && quality.pitch.abs() <= 90.0 && quality.roll.abs() <= 180.0);
        assert_eq!(face.embedding.is_none(), face.too_small);
        if let Some(embedding) = &face.embedding {
            assert_eq!(embedding.len(), vision.embedder().dimension);
            assert!((cosine(embedding, embedding) - 1.0).abs() < 1e-4);
        }
        let crop = picture::decode(&face.crop, picture::MAX_PIXELS).unwrap();
        assert!(crop.width().max(crop.height()) <= 512);
    }
}

/// A photo shown in the middle of a grey wall of the given size.
fn on_a_wall(photo: &picture::RgbImage, width: u32, height: u32) -> Vec<u8> {
    let mut wall = picture::RgbImage::from_pixel(width, height, [127; 3].into());
    let at = ((width - photo.width()) / 2, (height - photo.height()) / 2);
    image::imageops::replace(&mut wall, photo, at.0.into(), at.1.into());
    picture::encode_jpeg(&wall, 95).unwrap()
}

#[test]
fn any_size_and_shape_will_do() {
    let (Some(vision), Some(faces)) = (vision(), faces()) else {
        return;
    };
    let bytes = std::fs::read(faces.join("class/1.jpg")).unwrap();
    let photo = picture::decode(&bytes, picture::MAX_PIXELS).unwrap();
    let sure = |analysis: &Analysis| analysis.faces.iter().filter(|face| face.score > 0.8).count();
    let expected = sure(&analyse(vision, &faces.join("class/1.jpg")));
    assert!(expected >= 4);
    for (width, height) in [(photo.width() + 1, photo.height() + 31), (1900, 700), (1000, 1920)] {
        let wall = on_a_wall(&photo, width.max(photo.width()), height.max(photo.height()));
        let analysis = vision
            .analyse(&wall, &Ask::default(), &|_| ControlFlow::Continue(()))
            .unwrap();
        assert_eq!(sure(&analysis), expected, "{width} x {height}");
    }
}

#[test]
fn a_tiny_photo_has_no_face_and_does_no_harm() {
    let Some(vision) = vision() else { return };
    for (width, height) in [(1, 1), (1, 4000), (33, 31)] {
        let grey = picture::RgbImage::from_pixel(width, height, [127; 3].into());
        let photo = picture::encode_jpeg(&grey, 90).unwrap();
        let analysis = vision
            .analyse(&photo, &Ask::default(), &|_| ControlFlow::Continue(()))
            .unwrap();
        assert_eq!(
            (analysis.width, analysis.height, analysis.faces.len()),
            (width, height, 0)
        );
    }
}

#[test]
fn a_small_face_is_found_but_not_told() {
    let (Some(vision), Some(faces)) = (vision(), faces()) else {
        return;
    };
    let bytes = std::fs::read(faces.join("class/1.jpg")).unwrap();
    let photo = picture::decode(&bytes, picture::MAX_PIXELS).unwrap();
    let before = vision
        .analyse(&bytes, &Ask::default(), &|_| ControlFlow::Continue(()))
        .unwrap();
    let width = largest(&before).unwrap().bounds.width.unsigned_abs();
    // Scaled so that the largest face is 17 pixels wide.
    let side = |side: u32| side * 17 / width;
    let small = image::imageops::resize(
        &photo,
        side(photo.width()),
        side(photo.height()),
        image::imageops::FilterType::CatmullRom,
    );
    let analysis = vision
        .analyse(&on_a_wall(&small, 640, 640), &Ask::default(), &|_| {
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(!analysis.faces.is_empty());
    assert!(
        analysis
            .faces
            .iter()
            .all(|face| face.too_small && face.embedding.is_none())
    );
}

#[test]
fn the_observer_sees_each_stage_and_may_stop() {
    let (Some(vision), Some(faces)) = (vision(), faces()) else {
        return;
    };
    let photo = std::fs::read(faces.join("class/1.jpg")).unwrap();
    let name = |stage: Stage<'_>| match stage {
        Stage::Decoding => "decoding",
        Stage::Detecting => "detecting",
        Stage::Embedding(faces) => {
            assert_eq!(faces.len(), 4);
            assert!(
                faces
                    .iter()
                    .all(|face| face.embedding.is_none() && !face.crop.is_empty())
            );
            "embedding"
        }
    };
    let all = ["decoding", "detecting", "embedding"];
    for (index, last) in all.iter().enumerate() {
        let seen = Mutex::new(Vec::new());
        let result = vision.analyse(&photo, &Ask::default(), &|stage| {
            seen.lock().unwrap().push(name(stage));
            if name(stage) == *last {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        assert!(matches!(result, Err(VisionError::Abandoned)));
        assert_eq!(seen.into_inner().unwrap(), all[..=index]);
    }
}

#[test]
fn a_bad_photo_is_the_photos_fault() {
    let Some(vision) = vision() else { return };
    for bad in [&b""[..], b"<html>", b"\xFF\xD8\xFF\xE0", b"GIF89a\x05\0\x05\0"] {
        let result = vision.analyse(bad, &Ask::default(), &|_| ControlFlow::Continue(()));
        assert!(matches!(result, Err(VisionError::Unreadable(_))));
    }
    let mut huge = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    huge.extend([0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
    let result = vision.analyse(&huge, &Ask::default(), &|_| ControlFlow::Continue(()));
    assert!(matches!(result, Err(VisionError::TooLarge { width: 30_000, .. })));
}

#[test]
fn liveness_is_told_where_it_is_asked_for() {
    let (Some(vision), Some(faces)) = (vision(), faces()) else {
        return;
    };
    assert!(vision.tells_liveness());
    let photo = std::fs::read(faces.join("class/1.jpg")).unwrap();
    let of = |liveness| {
        let ask = Ask {
            liveness,
            ..Ask::default()
        };
        let analysis = vision.analyse(&photo, &ask, &|_| ControlFlow::Continue(())).unwrap();
        analysis.faces.iter().map(|face| face.liveness).collect::<Vec<_>>()
    };
    let told = of(true);
    assert!(!told.is_empty());
    for live in &told {
        assert!(live.is_some_and(|live| (0.0..=1.0).contains(&live)), "{live:?}");
    }
    assert_eq!(told, of(true));
    assert!(of(false).iter().all(Option::is_none));
}

#[test]
fn an_embedder_is_asked_by_its_name() {
    let (Some(vision), Some(faces)) = (vision(), faces()) else {
        return;
    };
    let photo = std::fs::read(faces.join("class/1.jpg")).unwrap();
    let by = |name: &str| {
        let ask = Ask {
            embedder: Some(name.into()),
            ..Ask::default()
        };
        vision.analyse(&photo, &ask, &|_| ControlFlow::Continue(()))
    };
    let chosen = vision.embedder().name.clone();
    assert_eq!(vision.embedder_named(&chosen).unwrap(), *vision.embedder());
    let (named, unnamed) = (by(&chosen).unwrap(), analyse(vision, &faces.join("class/1.jpg")));
    assert_eq!(named.faces[0].embedding, unnamed.faces[0].embedding);
    for error in [
        by("nobody's").unwrap_err(),
        vision.embedder_named("nobody's").unwrap_err(),
    ] {
        assert!(matches!(error, VisionError::Model(text) if text.contains("choose one of") && text.contains(&chosen)));
    }
}

#[test]
fn slots_work_side_by_side_with_the_same_result() {
    let (Some(vision), Some(faces)) = (vision(), faces()) else {
        return;
    };
    let alone = analyse(vision, &faces.join("class/2.jpg"));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let again = analyse(vision, &faces.join("class/2.jpg"));
                assert_eq!(again.faces.len(), alone.faces.len());
                for (a, b) in again.faces.iter().zip(&alone.faces) {
                    assert_eq!((a.bounds, a.quality), (b.bounds, b.quality));
                    assert_eq!(a.embedding, b.embedding);
                }
            });
        }
    });
}
