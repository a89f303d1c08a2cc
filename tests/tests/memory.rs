//! A worker's memory does not grow with the photos that it has seen: its peak over many of twelve
//! megapixels, with the real models. Two hundred where `MUSTER_LONG` is 1, else two dozen.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

use bytes::Bytes;
use tests::school::{School, ended};
use tests::world::{Mode, Setup};
use tests::{big, faces};

const LIMIT_KB: u64 = 500_000;

/// The most memory that the process has had at any time, in kB.
fn peak_kb(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Every scene, one of them as a phone stores what it takes upright, one with many small faces.
fn photos() -> Vec<Bytes> {
    let mut photos: Vec<Bytes> = faces::group_photos()
        .iter()
        .map(|(photo, _)| big::tiled(photo, 3))
        .collect();
    let (first, _) = &faces::group_photos()[0];
    photos.push(big::lying(first, 3));
    photos.push(big::tiled(first, 5));
    photos
}

#[tokio::test(flavor = "multi_thread")]
async fn the_peak_stays_where_it_is() {
    if !faces::present() || !cfg!(target_os = "linux") {
        return;
    }
    let setup = Setup {
        slots: 1,
        real_vision: true,
        ..Setup::new(Mode::Processes)
    };
    let Some(world) = setup.build().await else { return };
    let count = if std::env::var("MUSTER_LONG").is_ok_and(|long| long == "1") {
        200
    } else {
        24
    };
    let (_, admin) = world.organization("Caltech").await;
    let school: School = faces::school(&admin).await;
    let session = school.open_session().await;
    let photos = tokio::task::spawn_blocking(photos).await.unwrap();
    let worker = world.workers[0].id();
    println!("before the first photo {} kB", peak_kb(worker));
    let mut peaks = Vec::new();
    for (n, photo) in (1..=count).zip(photos.iter().cycle()) {
        let job = ended(&admin, &school.submit(&session, photo.clone()).await).await;
        assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
        assert!(job["faces"].as_array().unwrap().len() >= 20, "the faces are found");
        peaks.push(peak_kb(worker));
        if n * 10 / count > (n - 1) * 10 / count {
            println!("peak after {n} photos {} kB", peak_kb(worker));
        }
    }
    let (half, end) = (peaks[count / 2 - 1], peaks[count - 1]);
    assert!(end < LIMIT_KB, "{end} kB");
    assert!(
        end * 100 <= half * 105,
        "from {half} kB in the first half to {end} kB in the second"
    );
}
