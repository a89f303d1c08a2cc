//! Global ids: opaque to clients, with the type in front.

use async_graphql::ID;
use service::id::{
    AuditId, ClassId, DepartmentId, FaceId, JobId, MarkId, OrganizationId, PersonId, PhotoId, SessionId, TemplateId,
    VenueId,
};
use uuid::Uuid;

use crate::http::error::extend;

pub trait NodeId: Copy + From<Uuid> {
    const PREFIX: &'static str;
    /// What clients call it.
    const NAME: &'static str;
    fn uuid(self) -> Uuid;

    fn global(self) -> ID {
        ID(format!("{}_{}", Self::PREFIX, self.uuid().simple()))
    }

    fn parse(id: &ID) -> Option<Self> {
        let (prefix, rest) = id.split_once('_')?;
        // Other spellings of the same id are other ids.
        let plain = rest.len() == 32 && rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (prefix == Self::PREFIX && plain).then_some(())?;
        Uuid::try_parse(rest).ok().map(Self::from)
    }

    /// For what must exist: an id that is none at all is as unknown as a wrong one.
    fn required(id: &ID) -> async_graphql::Result<Self> {
        Self::parse(id).ok_or_else(|| extend(service::Error::NotFound(Self::NAME)))
    }

    /// For filters and references that may be absent.
    fn optional(id: Option<&ID>) -> async_graphql::Result<Option<Self>> {
        id.map(Self::required).transpose()
    }
}

macro_rules! node_ids {
    ($($id:ident $prefix:literal $name:literal $type:literal;)+) => {
        $(
            impl NodeId for $id {
                const PREFIX: &'static str = $prefix;
                const NAME: &'static str = $name;
                fn uuid(self) -> Uuid {
                    self.0
                }
            }
        )+

        /// Any global id.
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[expect(clippy::enum_variant_names, reason = "each variant is the type that it holds")]
        pub enum AnyId { $($id($id),)+ }

        impl AnyId {
            pub fn parse(id: &ID) -> Option<Self> {
                None$(.or_else(|| $id::parse(id).map(Self::$id)))+
            }

            /// By the name of its type in the schema.
            pub fn of_type(name: &str, id: Uuid) -> Option<Self> {
                match name {
                    $($type => Some(Self::$id($id(id))),)+
                    _ => None,
                }
            }

            pub fn global(self) -> ID {
                match self {
                    $(Self::$id(id) => id.global(),)+
                }
            }
        }
    };
}

node_ids! {
    OrganizationId "org" "organization" "Organization";
    PersonId "usr" "user" "User";
    ClassId "cls" "class" "Class";
    VenueId "ven" "venue" "Venue";
    SessionId "ses" "session" "Session";
    MarkId "mrk" "mark" "AttendanceMark";
    JobId "job" "job" "Job";
    PhotoId "pho" "photo" "Photo";
    FaceId "fac" "face" "DetectedFace";
    TemplateId "tpl" "template" "FaceTemplate";
    DepartmentId "dep" "department" "Department";
    AuditId "aud" "audit entry" "AuditEntry";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_its_type_alone() {
        let uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
        let id = ClassId(uuid).global();
        assert_eq!(ClassId::parse(&id), Some(ClassId(uuid)));
        assert_eq!(SessionId::parse(&id), None);
        assert_eq!(AnyId::parse(&id), Some(AnyId::ClassId(ClassId(uuid))));
    }

    #[test]
    fn what_is_no_id_is_none() {
        for text in [
            "",
            "_",
            "cls",
            "cls_",
            "cls_1",
            "cls_xyz",
            "cls_0190000000007000800000000000000",
            "CLS_01900000000070008000000000000001",
            "cls_0190000000007000800000000000000A",
            "cls_{01900000-0000-7000-8000-000000000}",
        ] {
            assert_eq!(AnyId::parse(&ID(text.to_owned())), None, "{text}");
        }
    }
}
