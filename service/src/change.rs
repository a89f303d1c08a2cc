//! What an update says of a field: nothing, that it is cleared, or its new value.

use serde::Serialize;

use crate::error::{Error, Result};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Change<T> {
    #[default]
    Unchanged,
    Cleared,
    To(T),
}

impl<T> Change<T> {
    /// None where nothing is said of the field.
    pub fn given(&self) -> Option<Option<&T>> {
        match self {
            Self::Unchanged => None,
            Self::Cleared => Some(None),
            Self::To(value) => Some(Some(value)),
        }
    }

    /// Of a field that always has a value: clearing it is `INVALID_INPUT`.
    pub fn required(&self, field: &'static str) -> Result<Option<&T>> {
        match self {
            Self::Unchanged => Ok(None),
            Self::Cleared => Err(Error::invalid(field, format!("{field} cannot be cleared"))),
            Self::To(value) => Ok(Some(value)),
        }
    }
}
