//! What a worker of one slot comes to in memory over many photos of all sizes. The worker is a
//! process of its own: this program, started once more.

use std::process::{Command, Stdio};

use bytes::Bytes;
use image::imageops::{self, FilterType};

use crate::photos;
use crate::rig::Rig;
use crate::table::plain;

/// The argument that makes this program the worker.
pub const WORKER: &str = "worker-of-the-memory-line";

/// Peak in KiB that is allowed: 500 MB.
const MOST: u64 = 500_000_000 / 1024;

/// Share by which the last part may differ from the second.
const DRIFT: f64 = 0.05;

/// Over 1,000 photos where `pairs` is 15 or more, else over 20; compared are the means of parts of a
/// tenth.
pub fn lines(pairs: usize) -> Vec<String> {
    if !cfg!(target_os = "linux") {
        eprintln!("the memory line reads /proc: left out");
        return Vec::new();
    }
    let count = if pairs >= 15 { 1000 } else { 20 };
    let output = Command::new(std::env::current_exe().unwrap())
        .args([WORKER, &count.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "the worker ended with {}", output.status);
    let said = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Vec<u64>> = said
        .lines()
        .map(|line| line.split(' ').map(|number| number.parse().unwrap()).collect())
        .collect();
    let peak = rows.iter().map(|row| row[0]).max().unwrap_or_default();
    let resident: Vec<u64> = rows.iter().map(|row| row[1]).collect();
    let part = resident.len() / 10;
    let (second, last) = (
        mean(&resident[part..2 * part]),
        mean(&resident[resident.len() - part..]),
    );
    vec![
        plain(
            &format!("peak memory over {count} photos, one slot"),
            &format!("{:.0} MB", small(peak) * 1.024 / 1000.0),
            "api, database and all, in one process",
            "< 500 MB",
            peak < MOST,
        ),
        plain(
            &format!("resident after each of the last {part} photos"),
            &format!("{:.0} MB", last * 1.024 / 1000.0),
            &format!("{:.0} MB after the second {part}", second * 1.024 / 1000.0),
            "within 5 %",
            (last - second).abs() <= DRIFT * second,
        ),
    ]
}

/// Recognizes so many photos and prints after each its peak and what is resident, in kB.
pub fn work(count: usize) {
    let photos = mixed();
    let rig = Rig::new(1);
    let class = rig.class(&photos::enrolment());
    for photo in photos.iter().cycle().take(count) {
        rig.recognize(&class, photo);
        println!("{} {}", status("VmHWM:"), status("VmRSS:"));
    }
}

/// The group photos as they are, the wall, and larger and smaller copies.
fn mixed() -> Vec<Bytes> {
    let mut all: Vec<Bytes> = ::tests::faces::group_photos()
        .into_iter()
        .map(|(photo, _)| photo)
        .collect();
    let wall = photos::decoded(&photos::wall());
    for (width, height) in [(640, 360), (1280, 720), (2560, 1440)] {
        all.push(photos::jpeg(&imageops::resize(
            &wall,
            width,
            height,
            FilterType::Triangle,
        )));
    }
    all.push(photos::wall());
    all.push(photos::twelve_megapixels(true));
    all
}

fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn mean(numbers: &[u64]) -> f64 {
    numbers.iter().map(|number| small(*number)).sum::<f64>() / small(numbers.len().max(1) as u64)
}

#[expect(clippy::cast_precision_loss, reason = "a process's kB")]
fn small(number: u64) -> f64 {
    number as f64
}
