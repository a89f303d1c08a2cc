//! Students leave a class.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::FromQueryResult;

use super::{Class, raise_gallery, reach};
use crate::attendance::roll;
use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::events::Topic;
use crate::id::{ClassId, PersonId};
use crate::organizations::day_begins;
use crate::scope::Scope;
use crate::{Service, Tx, audit};

const MOST: usize = 1000;

/// They belong until `from` begins in the organization's time zone; where that is today, until
/// now. All of them or none: who does not belong then is `NOT_FOUND`.
pub async fn remove_students(
    service: &Service,
    scope: &Scope,
    class: ClassId,
    students: &[PersonId],
    from: Option<NaiveDate>,
) -> Result<Class> {
    let found = reach(service, scope, class).await?;
    let viewer = scope.staff()?;
    if students.len() > MOST {
        return Err(Error::invalid(
            "studentIds",
            format!("at most {MOST} students at a time"),
        ));
    }
    let students: BTreeSet<PersonId> = students.iter().copied().collect();
    let now = service.now();
    let today = now.with_timezone(&viewer.timezone).date_naive();
    let left = match from {
        Some(day) if day != today => day_begins(viewer.timezone, day)?,
        _ => now,
    };
    if students.is_empty() {
        return Ok(found);
    }
    let mut tx = service.begin().await?;
    raise_gallery(&tx, class).await?;
    let ids: Vec<PersonId> = students.into_iter().collect();
    for some in ids.chunks(crate::ROWS) {
        end(&tx, class, some, left).await?;
    }
    roll::recount_classes(&tx, &[class]).await?;
    let summary = format!("{} left", ids.len());
    audit::record(&tx, viewer, "removeStudents", ("Class", class.0), &summary).await?;
    let targets = ids.iter().map(|id| ("User", id.0)).collect();
    audit::record_all(&tx, viewer, "removeStudents", targets, "a student left a class").await?;
    tx.announce(Topic::Sessions(viewer.organization));
    tx.commit().await?;
    Ok(found)
}

#[derive(FromQueryResult)]
struct Member {
    person_id: PersonId,
}

/// Ends what they have of intervals; one that would be empty goes.
async fn end(tx: &Tx<'_>, class: ClassId, students: &[PersonId], left: DateTime<Utc>) -> Result<()> {
    let which = |values: &mut Values| {
        let (class, left) = (values.push(class), values.push(left));
        let list = values.list(students.iter().copied());
        format!("class_id = {class} AND person_id IN {list} AND (left_at IS NULL OR left_at > {left})")
    };
    let mut values = Values::default();
    let sql = format!("SELECT DISTINCT person_id FROM membership WHERE {}", which(&mut values));
    let members: Vec<Member> = tx.all(&sql, values.done()).await?;
    let members: BTreeSet<PersonId> = members.into_iter().map(|m| m.person_id).collect();
    if students.iter().any(|student| !members.contains(student)) {
        return Err(Error::NotFound("student in this class"));
    }
    let mut values = Values::default();
    let which_ones = which(&mut values);
    let sql = format!("DELETE FROM membership WHERE {which_ones} AND joined_at >= $2");
    tx.run(&sql, values.done()).await?;
    let mut values = Values::default();
    let which_ones = which(&mut values);
    let sql = format!("UPDATE membership SET left_at = $2 WHERE {which_ones}");
    tx.run(&sql, values.done()).await?;
    Ok(())
}
