//! Where the time of a whole job goes.

use crate::job::of;
use crate::photos;
use crate::rig::{Rig, STAGES};

/// A table of the medians over so many jobs; the last line is what the job's own times leave out.
pub fn lines(jobs: usize) -> Vec<String> {
    let threads = [1, 2];
    let columns = threads.map(|threads| one(jobs, threads));
    let mut lines = vec![
        format!("| stage | {} | {} |", of(threads[0]), of(threads[1])),
        "|---|---|---|".to_owned(),
    ];
    let names = STAGES.into_iter().chain(["the rest: claim, reading, progress"]);
    for (row, name) in names.enumerate() {
        lines.push(format!(
            "| {name} | {:.1} ms | {:.1} ms |",
            columns[0][row], columns[1][row]
        ));
    }
    lines
}

fn one(jobs: usize, threads: usize) -> [f64; 6] {
    let rig = Rig::new(threads);
    let class = rig.class(&photos::enrolment());
    let wall = photos::wall();
    let done: Vec<_> = (0..jobs).map(|_| rig.recognize(&class, &wall)).collect();
    std::array::from_fn(|stage| {
        let mut times: Vec<f64> = done
            .iter()
            .map(|done| match done.stages.get(stage) {
                Some(took) => *took,
                None => done.took - done.stages.iter().sum::<f64>(),
            })
            .collect();
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}
