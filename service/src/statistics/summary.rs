//! One summary of all that a filter selects.

use super::{Filter, Numbers, grouped};
use crate::Service;
use crate::attendance::Summary;
use crate::db::{Sql, Values};
use crate::error::Result;
use crate::scope::Scope;

/// For staff, over the sessions they reach.
pub async fn summary(service: &Service, scope: &Scope, filter: &Filter) -> Result<Summary> {
    scope.staff()?;
    let mut values = Values::default();
    let sql = grouped(scope, filter, None, &mut values)?;
    let numbers: Option<Numbers> = service.db.reader().one(&sql, values.done()).await?;
    Ok(numbers.unwrap_or_default().into())
}
