//! Mutations: each one use case of the service.

mod accounts;
mod administration;
mod attendance;
mod gallery;
mod queues;
mod reports;
mod review;
mod school;
mod templates;
mod timetable;

use async_graphql::{MergedObject, SimpleObject};
use service::people::Person;

use super::types::User;

#[derive(MergedObject, Default)]
pub struct Mutation(
    accounts::AccountMutation,
    administration::AdministrationMutation,
    school::SchoolMutation,
    reports::ReportMutation,
    attendance::AttendanceMutation,
    timetable::TimetableMutation,
    review::ReviewMutation,
    gallery::GalleryMutation,
    templates::TemplateMutation,
    queues::QueueMutation,
);

/// What was wrong with one row of many.
#[derive(SimpleObject)]
pub struct ItemError {
    code: String,
    message: String,
    field: Option<String>,
}

impl From<service::RowError> for ItemError {
    fn from(error: service::RowError) -> Self {
        let service::RowError { code, message, field } = error;
        Self { code, message, field }
    }
}

#[derive(SimpleObject)]
pub struct UserPayload {
    user: User,
}

impl From<Person> for UserPayload {
    fn from(person: Person) -> Self {
        Self { user: User(person) }
    }
}

fn count(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
