//! Summaries by class.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use sea_orm::FromQueryResult;

use super::{Filter, Numbers, TALLIES, grouped, reachable};
use crate::Service;
use crate::attendance::Summary;
use crate::db::{Sql, Values};
use crate::error::Result;
use crate::id::ClassId;
use crate::scope::Scope;

#[derive(Clone, Copy, Debug)]
pub struct ClassNumbers {
    pub class: ClassId,
    pub summary: Summary,
}

#[derive(FromQueryResult)]
struct Row {
    place: ClassId,
    #[sea_orm(nested)]
    numbers: Numbers,
}

/// The classes that met, by name.
pub async fn classes(service: &Service, scope: &Scope, filter: &Filter) -> Result<Vec<ClassNumbers>> {
    scope.staff()?;
    let mut values = Values::default();
    let sql = grouped(scope, filter, Some("class_id"), &mut values)?;
    let sql = format!("SELECT g.* FROM ({sql}) g JOIN class c ON c.id = g.place ORDER BY c.name_key, c.id");
    let rows: Vec<Row> = service.db.reader().all(&sql, values.done()).await?;
    Ok(rows
        .into_iter()
        .map(|row| ClassNumbers {
            class: row.place,
            summary: row.numbers.into(),
        })
        .collect())
}

/// Of each of these classes that staff reach; zeros where one never met.
pub async fn of_classes(
    service: &Service,
    scope: &Scope,
    ids: &[ClassId],
    range: Option<(NaiveDate, NaiveDate)>,
) -> Result<BTreeMap<ClassId, Summary>> {
    if scope.staff().is_err() {
        return Ok(BTreeMap::new());
    }
    let filter = Filter {
        range,
        ..Filter::default()
    };
    let mut values = Values::default();
    let which = reachable(scope, &filter, &mut values)?;
    let list = values.list(ids.iter().copied());
    let sql = format!(
        "SELECT s.class_id AS place, {TALLIES} FROM session s WHERE s.state IN ('OPEN', 'CLOSED') AND {which} \
         AND s.class_id IN {list} GROUP BY s.class_id"
    );
    let rows: Vec<Row> = service.db.reader().all(&sql, values.done()).await?;
    let reached = crate::classes::by_ids(service, scope, ids).await?;
    let mut all: BTreeMap<_, _> = reached.into_iter().map(|c| (c.id, Summary::default())).collect();
    all.extend(rows.into_iter().map(|row| (row.place, row.numbers.into())));
    Ok(all)
}
