//! How fast, how right and how large Muster is, measured beside something that says what could be
//! hoped for. `bench/run` does all of it; `bench/README.md` says what the lines mean.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on ends there, with the line"
)]

pub mod accuracy;
pub mod bare;
pub mod counterpart;
pub mod degraded;
pub mod dlib;
pub mod job;
pub mod large;
pub mod load;
pub mod memory;
pub mod pairs;
pub mod photos;
pub mod python;
pub mod rewrite;
pub mod rig;
pub mod stages;
pub mod table;

use table::HEADER;

/// A subject's name and what measures it in so many pairs.
type Subject = (&'static str, fn(usize) -> Vec<String>);

/// Subjects whose lines belong to one table.
const TIMES: [Subject; 5] = [
    ("python", python::lines),
    ("job", job::lines),
    ("rewrite", rewrite::lines),
    ("large", large::lines),
    ("memory", memory::lines),
];

/// Subjects that are a table each.
const TABLES: [Subject; 3] = [
    ("stages", stages::lines),
    ("accuracy", |_| accuracy::lines(degraded::KINDS.len())),
    ("dlib", dlib::lines),
];

/// Measures the named subjects, or all, and prints a line as soon as it is known.
pub fn run(names: &[String], pairs: usize) {
    let wanted = |(name, _): &&Subject| names.is_empty() || names.iter().any(|wanted| wanted == name);
    for (nth, (_, lines)) in TIMES.iter().filter(wanted).enumerate() {
        if nth == 0 {
            println!("\n{HEADER}");
        }
        print(&lines(pairs));
    }
    for (_, lines) in TABLES.iter().filter(wanted) {
        println!();
        print(&lines(pairs));
    }
    rig::clear();
}

fn print(lines: &[String]) {
    for line in lines {
        println!("{line}");
    }
}
