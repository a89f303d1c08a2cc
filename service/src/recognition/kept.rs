//! Galleries that a worker keeps from job to job, and by what it tells that one is out of date.

use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::FromQueryResult;

use super::gallery::Gallery;
use crate::db::Values;
use crate::id::{ClassId, OrganizationId};

/// What they may weigh together.
const KEPT_BYTES: usize = 128 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Class(ClassId),
    Organization(OrganizationId),
}

impl Whose {
    /// Which templates `t` are theirs, in SQL.
    pub fn templates(self, values: &mut Values) -> String {
        match self {
            Self::Class(class) => format!(
                "t.person_id IN (SELECT m.person_id FROM membership m WHERE m.class_id = {})",
                values.push(class)
            ),
            Self::Organization(organization) => format!("t.organization_id = {}", values.push(organization)),
        }
    }
}

/// What a gallery was read from: any change of it makes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub(super) struct Version {
    pub version: i64,
    pub min_enrolment_photos: i32,
}

#[derive(Debug)]
pub(super) struct Kept {
    pub whose: Whose,
    pub version: Version,
    pub model: String,
    pub gallery: Arc<Gallery>,
}

/// Galleries that were used, the least recently in front.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<Vec<Kept>>);

impl Cache {
    pub(super) fn get(&self, whose: Whose, version: Version, model: &str) -> Option<Arc<Gallery>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = all
            .iter()
            .position(|k| k.whose == whose && k.version == version && k.model == model)?;
        let kept = all.remove(place);
        let gallery = kept.gallery.clone();
        all.push(kept);
        Some(gallery)
    }

    pub(super) fn put(&self, kept: Kept) {
        self.put_within(kept, KEPT_BYTES);
    }

    /// Lets the least recently used go where all together weigh more than `most` bytes.
    fn put_within(&self, kept: Kept, most: usize) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|k| k.whose != kept.whose);
        all.push(kept);
        let mut bytes: usize = all.iter().map(|k| k.gallery.bytes()).sum();
        while bytes > most {
            bytes -= all.remove(0).gallery.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::PersonId;
    use uuid::Uuid;

    #[test]
    fn what_is_kept_is_bounded_and_the_least_recently_used_goes() {
        let version = |version| Version {
            version,
            min_enrolment_photos: 3,
        };
        let class = |n| Whose::Class(ClassId(Uuid::from_u128(n)));
        let kept = |n, at| Kept {
            whose: class(n),
            version: version(at),
            model: "m".into(),
            gallery: Arc::new(Gallery::new([(PersonId(Uuid::from_u128(n)), vec![1.0; 128])])),
        };
        let each = kept(1, 0).gallery.bytes();
        let cache = Cache::default();
        let put = |n, at| cache.put_within(kept(n, at), 2 * each);
        let has = |n, at| cache.get(class(n), version(at), "m").is_some();
        put(1, 0);
        put(2, 0);
        assert!(has(1, 0));
        put(3, 0);
        assert_eq!([has(1, 0), has(2, 0), has(3, 0)], [true, false, true]);
        put(1, 1);
        assert_eq!([has(1, 0), has(1, 1), has(3, 0)], [false, true, true]);
        assert!(cache.get(class(1), version(1), "another").is_none());
        let fewer = Version {
            min_enrolment_photos: 1,
            ..version(1)
        };
        assert!(cache.get(class(1), fewer, "m").is_none());
        // What weighs more than all may is used, but not kept.
        cache.put_within(kept(4, 0), each - 1);
        assert!(!has(4, 0) && !has(1, 1));
    }
}
