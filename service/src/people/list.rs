//! Lists of people, by name: of the organization, of a class, of a department.

use super::{ORDER, Person, columns};
use crate::db::Values;
use crate::error::Result;
use crate::id::{ClassId, DepartmentId};
use crate::kinds::{PersonStatus, Role};
use crate::page::{self, Page, PageRequest};
use crate::recognition::ENROLLED;
use crate::scope::Scope;
use crate::{Service, access, text};

#[derive(Clone, Debug, Default)]
pub struct UserFilter {
    pub role: Option<Role>,
    pub status: Option<PersonStatus>,
    pub department: Option<DepartmentId>,
    /// Whoever belongs to the class now.
    pub class: Option<ClassId>,
    pub enrolled: Option<bool>,
    pub roll_number: Option<String>,
    /// In the name, the roll number or the address.
    pub search: Option<String>,
}

impl UserFilter {
    fn conditions(&self, service: &Service, scope: &Scope, pattern: Option<&str>, values: &mut Values) -> String {
        let mut sql = String::new();
        if let Some(role) = self.role {
            sql += &format!(" AND p.role = {}", values.push(role));
        }
        if let Some(status) = self.status {
            sql += &format!(" AND p.status = {}", values.push(status));
        }
        if let Some(department) = self.department {
            sql += &format!(" AND p.department_id = {}", values.push(department));
        }
        if let Some(class) = self.class {
            let (class, now) = (values.push(class), values.push(service.now()));
            let visible = access::by_class(scope, values, "fm.organization_id", "fm.class_id");
            sql += &format!(
                " AND EXISTS (SELECT 1 FROM membership fm WHERE fm.person_id = p.id AND fm.class_id = {class} \
                 AND fm.joined_at <= {now} AND (fm.left_at IS NULL OR fm.left_at > {now}) AND {visible})"
            );
        }
        if let Some(enrolled) = self.enrolled {
            let not = if enrolled { "" } else { "NOT " };
            sql += &format!(" AND p.role = 'STUDENT' AND {not}{ENROLLED}");
        }
        if let Some(number) = &self.roll_number {
            sql += &format!(" AND p.roll_number = {}", values.push(number.trim().replace('\0', "")));
        }
        if let Some(pattern) = pattern {
            let pattern = values.push(pattern);
            sql += &format!(
                " AND (p.name_key LIKE {pattern} ESCAPE '\\' OR lower(p.roll_number) LIKE {pattern} ESCAPE '\\' \
                 OR p.email LIKE {pattern} ESCAPE '\\')"
            );
        }
        sql
    }
}

/// The people whom the asker sees in full: all of an admin's organization, a teacher's students.
pub async fn list(service: &Service, scope: &Scope, filter: &UserFilter, page: &PageRequest) -> Result<Page<Person>> {
    let viewer = scope.staff()?;
    let search = filter.search.as_deref().filter(|s| !s.trim().is_empty());
    let pattern = search.map(text::pattern).transpose()?;
    let columns = |values: &mut Values| columns(&access::person_in_full(scope, values, "p.id"));
    let body = |values: &mut Values| {
        let own = values.push(viewer.organization);
        let visible = access::person_in_full(scope, values, "p.id");
        let filter = filter.conditions(service, scope, pattern.as_deref(), values);
        format!("FROM person p WHERE p.organization_id = {own} AND p.status <> 'ERASED' AND {visible}{filter}")
    };
    page::fetch(service.db.reader(), page, ORDER, columns, body).await
}

/// The people of a department whom the asker sees in full; none for students.
pub async fn of_department(
    service: &Service,
    scope: &Scope,
    department: DepartmentId,
    role: Option<Role>,
    page: &PageRequest,
) -> Result<Option<Page<Person>>> {
    if scope.staff().is_err() {
        return Ok(None);
    }
    let filter = UserFilter {
        department: Some(department),
        role,
        ..UserFilter::default()
    };
    list(service, scope, &filter, page).await.map(Some)
}

/// The students who belong to a class now, by name; none for those who may not see the list.
pub async fn of_class(
    service: &Service,
    scope: &Scope,
    class: ClassId,
    search: Option<&str>,
    page: &PageRequest,
) -> Result<Option<Page<Person>>> {
    if scope.viewer().is_ok_and(|v| v.role == Role::Student) {
        return Ok(None);
    }
    let pattern = search.filter(|s| !s.trim().is_empty()).map(text::pattern).transpose()?;
    let now = service.now();
    let columns = |values: &mut Values| columns(&access::person_in_full(scope, values, "p.id"));
    let body = |values: &mut Values| {
        let (class, now) = (values.push(class), values.push(now));
        let visible = access::by_class(scope, values, "m.organization_id", "m.class_id");
        let found = pattern.as_ref().map_or_else(String::new, |pattern| {
            format!(" AND p.name_key LIKE {} ESCAPE '\\'", values.push(pattern.clone()))
        });
        format!(
            "FROM person p JOIN membership m ON m.person_id = p.id WHERE m.class_id = {class} \
             AND m.joined_at <= {now} AND (m.left_at IS NULL OR m.left_at > {now}) AND p.status <> 'ERASED' \
             AND {visible}{found}"
        )
    };
    Ok(Some(
        page::fetch(service.db.reader(), page, ORDER, columns, body).await?,
    ))
}
