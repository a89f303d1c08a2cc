//! The rule that decides, on real weights and real faces.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use models::{Analysis, Ask, EmbedderInfo, Vision};
use service::id::PersonId;
use service::kinds::FaceDecision;
use service::recognition::gallery::Gallery;
use service::recognition::matching::{self, Verdict};
use tests::faces;
use uuid::Uuid;

/// Each student's portraits as embeddings, by name.
type Enrolled = BTreeMap<String, Vec<Vec<f32>>>;

fn analyse(vision: &dyn Vision, photo: &[u8]) -> Analysis {
    vision
        .analyse(photo, &Ask::default(), &|_| ControlFlow::Continue(()))
        .unwrap()
}

fn largest(analysis: Analysis) -> Vec<f32> {
    let faces = analysis.faces.into_iter();
    let face = faces.max_by_key(|face| face.bounds.width * face.bounds.height);
    face.unwrap().embedding.unwrap()
}

fn decide(embedder: &EmbedderInfo, class: &Enrolled, photo: &Analysis) -> Vec<(Verdict, Option<String>)> {
    let names: Vec<&String> = class.keys().collect();
    let templates = class.values().enumerate().flat_map(|(n, portraits)| {
        let person = PersonId(Uuid::from_u128(n as u128));
        portraits.iter().map(move |portrait| (person, portrait.clone()))
    });
    let gallery = Gallery::new(templates);
    let similarities: Vec<Option<Vec<f32>>> = photo
        .faces
        .iter()
        .map(|face| face.embedding.as_ref().map(|e| gallery.similarities(e)))
        .collect();
    let (match_at, review_at) = (embedder.match_threshold, embedder.review_threshold);
    matching::decide(&gallery.students, &similarities, match_at, review_at)
        .into_iter()
        .map(|verdict| {
            let matched = verdict.student.filter(|_| verdict.decision == FaceDecision::Matched);
            let name = matched.map(|student| names[usize::try_from(student.0.as_u128()).unwrap()].clone());
            (verdict, name)
        })
        .collect()
}

/// Everybody labelled is matched; then each is left out in turn, and their faces are matched to
/// nobody while all others still are to whom they were.
#[test]
fn whoever_is_not_in_the_class_is_never_matched() {
    if !faces::present() {
        return;
    }
    let vision = models::prepare(&models::Settings {
        models_dir: faces::models_dir(),
        mirror: Some(faces::mirror().display().to_string()),
        slots: 1,
        threads: 2,
        ..models::Settings::default()
    })
    .unwrap();
    let embedder = vision.embedder().clone();
    let portraits = |photos: Vec<bytes::Bytes>| photos.iter().map(|p| largest(analyse(&vision, p))).collect();
    let everybody: Enrolled = faces::students()
        .into_iter()
        .map(|(name, photos)| (name, portraits(photos)))
        .collect();
    let (mut matched, mut lowest, mut strangers) = (0, f32::INFINITY, Vec::new());
    for (photo, labels) in faces::group_photos() {
        let photo = analyse(&vision, &photo);
        let with_all = decide(&embedder, &everybody, &photo);
        let mut names: Vec<&String> = with_all.iter().filter_map(|(_, name)| name.as_ref()).collect();
        names.sort();
        assert!(names.iter().copied().eq(&labels), "{names:?}, not {labels:?}");
        matched += names.len();
        for (verdict, _) in with_all.iter().filter(|(_, name)| name.is_some()) {
            lowest = lowest.min(verdict.similarity.unwrap());
        }
        for absent in everybody.keys() {
            let mut class = everybody.clone();
            class.remove(absent);
            for ((_, before), (verdict, now)) in with_all.iter().zip(decide(&embedder, &class, &photo)) {
                if before.as_ref() == Some(absent) {
                    assert_eq!(now, None, "{absent} is taken for somebody else: {verdict:?}");
                    strangers.push(verdict.similarity.unwrap());
                } else {
                    assert_eq!(&now, before, "without {absent}");
                }
            }
        }
    }
    assert_eq!(matched, 23);
    let highest = strangers.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    println!(
        "{}: {matched} matched, the lowest at {lowest:.3}; {} faces of the absent, the highest at {highest:.3}",
        embedder.name,
        strangers.len()
    );
}
