//! A made-up school, the same at every run with the same seed: for measuring, and for trying things
//! at a size that nobody types in. Its people have no faces and no addresses.

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, TimeZone, Utc, Weekday};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::accounts::{self, NewAccount};
use crate::attendance::{Tally, weeks};
use crate::db::{Scalar, Sql};
use crate::error::{Error, Result};
use crate::id::OrganizationId;
use crate::kinds::{MarkSource, MarkStatus, PersonStatus, Role, SessionState};
use crate::organizations::{day_number, zone_of};
use crate::scope::Scope;
use crate::{Service, Tx, text};

const DEPARTMENTS: usize = 8;
const VENUES: usize = 30;
const CLASS_SIZE: usize = 30;
/// Each student attends so many classes, each of which meets once a week.
const CLASSES_EACH: usize = 5;
const TEACHES: usize = 6;
/// The day is full of lessons, one behind the other.
const FIRST_HOUR: i64 = 8;
const LESSONS_A_DAY: usize = 8;
const EARLIEST_YEAR: i32 = 1971;
const LATEST_YEAR: i32 = 9000;

/// What is to be made.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub organization: String,
    pub timezone: String,
    pub students: usize,
    pub sessions: usize,
    /// The last day of the last week; today's sessions are closed like all others.
    pub last: NaiveDate,
}

/// What was made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seeded {
    pub classes: usize,
    pub students: usize,
    pub sessions: usize,
    pub marks: usize,
}

struct Sower {
    random: StdRng,
    organization: OrganizationId,
    now: DateTime<Utc>,
}

impl Sower {
    fn id(&mut self, at: DateTime<Utc>) -> Uuid {
        let mut random = [0; 10];
        self.random.fill_bytes(&mut random);
        // Those of two schools with one seed differ.
        for (byte, own) in random.iter_mut().zip(self.organization.0.as_bytes().iter().rev()) {
            *byte ^= own;
        }
        let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}

/// Makes an organization with its admin and all that the plan says; CONFLICT where one has the name
/// already. `told` hears how many classes are done, and of how many.
pub async fn seed(
    service: &Service,
    scope: &Scope,
    plan: &Plan,
    admin: &NewAccount<'_>,
    mut told: impl FnMut(usize, usize),
) -> Result<Seeded> {
    let known: Option<Scalar> = service
        .db
        .reader()
        .one(
            "SELECT COUNT(*) AS value FROM organization WHERE name = $1",
            vec![plan.organization.clone().into()],
        )
        .await?;
    if known.is_some_and(|known| known.value > 0) {
        return Err(Error::conflict(
            "NAME_TAKEN",
            "an organization has this name already; give another one",
        ));
    }
    let classes = (plan.students * CLASSES_EACH / CLASS_SIZE).max(1);
    let begins = begins(plan, plan.sessions.div_ceil(classes));
    if begins.is_none_or(|day| day.year() < EARLIEST_YEAR) || plan.last.year() > LATEST_YEAR {
        return Err(Error::invalid(
            "sessions",
            format!(
                "each class meets once a week: so many sessions would not fit between {EARLIEST_YEAR} and {LATEST_YEAR}"
            ),
        ));
    }
    let (organization, _) = accounts::found(service, scope, &plan.organization, Some(&plan.timezone), admin).await?;
    let mut sower = Sower {
        random: StdRng::seed_from_u64(plan.seed),
        organization,
        now: service.now(),
    };
    let tx = service.begin().await?;
    let people = people(&tx, &mut sower, plan, classes).await?;
    let zone = zone_of(&tx, organization).await?;
    tx.commit().await?;
    let mut seeded = Seeded {
        classes,
        students: plan.students,
        ..Seeded::default()
    };
    for class in 0..classes {
        told(class, classes);
        // Whatever does not divide goes to the first classes.
        let count = plan.sessions / classes + usize::from(class < plan.sessions % classes);
        let tx = service.begin().await?;
        seeded.marks += meetings(&tx, &mut sower, plan, &people, class, count, zone).await?;
        seeded.sessions += count;
        tx.commit().await?;
    }
    told(classes, classes);
    let tx = service.begin().await?;
    weeks::recount(&tx, organization).await?;
    tx.commit().await?;
    let tidy = if service.db.is_postgres() {
        "VACUUM ANALYZE"
    } else {
        "ANALYZE"
    };
    service.db.writer().execute_unprepared(tidy).await?;
    Ok(seeded)
}

struct People {
    students: Vec<Uuid>,
    /// How likely each is to come, and how likely to come late then.
    habits: Vec<(f64, f64)>,
    classes: Vec<Uuid>,
    venues: Vec<Uuid>,
}

impl People {
    /// Who belongs to the class: students are in about as many classes as each other.
    fn of_class(&self, class: usize) -> impl Iterator<Item = usize> + '_ {
        let students = self.students.len();
        // Some are larger: a million marks in 33,000 sessions.
        let size = CLASS_SIZE + usize::from(class.is_multiple_of(3));
        (0..size.min(students)).map(move |n| (class * CLASS_SIZE + n) % students)
    }
}

