//! On whose behalf a use case runs. Every finder takes one, so no caller can forget the
//! organization.

use chrono_tz::Tz;

use crate::error::{Error, Result};
use crate::id::{LoginId, OrganizationId, PersonId};
use crate::kinds::Role;

/// A signed-in person, as the database says at this request.
#[derive(Clone, Debug)]
pub struct Viewer {
    pub login: LoginId,
    pub person: PersonId,
    pub organization: OrganizationId,
    pub role: Role,
    pub timezone: Tz,
    pub max_upload_bytes: u64,
}

#[derive(Clone, Debug)]
pub enum Scope {
    Viewer(Viewer),
    /// Muster itself, with the reason: jobs, the command line.
    System(&'static str),
}

impl From<Viewer> for Scope {
    fn from(viewer: Viewer) -> Self {
        Self::Viewer(viewer)
    }
}

impl Scope {
    pub fn viewer(&self) -> Result<&Viewer> {
        match self {
            Self::Viewer(viewer) => Ok(viewer),
            Self::System(_) => Err(Error::Unauthenticated),
        }
    }

    /// Teachers and admins.
    pub fn staff(&self) -> Result<&Viewer> {
        let viewer = self.viewer()?;
        match viewer.role {
            Role::Admin | Role::Teacher => Ok(viewer),
            Role::Student => Err(Error::Forbidden),
        }
    }

    pub fn admin(&self) -> Result<&Viewer> {
        let viewer = self.viewer()?;
        match viewer.role {
            Role::Admin => Ok(viewer),
            Role::Teacher | Role::Student => Err(Error::Forbidden),
        }
    }
}
