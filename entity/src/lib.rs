//! The tables as sea-orm sees them, one file a table. No logic lives here.

pub mod audit;
pub mod class;
pub mod class_teacher;
pub mod department;
pub mod discarded;
pub mod face;
pub mod face_template;
pub mod feedback;
pub mod idempotency;
pub mod invitation;
pub mod job;
pub mod kinds;
pub mod lease;
pub mod login;
pub mod mail;
pub mod mark;
pub mod mark_change;
pub mod membership;
pub mod organization;
pub mod person;
pub mod photo;
pub mod session;
pub mod venue;
pub mod worker_node;
