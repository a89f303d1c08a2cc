//! The lines of the one table in which everything measured ends.

use crate::pairs::{Pairs, Spread};

/// What a line should come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// Our time is at most this share of theirs.
    Time(f64),
    /// We do at least so many times as much as they in the same time.
    Speed(f64),
    /// Told for comparison, without a goal.
    None,
}

/// What stands above the lines.
pub const HEADER: &str = "\
| what | Muster | beside it | ratio: median (least to most) | goal | met |
|---|---|---|---|---|---|";

/// A line of pairs: `what` was measured, against `beside`.
pub fn line(what: &str, pairs: &Pairs, beside: &str, goal: Goal) -> String {
    let (kind, ratio) = match goal {
        Goal::Speed(_) => ("speed", pairs.speed_ratio()),
        Goal::Time(_) | Goal::None => ("time", pairs.time_ratio()),
    };
    let Spread { median, least, most } = ratio;
    let (wanted, met) = match goal {
        Goal::Time(limit) => (format!("≤ {limit}"), median <= limit),
        Goal::Speed(limit) => (format!("≥ {limit}"), median >= limit),
        Goal::None => (String::new(), true),
    };
    let met = match goal {
        Goal::None => "",
        _ => said(met),
    };
    format!(
        "| {what} | {:.1} ms | {:.1} ms: {beside} | {kind} {median:.2} ({least:.2} to {most:.2}), {} pairs | {wanted} | {met} |",
        pairs.ours().median,
        pairs.theirs().median,
        pairs.count(),
    )
}

/// A line of something that is no ratio of times.
pub fn plain(what: &str, ours: &str, beside: &str, wanted: &str, met: bool) -> String {
    format!("| {what} | {ours} | {beside} | | {wanted} | {} |", said(met))
}

fn said(met: bool) -> &'static str {
    if met { "yes" } else { "**no**" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_held_against_the_median() {
        let pairs = Pairs::measure(1, || 10.0, || 20.0);
        let met = |goal| line("it", &pairs, "that", goal).ends_with("| yes |");
        assert!(met(Goal::Time(0.5)) && !met(Goal::Time(0.49)));
        assert!(met(Goal::Speed(2.0)) && !met(Goal::Speed(2.01)));
        assert_eq!(
            line("it", &pairs, "that", Goal::None),
            "| it | 10.0 ms | 20.0 ms: that | time 0.50 (0.50 to 0.50), 1 pairs |  |  |"
        );
    }
}
