//! Summaries by day, week, month, quarter or year: calendar periods of the organization.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, Months, NaiveDate};
use sea_orm::FromQueryResult;

use super::{Filter, Numbers, grouped};
use crate::Service;
use crate::attendance::Summary;
use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::organizations::day_of_number;
use crate::scope::Scope;

const MOST: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    Day,
    /// Of ISO: from Monday on.
    Week,
    Month,
    Quarter,
    Year,
}

impl Interval {
    /// The first day of the period that a day is in.
    fn begins(self, day: NaiveDate) -> NaiveDate {
        let first = match self {
            Self::Day => Some(day),
            Self::Week => day.checked_sub_days(Days::new(day.weekday().num_days_from_monday().into())),
            Self::Month => day.with_day(1),
            Self::Quarter => NaiveDate::from_ymd_opt(day.year(), day.month0() / 3 * 3 + 1, 1),
            Self::Year => NaiveDate::from_ymd_opt(day.year(), 1, 1),
        };
        first.unwrap_or(day)
    }

    fn next(self, first: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Day => first.checked_add_days(Days::new(1)),
            Self::Week => first.checked_add_days(Days::new(7)),
            Self::Month => first.checked_add_months(Months::new(1)),
            Self::Quarter => first.checked_add_months(Months::new(3)),
            Self::Year => first.checked_add_months(Months::new(12)),
        }
    }

    /// The first days of all periods of a range; none where they are too many.
    fn periods(self, (from, to): (NaiveDate, NaiveDate)) -> Option<Vec<NaiveDate>> {
        let all: Vec<_> = std::iter::successors(Some(self.begins(from)), |first| self.next(*first))
            .take_while(|first| *first <= to)
            .take(MOST + 1)
            .collect();
        (all.len() <= MOST).then_some(all)
    }

    /// The finest that a dashboard can draw of a range: days of a season, else weeks, else months,
    /// else years.
    pub(super) fn for_range(range: (NaiveDate, NaiveDate)) -> Self {
        const SEASON: i64 = 92;
        if (range.1 - range.0).num_days() < SEASON {
            return Self::Day;
        }
        [Self::Week, Self::Month]
            .into_iter()
            .find(|i| i.periods(range).is_some())
            .unwrap_or(Self::Year)
    }
}

/// A period, by its first day, which may lie before the range; it counts the days within alone.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    pub bucket: NaiveDate,
    pub summary: Summary,
}

#[derive(FromQueryResult)]
struct Row {
    place: i32,
    #[sea_orm(nested)]
    numbers: Numbers,
}

/// Every period of the filter's range, in order, also those in which nothing was.
pub async fn trend(service: &Service, scope: &Scope, filter: &Filter, interval: Interval) -> Result<Vec<Point>> {
    scope.staff()?;
    // Says what is wrong with the range before it is counted through.
    filter.numbers()?;
    let range = filter
        .range
        .ok_or_else(|| Error::invalid("range", "a trend has a range"))?;
    let periods = interval
        .periods(range)
        .ok_or_else(|| Error::invalid("interval", "the range has more than 1,000 of these intervals"))?;
    let mut values = Values::default();
    let sql = grouped(scope, filter, Some("day"), &mut values)?;
    let rows: Vec<Row> = service.db.reader().all(&sql, values.done()).await?;
    let mut sums: BTreeMap<NaiveDate, Summary> = periods.into_iter().map(|p| (p, Summary::default())).collect();
    for row in rows {
        if let Some(sum) = sums.get_mut(&interval.begins(day_of_number(row.place))) {
            *sum += row.numbers.into();
        }
    }
    Ok(sums
        .into_iter()
        .map(|(bucket, summary)| Point { bucket, summary })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn periods_cover_the_range() {
        let range = (day("2025-12-31"), day("2026-04-01"));
        let firsts = |interval: Interval| interval.periods(range).unwrap();
        assert_eq!(firsts(Interval::Day).len(), 92);
        assert_eq!(firsts(Interval::Week)[0], day("2025-12-29"));
        assert_eq!(firsts(Interval::Month).len(), 5);
        assert_eq!(
            firsts(Interval::Quarter),
            [day("2025-10-01"), day("2026-01-01"), day("2026-04-01")]
        );
        assert_eq!(firsts(Interval::Year), [day("2025-01-01"), day("2026-01-01")]);
        let thousand = |days| (day("2026-01-01"), day("2026-01-01") + chrono::TimeDelta::days(days));
        assert!(Interval::Day.periods(thousand(999)).is_some());
        assert!(Interval::Day.periods(thousand(1000)).is_none());
    }

    #[test]
    fn a_dashboard_draws_what_fits() {
        let span = |days| (day("1990-01-01"), day("1990-01-01") + chrono::TimeDelta::days(days));
        assert_eq!(Interval::for_range(span(91)), Interval::Day);
        assert_eq!(Interval::for_range(span(92)), Interval::Week);
        assert_eq!(Interval::for_range(span(8_000)), Interval::Month);
        assert_eq!(Interval::for_range(span(40_000)), Interval::Year);
    }
}
