//! The right to do a chore: a row that is held for a while and held on to between two pieces of the
//! work. Whoever lost it stops at the next piece; until then two do the same, which does no harm.

use std::time::Duration;

use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{AGAIN, Chore, Occasion};
use crate::Service;
use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::queue::claims::{earlier, later, now};

/// A run that says nothing for so long was cut off. Longer than any piece takes.
pub(super) const LEASE: Duration = Duration::from_mins(2);
/// What lies further ahead was written by a clock that was set back since. Less is nothing: of two who come at once
/// the one that waits for the other's row may have read the time first.
pub(super) const AHEAD: Duration = Duration::from_mins(1);
/// How often work that goes by no pieces says that it goes on.
const BEAT: Duration = Duration::from_secs(5);
/// Rows of one piece: a transaction that nobody waits for.
pub(crate) const PIECE: u64 = 500;

#[derive(Debug)]
pub(crate) struct Turn<'s> {
    service: &'s Service,
    chore: Chore,
    run: Uuid,
    pub occasion: Occasion,
    /// Where the run before left off, of a chore that does a part at a time.
    pub place: Option<String>,
}

#[derive(FromQueryResult)]
struct Taken {
    place: Option<String>,
}

/// From the beginning of a run to the next.
pub(super) fn pause(chore: Chore, failed: bool) -> Duration {
    if failed {
        chore.every().min(AGAIN)
    } else {
        chore.every()
    }
}

impl<'s> Turn<'s> {
    /// None where the chore is not due, or another run is at it.
    pub(super) async fn take(service: &'s Service, chore: Chore, occasion: Occasion) -> Result<Option<Self>> {
        let run = service.new_id();
        let mut values = Values::default();
        let (name, id) = (values.push(chore.name()), values.push(run));
        let until = later(service, &mut values, LEASE);
        let now = now(service, &mut values);
        // As `Row::state` has it.
        let too_late = later(service, &mut values, LEASE + AHEAD);
        let mut free = format!("(chore.until IS NULL OR chore.until < {now} OR chore.until > {too_late})");
        if occasion == Occasion::Due {
            let [done, failed] = [false, true].map(|failed| earlier(service, &mut values, pause(chore, failed)));
            let ahead = later(service, &mut values, AHEAD);
            // One that is free and was not let go of was cut off.
            free += &format!(
                " AND (chore.until IS NOT NULL OR chore.begun_at > {ahead} \
                 OR chore.begun_at <= CASE WHEN chore.error IS NULL THEN {done} ELSE {failed} END)"
            );
        }
        let sql = format!(
            "INSERT INTO chore (name, run, until, begun_at) VALUES ({name}, {id}, {until}, {now}) \
             ON CONFLICT (name) DO UPDATE SET run = excluded.run, until = excluded.until, begun_at = excluded.begun_at \
             WHERE {free} RETURNING place"
        );
        let taken: Option<Taken> = service.db.writer().one(&sql, values.done()).await?;
        Ok(taken.map(|taken| Self {
            service,
            chore,
            run,
            occasion,
            place: taken.place,
        }))
    }

    /// Between two pieces: holds on to the chore.
    pub async fn goes_on(&self) -> Result<()> {
        self.hold(|_| String::new()).await
    }

    /// The same, and has the next run go on at this place; none: at the beginning.
    pub async fn goes_on_at(&self, place: Option<String>) -> Result<()> {
        self.hold(|values| format!(", place = {}", values.push(place))).await
    }

    /// Holds on to the chore beside work that goes by no pieces, such as a walk through a folder.
    pub async fn beside<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut work = std::pin::pin!(work);
        loop {
            match tokio::time::timeout(BEAT, &mut work).await {
                Ok(done) => return done,
                Err(_) => self.goes_on().await?,
            }
        }
    }

    async fn hold(&self, also: impl FnOnce(&mut Values) -> String) -> Result<()> {
        let mut values = Values::default();
        let until = later(self.service, &mut values, LEASE);
        let also = also(&mut values);
        if self.change(&format!("until = {until}{also}"), values).await? {
            Ok(())
        } else {
            Err(Error::conflict("CHORE_LOST", "another process does this chore"))
        }
    }

    pub(super) async fn end(self, done: &Result<u64>) -> Result<()> {
        let mut values = Values::default();
        let now = now(self.service, &mut values);
        let (count, error) = match done {
            Ok(count) => (i64::try_from(*count).unwrap_or(i64::MAX), None),
            Err(error) => (0, Some(error.to_string())),
        };
        let (count, error) = (values.push(count), values.push(error));
        let set = format!("run = NULL, until = NULL, ended_at = {now}, done = {count}, error = {error}");
        self.change(&set, values).await?;
        Ok(())
    }

    /// False where the turn was lost.
    async fn change(&self, set: &str, mut values: Values) -> Result<bool> {
        let (name, run) = (values.push(self.chore.name()), values.push(self.run));
        let sql = format!("UPDATE chore SET {set} WHERE name = {name} AND run = {run}");
        Ok(self.service.db.writer().run(&sql, values.done()).await? > 0)
    }

    /// Deletes the rows of a table for which `which` holds, and answers how many. `key`: the columns
    /// of its primary key.
    pub async fn clear(&self, table: &str, key: &str, which: impl Fn(&mut Values) -> String) -> Result<u64> {
        let db = self.service.db.writer();
        let mut gone = 0;
        loop {
            let mut values = Values::default();
            let which = which(&mut values);
            let sql = format!(
                "DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE {which} LIMIT {PIECE}{})",
                db.skip_locked()
            );
            let some = db.run(&sql, values.done()).await?;
            gone += some;
            if some < PIECE {
                return Ok(gone);
            }
            self.goes_on().await?;
        }
    }
}
