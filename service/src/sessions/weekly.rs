//! A term of weekly sessions, by the organization's wall clock.
//!
//! A lesson stays at its time of day when the clocks change. Where they make a time of day
//! skip or come twice:
//!
//! * A time that is skipped moves forward by as much as the clocks do: 02:30 is 03:30 that day.
//! * Of a time that comes twice the earlier one is meant.
//! * Where only the start is skipped and would come after the end, the end moves with it.
//! * A day that a zone leaves out altogether has no session.
//!
//! Each session begins and ends on its own day, so those of one term never meet each other.

use std::collections::HashSet;

use chrono::{
    DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc, Weekday,
};
use chrono_tz::Tz;

use super::Session;
use super::overlap::Times;
use super::plan::{self, Planned};
use crate::error::{Error, Result};
use crate::id::{ClassId, VenueId};
use crate::scope::Scope;
use crate::{Service, audit, text};

const MOST: usize = 500;
/// Two years, of which one may be a leap year, both ends within.
const LONGEST_TERM: TimeDelta = TimeDelta::days(731);

#[derive(Debug)]
pub struct Term {
    pub class: ClassId,
    pub venue: Option<VenueId>,
    pub title: Option<String>,
    pub weekdays: Vec<Weekday>,
    /// `HH:MM`
    pub start_time: String,
    pub end_time: String,
    /// Both days are within.
    pub days: (NaiveDate, NaiveDate),
    pub except: HashSet<NaiveDate>,
    pub allow_overlap: bool,
}

pub async fn schedule(service: &Service, scope: &Scope, term: Term) -> Result<Vec<Session>> {
    let viewer = plan::reach(service, scope, term.class, term.venue).await?;
    let title = text::optional("title", term.title.as_deref())?;
    let lesson = Lesson::read(&term.start_time, &term.end_time)?;
    let days = days(&term)?;
    let tx = service.begin().await?;
    let zone = plan::begin(&tx, viewer, term.class, term.allow_overlap).await?;
    let times: Vec<Times> = days
        .into_iter()
        .filter_map(|day| lesson.on(zone, day))
        .map(|times| times.check("endTime"))
        .collect::<Result<_>>()?;
    if times.is_empty() {
        return Err(nothing());
    }
    let planned = Planned {
        class: term.class,
        venue: term.venue,
        title,
        times,
        allow_overlap: term.allow_overlap,
    };
    let ids = plan::write(&tx, viewer, zone, planned).await?;
    let summary = format!("{} sessions scheduled", ids.len());
    audit::record(&tx, viewer, "scheduleSessions", ("Class", term.class.0), &summary).await?;
    plan::finish(tx, scope, &ids).await
}

fn nothing() -> Error {
    Error::invalid(
        "weekdays",
        "no day between from and to is one of the weekdays and not left out",
    )
}

fn days(term: &Term) -> Result<Vec<NaiveDate>> {
    let (from, to) = term.days;
    for (field, day) in [("from", from), ("to", to)] {
        if !(1970..=9000).contains(&day.year()) {
            return Err(Error::invalid(field, format!("{field} is in no year of a school")));
        }
    }
    if to < from {
        return Err(Error::invalid("to", "to is on or after from"));
    }
    if to - from > LONGEST_TERM {
        return Err(Error::invalid("to", "to is at most two years after from"));
    }
    let days: Vec<NaiveDate> = (0..)
        .map_while(|n| from.checked_add_days(Days::new(n)).filter(|day| *day <= to))
        .filter(|day| term.weekdays.contains(&day.weekday()) && !term.except.contains(day))
        .collect();
    if days.is_empty() {
        return Err(nothing());
    }
    if days.len() > MOST {
        let many = days.len();
        return Err(Error::invalid(
            "to",
            format!("at most {MOST} sessions at a time, and these are {many}"),
        ));
    }
    Ok(days)
}

#[derive(Clone, Copy, Debug)]
struct Lesson {
    start: NaiveTime,
    end: NaiveTime,
}

impl Lesson {
    fn read(start: &str, end: &str) -> Result<Self> {
        let (start, end) = (time("startTime", start)?, time("endTime", end)?);
        if end <= start {
            return Err(Error::invalid("endTime", "endTime is after startTime, on the same day"));
        }
        Ok(Self { start, end })
    }

    /// When it is on a day; none where the zone has no such day.
    fn on(self, zone: Tz, day: NaiveDate) -> Option<Times> {
        let noon = day.and_hms_opt(12, 0, 0)?;
        let (start, end) = (day.and_time(self.start), day.and_time(self.end));
        if [noon, start, end]
            .iter()
            .all(|local| zone.from_local_datetime(local).earliest().is_none())
        {
            return None;
        }
        let starts_at = instant(zone, start)?;
        let ends_at = instant(zone, end).filter(|end| *end > starts_at);
        Some(Times {
            starts_at,
            ends_at: ends_at.unwrap_or(starts_at + (self.end - self.start)),
        })
    }
}

