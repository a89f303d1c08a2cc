//! A made-up organization with years of attendance, to try Muster at size. The same seed and last
//! day make the same school. Rows are written as the use cases would leave them.

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use crate::accounts::{self, NewAccount};
use crate::attendance::weeks;
use crate::db::{Scalar, Sql};
use crate::error::{Error, Result};
use crate::id::OrganizationId;
use crate::kinds::{MarkSource, MarkStatus, PersonStatus, Role, SessionState};
use crate::organizations::{day_begins, day_number};
use crate::scope::Scope;
use crate::{Service, Tx, text};

/// Students of a class.
const CLASS: usize = 31;
/// Sessions of a class.
const MEETINGS: usize = 200;
const YEARS_DAYS: i64 = 730;
const DEPARTMENTS: usize = 8;
const VENUES: usize = 20;
/// Marks that are held before they are written.
const HELD: usize = 10_000;
/// Classes of the last day that are still open.
const OPEN: usize = 5;

#[derive(Clone, Debug)]
pub struct Plan<'a> {
    pub organization: &'a str,
    pub email: &'a str,
    pub password: &'a str,
    pub students: usize,
    pub sessions: usize,
    pub seed: u64,
    /// The last day with sessions.
    pub until: NaiveDate,
}

/// What was made.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    pub organization: OrganizationId,
    pub classes: usize,
    pub sessions: usize,
    pub marks: usize,
}

struct Maker<'t, 's> {
    tx: &'t Tx<'s>,
    random: StdRng,
    organization: Uuid,
    zone: Tz,
    marks: Vec<entity::mark::Model>,
    sessions: Vec<entity::session::Model>,
    made: usize,
}

/// For the command line and tests. CONFLICT where there is an organization of this name.
pub async fn seed(service: &Service, scope: &Scope, plan: &Plan<'_>) -> Result<Made> {
    let Scope::System(_) = scope else {
        return Err(Error::Forbidden);
    };
    if plan.students < CLASS {
        return Err(Error::invalid("students", format!("students are {CLASS} at least")));
    }
    let name = text::name("organizationName", plan.organization)?;
    let there: Option<Scalar> = service
        .db
        .reader()
        .one(
            "SELECT COUNT(*) AS value FROM organization WHERE name = $1",
            vec![name.into()],
        )
        .await?;
    if there.is_some_and(|t| t.value > 0) {
        return Err(Error::conflict("EXISTS", "this organization exists already"));
    }
    let zone = chrono_tz::Europe::Madrid;
    let admin = NewAccount {
        full_name: "Ada Admin",
        email: plan.email,
        password: plan.password,
        role: Role::Admin,
    };
    let (organization, _) = accounts::found(service, scope, plan.organization, Some(zone.name()), &admin).await?;
    let tx = service.begin().await?;
    let mut maker = Maker {
        tx: &tx,
        random: StdRng::seed_from_u64(plan.seed),
        organization: organization.0,
        zone,
        marks: Vec::new(),
        sessions: Vec::new(),
        made: 0,
    };
    let classes = plan.sessions.div_ceil(MEETINGS).max(1);
    maker.school(plan, classes).await?;
    let marks = maker.made;
    // The history begins with the marks.
    tx.run(
        "INSERT INTO mark_change (session_id, seq, organization_id, student_id, from_status, to_status, source, by_id, \
         at, remark) SELECT session_id, ROW_NUMBER() OVER (PARTITION BY session_id ORDER BY student_id), \
         organization_id, student_id, NULL, status, source, marked_by, marked_at, NULL FROM mark \
         WHERE organization_id = $1",
        vec![organization.into()],
    )
    .await?;
    weeks::recount(&tx, organization).await?;
    tx.commit().await?;
    service.db.writer().run("ANALYZE", vec![]).await?;
    Ok(Made {
        organization,
        classes,
        sessions: plan.sessions,
        marks,
    })
}

impl Maker<'_, '_> {
    /// A `UUIDv7` of that time.
    fn id(&mut self, at: DateTime<Utc>) -> Uuid {
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.random.random::<u64>().to_be_bytes());
        let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    async fn school(&mut self, plan: &Plan<'_>, classes: usize) -> Result<()> {
        let first = plan.until - TimeDelta::days(YEARS_DAYS - 1);
        let begin = day_begins(self.zone, first)?;
        let departments: Vec<Uuid> = (0..DEPARTMENTS).map(|_| self.id(begin)).collect();
        let rows = departments.iter().enumerate().map(|(n, id)| entity::department::Model {
            id: *id,
            organization_id: self.organization,
            name: format!("Department {n}"),
            name_key: format!("department {n}"),
            code: format!("D{n}"),
            head_id: None,
            created_at: begin,
        });
        self.tx.insert(rows.collect()).await?;
        let venues: Vec<Uuid> = (0..VENUES).map(|_| self.id(begin)).collect();
        let rows = venues.iter().enumerate().map(|(n, id)| entity::venue::Model {
            id: *id,
            organization_id: self.organization,
            name: format!("Room {n:02}"),
            name_key: format!("room {n:02}"),
            building: None,
            capacity: Some(40),
            latitude: None,
            longitude: None,
            created_at: begin,
        });
        self.tx.insert(rows.collect()).await?;
        let students = self
            .people(plan.students, Role::Student, "Student", &departments, begin)
            .await?;
        let teachers = self
            .people(classes.div_ceil(4), Role::Teacher, "Teacher", &departments, begin)
            .await?;
        let mut left = plan.sessions;
        for class in 0..classes {
            let here = left.min(MEETINGS);
            left -= here;
            let members: Vec<usize> = (0..CLASS).map(|n| (class * CLASS + n) % students.len()).collect();
            let id = self
                .class(
                    class,
                    departments[class % DEPARTMENTS],
                    teachers[class % teachers.len()],
                    begin,
                )
                .await?;
            let mut rows = Vec::new();
            for student in &members {
                rows.push(entity::membership::Model {
                    id: self.id(begin),
                    organization_id: self.organization,
                    class_id: id,
                    person_id: students[*student],
                    joined_at: begin,
                    left_at: None,
                });
            }
            self.tx.insert(rows).await?;
            for meeting in 0..here {
                let open = meeting + 1 == here && class < OPEN;
                let place = YEARS_DAYS * i64::try_from(meeting + 1).unwrap_or(1) / i64::try_from(here).unwrap_or(1);
                let day = first + TimeDelta::days(place - 1);
                let day = match day.weekday() {
                    Weekday::Sat | Weekday::Sun if !open => day - TimeDelta::days(2),
                    _ => day,
                };
                let venue = venues[class % VENUES];
                self.meeting(id, venue, day, class, open, &members, &students, begin)
                    .await?;
            }
        }
        self.flush().await
    }

