//! Which mark stands when two speak of one student in one session. Pure.
//!
//! MANUAL and REVIEW stand over RECOGNITION and `CHECK_IN`, those over AUTO. Among people the later
//! word counts; among machines the earliest submission decides present or late and the highest
//! similarity is the evidence kept, whatever the order in which they are processed.

use chrono::{DateTime, TimeDelta, Utc};

use super::marks::{Evidence, Statement};
use crate::kinds::{MarkSource, MarkStatus};

fn rank(source: MarkSource) -> u8 {
    match source {
        MarkSource::Manual | MarkSource::Review => 2,
        MarkSource::Recognition | MarkSource::CheckIn => 1,
        MarkSource::Auto => 0,
    }
}

/// PRESENT or LATE by when the photo was submitted, not by when it was processed.
pub(crate) fn on_time(submitted: DateTime<Utc>, starts: DateTime<Utc>, late_after_minutes: i32) -> MarkStatus {
    if submitted < starts + TimeDelta::minutes(late_after_minutes.into()) {
        MarkStatus::Present
    } else {
        MarkStatus::Late
    }
}

/// What the mark becomes; none where it stays as it is.
pub(super) fn decide(old: Option<&Statement>, new: &Statement) -> Option<Statement> {
    let Some(old) = old else { return Some(new.clone()) };
    match rank(new.source).cmp(&rank(old.source)) {
        std::cmp::Ordering::Less => None,
        std::cmp::Ordering::Greater => Some(new.clone()),
        std::cmp::Ordering::Equal => match rank(new.source) {
            2 => (!same_word(old, new)).then(|| new.clone()),
            1 => fuse(old, new),
            _ => None,
        },
    }
}

fn same_word(old: &Statement, new: &Statement) -> bool {
    (old.status, old.source, &old.remark, old.by) == (new.status, new.source, &new.remark, new.by)
}

/// One statement of all that machines said of a student; none of nothing.
pub(crate) fn fused(said: impl IntoIterator<Item = Statement>) -> Option<Statement> {
    said.into_iter().reduce(|one, other| fuse(&one, &other).unwrap_or(one))
}

fn fuse(old: &Statement, new: &Statement) -> Option<Statement> {
    let mut fused = old.clone();
    if new.at < old.at {
        fused.at = new.at;
        fused.status = new.status;
        fused.by = new.by;
    }
    if similarity(new.evidence.as_ref()) > similarity(old.evidence.as_ref()) {
        fused.evidence.clone_from(&new.evidence);
        fused.source = new.source;
        fused.job = new.job;
    }
    (fused != *old).then_some(fused)
}

fn similarity(evidence: Option<&Evidence>) -> f64 {
    evidence.and_then(|e| e.similarity).unwrap_or(f64::NEG_INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{FaceId, PersonId};
    use uuid::Uuid;

    fn said(source: MarkSource, status: MarkStatus, minute: i64, similarity: f64) -> Statement {
        Statement {
            student: PersonId(Uuid::from_u128(1)),
            status,
            source,
            evidence: matches!(source, Recognition | CheckIn).then(|| Evidence {
                similarity: Some(similarity),
                face: Some(FaceId(Uuid::from_u128(minute.unsigned_abs().into()))),
            }),
            remark: None,
            at: DateTime::UNIX_EPOCH + TimeDelta::minutes(minute),
            by: None,
            job: None,
        }
    }
    use MarkSource::{Auto, CheckIn, Manual, Recognition, Review};
    use MarkStatus::{Absent, Excused, Late, Present};

    #[test]
    fn a_person_stands_over_a_machine_and_a_machine_over_the_clock() {
        let (machine, person, clock) = (
            said(Recognition, Present, 1, 0.5),
            said(Manual, Absent, 2, 0.0),
            said(Auto, Absent, 3, 0.0),
        );
        assert_eq!(decide(Some(&person), &machine), None);
        assert_eq!(decide(Some(&machine), &person), Some(person.clone()));
        assert_eq!(decide(Some(&clock), &machine), Some(machine.clone()));
        assert_eq!(decide(Some(&machine), &clock), None);
        let review = said(Review, Present, 4, 0.0);
        assert_eq!(decide(Some(&person), &review), Some(review.clone()));
        assert_eq!(decide(Some(&review), &person), Some(person));
    }

    #[test]
    fn machines_agree_whatever_their_order() {
        let early = said(Recognition, Present, 1, 0.5);
        let late = said(CheckIn, Late, 20, 0.8);
        let one = decide(Some(&early), &late).unwrap();
        let other = decide(Some(&late), &early).unwrap();
        assert_eq!(one, other);
        assert_eq!((one.status, one.at), (Present, early.at));
        assert_eq!(one.evidence, late.evidence);
    }

    #[test]
    fn photos_are_fused_whatever_their_order() {
        let photos = [
            said(Recognition, Late, 20, 0.9),
            said(Recognition, Present, 2, 0.5),
            said(Recognition, Late, 15, 0.7),
        ];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut mark: Option<Statement> = None;
            for photo in order {
                mark = decide(mark.as_ref(), &photos[photo]).or(mark);
            }
            let mark = mark.unwrap();
            assert_eq!((mark.status, mark.at), (Present, photos[1].at), "{order:?}");
            assert_eq!(mark.evidence, photos[0].evidence, "{order:?}");
        }
    }

    #[test]
    fn saying_it_again_changes_nothing() {
        for source in [Recognition, CheckIn, Manual, Review, Auto] {
            let mark = said(source, Excused, 1, 0.5);
            assert_eq!(decide(Some(&mark), &mark), None, "{source:?}");
        }
    }

    #[test]
    fn grace_ends_sharply() {
        let starts = DateTime::UNIX_EPOCH;
        let grace = TimeDelta::minutes(10);
        assert_eq!(on_time(starts - grace, starts, 10), Present);
        assert_eq!(
            on_time(starts + grace - TimeDelta::microseconds(1), starts, 10),
            Present
        );
        assert_eq!(on_time(starts + grace, starts, 10), Late);
    }
}