/// Two digits, a colon, two digits.
fn time(field: &'static str, text: &str) -> Result<NaiveTime> {
    let shaped = text.len() == 5 && text.bytes().enumerate().all(|(n, b)| n == 2 || b.is_ascii_digit());
    shaped
        .then(|| NaiveTime::parse_from_str(text, "%H:%M").ok())
        .flatten()
        .ok_or_else(|| Error::invalid(field, format!("{field} is a time of day such as 08:30")))
}

fn instant(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    const STEP: TimeDelta = TimeDelta::minutes(15);
    if let Some(found) = zone.from_local_datetime(&local).earliest() {
        return Some(found.with_timezone(&Utc));
    }
    // In a gap: by the clock as it was before, this is as far behind the gap as it should be.
    let before = (1..=100).find_map(|n| zone.from_local_datetime(&(local - STEP * n)).latest())?;
    Some((local - before.offset().fix()).and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lesson(zone: &str, day: &str, start: &str, end: &str) -> Option<(String, String)> {
        let lesson = Lesson::read(start, end).unwrap();
        let times = lesson.on(zone.parse().unwrap(), day.parse().unwrap())?;
        let text = |at: DateTime<Utc>| at.format("%m-%dT%H:%M").to_string();
        Some((text(times.starts_at), text(times.ends_at)))
    }

    fn is(zone: &str, day: &str, (start, end): (&str, &str), (from, to): (&str, &str)) {
        let got = lesson(zone, day, start, end);
        assert_eq!(got, Some((from.to_owned(), to.to_owned())), "{zone} {day} {start}");
    }

    #[test]
    fn a_lesson_keeps_its_time_of_day() {
        let nine = ("09:00", "10:30");
        is("Europe/Madrid", "2026-03-28", nine, ("03-28T08:00", "03-28T09:30"));
        is("Europe/Madrid", "2026-03-29", nine, ("03-29T07:00", "03-29T08:30"));
        is("America/New_York", "2026-03-07", nine, ("03-07T14:00", "03-07T15:30"));
        is("America/New_York", "2026-03-08", nine, ("03-08T13:00", "03-08T14:30"));
        is("Asia/Kolkata", "2026-03-29", nine, ("03-29T03:30", "03-29T05:00"));
    }

    #[test]
    fn a_time_that_is_skipped_moves_forward() {
        is(
            "Europe/Madrid",
            "2026-03-29",
            ("02:30", "04:00"),
            ("03-29T01:30", "03-29T02:00"),
        );
        is(
            "Europe/Madrid",
            "2026-03-29",
            ("02:10", "02:50"),
            ("03-29T01:10", "03-29T01:50"),
        );
        // The end is before the start that was moved: it moves too.
        is(
            "Europe/Madrid",
            "2026-03-29",
            ("02:45", "03:15"),
            ("03-29T01:45", "03-29T02:15"),
        );
        is(
            "Europe/Madrid",
            "2026-03-29",
            ("01:30", "02:30"),
            ("03-29T00:30", "03-29T01:30"),
        );
        // By half an hour.
        is(
            "Australia/Lord_Howe",
            "2026-10-04",
            ("02:15", "03:00"),
            ("10-03T15:45", "10-03T16:00"),
        );
        // At midnight.
        is(
            "Asia/Beirut",
            "2026-03-29",
            ("00:30", "01:30"),
            ("03-28T22:30", "03-28T23:30"),
        );
    }

    #[test]
    fn of_a_time_that_comes_twice_it_is_the_first() {
        is(
            "Europe/Madrid",
            "2026-10-25",
            ("02:30", "02:45"),
            ("10-25T00:30", "10-25T00:45"),
        );
        is(
            "Europe/Madrid",
            "2026-10-25",
            ("02:30", "03:30"),
            ("10-25T00:30", "10-25T02:30"),
        );
        is(
            "America/New_York",
            "2026-11-01",
            ("01:30", "01:40"),
            ("11-01T05:30", "11-01T05:40"),
        );
    }

    #[test]
    fn a_day_that_was_left_out_has_no_lesson() {
        assert_eq!(lesson("Pacific/Apia", "2011-12-30", "09:00", "10:00"), None);
        is(
            "Pacific/Apia",
            "2011-12-29",
            ("09:00", "10:00"),
            ("12-29T19:00", "12-29T20:00"),
        );
        is(
            "Pacific/Apia",
            "2011-12-31",
            ("09:00", "10:00"),
            ("12-30T19:00", "12-30T20:00"),
        );
    }

    #[test]
    fn a_time_of_day_is_four_digits() {
        for good in ["00:00", "09:30", "23:59"] {
            assert!(time("startTime", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "9:00",
            "09:60",
            "24:00",
            "09:00:00",
            "-9:00",
            "09.00",
            "٠٩:٠٠",
            "0a:00",
            " 9:00",
            "09:0é",
        ] {
            assert!(time("startTime", bad).is_err(), "{bad}");
        }
    }
}
