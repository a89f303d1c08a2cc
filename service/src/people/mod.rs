//! People: everyone a school knows, with or without a login.

mod admins;
mod changes;
mod erase;
mod list;

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, FromQueryResult};
use uuid::Uuid;

pub use changes::{NewUser, UserChange, create, set_user_status, update};
pub use erase::{Erased, delete_account, delete_user};
pub use list::{UserFilter, list, of_class, of_department};

pub(crate) use changes::{rename, set_department, set_status};

use crate::db::{Sql, Values};
use crate::error::{Error, Result, is_duplicate};
use crate::id::{DepartmentId, OrganizationId, PersonId};
use crate::kinds::{PersonStatus, Role};
use crate::page::{KeyKind, Order, Placed, SortKey};
use crate::scope::Scope;
use crate::{Service, Tx, access, text};

/// Of mails, until somebody chooses another.
const LOCALE: &str = "en";

/// A person as the asker may see them: of strangers the address and roll number are absent.
#[derive(Clone, Debug, FromQueryResult)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of a row")]
pub struct Person {
    pub id: PersonId,
    pub organization_id: OrganizationId,
    pub full_name: String,
    pub name_key: String,
    pub email: Option<String>,
    pub roll_number: Option<String>,
    pub role: Role,
    pub status: PersonStatus,
    pub has_login: bool,
    pub department_id: Option<DepartmentId>,
    pub locale: String,
    pub email_on_absence: bool,
    pub email_on_mark: bool,
    pub created_at: DateTime<Utc>,
    /// Whether everything of this person is the asker's to see.
    pub in_full: bool,
}

impl Placed for Person {
    fn place(&self) -> (SortKey, Uuid) {
        (SortKey::Text(self.name_key.clone()), self.id.0)
    }
}

pub(crate) const ORDER: Order = Order {
    key: "p.name_key",
    id: "p.id",
    kind: KeyKind::Text,
    descending: false,
};

/// The columns of [`Person`] from `person p`, where `full` is the condition of seeing all. Of somebody
/// erased there is nothing to see.
pub(crate) fn columns(full: &str) -> String {
    format!(
        "p.id, p.organization_id, p.full_name, p.name_key, p.role, p.status, p.created_at, \
         CASE WHEN {full} THEN p.email END AS email, \
         CASE WHEN {full} THEN p.roll_number END AS roll_number, \
         CASE WHEN {full} THEN p.department_id END AS department_id, \
         p.locale, p.email_on_absence, p.email_on_mark, \
         (p.login_email IS NOT NULL) AS has_login, ({full} AND p.status <> 'ERASED') AS in_full"
    )
}

/// Whoever of these belongs to the asker's organization, in no order: for names beside marks and jobs.
pub async fn by_ids(service: &Service, scope: &Scope, ids: &[PersonId]) -> Result<Vec<Person>> {
    select(service, scope, ids, |_| "TRUE".into()).await
}

#[derive(FromQueryResult)]
struct Here {
    id: PersonId,
}

/// Who of these has not been erased, nor will be before this transaction ends.
pub(crate) async fn still_here(tx: &Tx<'_>, ids: impl IntoIterator<Item = PersonId>) -> Result<HashSet<PersonId>> {
    here_where(tx, ids, |_| "TRUE".into()).await
}

/// The same of those alone of whose `id` the condition holds.
pub(crate) async fn here_where(
    tx: &Tx<'_>,
    ids: impl IntoIterator<Item = PersonId>,
    condition: impl FnOnce(&mut Values) -> String,
) -> Result<HashSet<PersonId>> {
    let mut values = Values::default();
    let list = values.list(ids);
    let condition = condition(&mut values);
    let sql = format!(
        "SELECT id FROM person WHERE id IN {list} AND status <> 'ERASED' AND {condition} ORDER BY id{}",
        tx.for_share()
    );
    let here: Vec<Here> = tx.all(&sql, values.done()).await?;
    Ok(here.into_iter().map(|h| h.id).collect())
}

/// A person whom the asker may look up.
pub async fn find(service: &Service, scope: &Scope, id: PersonId) -> Result<Option<Person>> {
    let found = select(service, scope, &[id], |values| {
        access::person_at_all(scope, values, "p.id", "p.role")
    })
    .await?;
    Ok(found.into_iter().next())
}

async fn select(
    service: &Service,
    scope: &Scope,
    ids: &[PersonId],
    condition: impl FnOnce(&mut Values) -> String,
) -> Result<Vec<Person>> {
    let mut values = Values::default();
    let full = access::person_in_full(scope, &mut values, "p.id");
    let list = values.list(ids.iter().copied());
    let own = match scope {
        Scope::Viewer(viewer) => format!("p.organization_id = {}", values.push(viewer.organization)),
        Scope::System(_) => "TRUE".into(),
    };
    let condition = condition(&mut values);
    let sql = format!(
        "SELECT {} FROM person p WHERE p.id IN {list} AND {own} AND {condition}",
        columns(&full)
    );
    service.db.reader().all(&sql, values.done()).await
}

#[derive(Debug)]
pub(crate) struct NewPerson {
    pub full_name: String,
    pub email: Option<String>,
    pub roll_number: Option<String>,
    pub role: Role,
    pub status: PersonStatus,
    pub department: Option<DepartmentId>,
}

impl NewPerson {
    pub fn new(full_name: String, role: Role) -> Self {
        Self {
            full_name,
            email: None,
            roll_number: None,
            role,
            status: PersonStatus::Active,
            department: None,
        }
    }
}

/// Inserts one person; a roll number that is taken is CONFLICT.
pub(crate) async fn insert(tx: &Tx<'_>, organization: OrganizationId, person: NewPerson) -> Result<PersonId> {
    let id = PersonId(tx.service.new_id());
    insert_many(tx, organization, vec![(id, person)]).await?;
    Ok(id)
}

/// Inserts people who were found to be new.
pub(crate) async fn insert_many(
    tx: &Tx<'_>,
    organization: OrganizationId,
    people: Vec<(PersonId, NewPerson)>,
) -> Result<()> {
    let now = tx.service.now();
    let rows = people.into_iter().map(|(id, person)| entity::person::Model {
        id: id.0,
        organization_id: organization.0,
        name_key: text::key(&person.full_name),
        full_name: person.full_name,
        email: person.email,
        roll_number: person.roll_number,
        role: person.role,
        status: person.status,
        login_email: None,
        password_hash: None,
        department_id: person.department.map(|d| d.0),
        locale: LOCALE.to_owned(),
        email_on_absence: true,
        email_on_mark: false,
        created_at: now,
    });
    tx.insert(rows.collect()).await.map_err(taken)
}

/// What a database says of a roll number that somebody has.
fn taken(error: DbErr) -> Error {
    if is_duplicate(&error) {
        Error::conflict("ROLL_NUMBER_TAKEN", "another person has this roll number")
    } else {
        error.into()
    }
}
