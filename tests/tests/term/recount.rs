//! A plain recount of everything from the rows themselves: what the history says is held against
//! marks, tallies and weeks, and what statistics must say is counted entry by entry.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use chrono_tz::Europe::Madrid;
use sea_orm::{ConnectionTrait, QueryResult, Statement, TryGetable};
use tests::world::World;
use uuid::Uuid;

#[derive(Clone, Debug)]
pub struct Session {
    pub id: Uuid,
    pub class: Uuid,
    pub venue: Option<Uuid>,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    pub state: String,
    pub day: NaiveDate,
    /// present, late, excused, absent, expected
    pub tally: [i32; 5],
}

impl Session {
    pub fn counts(&self) -> bool {
        matches!(self.state.as_str(), "OPEN" | "CLOSED")
    }
}

struct Membership {
    class: Uuid,
    student: Uuid,
    joined: DateTime<Utc>,
    left: Option<DateTime<Utc>>,
}

/// A line of a roll.
#[derive(Clone, Debug)]
pub struct Entry {
    pub session: usize,
    pub student: Uuid,
    pub status: Option<String>,
}

/// The contract's summary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub sessions: i64,
    pub expected: i64,
    pub present: i64,
    pub late: i64,
    pub excused: i64,
    pub absent: i64,
    pub unmarked: i64,
}

impl Sum {
    pub fn rate(&self) -> Option<f64> {
        let due = self.expected - self.excused - self.unmarked;
        #[expect(clippy::cast_precision_loss, reason = "a school's numbers are small")]
        (due > 0).then(|| (self.present + self.late) as f64 / due as f64)
    }
}

pub struct Recount {
    pub sessions: Vec<Session>,
    memberships: Vec<Membership>,
    /// By session and student: what the history came to.
    marks: BTreeMap<(Uuid, Uuid), String>,
    pub departments: BTreeMap<Uuid, Option<Uuid>>,
    rows: BTreeMap<(Uuid, Uuid), String>,
    weeks: BTreeMap<(i32, Uuid), [i32; 4]>,
}

async fn all(world: &World, sql: &str) -> Vec<QueryResult> {
    let db = world.service.db.reader();
    let statement = Statement::from_string(db.get_database_backend(), sql);
    db.query_all_raw(statement).await.unwrap()
}

fn get<T: TryGetable>(row: &QueryResult, column: &str) -> T {
    row.try_get("", column).unwrap()
}

fn place(status: &str) -> usize {
    ["PRESENT", "LATE", "EXCUSED", "ABSENT"]
        .iter()
        .position(|s| *s == status)
        .unwrap()
}

impl Recount {
    pub async fn read(world: &World) -> Self {
        let sessions = all(world, "SELECT * FROM session ORDER BY starts_at, id").await;
        let sessions = sessions
            .iter()
            .map(|row| {
                let starts_at: DateTime<Utc> = get(row, "starts_at");
                Session {
                    id: get(row, "id"),
                    class: get(row, "class_id"),
                    venue: get(row, "venue_id"),
                    starts_at,
                    ends_at: get(row, "ends_at"),
                    state: get(row, "state"),
                    day: starts_at.with_timezone(&Madrid).date_naive(),
                    tally: ["present", "late", "excused", "absent", "expected"].map(|c| get(row, c)),
                }
            })
            .collect();
        let memberships = all(world, "SELECT * FROM membership").await;
        let memberships = memberships
            .iter()
            .map(|row| Membership {
                class: get(row, "class_id"),
                student: get(row, "person_id"),
                joined: get(row, "joined_at"),
                left: get(row, "left_at"),
            })
            .collect();
        let mut marks = BTreeMap::new();
        for row in all(world, "SELECT * FROM mark_change ORDER BY session_id, seq").await {
            let key: (Uuid, Uuid) = (get(&row, "session_id"), get(&row, "student_id"));
            let before: Option<String> = get(&row, "from_status");
            assert_eq!(before, marks.get(&key).cloned(), "a change from what was not there");
            match get::<Option<String>>(&row, "to_status") {
                Some(status) => marks.insert(key, status),
                None => marks.remove(&key),
            };
        }
        let mut rows = BTreeMap::new();
        for row in all(world, "SELECT * FROM mark").await {
            rows.insert((get(&row, "session_id"), get(&row, "student_id")), get(&row, "status"));
        }
        let mut departments = BTreeMap::new();
        for row in all(world, "SELECT id, department_id FROM person WHERE role = 'STUDENT'").await {
            departments.insert(get(&row, "id"), get(&row, "department_id"));
        }
        let mut weeks = BTreeMap::new();
        for row in all(world, "SELECT * FROM student_week").await {
            let counts = ["present", "late", "excused", "absent"].map(|c| get(&row, c));
            if counts != [0; 4] {
                weeks.insert((get(&row, "week"), get(&row, "student_id")), counts);
            }
        }
        Self {
            sessions,
            memberships,
            marks,
            departments,
            rows,
            weeks,
        }
    }

