//! The operations that run on one socket, and in which role of its viewer each began.

use std::collections::HashMap;

use futures_util::stream::AbortHandle;
use service::kinds::Role;

use super::auth::{Auth, AuthCell};

struct Operation {
    abort: AbortHandle,
    /// None until who asks was looked at.
    began_as: Option<Asker>,
    /// Something was sent for it.
    begun: bool,
}

#[derive(Default)]
pub(super) struct Running(HashMap<String, Operation>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asker {
    Nobody,
    Viewer(Role),
}

impl Asker {
    fn of(auth: &AuthCell) -> Self {
        match auth.get() {
            Auth::Viewer(viewer) => Self::Viewer(viewer.role),
            Auth::Anonymous | Auth::Rejected => Self::Nobody,
        }
    }
}

impl Running {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    pub(super) fn add(&mut self, id: String, abort: AbortHandle) {
        let operation = Operation {
            abort,
            began_as: None,
            begun: false,
        };
        self.0.insert(id, operation);
    }

    /// It runs as whoever is behind the socket now.
    pub(super) fn runs(&mut self, id: &str, auth: &AuthCell) {
        if let Some(operation) = self.0.get_mut(id) {
            operation.began_as = Some(Asker::of(auth));
        }
    }

    /// Something is sent for it. None where it has ended; else whether it is the first.
    pub(super) fn sends(&mut self, id: &str) -> Option<bool> {
        let operation = self.0.get_mut(id)?;
        Some(!std::mem::replace(&mut operation.begun, true))
    }

    /// Stops it; false where it has ended.
    pub(super) fn stop(&mut self, id: &str) -> bool {
        match self.0.remove(id) {
            Some(operation) => {
                operation.abort.abort();
                true
            }
            None => false,
        }
    }

    /// Stops those that began in another role than the viewer has now: what they show is decided
    /// by that. Answers which.
    pub(super) fn stop_outgrown(&mut self, auth: &AuthCell) -> Vec<String> {
        let now = Asker::of(auth);
        let outgrown = |(id, operation): (&String, &Operation)| {
            operation.began_as.is_some_and(|began| began != now).then(|| id.clone())
        };
        let ids: Vec<String> = self.0.iter().filter_map(outgrown).collect();
        for id in &ids {
            self.stop(id);
        }
        ids
    }
}
