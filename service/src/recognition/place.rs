//! Whether who checks in is where the session is.

use sea_orm::FromQueryResult;

use crate::Service;
use crate::db::Sql;
use crate::error::{Error, Result};
use crate::id::SessionId;

/// Mean radius, in metres.
const EARTH: f64 = 6_371_008.8;

/// Degrees north and east.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    latitude: f64,
    longitude: f64,
}

/// Where somebody says that they are; both numbers or neither.
pub(super) fn given(latitude: Option<f64>, longitude: Option<f64>) -> Result<Option<Place>> {
    for (field, value, bound) in [("latitude", latitude, 90.0), ("longitude", longitude, 180.0)] {
        if value.is_some_and(|v| !(-bound..=bound).contains(&v)) {
            return Err(Error::invalid(
                field,
                format!("{field} is between -{bound} and {bound} degrees"),
            ));
        }
    }
    match (latitude, longitude) {
        (Some(latitude), Some(longitude)) => Ok(Some(Place { latitude, longitude })),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Error::invalid("latitude", "give both latitude and longitude")),
        (Some(_), None) => Err(Error::invalid("longitude", "give both latitude and longitude")),
    }
}

#[derive(FromQueryResult)]
struct Venue {
    check_in_radius_meters: Option<i32>,
    latitude: Option<f64>,
    longitude: Option<f64>,
}

/// Refuses who is too far from the session's venue, where both a radius and a place are set.
pub(super) async fn near_enough(service: &Service, session: SessionId, here: Option<Place>) -> Result<()> {
    let venue: Venue = service
        .db
        .reader()
        .one(
            "SELECT o.check_in_radius_meters, w.latitude, w.longitude FROM session s \
             JOIN organization o ON o.id = s.organization_id LEFT JOIN venue w ON w.id = s.venue_id WHERE s.id = $1",
            vec![session.into()],
        )
        .await?
        .ok_or(Error::NotFound("session"))?;
    let (Some(radius), Some(latitude), Some(longitude)) =
        (venue.check_in_radius_meters, venue.latitude, venue.longitude)
    else {
        return Ok(());
    };
    let here = here.ok_or_else(|| {
        Error::invalid(
            "latitude",
            "this session is checked in to where it is held: give latitude and longitude",
        )
    })?;
    if metres(here, Place { latitude, longitude }) > f64::from(radius) {
        return Err(Error::conflict(
            "TOO_FAR",
            format!("you are more than {radius} m from where the session is held"),
        ));
    }
    Ok(())
}

/// Along the surface, by the haversine formula (Sinnott 1984).
fn metres(a: Place, b: Place) -> f64 {
    let (north, east) = (
        (b.latitude - a.latitude).to_radians(),
        (b.longitude - a.longitude).to_radians(),
    );
    let across = a.latitude.to_radians().cos() * b.latitude.to_radians().cos() * (east / 2.0).sin().powi(2);
    let h = (north / 2.0).sin().powi(2) + across;
    2.0 * EARTH * h.clamp(0.0, 1.0).sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(latitude: f64, longitude: f64) -> Place {
        Place { latitude, longitude }
    }

    #[test]
    fn distances_are_right_everywhere() {
        for (a, b, expected) in [
            (at(40.4168, -3.7038), at(40.4168, -3.7038), 0.0),
            // A degree along a meridian.
            (at(0.0, 0.0), at(1.0, 0.0), 111_195.0),
            // Over the date line.
            (at(0.0, 179.5), at(0.0, -179.5), 111_195.0),
            // Half around.
            (at(0.0, 0.0), at(0.0, 180.0), 20_015_115.0),
            (at(90.0, 0.0), at(90.0, 123.0), 0.0),
        ] {
            assert!((metres(a, b) - expected).abs() < 5.0, "{a:?} {b:?} {}", metres(a, b));
        }
    }

    #[test]
    fn numbers_out_of_range_are_no_place() {
        for (latitude, longitude) in [
            (Some(90.1), Some(0.0)),
            (Some(f64::NAN), Some(0.0)),
            (Some(0.0), Some(f64::INFINITY)),
            (Some(0.0), Some(-180.1)),
            (Some(0.0), None),
            (None, Some(0.0)),
        ] {
            assert!(given(latitude, longitude).is_err());
        }
        assert_eq!(given(None, None).unwrap(), None);
    }
}