    /// Who is on a session's roll by the contract's words.
    pub fn roll(&self, session: &Session) -> BTreeSet<Uuid> {
        let marked = self
            .marks
            .keys()
            .filter(|(s, _)| *s == session.id)
            .map(|(_, student)| *student);
        let mut roll: BTreeSet<Uuid> = marked.collect();
        if session.state != "CLOSED" {
            let belonged = self.memberships.iter().filter(|m| {
                m.class == session.class
                    && m.left.is_none_or(|left| left > session.starts_at)
                    && m.joined < session.ends_at
            });
            roll.extend(belonged.map(|m| m.student));
        }
        roll
    }

    pub fn marks_of(&self, student: Uuid) -> usize {
        self.marks.keys().filter(|(_, of)| *of == student).count()
    }

    /// Every line of every roll that counts.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (place, session) in self.sessions.iter().enumerate().filter(|(_, s)| s.counts()) {
            for student in self.roll(session) {
                entries.push(Entry {
                    session: place,
                    student,
                    status: self.marks.get(&(session.id, student)).cloned(),
                });
            }
        }
        entries
    }

    /// Sums the lines of these sessions and students. Without a choice of students a session counts
    /// though nobody is on its roll.
    pub fn sum(&self, sessions: impl Fn(&Session) -> bool, students: Option<&dyn Fn(Uuid) -> bool>) -> Sum {
        let mut sum = Sum::default();
        let mut met = BTreeSet::new();
        if students.is_none() {
            met.extend((0..self.sessions.len()).filter(|n| self.sessions[*n].counts() && sessions(&self.sessions[*n])));
        }
        for entry in self.entries() {
            let session = &self.sessions[entry.session];
            if !sessions(session) || students.is_some_and(|these| !these(entry.student)) {
                continue;
            }
            met.insert(entry.session);
            sum.expected += 1;
            match entry.status.as_deref() {
                Some("PRESENT") => sum.present += 1,
                Some("LATE") => sum.late += 1,
                Some("EXCUSED") => sum.excused += 1,
                None if session.state == "OPEN" => sum.unmarked += 1,
                _ => sum.absent += 1,
            }
        }
        sum.sessions = i64::try_from(met.len()).unwrap();
        assert_eq!(
            sum.expected,
            sum.present + sum.late + sum.excused + sum.absent + sum.unmarked
        );
        sum
    }

    /// Tallies, weeks and marks are what the history comes to.
    pub fn assert_tallies(&self, after: &str) {
        assert_eq!(
            self.rows, self.marks,
            "marks are not what their history says, after {after}"
        );
        let mut weeks: BTreeMap<(i32, Uuid), [i32; 4]> = BTreeMap::new();
        for session in &self.sessions {
            let mut tally = [0; 5];
            for ((_, student), status) in self.marks.iter().filter(|((s, _), _)| *s == session.id) {
                tally[place(status)] += 1;
                if session.counts() {
                    let monday = session.day - chrono::Days::new(session.day.weekday().num_days_from_monday().into());
                    let week = (monday.num_days_from_ce() - NaiveDate::default().num_days_from_ce() + 3) / 7;
                    weeks.entry((week, *student)).or_default()[place(status)] += 1;
                }
            }
            tally[4] = match session.state.as_str() {
                // Whoever joins later is not expected where nothing happens.
                "CANCELLED" => session.tally[4],
                _ => i32::try_from(self.roll(session).len()).unwrap(),
            };
            assert_eq!(session.tally, tally, "{session:?} after {after}");
            if session.state == "CLOSED" {
                assert_eq!(
                    tally[4],
                    tally[..4].iter().sum::<i32>(),
                    "everyone of a closed session has a mark"
                );
            }
        }
        assert_eq!(self.weeks, weeks, "weeks after {after}");
    }
}
