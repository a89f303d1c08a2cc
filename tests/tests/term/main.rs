//! Whole terms with a clock of the test's own: students join and leave, sessions are held,
//! cancelled, closed by hand and by the clock and opened again, photos come on time and late, people
//! overrule machines. After every step tallies and weeks equal a recount of the marks, and in
//! the end every statistic and the export equal a plain recount of the history.
//!
//! `MUSTER_LONG=1 cargo test -p tests --test term` runs more and longer random terms.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod claims;
mod recount;
mod school;

use chrono::NaiveDate;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};

use school::{Size, Term};

fn long() -> bool {
    std::env::var_os("MUSTER_LONG").is_some()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Two months from the first of March: in the night to the 29th an hour is left out in Madrid.
#[tokio::test(flavor = "multi_thread")]
async fn two_months_over_the_change_of_clocks() {
    let size = Size {
        classes: 3,
        students: 40,
        enrolled: 25,
        days: if long() { 61 } else { 33 },
    };
    let mut term = Term::begin(day("2026-03-01"), size, 7).await;
    term.hold().await;
    claims::check_all(&mut term).await;
}

#[test]
fn random_terms() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases: if long() { 60 } else { 4 },
        failure_persistence: None::<Box<FileFailurePersistence>>.map(|f| f as _),
        max_shrink_iters: 20,
        ..Config::default()
    };
    // In spring and in autumn, when an hour comes twice.
    let first = prop_oneof![Just("2026-03-23"), Just("2026-10-19"), Just("2026-12-28")];
    let sizes = (1..4_usize, 2..9_usize, 1..12_usize);
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(
            &(any::<u64>(), first, sizes),
            |(seed, first, (classes, students, days))| {
                let size = Size {
                    classes,
                    students,
                    enrolled: students.min(4),
                    days,
                };
                runtime.block_on(async {
                    let mut term = Term::begin(day(first), size, seed).await;
                    term.hold().await;
                    claims::check_all(&mut term).await;
                });
                Ok(())
            },
        )
        .unwrap();
}
