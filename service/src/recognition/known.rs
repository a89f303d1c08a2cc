//! Whom the faces of a photo are compared with, read when its job begins: it needs nothing of the photo, which is looked
//! at meanwhile.

use std::collections::HashSet;
use std::sync::Arc;

use super::gallery::{self, Gallery};
use super::matching::{self, Verdict};
use super::{Embedder, Seen};
use crate::attendance::roll;
use crate::error::{Error, Result};
use crate::id::PersonId;
use crate::kinds::JobKind;
use crate::queue::claims::Claim;
use crate::{Service, classes, organizations};

/// Templates, thresholds, and who counts.
pub struct Known {
    gallery: Arc<Gallery>,
    embedder: Embedder,
    /// Of those in the gallery; everyone where nobody is named.
    among: Option<HashSet<PersonId>>,
}

/// Who they are is nobody's to print.
impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").finish_non_exhaustive()
    }
}

impl Known {
    /// For a recognition the session's roll, for an identification the class's members or everyone of the organization.
    /// As it is now: who joins or is enrolled later does not count, and who leaves or is erased is taken out when the
    /// result is written.
    pub async fn read(service: &Service, claim: &Claim, embedder: &Embedder) -> Result<Self> {
        let among = async {
            let among = match (claim.kind, claim.session_id, claim.class_id) {
                (JobKind::Recognize, Some(session), _) => roll::ids(service.db.reader(), session).await?,
                (JobKind::Recognize, None, _) => return Err(no_session()),
                (_, _, Some(class)) => classes::members_now(service, class).await?,
                _ => return Ok(None),
            };
            Ok(Some(among.into_iter().collect()))
        };
        let gallery = async {
            match claim.class_id {
                Some(class) => gallery::of_class(service, class, embedder).await,
                None => gallery::of_organization(service, claim.organization_id, embedder).await,
            }
        };
        let tuned = organizations::tuned(service, claim.organization_id, embedder);
        let (among, gallery, embedder) = tokio::try_join!(among, gallery, tuned)?;
        Ok(Self {
            gallery,
            embedder,
            among,
        })
    }

    /// Compares on a blocking thread: a full photo against a large school fills a core for a while.
    #[tracing::instrument(name = "match", level = "info", skip_all)]
    pub(super) async fn verdicts(self, service: &Service, seen: &Arc<Seen>) -> Result<Vec<Verdict>> {
        let seen = seen.clone();
        service.blocking(move || self.decide(&seen)).await
    }

    fn decide(&self, seen: &Seen) -> Vec<Verdict> {
        let Self {
            gallery,
            embedder,
            among,
        } = self;
        let counts = |student: &PersonId| among.as_ref().is_none_or(|among| among.contains(student));
        let embeddings: Vec<Option<&[f32]>> = seen
            .faces
            .iter()
            .map(|face| face.embedding.as_deref().filter(|_| !face.too_small))
            .collect();
        let comparable: Vec<&[f32]> = embeddings.iter().copied().flatten().collect();
        let mut rows = gallery.similarities_of(&comparable, embedder.doubt());
        for (place, _) in gallery.students.iter().enumerate().filter(|(_, s)| !counts(s)) {
            for row in &mut rows {
                row[place] = f32::NEG_INFINITY;
            }
        }
        let mut rows = rows.into_iter();
        let similarities: Vec<Option<Vec<f32>>> = embeddings.iter().map(|e| e.and_then(|_| rows.next())).collect();
        matching::decide(
            &gallery.students,
            &similarities,
            embedder.match_threshold,
            embedder.review_threshold,
        )
    }
}

pub(super) fn no_session() -> Error {
    Error::internal("a recognition without a session")
}
