//! Ids as types: a class's id never passes for a session's. All are `UUIDv7`.

use sea_orm::DeriveValueType;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($name:ident)+) => {$(
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, DeriveValueType, Serialize, Deserialize,
        )]
        pub struct $name(pub Uuid);

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    )+};
}

ids! {
    OrganizationId PersonId LoginId ClassId VenueId SessionId MarkId JobId PhotoId FaceId TemplateId
    DepartmentId AuditId
}
