//! Reports of attendance as files: one row a line of the roll. They are read in pieces and written
//! on a blocking thread, so that a report's length is not held in memory.

mod csv;
mod files;
mod job;
mod rows;
mod xlsx;

use std::fs::File;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

pub(crate) use self::files::clear;
pub use self::files::{ExportFile, files_of_jobs};
pub(crate) use self::files::{described, withdraw_all};
pub use self::job::{export, request};
pub use self::rows::Row;
use crate::error::{Error, Result};
use crate::id::{ClassId, DepartmentId, PersonId};
use crate::scope::Scope;
use crate::{Service, organizations};

/// Pieces that were read and wait to be written.
const AHEAD: usize = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    Csv,
    Xlsx,
}

/// Which lines are wanted: days in the organization's time zone, both included, and whatever else
/// is given. The department is the student's.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Filter {
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub class: Option<ClassId>,
    pub student: Option<PersonId>,
    pub department: Option<DepartmentId>,
}

const HEADER: [&str; 10] = [
    "Date",
    "Class",
    "Session",
    "Roll number",
    "Name",
    "Status",
    "Time",
    "Source",
    "Similarity",
    "Remark",
];

/// Writes what the viewer may see at this moment into the file and answers how many lines it has,
/// the header not counted. Dropping the future ends the writing.
pub async fn write(service: &Service, scope: &Scope, filter: &Filter, format: Format, file: File) -> Result<u64> {
    let viewer = scope.staff()?;
    let organization = organizations::by_ids(service, scope, &[viewer.organization])
        .await?
        .pop()
        .ok_or(Error::NotFound("organization"))?;
    let zone = organizations::zone(&organization.timezone)?;
    let (sender, receiver) = mpsc::channel::<Vec<Row>>(AHEAD);
    let writing = tokio::task::spawn_blocking(move || match format {
        Format::Csv => csv::write(receiver, file),
        Format::Xlsx => xlsx::write(receiver, file),
    });
    let read = rows::read(service, scope, filter, zone, &sender).await;
    drop(sender);
    let written = writing.await?;
    read?;
    written
}

/// The next piece; none when the report is complete.
fn next(receiver: &mut mpsc::Receiver<Vec<Row>>) -> Option<Vec<Row>> {
    receiver.blocking_recv()
}
