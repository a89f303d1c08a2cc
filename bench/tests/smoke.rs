//! Every subject once in its shortest form, so that none is broken when somebody measures next.

use bench::{accuracy, job, large, rewrite};

fn all_met(lines: &[String]) {
    assert!(!lines.is_empty());
    for line in lines {
        assert!(line.starts_with('|') && line.ends_with('|'), "{line}");
    }
}

#[test]
fn times_can_be_measured() {
    if !tests::faces::present() {
        return;
    }
    for lines in [job::lines(1), rewrite::lines(1), large::lines(1)] {
        all_met(&lines);
    }
}

#[test]
fn all_twenty_three_are_matched_and_nobody_who_was_left_out() {
    if !tests::faces::present() {
        return;
    }
    let lines = accuracy::lines(1);
    let [_, clean] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(clean, "| as they are | 23 | 23 | 0 | 0 | 23 | 0 |");
}
