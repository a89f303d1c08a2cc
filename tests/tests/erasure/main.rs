//! Erased is erased (invariant 10): of a person, and of an organization, nothing stays in any
//! table, in any stored object or in the database's own file, and what runs meanwhile adds nothing.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod afterwards;
mod last_step;
mod locks;
mod meanwhile;
mod organization;
mod people;
mod photos;
mod scan;
mod store;
