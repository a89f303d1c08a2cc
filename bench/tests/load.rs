//! What one api process bears, in short, on `PostgreSQL`: what must hold at any speed. How fast it is
//! `bench/load` prints.

use std::time::Duration;

use bench::load::{mixed, subscribers};
use tests::world::Mode;

/// The same for each as for a thousand; a debug build's state is larger than what is measured.
const MOST_BYTES: f64 = 64_000.0;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_subscribers_cost_a_mark_nothing_and_little_memory() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let plan = subscribers::Plan {
        marks: 30,
        ..subscribers::Plan::new(Mode::Processes, 100)
    };
    let Some(report) = subscribers::run(plan).await else {
        return;
    };
    println!("{}", report.lines().join("\n"));
    let [with_few, with_all] = report.statements.unwrap();
    assert!(with_few > 5, "the proxy counts");
    assert_eq!(with_few, with_all);
    assert!(
        report.memory.iter().all(|bytes| *bytes < MOST_BYTES),
        "{:?}",
        report.memory
    );
    assert_eq!(report.astray, 0);
    assert!(
        report.beside.cut_after.is_some(),
        "who doesn't read keeps its connection"
    );
    assert!(report.beside.ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_is_refused_and_then_all_is_well() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let plan = mixed::Plan {
        teachers: 4,
        students: 10,
        held: Some(10.0),
        calm: Duration::from_secs(8),
        overload: Duration::from_secs(3),
        // No debug build does so much in turns of two at once.
        times: 50.0,
        after: Duration::from_secs(3),
        at_once: Some(2),
        ..mixed::Plan::new(Mode::Processes)
    };
    let Some(report) = mixed::run(plan).await else { return };
    println!("{}", report.lines().join("\n"));
    for part in [&report.calm, &report.after] {
        assert!(part.waits(None).count() > 5);
        assert_eq!(part.failures(), Vec::<&str>::new());
        assert_eq!(part.refused(None).count(), 0);
    }
    // Whatever else comes back is a failure.
    assert_eq!(report.overload.failures(), Vec::<&str>::new());
    assert!(report.overload.refused(None).count() > 0);
    assert!(report.overload.waits(None).count() > 0);
    assert!(report.probes.asked > 2);
    assert_eq!(report.probes.failed, 0);
}
