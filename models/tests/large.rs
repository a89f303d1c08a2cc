//! Faces on walls larger than one run of the detector: small ones are found, and those that lie across
//! the tiles' edges once. Needs the weights and the faces beside the checkout, as `real.rs` does.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use image::imageops::{self, FilterType};
use models::{Analysis, Ask, Bounds, OnnxVision, Settings, Vision};
use picture::{Rect, RgbImage};

static VISION: LazyLock<Result<OnnxVision, String>> = LazyLock::new(|| {
    let set = std::env::var_os("MUSTER_MODELS_MIRROR").map(PathBuf::from);
    let mirror = Some(set.unwrap_or_else(|| shared().join("models")))
        .filter(|folder| folder.is_dir() && shared().join("faces").is_dir())
        .ok_or("no weights, or no faces: none lie beside the checkout")?;
    models::prepare(&Settings {
        models_dir: Path::new(env!("CARGO_TARGET_TMPDIR")).join("models"),
        mirror: Some(mirror.display().to_string()),
        embedder: Some("mobilefacenet_arcface_128".into()),
        ort_dylib: std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from),
        slots: 1,
        threads: 1,
        ..Settings::default()
    })
    .map_err(|error| error.to_string())
});

fn shared() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared")
}

fn vision() -> Option<&'static OnnxVision> {
    VISION
        .as_ref()
        .inspect_err(|why| {
            let required = std::env::var_os("MUSTER_REQUIRE_MODELS").is_some_and(|set| set == "1");
            assert!(!required, "{why}");
            eprintln!("skipped: {why}");
        })
        .ok()
}

fn analyse(vision: &OnnxVision, picture: &RgbImage) -> Analysis {
    let photo = picture::encode_jpeg(picture, 95).unwrap();
    vision
        .analyse(&photo, &Ask::default(), &|_| ControlFlow::Continue(()))
        .unwrap()
}

/// A portrait's largest face with what is around it, and how wide the face in it is.
fn portrait(vision: &OnnxVision) -> (RgbImage, f32) {
    let mut students: Vec<PathBuf> = std::fs::read_dir(shared().join("faces/students"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    students.sort();
    let mut portraits: Vec<PathBuf> = std::fs::read_dir(&students[0])
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    portraits.sort();
    let photo = picture::decode(&std::fs::read(&portraits[0]).unwrap(), picture::MAX_PIXELS).unwrap();
    let analysis = analyse(vision, &photo);
    let Bounds { x, y, width, height } = analysis
        .faces
        .iter()
        .map(|face| face.bounds)
        .max_by_key(|b| b.width)
        .unwrap();
    let cut = picture::crop(&photo, Rect { x, y, width, height }, 0.5);
    (cut, f32::from(u16::try_from(width).unwrap()))
}

/// The portrait scaled so that its face is `width` pixels wide.
fn of_width((portrait, wide): &(RgbImage, f32), width: u16) -> RgbImage {
    let factor = f32::from(width) / wide;
    let side = |side: u32| (f64::from(side) * f64::from(factor)).round().clamp(1.0, 65_535.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped just before"
    )]
    let (width, height) = (side(portrait.width()) as u32, side(portrait.height()) as u32);
    imageops::resize(portrait, width, height, FilterType::Triangle)
}

/// A grey wall of 6000 x 4000 with the picture centred at each place.
fn wall(picture: &RgbImage, places: &[(i64, i64)]) -> RgbImage {
    let mut wall = RgbImage::from_pixel(6000, 4000, [127; 3].into());
    for (x, y) in places {
        let (width, height) = (i64::from(picture.width()), i64::from(picture.height()));
        imageops::replace(&mut wall, picture, x - width / 2, y - height / 2);
    }
    wall
}

/// How many faces were found at each place, within half a face's width.
fn found(analysis: &Analysis, places: &[(i64, i64)], width: u16) -> Vec<usize> {
    let near = |bounds: &Bounds, x: i64, y: i64| {
        let middle = (
            i64::from(bounds.x + bounds.width / 2),
            i64::from(bounds.y + bounds.height / 2),
        );
        (middle.0 - x).abs().max((middle.1 - y).abs()) <= i64::from(width)
    };
    places
        .iter()
        .map(|(x, y)| analysis.faces.iter().filter(|face| near(&face.bounds, *x, *y)).count())
        .collect()
}

#[test]
fn a_face_too_small_for_the_overview_is_found_wherever_it_is() {
    let Some(vision) = vision() else { return };
    // 24 pixels of what a tile sees, 15 of the overview, where such a portrait is not found.
    let face = of_width(&portrait(vision), 48);
    let places: Vec<(i64, i64)> = (0..20)
        .flat_map(|row| (0..30).map(move |column| (100 + column * 199, 100 + row * 197)))
        .collect();
    let analysis = analyse(vision, &wall(&face, &places));
    let counts = found(&analysis, &places, 24);
    let missed = counts.iter().filter(|count| **count == 0).count();
    println!("{missed} of {} missed, {} faces", places.len(), analysis.faces.len());
    assert!(counts.iter().all(|count| *count <= 1), "one was counted twice");
    assert!(missed * 20 <= places.len(), "{missed} of {} missed", places.len());
    assert!(analysis.faces.len() <= places.len());
}

#[test]
fn a_face_across_the_tiles_edges_is_counted_once() {
    let Some(vision) = vision() else { return };
    let portrait = portrait(vision);
    // The tiles of this wall share what lies around its middle lines.
    for width in [60, 76, 90, 120, 150, 300, 800, 1600] {
        let face = of_width(&portrait, width);
        let step = i64::from(face.width().max(face.height())) + 23;
        let fit = |length: i64| ((length - step) / 2 / step).min(8);
        let mut places = Vec::new();
        for nth in -fit(6000)..=fit(6000) {
            places.push((3000 + nth * step, 2000 + nth * 7));
        }
        for nth in -fit(4000)..=fit(4000) {
            if nth.abs() >= 2 {
                places.push((3000 + nth * 11, 2000 + nth * step));
            }
        }
        let analysis = analyse(vision, &wall(&face, &places));
        let counts = found(&analysis, &places, width / 2);
        assert!(counts.iter().all(|count| *count == 1), "{width}: {counts:?}");
        assert_eq!(analysis.faces.len(), places.len(), "{width}");
    }
}

#[test]
fn a_face_over_several_tiles_is_one() {
    let Some(vision) = vision() else { return };
    let face = of_width(&portrait(vision), 1900);
    let places = [(3000, 2000)];
    let analysis = analyse(vision, &wall(&face, &places));
    assert_eq!(
        analysis.faces.len(),
        1,
        "{:?}",
        analysis.faces.iter().map(|f| f.bounds).collect::<Vec<_>>()
    );
    assert_eq!(found(&analysis, &places, 800), [1]);
}
