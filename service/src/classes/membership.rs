//! Students join a class: known ones by id or roll number, new ones by name, each row with a
//! result of its own and all of them in one transaction.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{Class, raise_galleries_of, raise_gallery, reach};
use crate::attendance::roll;
use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::events::Topic;
use crate::id::{ClassId, PersonId};
use crate::kinds::{PersonStatus, Role};
use crate::organizations::day_begins;
use crate::people::{self, NewPerson, Person};
use crate::scope::{Scope, Viewer};
use crate::{Service, Tx, audit, text};

const ROWS_MAX: usize = 1000;

/// A student by id, by roll number, or new by name.
#[derive(Clone, Debug, Default)]
pub struct NewStudent {
    pub id: Option<PersonId>,
    pub roll_number: Option<String>,
    pub full_name: Option<String>,
    pub email: Option<String>,
}

pub type StudentRow = Result<Person>;

#[derive(FromQueryResult)]
struct Known {
    id: PersonId,
    roll_number: Option<String>,
    name_key: String,
    role: Role,
    status: PersonStatus,
}

#[derive(FromQueryResult)]
struct Interval {
    id: Uuid,
    person_id: PersonId,
    joined_at: DateTime<Utc>,
    left_at: Option<DateTime<Utc>>,
}

/// `from`: the day they joined in the organization's time zone, today where absent.
pub async fn add_students(
    service: &Service,
    scope: &Scope,
    class: ClassId,
    students: &[NewStudent],
    from: Option<NaiveDate>,
) -> Result<(Class, Vec<StudentRow>)> {
    let found = reach(service, scope, class).await?;
    let viewer = scope.staff()?;
    if students.len() > ROWS_MAX {
        return Err(Error::invalid(
            "students",
            format!("at most {ROWS_MAX} students at a time"),
        ));
    }
    let today = service.now().with_timezone(&viewer.timezone).date_naive();
    let joined = day_begins(viewer.timezone, from.unwrap_or(today))?;

    let mut tx = service.begin().await?;
    raise_gallery(&tx, class).await?;
    let known = known(&tx, viewer, students).await?;
    let mut rows: Vec<Result<PersonId>> = Vec::with_capacity(students.len());
    let mut new = Vec::new();
    let mut numbers = HashSet::new();
    for student in students {
        rows.push(match resolve(student, &known, &numbers) {
            Ok(Resolved::Known(id)) => Ok(id),
            Ok(Resolved::New(person)) => {
                let id = PersonId(service.new_id());
                numbers.extend(person.roll_number.clone());
                new.push((id, person));
                Ok(id)
            }
            Err(error) => Err(error),
        });
    }
    let added: HashSet<PersonId> = new.iter().map(|(id, _)| *id).collect();
    people::insert_many(&tx, viewer.organization, new).await?;
    let ids: HashSet<PersonId> = rows.iter().flatten().copied().collect();
    let joining = join(&tx, viewer, class, &ids, joined).await?;
    roll::recount_classes(&tx, &[class]).await?;
    let summary = format!("{} joined, {} of them new", joining.len(), added.len());
    audit::record(&tx, viewer, "addStudents", ("Class", class.0), &summary).await?;
    let known = joining.into_iter().filter(|id| !added.contains(id));
    let targets = known.map(|id| ("User", id.0)).collect();
    audit::record_all(&tx, viewer, "addStudents", targets, "a known student joined a class").await?;
    tx.announce(Topic::Sessions(viewer.organization));
    tx.commit().await?;

    let ids: Vec<PersonId> = ids.into_iter().collect();
    let mut people: HashMap<PersonId, Person> = HashMap::new();
    for some in ids.chunks(500) {
        people.extend(
            people::by_ids(service, scope, some)
                .await?
                .into_iter()
                .map(|p| (p.id, p)),
        );
    }
    let rows = rows
        .into_iter()
        .map(|row| row.and_then(|id| people.get(&id).cloned().ok_or(Error::NotFound("student"))))
        .collect();
    Ok((found, rows))
}

async fn known(tx: &Tx<'_>, viewer: &Viewer, students: &[NewStudent]) -> Result<Vec<Known>> {
    let mut values = Values::default();
    let org = values.push(viewer.organization);
    let ids = values.list(students.iter().filter_map(|s| s.id));
    let numbers = values.list(
        students
            .iter()
            .filter_map(|s| text::optional("rollNumber", s.roll_number.as_deref()).ok().flatten()),
    );
    tx.all(
        &format!(
            "SELECT id, roll_number, name_key, role, status FROM person \
             WHERE organization_id = {org} AND (id IN {ids} OR roll_number IN {numbers}) ORDER BY id{}",
            tx.for_share()
        ),
        values.done(),
    )
    .await
}

enum Resolved {
    Known(PersonId),
    New(NewPerson),
}

