//! Attendance: marks, the roll they make up, and the history of both.

mod by_hand;
mod list;
pub mod marks;
pub(crate) mod notices;
pub mod roll;
mod rules;
pub mod stream;
pub(crate) mod weeks;

use std::ops::AddAssign;

use sea_orm::FromQueryResult;

use crate::kinds::SessionState;

pub use by_hand::{MarkRow, NewMark, clear, mark, mark_many};
pub use list::{MarkFilter, list};
pub use marks::Mark;
pub(crate) use rules::{fused, on_time};

/// What a session's row counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromQueryResult)]
pub struct Tally {
    pub present: i32,
    pub late: i32,
    pub excused: i32,
    pub absent: i32,
    pub expected: i32,
}

/// The contract's summary of one or more sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    pub sessions: i32,
    pub expected: i32,
    pub present: i32,
    pub late: i32,
    pub excused: i32,
    pub absent: i32,
    pub unmarked: i32,
}

impl Summary {
    /// Of one session: those that are neither open nor closed do not count.
    pub fn of(state: SessionState, tally: &Tally) -> Self {
        let unrecorded = tally.expected - tally.present - tally.late - tally.excused - tally.absent;
        let (absent, unmarked) = match state {
            SessionState::Open => (tally.absent, unrecorded),
            SessionState::Closed => (tally.absent + unrecorded, 0),
            SessionState::Scheduled | SessionState::Cancelled => return Self::default(),
        };
        Self {
            sessions: 1,
            expected: tally.expected,
            present: tally.present,
            late: tally.late,
            excused: tally.excused,
            absent,
            unmarked,
        }
    }

    /// Share of those who had to be there and were; none where nobody had to.
    pub fn rate(&self) -> Option<f64> {
        let due = self.expected - self.excused - self.unmarked;
        (due > 0).then(|| f64::from(self.present + self.late) / f64::from(due))
    }
}

impl AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.sessions += other.sessions;
        self.expected += other.expected;
        self.present += other.present;
        self.late += other.late;
        self.excused += other.excused;
        self.absent += other.absent;
        self.unmarked += other.unmarked;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unrecorded_students_are_unmarked_while_open_and_absent_once_closed() {
        let tally = Tally {
            present: 5,
            late: 1,
            excused: 1,
            absent: 1,
            expected: 10,
        };
        let open = Summary::of(SessionState::Open, &tally);
        assert_eq!((open.absent, open.unmarked), (1, 2));
        assert_eq!(open.rate(), Some(6.0 / 7.0));
        let closed = Summary::of(SessionState::Closed, &tally);
        assert_eq!((closed.absent, closed.unmarked), (3, 0));
        assert_eq!(closed.rate(), Some(6.0 / 9.0));
        assert_eq!(Summary::of(SessionState::Scheduled, &tally), Summary::default());
        assert_eq!(Summary::default().rate(), None);
    }
}
