//! `muster calibrate`: what an organization's own templates say of its thresholds, as a table and a
//! plot, and the thresholds set by it. Works beside a running server.

mod plot;

use std::path::Path;

use service::recognition::calibrate::{self, Calibration};
use service::{Error, Scope, Service, organizations};

use crate::admin::open;
use crate::args::Calibrate;
use crate::database::why;
use crate::settings::Settings;
use crate::table::{plain, table};
use crate::{Failure, Outcome, say};

/// Review begins where so many times as many strangers would come as may be matched.
const REVIEW_FACTOR: f64 = 10.0;

/// The rates that are asked for: the share of comparisons with somebody else.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rates {
    matched: f64,
    reviewed: f64,
}

impl Rates {
    fn of(wanted: &Calibrate) -> Result<Self, Failure> {
        let matched = wanted.false_match_rate;
        let reviewed = wanted.review_rate.unwrap_or((matched * REVIEW_FACTOR).min(0.5));
        let within = |rate: f64| rate > 0.0 && rate < 1.0;
        if !within(matched) {
            return Err(Failure::Usage(
                "--false-match-rate is between 0 and 1, such as 1e-4".into(),
            ));
        }
        if !within(reviewed) || reviewed < matched {
            return Err(Failure::Usage(
                "--review-rate is between --false-match-rate and 1, such as 1e-3".into(),
            ));
        }
        Ok(Self { matched, reviewed })
    }
}

pub(crate) async fn run(settings: Settings, wanted: Calibrate) -> Outcome {
    let rates = Rates::of(&wanted)?;
    if let Some(file) = &wanted.plot
        && file.extension().is_none_or(|kind| !kind.eq_ignore_ascii_case("svg"))
    {
        return Err(Failure::Usage("--plot is a file whose name ends in .svg".into()));
    }
    let service = open(&settings).await?;
    let scope = Scope::System("muster calibrate");
    let organization = organizations::named(&service, &scope, &wanted.organization)
        .await
        .map_err(refused)?;
    let found = calibrate::measure(&service, &scope, organization.id)
        .await
        .map_err(refused)?;
    say(&report(&organization.name, &found, rates))?;
    if let Some(file) = &wanted.plot {
        draw(file, &plot::svg(&found, rates.matched, rates.reviewed))?;
    }
    if wanted.apply {
        apply(&service, &scope, &organization, &found, rates).await?;
    }
    Ok(())
}

fn draw(file: &Path, svg: &str) -> Outcome {
    std::fs::write(file, svg).map_err(|error| Failure::Failed(format!("--plot: {error}")))?;
    say(&format!("Drawn in {}.", plain(&file.display().to_string())))
}

async fn apply(
    service: &Service,
    scope: &Scope,
    organization: &organizations::Organization,
    found: &Calibration,
    rates: Rates,
) -> Outcome {
    calibrate::apply(service, scope, organization.id, found, rates.matched, rates.reviewed)
        .await
        .map_err(refused)?;
    say(&format!(
        "Set: match from {:.3}, review from {:.3}.",
        found.threshold(rates.matched),
        found.threshold(rates.reviewed)
    ))
}

/// Counts and shares; nothing of anybody.
fn report(name: &str, found: &Calibration, rates: Rates) -> String {
    let line = |what: &str, threshold: f64| {
        [
            what.to_owned(),
            format!("{threshold:.3}"),
            rate(found.different.share_from(threshold)),
            if found.same.total() == 0 {
                "-".to_owned()
            } else {
                format!("{:.2} %", 100.0 * found.same.share_from(threshold))
            },
        ]
    };
    let lines = [
        line("match, now", found.match_threshold),
        line("review, now", found.review_threshold),
        line(
            &format!("match, for {}", rate(rates.matched)),
            found.threshold(rates.matched),
        ),
        line(
            &format!("review, for {}", rate(rates.reviewed)),
            found.threshold(rates.reviewed),
        ),
    ];
    let mut text = format!(
        "{}, {}: {} people with {} templates. Each was compared with the mean of its person's others ({} times) \
         and of everybody else ({} times, {} pairs of people).\n\n{}",
        plain(name),
        plain(&found.model),
        found.people,
        found.templates,
        found.same.total(),
        found.different.total(),
        found.pairs_of_people(),
        table(["THRESHOLD", "FROM", "FALSE MATCHES", "OWN TEMPLATES"], &lines)
    );
    if rates.matched < found.lowest_rate() {
        text += &format!(
            "\nToo few: {} pairs of people tell no rate below {}. The threshold for {} is a guess, and is not set.",
            found.pairs_of_people(),
            rate(found.lowest_rate()),
            rate(rates.matched)
        );
    }
    text.trim_end().to_owned()
}

fn rate(share: f64) -> String {
    if share == 0.0 {
        "none".to_owned()
    } else {
        format!("{share:.1e}")
    }
}

fn refused(error: Error) -> Failure {
    match error {
        Error::NotFound("organization") => {
            Failure::failed("--organization: there is none of this name or id; names are written exactly")
        }
        Error::Invalid { message, .. } => Failure::Usage(format!("--organization: {message}")),
        Error::Conflict { message, .. } => Failure::Failed(message),
        other => Failure::Failed(why(&other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(false_match_rate: f64, review_rate: Option<f64>) -> Calibrate {
        Calibrate {
            organization: String::new(),
            false_match_rate,
            review_rate,
            plot: None,
            apply: false,
        }
    }

    #[test]
    fn rates_are_shares_and_review_is_the_wider() {
        let of = |matched, reviewed| Rates::of(&wanted(matched, reviewed)).ok();
        let rates = of(1e-4, None).unwrap();
        assert!((rates.reviewed - 1e-3).abs() < 1e-12);
        assert!(of(1e-2, Some(1e-2)).is_some());
        assert!(of(0.3, None).is_some());
        for (matched, reviewed) in [
            (0.0, None),
            (1.0, None),
            (f64::NAN, None),
            (-1.0, None),
            (1e-2, Some(1e-3)),
        ] {
            assert_eq!(of(matched, reviewed), None, "{matched} {reviewed:?}");
        }
    }
}
