//! The objects of the contract, each over the service's struct.

mod attendance;
mod audit;
mod classes;
mod faces;
mod jobs;
mod organizations;
mod people;
mod sessions;
mod statistics;

use async_graphql::{ID, Interface, SimpleObject};

pub use attendance::{
    AttendanceEvent, AttendanceMark, AttendanceSummary, MarkConnection, RollEntry, RollEntryConnection,
};
pub use audit::{AuditEntry, AuditEntryConnection};
pub use classes::{Class, ClassConnection, Venue, VenueConnection};
pub use faces::{DetectedFace, FaceConnection, FaceTemplate, FaceTemplateConnection, Photo, ReviewEvent};
pub use jobs::{Job, JobConnection, Queue};
pub use organizations::{Department, Organization};
pub use people::{User, UserConnection};
pub use sessions::{Session, SessionConnection, StudentSessionConnection};
pub use statistics::{ClassStatistics, Dashboard, DepartmentStatistics, StudentStatisticsConnection, TrendPoint};

use super::scalars::HealthState;

#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID"))]
pub enum Node {
    Organization(Organization),
    User(User),
    Class(Class),
    Venue(Venue),
    Session(Session),
    AttendanceMark(AttendanceMark),
    Job(Job),
    Photo(Photo),
    DetectedFace(DetectedFace),
    FaceTemplate(FaceTemplate),
    Department(Department),
    AuditEntry(AuditEntry),
}

#[derive(SimpleObject)]
pub struct Health {
    pub state: HealthState,
    pub version: Option<String>,
    pub components: Option<Vec<ComponentHealth>>,
}

/// detail never holds addresses, credentials or error texts
#[derive(SimpleObject)]
pub struct ComponentHealth {
    name: String,
    state: HealthState,
    latency_ms: Option<f64>,
    detail: Option<String>,
}

impl From<service::health::Component> for ComponentHealth {
    fn from(component: service::health::Component) -> Self {
        Self {
            name: component.name.to_owned(),
            state: component.state.into(),
            latency_ms: Some(component.latency_ms),
            detail: component.detail.map(ToOwned::to_owned),
        }
    }
}
