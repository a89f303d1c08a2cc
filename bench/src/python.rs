//! Photos a second beside a Python program on the same ONNX files, with the same ONNX Runtime and as
//! many threads. Ours is a whole job, database and all.

use std::path::Path;

use models::bench::{Form, bytes, file};
use models::catalog::Role;

use crate::counterpart::{Counterpart, python};
use crate::job::of;
use crate::pairs::Pairs;
use crate::photos;
use crate::rig::{Rig, settings};
use crate::table::{Goal, line};

/// Names a Python that has onnxruntime, OpenCV and numpy.
pub const PYTHON: &str = "MUSTER_BENCH_PYTHON";

pub fn lines(pairs: usize) -> Vec<String> {
    let Some(python) = python(PYTHON) else {
        return Vec::new();
    };
    [(1, 1.6), (2, 2.0)]
        .map(|(threads, goal)| one(pairs, &python, threads, goal))
        .to_vec()
}

fn one(pairs: usize, python: &Path, threads: usize, goal: f64) -> String {
    let rig = Rig::new(threads);
    let class = rig.class(&photos::enrolment());
    let wall = photos::wall();
    let path = photos::folder("photos").join("wall.jpg");
    std::fs::write(&path, &wall).unwrap();
    let mut counterpart = start(python, &rig, threads);

    let (ours, theirs) = (rig.recognize(&class, &wall), counterpart.recognize(&path));
    assert_eq!((ours.faces.len(), theirs.faces), (photos::FACES, photos::FACES));
    assert_eq!(ours.matched(), theirs.people, "both must find the same people");

    let measured = Pairs::measure(
        pairs,
        || rig.recognize(&class, &wall).took,
        || counterpart.recognize(&path).took,
    );
    line(
        &format!("photos a second, 1920 × 1080 with 30 faces, {}", of(threads)),
        &measured,
        &format!("Python ({})", counterpart.about),
        Goal::Speed(goal),
    )
}

/// The Python program with the same models, enrolled with what the rig's class is.
pub fn start(python: &Path, rig: &Rig, threads: usize) -> Counterpart {
    let settings = settings(threads);
    // The published file takes 640 x 640 alone; both see the whole photo.
    let detector = photos::folder("models").join("detector.onnx");
    std::fs::write(&detector, bytes(&settings, Role::Detector, Form::Loaded).unwrap()).unwrap();
    let warm = photos::folder("photos").join("warm.jpg");
    std::fs::write(&warm, photos::wall()).unwrap();
    let text = |path: &Path| path.display().to_string();
    let arguments = [
        ("detector", text(&detector)),
        ("embedder", text(&file(&settings, Role::Embedder).unwrap().1)),
        (
            "enrol",
            text(&photos::portraits_folder("enrolment", &photos::enrolment())),
        ),
        ("warm", text(&warm)),
        ("match", rig.models.embedder().match_threshold.to_string()),
    ];
    Counterpart::start(python, "recognize.py", threads, &arguments)
}
