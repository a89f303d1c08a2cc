//! A whole job, from the photo in the store to the committed transaction, beside the sum of the
//! bare times of the model runs that it made.

use models::bench::recorded;

use crate::bare::BareModels;
use crate::pairs::Pairs;
use crate::photos;
use crate::rig::Rig;
use crate::table::{Goal, line};

pub fn lines(pairs: usize) -> Vec<String> {
    [1, 2].map(|threads| one(pairs, threads)).to_vec()
}

fn one(pairs: usize, threads: usize) -> String {
    let rig = Rig::new(threads);
    let class = rig.class(&photos::enrolment());
    let wall = photos::wall();
    let (first, shapes) = recorded(|| rig.recognize(&class, &wall));
    assert_eq!(first.faces.len(), photos::FACES);
    let mut bare = BareModels::open(threads);
    let measured = Pairs::measure(pairs, || rig.recognize(&class, &wall).took, || bare.run(&shapes));
    line(
        &format!("whole job, 1920 × 1080 with 30 faces, {}", of(threads)),
        &measured,
        &format!("its {} model runs, bare", shapes.len()),
        Goal::Time(1.25),
    )
}

/// So many threads, in words.
pub fn of(threads: usize) -> String {
    match threads {
        1 => "1 thread".into(),
        more => format!("{more} threads"),
    }
}
