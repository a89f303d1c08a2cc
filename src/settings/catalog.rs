//! Which face models are known, and that those which are named are among them.

use std::path::PathBuf;

use models::catalog::{Catalog, Role};

use super::bad;
use crate::Failure;

/// The known models, and the file that some of them are from.
pub(super) struct Models {
    pub file: Option<PathBuf>,
    known: Catalog,
}

impl Models {
    pub fn read(value: Option<String>) -> Result<Self, Failure> {
        let file = value.map(PathBuf::from);
        match Catalog::load(file.as_deref()) {
            Ok(known) => Ok(Self { file, known }),
            Err(error) => bad("MUSTER_MODEL_CATALOG", error),
        }
    }

    /// The name as it is, if a model of that role has it.
    pub fn named(&self, variable: &str, role: Role, value: Option<String>) -> Result<Option<String>, Failure> {
        let Some(name) = value else { return Ok(None) };
        if self.known.find(role, &name).is_some() {
            return Ok(Some(name));
        }
        let known: Vec<&str> = self.known.of(role).map(|entry| entry.name.as_str()).collect();
        bad(
            variable,
            format!(
                "there is no {role} named {name:?}; the catalog has {}",
                known.join(", ")
            ),
        )
    }
}