fn resolve(student: &NewStudent, known: &[Known], added: &HashSet<String>) -> Result<Resolved> {
    let number = text::optional("rollNumber", student.roll_number.as_deref())?;
    let name = text::optional("fullName", student.full_name.as_deref())?;
    let email = student
        .email
        .as_deref()
        .filter(|e| !e.trim().is_empty())
        .map(|e| text::email("email", e))
        .transpose()?;
    if let Some(id) = student.id {
        let person = known.iter().find(|k| k.id == id).ok_or(Error::NotFound("student"))?;
        return student_or_error(person);
    }
    if let Some(person) = known.iter().find(|k| number.is_some() && k.roll_number == number) {
        if name.as_deref().is_some_and(|n| text::key(n) != person.name_key) {
            return Err(Error::conflict(
                "ROLL_NUMBER_TAKEN",
                "this roll number belongs to somebody of another name",
            ));
        }
        return student_or_error(person);
    }
    if number.as_ref().is_some_and(|n| added.contains(n)) {
        return Err(Error::conflict(
            "ROLL_NUMBER_TAKEN",
            "this roll number stands twice in the list",
        ));
    }
    let Some(full_name) = name else {
        return Err(match number {
            Some(_) => Error::NotFound("student with this roll number"),
            None => Error::invalid("fullName", "name the student: by id, rollNumber or fullName"),
        });
    };
    Ok(Resolved::New(NewPerson {
        email,
        roll_number: number,
        ..NewPerson::new(full_name, Role::Student)
    }))
}

fn student_or_error(person: &Known) -> Result<Resolved> {
    if person.status == PersonStatus::Erased {
        return Err(Error::NotFound("student"));
    }
    if person.role != Role::Student {
        return Err(Error::invalid("id", "this person is not a student"));
    }
    Ok(Resolved::Known(person.id))
}

/// Opens an interval for whoever has none open, never before the end of their last. One that would
/// begin later begins now: whoever is added twice belongs from the earlier day on.
async fn join(
    tx: &Tx<'_>,
    viewer: &Viewer,
    class: ClassId,
    ids: &HashSet<PersonId>,
    joined: DateTime<Utc>,
) -> Result<Vec<PersonId>> {
    let intervals: Vec<Interval> = tx
        .all(
            "SELECT id, person_id, joined_at, left_at FROM membership WHERE class_id = $1",
            vec![class.into()],
        )
        .await?;
    let mut ended: HashMap<PersonId, DateTime<Utc>> = HashMap::new();
    let mut open: HashMap<PersonId, &Interval> = HashMap::new();
    for interval in intervals.iter().filter(|interval| ids.contains(&interval.person_id)) {
        match interval.left_at {
            Some(left) => {
                let end = ended.entry(interval.person_id).or_insert(left);
                *end = left.max(*end);
            }
            None => {
                open.insert(interval.person_id, interval);
            }
        }
    }
    let begins = |person: &PersonId| ended.get(person).map_or(joined, |left| joined.max(*left));
    let mut joining = Vec::new();
    for person in ids {
        let begins = begins(person);
        match open.get(person) {
            None => joining.push((*person, begins)),
            Some(interval) if interval.joined_at > begins => {
                tx.run(
                    "UPDATE membership SET joined_at = $1 WHERE id = $2",
                    vec![begins.into(), interval.id.into()],
                )
                .await?;
            }
            Some(_) => {}
        }
    }
    let joined_now = joining.iter().map(|(person, _)| *person).collect();
    let rows = joining
        .into_iter()
        .map(|(person, joined_at)| entity::membership::Model {
            id: tx.service.new_id(),
            organization_id: viewer.organization.0,
            class_id: class.0,
            person_id: person.0,
            joined_at,
            left_at: None,
        });
    tx.insert(rows.collect()).await?;
    Ok(joined_now)
}

/// Ends somebody's belonging to every class, now.
pub(crate) async fn leave_all(tx: &Tx<'_>, person: PersonId) -> Result<()> {
    let now = tx.service.now();
    let classes = raise_galleries_of(tx, person).await?;
    for statement in [
        "DELETE FROM membership WHERE person_id = $1 AND joined_at >= $2",
        "UPDATE membership SET left_at = $2 WHERE person_id = $1 AND (left_at IS NULL OR left_at > $2)",
    ] {
        tx.run(statement, vec![person.into(), now.into()]).await?;
    }
    roll::recount_classes(tx, &classes).await
}

#[derive(FromQueryResult)]
struct Member {
    person_id: PersonId,
}

/// Who belongs to a class now.
pub(crate) async fn members_now(service: &Service, class: ClassId) -> Result<Vec<PersonId>> {
    let rows: Vec<Member> = service
        .db
        .reader()
        .all(&belonging("$1", "$2"), vec![class.into(), service.now().into()])
        .await?;
    Ok(rows.into_iter().map(|r| r.person_id).collect())
}

/// Who of these belongs to a class now, and has not been erased, nor will be before this transaction ends.
pub(crate) async fn still_in(
    tx: &Tx<'_>,
    class: ClassId,
    people: impl IntoIterator<Item = PersonId>,
) -> Result<HashSet<PersonId>> {
    let in_class = |values: &mut Values| {
        let (class, now) = (values.push(class), values.push(tx.service.now()));
        format!("id IN ({})", belonging(&class, &now))
    };
    people::here_where(tx, people, in_class).await
}

/// Who belongs to that class at that time, as a `SELECT` of `person_id`; both are SQL.
fn belonging(class: &str, at: &str) -> String {
    format!(
        "SELECT person_id FROM membership WHERE class_id = {class} AND joined_at <= {at} \
         AND (left_at IS NULL OR left_at > {at})"
    )
}
