//! A calibration as a picture: above, how often each similarity came among photos of the same
//! person and of different ones; below, on a scale of powers of ten, the share of wrong answers of
//! either kind at each threshold. Made of numbers alone: no text of anybody's is in it.

use std::fmt::Write as _;

use service::recognition::calibrate::{Calibration, Resemblances};

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 640.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 870.0;
/// Top and bottom of the two panels.
const ABOVE: (f64, f64) = (90.0, 320.0);
const BELOW: (f64, f64) = (380.0, 580.0);
/// Similarities that are shown: what lies below is nobody's match.
const FROM: f64 = -0.4;
const TO: f64 = 1.0;
/// A step of the curves above, wide enough to be smooth.
const STEP: f64 = 0.02;
/// The lowest rate shown is a tenth to this power.
const DECADES: i32 = 6;

/// Told apart by those who see fewer colours too (Okabe and Ito 2008).
const SAME: &str = "#0072b2";
const DIFFERENT: &str = "#d55e00";

/// The picture, with the thresholds for these rates drawn in.
pub(super) fn svg(found: &Calibration, match_rate: f64, review_rate: f64) -> String {
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\" fill=\"#222\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    write(
        &mut text,
        LEFT,
        28.0,
        "start",
        "How much enrolled photos resemble each other",
        "font-size=\"18\"",
    );
    let counts = format!(
        "{} people, {} templates, {} pairs of people",
        found.people,
        found.templates,
        found.pairs_of_people()
    );
    write(&mut text, LEFT, 48.0, "start", &counts, "");
    legend(&mut text);
    frame(&mut text, ABOVE, "share of comparisons");
    frame(&mut text, BELOW, "share that is wrong");
    write(
        &mut text,
        f64::midpoint(LEFT, RIGHT),
        HEIGHT - 14.0,
        "middle",
        "cosine similarity, and threshold",
        "",
    );
    for tenth in -4..=10 {
        let similarity = f64::from(tenth) / 10.0;
        let label = format!("{similarity:.1}");
        write(&mut text, x(similarity), BELOW.1 + 18.0, "middle", &label, "");
    }
    for decade in 0..=DECADES {
        let at = y_of_rate(0.1_f64.powi(decade));
        line(&mut text, (LEFT, at), (RIGHT, at), "stroke=\"#ddd\"");
        let label = if decade == 0 {
            "1".to_owned()
        } else {
            format!("1e-{decade}")
        };
        write(&mut text, LEFT - 8.0, at + 4.0, "end", &label, "");
    }
    for (seen, colour) in [(&found.different, DIFFERENT), (&found.same, SAME)] {
        distribution(&mut text, seen, colour);
    }
    wrong(&mut text, DIFFERENT, |threshold| found.different.share_from(threshold));
    wrong(&mut text, SAME, |threshold| found.same.share_between(-1.0, threshold));
    let (review_at, match_at) = (found.threshold(review_rate), found.threshold(match_rate));
    threshold(&mut text, review_at, "review", "end", "5 4");
    threshold(&mut text, match_at, "match", "start", "none");
    text + "</svg>\n"
}

fn x(similarity: f64) -> f64 {
    LEFT + (similarity.clamp(FROM, TO) - FROM) / (TO - FROM) * (RIGHT - LEFT)
}

fn y_of_rate(rate: f64) -> f64 {
    let decades = (-rate.log10()).clamp(0.0, DECADES.into());
    BELOW.0 + decades / f64::from(DECADES) * (BELOW.1 - BELOW.0)
}

fn write(text: &mut String, x: f64, y: f64, anchor: &str, words: &str, more: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {more}>{words}</text>"
    );
}

fn line(text: &mut String, from: (f64, f64), to: (f64, f64), style: &str) {
    let _ = writeln!(
        text,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" {style}/>",
        from.0, from.1, to.0, to.1
    );
}

fn frame(text: &mut String, (top, bottom): (f64, f64), label: &str) {
    line(text, (LEFT, bottom), (RIGHT, bottom), "stroke=\"#222\"");
    write(text, LEFT, top - 10.0, "start", label, "");
    for tenth in -4..=10 {
        let at = x(f64::from(tenth) / 10.0);
        line(text, (at, bottom), (at, bottom + 5.0), "stroke=\"#222\"");
    }
}

fn legend(text: &mut String) {
    for (y, colour, words) in [
        (28.0, DIFFERENT, "different people: false matches"),
        (48.0, SAME, "the same person: missed"),
    ] {
        line(
            text,
            (RIGHT - 250.0, y - 4.0),
            (RIGHT - 220.0, y - 4.0),
            &format!("stroke=\"{colour}\" stroke-width=\"4\""),
        );
        write(text, RIGHT - 212.0, y, "start", words, "");
    }
}

/// The edges of the steps that are shown.
fn edges() -> impl Iterator<Item = f64> {
    (-20..50).map(|n| f64::from(n) * STEP)
}

/// As an area whose greatest height fills the panel: the two have very different numbers.
fn distribution(text: &mut String, seen: &Resemblances, colour: &str) {
    let shares: Vec<(f64, f64)> = edges()
        .map(|from| (from, seen.share_between(from, from + STEP)))
        .collect();
    let highest = shares.iter().map(|(_, share)| *share).fold(0.0, f64::max);
    if highest == 0.0 {
        return;
    }
    let (top, bottom) = ABOVE;
    let mut path = format!("M{:.1},{bottom:.1}", x(FROM));
    for (from, share) in shares {
        let y = bottom - share / highest * (bottom - top);
        let _ = write!(path, "L{:.1},{y:.1}", x(from + STEP / 2.0));
    }
    let _ = writeln!(
        text,
        "<path d=\"{path}L{:.1},{bottom:.1}Z\" fill=\"{colour}\" fill-opacity=\"0.25\" stroke=\"{colour}\" \
         stroke-width=\"1.5\"/>",
        x(TO)
    );
}

/// The share of wrong answers at each threshold, as far as any were seen.
fn wrong(text: &mut String, colour: &str, rate: impl Fn(f64) -> f64) {
    let points: Vec<String> = (-400..=1000)
        .map(|n| f64::from(n) / 1000.0)
        .map(|threshold| (threshold, rate(threshold)))
        .filter(|(_, rate)| *rate > 0.0)
        .map(|(threshold, rate)| format!("{:.1},{:.1}", x(threshold), y_of_rate(rate)))
        .collect();
    let _ = writeln!(
        text,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
        points.join(" ")
    );
}

fn threshold(text: &mut String, at: f64, name: &str, anchor: &str, dashes: &str) {
    let style = format!("stroke=\"#222\" stroke-dasharray=\"{dashes}\"");
    for (top, bottom) in [ABOVE, BELOW] {
        line(text, (x(at), top), (x(at), bottom), &style);
    }
    let beside = if anchor == "end" { -5.0 } else { 5.0 };
    write(
        text,
        x(at) + beside,
        ABOVE.0 + 12.0,
        anchor,
        &format!("{name} {at:.3}"),
        "font-weight=\"bold\"",
    );
}
