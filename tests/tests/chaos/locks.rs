//! The run's hands in the database: locks that hold a transaction at a certain moment, and a log of what was
//! committed, written by triggers beside the product.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, QueryResult, TransactionTrait};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// A moment at which a transaction can be held.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    /// Its last statement, with everything written.
    Written = 1,
    /// The commit of a result.
    Committing = 2,
    /// The commit of a submission.
    Submitting = 3,
    /// The commit of a claim that is not the job's last.
    Claiming = 4,
}

const HANDS: &str = r"
CREATE TABLE chaos_end (job_id UUID NOT NULL, was TEXT NOT NULL, fence BIGINT NOT NULL);
CREATE TABLE chaos_mark (session_id UUID NOT NULL, student_id UUID NOT NULL);
CREATE FUNCTION chaos_note_end() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO chaos_end VALUES (NEW.id, OLD.status, NEW.fence); RETURN NULL; END $$;
CREATE FUNCTION chaos_note_mark() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO chaos_mark VALUES (NEW.session_id, NEW.student_id); RETURN NULL; END $$;
CREATE FUNCTION chaos_pass_written() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1, hashtext(NEW.id::text)); RETURN NEW; END $$;
CREATE FUNCTION chaos_pass_commit() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM pg_advisory_xact_lock_shared(2, hashtext(NEW.id::text)); RETURN NULL; END $$;
CREATE FUNCTION chaos_pass_submission() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM pg_advisory_xact_lock_shared(3, hashtext(NEW.key)); RETURN NULL; END $$;
CREATE FUNCTION chaos_pass_claim() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM pg_advisory_xact_lock_shared(4, hashtext('')); RETURN NULL; END $$;
CREATE TRIGGER chaos_end AFTER UPDATE OF status ON job FOR EACH ROW
  WHEN (NEW.status = 'SUCCEEDED') EXECUTE FUNCTION chaos_note_end();
CREATE TRIGGER chaos_mark AFTER INSERT OR UPDATE ON mark FOR EACH ROW EXECUTE FUNCTION chaos_note_mark();
CREATE TRIGGER chaos_written BEFORE UPDATE OF timings ON job FOR EACH ROW EXECUTE FUNCTION chaos_pass_written();
CREATE CONSTRAINT TRIGGER chaos_commit AFTER UPDATE ON job DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (NEW.status = 'SUCCEEDED' AND OLD.status <> 'SUCCEEDED') EXECUTE FUNCTION chaos_pass_commit();
CREATE CONSTRAINT TRIGGER chaos_submission AFTER INSERT ON idempotency DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  EXECUTE FUNCTION chaos_pass_submission();
CREATE CONSTRAINT TRIGGER chaos_claim AFTER UPDATE ON job DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (NEW.status = 'RUNNING' AND NEW.fence > OLD.fence AND NEW.attempts < 3) EXECUTE FUNCTION chaos_pass_claim();
";

/// Rows of a statement without values; none where the database is away for the moment.
pub async fn rows(db: &impl ConnectionTrait, sql: &str) -> Option<Vec<QueryResult>> {
    let statement = sea_orm::Statement::from_string(db.get_database_backend(), sql);
    db.query_all_raw(statement).await.ok()
}

#[derive(Debug)]
pub struct Locks {
    db: DatabaseConnection,
    /// Whoever holds a transaction, or restarts the database, does so alone.
    turn: Arc<Mutex<()>>,
}

impl Locks {
    pub async fn install(db: DatabaseConnection) -> Self {
        db.execute_unprepared(HANDS).await.unwrap();
        Self {
            db,
            turn: Arc::default(),
        }
    }

    /// Nobody holds a transaction until the answer is dropped.
    pub async fn turn(&self) -> OwnedMutexGuard<()> {
        self.turn.clone().lock_owned().await
    }

    /// From now on who comes to the moment waits, until the answer is let go. `key`: of the job or the submission,
    /// asked for once it is our turn.
    pub async fn hold(&self, moment: Moment, key: impl FnOnce() -> String + Send) -> Hold {
        let turn = self.turn().await;
        let key = key();
        let lock = self.db.begin().await.unwrap();
        let sql = format!(
            "SELECT 1 FROM pg_advisory_xact_lock({}, hashtext('{key}')) AS held",
            moment as i32
        );
        rows(&lock, &sql).await.expect("a lock");
        Hold {
            db: self.db.clone(),
            moment,
            lock,
            _turn: turn,
        }
    }
}

#[derive(Debug)]
pub struct Hold {
    db: DatabaseConnection,
    moment: Moment,
    lock: DatabaseTransaction,
    _turn: OwnedMutexGuard<()>,
}

impl Hold {
    /// The name of the process that waits at the moment, once one does; none where none comes in time.
    pub async fn caught(&self, patience: Duration) -> Option<String> {
        let begun = Instant::now();
        let sql = format!(
            "SELECT a.application_name AS name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
             WHERE l.locktype = 'advisory' AND NOT l.granted AND l.classid = {}",
            self.moment as i32
        );
        while begun.elapsed() < patience {
            let waiting = rows(&self.db, &sql).await.unwrap_or_default();
            if let Some(row) = waiting.first() {
                return Some(row.try_get("", "name").unwrap());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        None
    }

    pub async fn let_go(self) {
        self.lock.rollback().await.unwrap();
    }
}
