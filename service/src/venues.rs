//! Venues: where sessions are held. Staff read them, admins make them.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::id::VenueId;
use crate::kinds::Role;
use crate::page::{self, KeyKind, Order, Page, PageRequest, Placed, SortKey};
use crate::scope::Scope;
use crate::{Service, audit, text};

#[derive(Clone, Debug, FromQueryResult)]
pub struct Venue {
    pub id: VenueId,
    pub name: String,
    pub name_key: String,
    pub building: Option<String>,
    pub capacity: Option<i32>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    pub created_at: DateTime<Utc>,
}

impl Placed for Venue {
    fn place(&self) -> (SortKey, Uuid) {
        (SortKey::Text(self.name_key.clone()), self.id.0)
    }
}

const COLUMNS: &str = "w.id, w.name, w.name_key, w.building, w.capacity, w.latitude, w.longitude, w.created_at";
const ORDER: Order = Order {
    key: "w.name_key",
    id: "w.id",
    kind: KeyKind::Text,
    descending: false,
};

#[derive(Debug)]
pub struct NewVenue<'a> {
    pub name: &'a str,
    pub building: Option<&'a str>,
    pub capacity: Option<i32>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
}

pub async fn create(service: &Service, scope: &Scope, new: NewVenue<'_>) -> Result<Venue> {
    let viewer = scope.admin()?;
    if new.capacity.is_some_and(|c| c < 0) {
        return Err(Error::invalid("capacity", "capacity is not negative"));
    }
    for (field, value, bound) in [("latitude", new.latitude, 90.0), ("longitude", new.longitude, 180.0)] {
        if value.is_some_and(|v| !(-bound..=bound).contains(&v)) {
            return Err(Error::invalid(
                field,
                format!("{field} is between -{bound} and {bound} degrees"),
            ));
        }
    }
    if new.latitude.is_some() != new.longitude.is_some() {
        return Err(Error::invalid(
            "latitude",
            "give both latitude and longitude, or neither",
        ));
    }
    let venue = Venue {
        id: VenueId(service.new_id()),
        name: text::name("name", new.name)?,
        name_key: text::key(new.name.trim()),
        building: text::optional("building", new.building)?,
        capacity: new.capacity,
        latitude: new.latitude,
        longitude: new.longitude,
        created_at: service.now(),
    };
    let tx = service.begin().await?;
    tx.insert(vec![entity::venue::Model {
        id: venue.id.0,
        organization_id: viewer.organization.0,
        name: venue.name.clone(),
        name_key: venue.name_key.clone(),
        building: venue.building.clone(),
        capacity: venue.capacity,
        latitude: venue.latitude,
        longitude: venue.longitude,
        created_at: venue.created_at,
    }])
    .await?;
    audit::record(&tx, viewer, "createVenue", ("Venue", venue.id.0), "created").await?;
    tx.commit().await?;
    Ok(venue)
}

/// Venues of the organization; a student sees the ones where their sessions are, through those.
pub async fn by_ids(service: &Service, scope: &Scope, ids: &[VenueId]) -> Result<Vec<Venue>> {
    let mut values = Values::default();
    let list = values.list(ids.iter().copied());
    let own = match scope {
        Scope::Viewer(viewer) => format!("w.organization_id = {}", values.push(viewer.organization)),
        Scope::System(_) => "TRUE".into(),
    };
    let sql = format!("SELECT {COLUMNS} FROM venue w WHERE w.id IN {list} AND {own}");
    service.db.reader().all(&sql, values.done()).await
}

/// A venue that the asker may look up.
pub async fn find(service: &Service, scope: &Scope, id: VenueId) -> Result<Option<Venue>> {
    if scope.viewer()?.role == Role::Student {
        return Ok(None);
    }
    Ok(by_ids(service, scope, &[id]).await?.pop())
}

pub async fn list(service: &Service, scope: &Scope, search: Option<&str>, page: &PageRequest) -> Result<Page<Venue>> {
    let viewer = scope.staff()?;
    let pattern = search.filter(|s| !s.trim().is_empty()).map(text::pattern).transpose()?;
    let body = |values: &mut Values| {
        let mut sql = format!(
            "FROM venue w WHERE w.organization_id = {}",
            values.push(viewer.organization)
        );
        if let Some(pattern) = &pattern {
            sql += &format!(" AND w.name_key LIKE {} ESCAPE '\\'", values.push(pattern.clone()));
        }
        sql
    };
    page::fetch(service.db.reader(), page, ORDER, |_| COLUMNS.into(), body).await
}
