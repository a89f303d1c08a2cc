//! Mutations: each one use case of the service.

mod accounts;
mod administration;
mod review;
mod school;

use async_graphql::{MergedObject, SimpleObject};
use service::people::Person;

use super::types::User;

#[derive(MergedObject, Default)]
pub struct Mutation(
    accounts::AccountMutation,
    administration::AdministrationMutation,
    school::SchoolMutation,
    review::ReviewMutation,
);

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
