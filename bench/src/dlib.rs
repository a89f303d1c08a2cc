//! The same photos and people by `face_recognition` (dlib), as its own examples use it: recall and
//! photos a second, side by side. Once, outside of CI: it is a large download.

use crate::accuracy::Tally;
use crate::counterpart::{Counterpart, python};
use crate::job::of;
use crate::pairs::Spread;
use crate::photos;
use crate::rig::Rig;

/// Names a Python that has `face_recognition`.
pub const PYTHON: &str = "MUSTER_BENCH_DLIB_PYTHON";

const HEADER: &str = "\
| the five group photos, 1 thread | people named of those in them | named who aren't there | photos a second (median) |
|---|---|---|---|";

/// A table of its own; empty where there is no dlib.
pub fn lines(rounds: usize) -> Vec<String> {
    let Some(python) = python(PYTHON) else {
        return Vec::new();
    };
    let students = ::tests::faces::students();
    let photos = ::tests::faces::group_photos();
    let rig = Rig::new(1);
    let class = rig.class(&students);
    let all = photos::portraits_folder("students", &students);
    let arguments = [("enrol", all.display().to_string())];
    let mut counterpart = Counterpart::start(&python, "dlib_recognize.py", 1, &arguments);

    let (mut ours, mut theirs) = (Tally::default(), Tally::default());
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for (nth, (photo, labels)) in photos.iter().enumerate() {
        let path = photos::folder("photos").join(format!("group-{nth}.jpg"));
        std::fs::write(&path, photo).unwrap();
        ours.add(&rig.recognize(&class, photo), labels);
        theirs.add_names(&counterpart.recognize(&path).people, labels);
        for _ in 0..rounds {
            our_times.push(rig.recognize(&class, photo).took);
            their_times.push(counterpart.recognize(&path).took);
        }
    }
    let row = |who: &str, tally: &Tally, times: Vec<f64>| {
        let rate = 1000.0 / Spread::of(times).median;
        format!(
            "| {who} | {} of {} | {} | {rate:.2} |",
            tally.right, tally.people, tally.wrong
        )
    };
    vec![
        HEADER.to_owned(),
        row(&format!("Muster, whole job, {}", of(1)), &ours, our_times),
        row(&counterpart.about, &theirs, their_times),
    ]
}