    async fn people(
        &mut self,
        count: usize,
        role: Role,
        word: &str,
        departments: &[Uuid],
        at: DateTime<Utc>,
    ) -> Result<Vec<Uuid>> {
        let ids: Vec<Uuid> = (0..count).map(|_| self.id(at)).collect();
        let rows = ids.iter().enumerate().map(|(n, id)| {
            let full_name = format!("{word} {n:05}");
            entity::person::Model {
                id: *id,
                organization_id: self.organization,
                name_key: text::key(&full_name),
                full_name,
                email: None,
                roll_number: (role == Role::Student).then(|| format!("S{n:05}")),
                role,
                status: PersonStatus::Active,
                login_email: None,
                password_hash: None,
                // One in ten has none.
                department_id: (n % 10 != 9).then(|| departments[n % departments.len()]),
                locale: "en".into(),
                email_on_absence: false,
                email_on_mark: false,
                created_at: at,
            }
        });
        self.tx.insert(rows.collect()).await?;
        Ok(ids)
    }

    async fn class(&mut self, number: usize, department: Uuid, teacher: Uuid, at: DateTime<Utc>) -> Result<Uuid> {
        let id = self.id(at);
        let name = format!("Class {number:03}");
        self.tx
            .insert(vec![entity::class::Model {
                id,
                organization_id: self.organization,
                name_key: text::key(&name),
                name,
                code: format!("C{number:03}"),
                archived: false,
                gallery_version: 0,
                department_id: Some(department),
                created_at: at,
            }])
            .await?;
        self.tx
            .insert(vec![entity::class_teacher::Model {
                class_id: id,
                person_id: teacher,
                organization_id: self.organization,
            }])
            .await?;
        Ok(id)
    }

    #[expect(clippy::too_many_arguments, reason = "what a session consists of")]
    async fn meeting(
        &mut self,
        class: Uuid,
        venue: Uuid,
        day: NaiveDate,
        number: usize,
        open: bool,
        members: &[usize],
        students: &[Uuid],
        created_at: DateTime<Utc>,
    ) -> Result<()> {
        let hour = i64::try_from(8 + number % 9).unwrap_or(8);
        let starts_at = day_begins(self.zone, day)? + TimeDelta::hours(hour);
        let id = self.id(starts_at);
        let cancelled = !open && self.random.random_range(0..100) == 0;
        let mut counts = [0; 4];
        let mut marked = 0;
        for student in members {
            if cancelled || (open && self.random.random_range(0..2) == 0) {
                continue;
            }
            // Some come always, some seldom.
            let misses = 2 + student % 23;
            let chance = self.random.random_range(0..100);
            let (status, source, place) = match chance {
                c if c < misses => (MarkStatus::Absent, MarkSource::Auto, 3),
                c if c < misses + 2 => (MarkStatus::Excused, MarkSource::Manual, 2),
                c if c < misses + 7 => (MarkStatus::Late, MarkSource::Recognition, 1),
                _ => (MarkStatus::Present, MarkSource::Recognition, 0),
            };
            counts[place] += 1;
            marked += 1;
            let marked_at = starts_at + TimeDelta::seconds(self.random.random_range(0..3600));
            let mark = entity::mark::Model {
                id: self.id(marked_at),
                organization_id: self.organization,
                session_id: id,
                student_id: students[*student],
                status,
                source,
                similarity: (source == MarkSource::Recognition).then_some(0.71),
                face_id: None,
                remark: None,
                marked_at,
                marked_by: None,
                job_id: None,
            };
            self.marks.push(mark);
        }
        self.made += marked;
        let state = match (open, cancelled) {
            (true, _) => SessionState::Open,
            (_, true) => SessionState::Cancelled,
            _ => SessionState::Closed,
        };
        let [present, late, excused, absent] = counts;
        self.sessions.push(entity::session::Model {
            id,
            organization_id: self.organization,
            class_id: class,
            venue_id: Some(venue),
            title: None,
            starts_at,
            ends_at: starts_at + TimeDelta::hours(1),
            day: day_number(day),
            state,
            event_seq: i64::try_from(marked).unwrap_or_default(),
            present,
            late,
            excused,
            absent,
            expected: i32::try_from(members.len()).unwrap_or_default(),
            created_by: None,
            created_at,
            touched_at: starts_at,
        });
        if self.marks.len() >= HELD {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        self.tx.insert(std::mem::take(&mut self.sessions)).await?;
        self.tx.insert(std::mem::take(&mut self.marks)).await?;
        Ok(())
    }
}
