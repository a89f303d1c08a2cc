//! What must hold when all is over, read from the tables, the media store and the subscribers' notes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sea_orm::{DatabaseConnection, QueryResult, TryGetable};
use serde_json::json;
use uuid::Uuid;

use super::locks;
use super::plan::Photo;
use super::watchers::{Line, Seen};

/// The row's id in an id of the API.
fn uuid(id: &str) -> Uuid {
    Uuid::parse_str(id.split_once('_').unwrap().1).unwrap()
}

pub async fn rows(db: &DatabaseConnection, sql: &str) -> Vec<QueryResult> {
    locks::rows(db, sql).await.expect("the database answers")
}

pub fn get<T: TryGetable>(row: &QueryResult, column: &str) -> T {
    row.try_get("", column).unwrap()
}

pub fn list<'i>(ids: impl IntoIterator<Item = &'i Uuid>) -> String {
    let ids: Vec<String> = ids.into_iter().map(|id| format!("'{id}'")).collect();
    ids.join(", ")
}

/// A similarity in a millionth.
fn parts(similarity: Option<f64>) -> Option<String> {
    similarity.map(|s| format!("{s:.6}"))
}

/// One set of sessions with the photos that were sent to them.
#[derive(Debug)]
pub struct Run {
    pub sessions: Vec<Uuid>,
    pub jobs: BTreeMap<u16, Uuid>,
}

/// What a photo showed, a line for each face.
type Faces = BTreeMap<u16, Vec<String>>;
/// (which session, student) with status, source, similarity and when it was submitted, by its number.
type Marks = BTreeMap<(usize, Uuid), String>;

impl Run {
    /// Of these ids of the API.
    pub fn of(sessions: &[String], jobs: &BTreeMap<u16, String>) -> Self {
        Self {
            sessions: sessions.iter().map(|id| uuid(id)).collect(),
            jobs: jobs.iter().map(|(number, job)| (*number, uuid(job))).collect(),
        }
    }

