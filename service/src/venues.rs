//! Venues: where sessions are held. Staff read them, admins make them.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::change::Change;
use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::events::Topic;
use crate::id::VenueId;
use crate::kinds::Role;
use crate::page::{self, KeyKind, Order, Page, PageRequest, Placed, SortKey};
use crate::scope::Scope;
use crate::{Service, access, audit, organizations, text};

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

fn check_capacity(capacity: Option<i32>) -> Result<()> {
    if capacity.is_some_and(|c| c < 0) {
        return Err(Error::invalid("capacity", "capacity is not negative"));
    }
    Ok(())
}

fn check_place(latitude: Option<f64>, longitude: Option<f64>) -> Result<()> {
    for (field, value, bound) in [("latitude", latitude, 90.0), ("longitude", longitude, 180.0)] {
        if value.is_some_and(|v| !(-bound..=bound).contains(&v)) {
            return Err(Error::invalid(
                field,
                format!("{field} is between -{bound} and {bound} degrees"),
            ));
        }
    }
    if latitude.is_some() != longitude.is_some() {
        return Err(Error::invalid(
            "latitude",
            "give both latitude and longitude, or neither",
        ));
    }
    Ok(())
}

pub async fn create(service: &Service, scope: &Scope, new: NewVenue<'_>) -> Result<Venue> {
    let viewer = scope.admin()?;
    check_capacity(new.capacity)?;
    check_place(new.latitude, new.longitude)?;
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

/// What is to change of a venue.
#[derive(Clone, Debug, Default)]
pub struct VenueChange {
    pub name: Change<String>,
    pub building: Change<String>,
    pub capacity: Change<i32>,
    pub latitude: Change<f64>,
    pub longitude: Change<f64>,
}

pub async fn update(service: &Service, scope: &Scope, id: VenueId, change: VenueChange) -> Result<Venue> {
    let viewer = access::admin_on(service, scope, "venue", "venue", id.0).await?;
    let mut tx = service.begin().await?;
    let sql = format!(
        "SELECT {COLUMNS} FROM venue w WHERE w.id = $1 AND w.organization_id = $2{}",
        tx.for_update()
    );
    let mut venue: Venue = tx
        .one(&sql, vec![id.into(), viewer.organization.into()])
        .await?
        .ok_or(Error::NotFound("venue"))?;
    let mut fields = Vec::new();
    if let Some(name) = change.name.required("name")? {
        venue.name = text::name("name", name)?;
        venue.name_key = text::key(&venue.name);
        fields.push("name");
    }
    if let Some(building) = change.building.given() {
        venue.building = text::optional("building", building.map(String::as_str))?;
        fields.push("building");
    }
    if let Some(capacity) = change.capacity.given() {
        venue.capacity = capacity.copied();
        check_capacity(venue.capacity)?;
        fields.push("capacity");
    }
    let degrees = [change.latitude.given(), change.longitude.given()];
    if degrees.iter().any(Option::is_some) {
        let [latitude, longitude] = degrees.map(|given| given.map(Option::<&f64>::copied));
        venue.latitude = latitude.unwrap_or(venue.latitude);
        venue.longitude = longitude.unwrap_or(venue.longitude);
        check_place(venue.latitude, venue.longitude)?;
        fields.push("location");
    }
    if !fields.is_empty() {
        tx.run(
            "UPDATE venue SET name = $1, name_key = $2, building = $3, capacity = $4, latitude = $5, longitude = $6 \
             WHERE id = $7",
            vec![
                venue.name.clone().into(),
                venue.name_key.clone().into(),
                venue.building.clone().into(),
                venue.capacity.into(),
                venue.latitude.into(),
                venue.longitude.into(),
                id.into(),
            ],
        )
        .await?;
        audit::record(&tx, viewer, "updateVenue", ("Venue", id.0), &fields.join(", ")).await?;
        tx.announce(Topic::Sessions(viewer.organization));
    }
    tx.commit().await?;
    Ok(venue)
}

#[derive(FromQueryResult)]
struct Locked {
    #[expect(dead_code, reason = "the rows are locked, not read")]
    id: Uuid,
}

/// Its sessions are without a venue then.
pub async fn delete(service: &Service, scope: &Scope, id: VenueId) -> Result<()> {
    let viewer = access::admin_on(service, scope, "venue", "venue", id.0).await?;
    let mut tx = service.begin().await?;
    // Whoever plans holds the organization: nobody comes into the venue from here on.
    organizations::hold(&tx, viewer.organization, tx.for_update()).await?;
    let found: Option<Locked> = tx
        .one(
            "SELECT id FROM venue WHERE id = $1 AND organization_id = $2",
            vec![id.into(), viewer.organization.into()],
        )
        .await?;
    found.ok_or(Error::NotFound("venue"))?;
    tx.all::<Locked>(
        &format!(
            "SELECT id FROM session WHERE venue_id = $1 ORDER BY id{}",
            tx.for_update()
        ),
        vec![id.into()],
    )
    .await?;
    tx.run(
        "UPDATE session SET venue_id = NULL, touched_at = $2 WHERE venue_id = $1",
        vec![id.into(), service.now().into()],
    )
    .await?;
    tx.run("DELETE FROM venue WHERE id = $1", vec![id.into()]).await?;
    audit::record(&tx, viewer, "deleteVenue", ("Venue", id.0), "deleted").await?;
    tx.announce(Topic::Sessions(viewer.organization));
    tx.commit().await
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