async fn departments(tx: &Tx<'_>, sower: &mut Sower, begun: DateTime<Utc>) -> Result<Vec<Uuid>> {
    let organization_id = sower.organization.0;
    let mut departments = Vec::new();
    for n in 0..DEPARTMENTS {
        departments.push(entity::department::Model {
            id: sower.id(begun),
            organization_id,
            name: format!("Department {n}"),
            name_key: format!("department {n}"),
            code: format!("D{n}"),
            head_id: None,
            created_at: begun,
        });
    }
    let ids = departments.iter().map(|d| d.id).collect();
    tx.insert(departments).await?;
    Ok(ids)
}

async fn venues(tx: &Tx<'_>, sower: &mut Sower, begun: DateTime<Utc>) -> Result<Vec<Uuid>> {
    let organization_id = sower.organization.0;
    let venues: Vec<_> = (0..VENUES)
        .map(|n| entity::venue::Model {
            id: sower.id(begun),
            organization_id,
            name: format!("Room {n:02}"),
            name_key: format!("room {n:02}"),
            building: Some(format!("Building {}", n / 10)),
            capacity: Some(40),
            latitude: None,
            longitude: None,
            created_at: begun,
        })
        .collect();
    let ids = venues.iter().map(|v| v.id).collect();
    tx.insert(venues).await?;
    Ok(ids)
}

async fn people(tx: &Tx<'_>, sower: &mut Sower, plan: &Plan, classes: usize) -> Result<People> {
    let organization_id = sower.organization.0;
    let begun = begins(plan, plan.sessions.div_ceil(classes)).unwrap_or_default();
    let begun = begun.and_time(chrono::NaiveTime::MIN).and_utc();
    let department_ids = departments(tx, sower, begun).await?;
    let mut persons = Vec::new();
    let person = |id, full_name: String, role, roll_number, department_id| entity::person::Model {
        id,
        organization_id,
        name_key: text::key(&full_name),
        full_name,
        email: None,
        roll_number,
        role,
        status: PersonStatus::Active,
        login_email: None,
        password_hash: None,
        department_id,
        locale: "en".into(),
        email_on_absence: true,
        email_on_mark: false,
        created_at: begun,
    };
    let (mut students, mut habits, mut teachers) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..plan.students {
        let id = sower.id(begun);
        let name = format!("{} {}", given_name(&mut sower.random), family_name(&mut sower.random));
        let department = Some(department_ids[n % DEPARTMENTS]);
        persons.push(person(id, name, Role::Student, Some(format!("S{n:05}")), department));
        students.push(id);
        let comes = if sower.random.random_bool(0.05) {
            sower.random.random_range(0.4..0.75)
        } else {
            sower.random.random_range(0.85..0.99)
        };
        habits.push((comes, sower.random.random_range(0.01..0.12)));
    }
    for _ in 0..classes.div_ceil(TEACHES) {
        let id = sower.id(begun);
        let name = format!("{} {}", given_name(&mut sower.random), family_name(&mut sower.random));
        persons.push(person(id, name, Role::Teacher, None, None));
        teachers.push(id);
    }
    tx.insert(persons).await?;
    let venue_ids = venues(tx, sower, begun).await?;
    let rows: Vec<_> = (0..classes)
        .map(|n| entity::class::Model {
            id: sower.id(begun),
            organization_id,
            name: format!("Class {n:03}"),
            name_key: format!("class {n:03}"),
            code: format!("C{n:03}"),
            archived: false,
            gallery_version: 0,
            department_id: Some(department_ids[n % DEPARTMENTS]),
            created_at: begun,
        })
        .collect();
    let class_ids: Vec<Uuid> = rows.iter().map(|c| c.id).collect();
    tx.insert(rows).await?;
    let teaching = class_ids
        .iter()
        .enumerate()
        .map(|(n, class)| entity::class_teacher::Model {
            class_id: *class,
            person_id: teachers[n / TEACHES],
            organization_id,
        });
    tx.insert(teaching.collect()).await?;
    let people = People {
        students,
        habits,
        classes: class_ids,
        venues: venue_ids,
    };
    let mut members = Vec::new();
    for class in 0..classes {
        for student in people.of_class(class) {
            members.push(entity::membership::Model {
                id: sower.id(begun),
                organization_id,
                class_id: people.classes[class],
                person_id: people.students[student],
                joined_at: begun,
                left_at: None,
            });
        }
    }
    tx.insert(members).await?;
    Ok(people)
}