    /// Waits until no job of the sessions is on its way.
    pub async fn ended(&self, db: &DatabaseConnection, within: Duration) {
        let begun = Instant::now();
        let sql = format!(
            "SELECT id, status FROM job WHERE status IN ('QUEUED', 'RUNNING') AND session_id IN ({})",
            list(&self.sessions)
        );
        loop {
            let open = locks::rows(db, &sql).await;
            if open.as_ref().is_some_and(Vec::is_empty) {
                return;
            }
            let left = open
                .iter()
                .flatten()
                .map(|row| (get::<Uuid>(row, "id"), get::<String>(row, "status")));
            assert!(begun.elapsed() < within, "not ended: {:?}", left.collect::<Vec<_>>());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    pub async fn marks(&self, db: &DatabaseConnection) -> Marks {
        let sql = format!(
            "SELECT session_id, student_id, status, source, similarity, remark FROM mark WHERE session_id IN ({})",
            list(&self.sessions)
        );
        let line = |row: &QueryResult| {
            let session: Uuid = get(row, "session_id");
            let place = self.sessions.iter().position(|id| *id == session).unwrap();
            let (status, source): (String, String) = (get(row, "status"), get(row, "source"));
            let remark: Option<String> = get(row, "remark");
            let text = format!("{status} {source} {:?} {remark:?}", parts(get(row, "similarity")));
            ((place, get(row, "student_id")), text)
        };
        rows(db, &sql).await.iter().map(line).collect()
    }

    pub async fn faces(&self, db: &DatabaseConnection) -> Faces {
        let sql = format!(
            "SELECT job_id, x, y, decision, reason, student_id, similarity FROM face WHERE job_id IN ({}) \
             ORDER BY job_id, x, y",
            list(self.jobs.values())
        );
        let mut faces = Faces::new();
        for row in rows(db, &sql).await {
            let job: Uuid = get(&row, "job_id");
            let (number, _) = self.jobs.iter().find(|(_, id)| **id == job).unwrap();
            let (x, decision): (i32, String) = (get(&row, "x"), get(&row, "decision"));
            let (reason, student): (Option<String>, Option<Uuid>) = (get(&row, "reason"), get(&row, "student_id"));
            let text = format!(
                "{x} {decision} {reason:?} {student:?} {:?}",
                parts(get(&row, "similarity"))
            );
            faces.entry(*number).or_default().push(text);
        }
        faces
    }

    /// Every acknowledged photo has succeeded, and there is no job besides. Answers how many attempts there were.
    pub async fn assert_succeeded(&self, db: &DatabaseConnection, photos: usize) -> usize {
        assert_eq!(self.jobs.len(), photos, "acknowledged");
        let sql = format!(
            "SELECT id, status, attempts, fence FROM job WHERE session_id IN ({})",
            list(&self.sessions)
        );
        let found = rows(db, &sql).await;
        let mut ids = BTreeSet::new();
        let mut attempts = 0;
        for row in &found {
            let (id, status): (Uuid, String) = (get(row, "id"), get(row, "status"));
            assert_eq!(status, "SUCCEEDED", "{id}");
            attempts += usize::try_from(get::<i64>(row, "fence")).unwrap();
            assert!(get::<i32>(row, "attempts") <= 3, "{id}");
            ids.insert(id);
        }
        assert_eq!(
            ids,
            self.jobs.values().copied().collect::<BTreeSet<_>>(),
            "a job for each photo and no other"
        );
        assert_eq!(found.len(), ids.len());
        attempts
    }

    /// Each job ended once, and all that it wrote is of that one attempt.
    pub async fn assert_once(&self, db: &DatabaseConnection, photos: &[Photo]) {
        let jobs = list(self.jobs.values());
        let sql = format!(
            "SELECT e.job_id, e.was, e.fence, j.fence AS last FROM chaos_end e JOIN job j ON j.id = e.job_id \
             WHERE e.job_id IN ({jobs})"
        );
        let mut ended = BTreeMap::new();
        for row in rows(db, &sql).await {
            let (job, was): (Uuid, String) = (get(&row, "job_id"), get(&row, "was"));
            let (fence, last): (i64, i64) = (get(&row, "fence"), get(&row, "last"));
            assert_eq!((was.as_str(), fence), ("RUNNING", last), "{job}");
            assert_eq!(ended.insert(job, fence), None, "{job} ended twice");
        }
        assert_eq!(ended.len(), self.jobs.len());

        let mut faces: BTreeMap<Uuid, usize> = BTreeMap::new();
        for row in rows(
            db,
            &format!("SELECT job_id, crop_key FROM face WHERE job_id IN ({jobs})"),
        )
        .await
        {
            let (job, key): (Uuid, String) = (get(&row, "job_id"), get(&row, "crop_key"));
            let attempt = format!("crops/{}/{}/", job.simple(), ended[&job]);
            assert!(key.starts_with(&attempt), "{key} is not of {attempt}");
            *faces.entry(job).or_default() += 1;
        }
        for photo in photos {
            let job = self.jobs[&photo.number];
            assert_eq!(faces[&job], photo.faces, "faces of photo {}", photo.number);
        }
        let counted = format!(
            "SELECT COUNT(*) AS n FROM audit WHERE action = 'submitClassPhoto' AND target_id IN ({jobs}) \
             UNION ALL SELECT COUNT(*) FROM photo WHERE job_id IN ({jobs})"
        );
        for row in rows(db, &counted).await {
            assert_eq!(usize::try_from(get::<i64>(&row, "n")).unwrap(), self.jobs.len());
        }
    }

    /// The history is whole: numbered without a gap, each change from where the one before it led, one for each write
    /// of a mark; marks and tally are what it comes to. Answers the events of each session.
    pub async fn assert_history(&self, db: &DatabaseConnection) -> Vec<Vec<Line>> {
        let mut events = Vec::new();
        for session in &self.sessions {
            let of = format!("WHERE session_id = '{session}'");
            let sql =
                format!("SELECT seq, student_id, from_status, to_status, source FROM mark_change {of} ORDER BY seq");
            let mut lines = Vec::new();
            let mut standing: BTreeMap<Uuid, Option<String>> = BTreeMap::new();
            let mut changes: BTreeMap<Uuid, i64> = BTreeMap::new();
            for (place, row) in (1..).zip(rows(db, &sql).await) {
                let student: Uuid = get(&row, "student_id");
                let (from, to): (Option<String>, Option<String>) = (get(&row, "from_status"), get(&row, "to_status"));
                let line = Line {
                    seq: get(&row, "seq"),
                    student: format!("usr_{}", student.simple()),
                    from: json!(from),
                    to: json!(to),
                    source: json!(get::<String>(&row, "source")),
                };
                assert_eq!(line.seq, place, "a gap or a double in {session}");
                assert_eq!(standing.insert(student, to).flatten(), from, "{line:?}");
                *changes.entry(student).or_default() += 1;
                lines.push(line);
            }
            let written = format!("SELECT student_id, COUNT(*) AS n FROM chaos_mark {of} GROUP BY student_id");
            let written = rows(db, &written).await;
            let written: BTreeMap<Uuid, i64> = written.iter().map(|r| (get(r, "student_id"), get(r, "n"))).collect();
            assert_eq!(written, changes, "writes and changes in {session}");
            let marks = rows(db, &format!("SELECT student_id, status FROM mark {of}")).await;
            let marks: BTreeMap<Uuid, Option<String>> = marks
                .iter()
                .map(|r| (get(r, "student_id"), Some(get(r, "status"))))
                .collect();
            assert_eq!(marks, standing, "marks and history in {session}");

            let sql = format!("SELECT event_seq, present, late, excused, absent FROM session WHERE id = '{session}'");
            let row = &rows(db, &sql).await[0];
            assert_eq!(usize::try_from(get::<i64>(row, "event_seq")).unwrap(), lines.len());
            for (column, status) in [
                ("present", "PRESENT"),
                ("late", "LATE"),
                ("excused", "EXCUSED"),
                ("absent", "ABSENT"),
            ] {
                let so = marks.values().filter(|mark| mark.as_deref() == Some(status)).count();
                assert_eq!(
                    usize::try_from(get::<i32>(row, column)).unwrap(),
                    so,
                    "{column} of {session}"
                );
            }
            events.push(lines);
        }
        events
    }
}

/// A subscriber saw the session's events: all, each once, in their order.
pub fn assert_followed(seen: &Seen, events: &[Line]) {
    let numbers = |lines: &[Line]| lines.iter().map(|line| line.seq).collect::<Vec<_>>();
    assert_eq!(numbers(&seen.lines), numbers(events), "events of a subscriber");
    assert_eq!(seen.lines, events);
}

/// As text for a comparison that says what differs.
pub fn assert_same<K: std::fmt::Debug + Ord, V: std::fmt::Debug + PartialEq>(
    came: &BTreeMap<K, V>,
    calm: &BTreeMap<K, V>,
    what: &str,
) {
    for key in came.keys().chain(calm.keys()) {
        assert_eq!(came.get(key), calm.get(key), "{what} of {key:?}");
    }
}