/// The Monday so many weeks before the end of the plan's last week.
fn begins(plan: &Plan, weeks: usize) -> Option<NaiveDate> {
    let monday = plan.last.week(Weekday::Mon).checked_first_day()?;
    monday.checked_sub_days(Days::new((weeks as u64).saturating_sub(1).checked_mul(7)?))
}

/// The meetings of a class, a week apart, with everybody's marks; answers how many marks.
async fn meetings(
    tx: &Tx<'_>,
    sower: &mut Sower,
    plan: &Plan,
    people: &People,
    class: usize,
    count: usize,
    zone: chrono_tz::Tz,
) -> Result<usize> {
    let organization_id = sower.organization.0;
    let (mut sessions, mut marks, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    let first = begins(plan, count).unwrap_or_default() + Days::new((class % 5) as u64);
    let lesson = (class / 5) % LESSONS_A_DAY;
    for week in 0..count {
        // In the plan's last week days may lie behind its last day: the class meets a week earlier, on
        // the day before its first.
        let mut day = first + Days::new(7 * week as u64);
        if day > plan.last {
            day = first - Days::new(7);
        }
        let hour = FIRST_HOUR + i64::try_from(lesson).unwrap_or_default();
        let midnight = day.and_time(chrono::NaiveTime::MIN);
        let Some(starts_at) = zone
            .from_local_datetime(&(midnight + TimeDelta::hours(hour)))
            .earliest()
        else {
            continue;
        };
        let starts_at = starts_at.to_utc();
        let ends_at = starts_at + TimeDelta::minutes(50);
        let id = sower.id(starts_at);
        let mut tally = Tally::default();
        for (seq, student) in (1..).zip(people.of_class(class)) {
            let (comes, late) = people.habits[student];
            let come = sower.random.random_bool(comes);
            let (status, source, minutes) = match come {
                true if sower.random.random_bool(late) => (MarkStatus::Late, MarkSource::Recognition, 14),
                true => (MarkStatus::Present, MarkSource::Recognition, 3),
                false if sower.random.random_bool(0.2) => (MarkStatus::Excused, MarkSource::Manual, 20),
                false => (MarkStatus::Absent, MarkSource::Auto, 65),
            };
            match status {
                MarkStatus::Present => tally.present += 1,
                MarkStatus::Late => tally.late += 1,
                MarkStatus::Excused => tally.excused += 1,
                MarkStatus::Absent => tally.absent += 1,
            }
            tally.expected += 1;
            let at = starts_at + TimeDelta::minutes(minutes);
            marks.push(entity::mark::Model {
                id: sower.id(at),
                organization_id,
                session_id: id,
                student_id: people.students[student],
                status,
                source,
                similarity: (source == MarkSource::Recognition).then(|| sower.random.random_range(0.45..0.8)),
                face_id: None,
                remark: None,
                marked_at: at,
                marked_by: None,
                job_id: None,
            });
            changes.push(entity::mark_change::Model {
                session_id: id,
                seq,
                organization_id,
                student_id: people.students[student],
                from_status: None,
                to_status: Some(status),
                source,
                by_id: None,
                at,
                remark: None,
            });
        }
        sessions.push(entity::session::Model {
            id,
            organization_id,
            class_id: people.classes[class],
            venue_id: Some(people.venues[class % VENUES]),
            title: None,
            starts_at,
            ends_at,
            day: day_number(day),
            state: SessionState::Closed,
            opened_at: Some(starts_at),
            event_seq: i64::from(tally.expected),
            present: tally.present,
            late: tally.late,
            excused: tally.excused,
            absent: tally.absent,
            expected: tally.expected,
            created_by: None,
            created_at: starts_at,
            touched_at: sower.now.min(ends_at),
        });
    }
    let made = marks.len();
    tx.insert(sessions).await?;
    tx.insert(marks).await?;
    tx.insert(changes).await?;
    Ok(made)
}

fn given_name(random: &mut StdRng) -> &'static str {
    const NAMES: [&str; 16] = [
        "Ada", "Bo", "Carmen", "Dmitri", "Elif", "Farid", "Grace", "Hana", "Ivan", "Jin", "Kofi", "Lena", "Mei",
        "Noor", "Olu", "Pia",
    ];
    NAMES[random.random_range(0..NAMES.len())]
}

fn family_name(random: &mut StdRng) -> &'static str {
    const NAMES: [&str; 16] = [
        "Abara", "Berg", "Castro", "Demir", "Endo", "Fischer", "Garcia", "Haddad", "Ito", "Jansen", "Kim", "Lopez",
        "Mbeki", "Novak", "Okafor", "Petrov",
    ];
    NAMES[random.random_range(0..NAMES.len())]
}
