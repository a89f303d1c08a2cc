//! The database. `SQLite` has one writer that begins IMMEDIATE and four readers over a
//! write-ahead log; `PostgreSQL` one pool. Statements are counted, so that tests can hold us to it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sea_orm::sqlx;
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, FromQueryResult,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait, Value,
};

use crate::error::Result;

const SQLITE_READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 16;
/// How long a request waits for a connection before it is told that the database is away.
const ACQUIRE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub struct Db {
    reader: DatabaseConnection,
    writer: DatabaseConnection,
    statements: Arc<AtomicU64>,
}

impl Db {
    /// `url`: `postgres://…` or `sqlite://PATH?mode=rwc`.
    pub async fn connect(url: &str) -> Result<Self> {
        let statements = Arc::new(AtomicU64::new(0));
        let count = |mut connection: DatabaseConnection| {
            let statements = statements.clone();
            connection.set_metric_callback(move |_| {
                statements.fetch_add(1, Ordering::Relaxed);
            });
            connection
        };
        let mut options = ConnectOptions::new(url);
        options.sqlx_logging(false).acquire_timeout(ACQUIRE);
        if url.starts_with("sqlite:") {
            options.map_sqlx_sqlite_opts(|o| {
                o.journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .foreign_keys(true)
                    // What is deleted is overwritten: otherwise an erased face stays in the file's free pages.
                    .pragma("secure_delete", "ON")
                    .busy_timeout(ACQUIRE)
            });
            // A file doesn't go away as a server does, and a connection whose thread has ended is found when it is given
            // back. Asking before each use would wake that thread once more for every statement.
            options.test_before_acquire(false);
            let mut writer = options.clone();
            writer.max_connections(1).min_connections(1);
            let writer = count(Database::connect(writer).await?);
            options.max_connections(SQLITE_READERS);
            let reader = count(Database::connect(options).await?);
            Ok(Self {
                reader,
                writer,
                statements,
            })
        } else {
            options.max_connections(POSTGRES_CONNECTIONS).min_connections(1);
            let pool = count(Database::connect(options).await?);
            Ok(Self {
                reader: pool.clone(),
                writer: pool,
                statements,
            })
        }
    }

    /// Ends all connections; `SQLite`'s write-ahead log goes into the database with the last of them.
    pub async fn close(self) -> Result<()> {
        self.reader.close().await?;
        self.writer.close().await?;
        Ok(())
    }

    /// For statements that only read.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// For a single statement that writes, and for migrations.
    pub fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    pub fn is_postgres(&self) -> bool {
        self.reader.get_database_backend() == DbBackend::Postgres
    }

    /// The connections of each pool.
    pub(crate) fn pools(&self) -> Vec<Pool> {
        if self.is_postgres() {
            let pool = self.writer.get_postgres_connection_pool();
            return vec![Pool::new("postgres", pool.size(), pool.num_idle(), pool.options())];
        }
        let of = |name, connection: &DatabaseConnection| {
            let pool = connection.get_sqlite_connection_pool();
            Pool::new(name, pool.size(), pool.num_idle(), pool.options())
        };
        vec![of("reader", &self.reader), of("writer", &self.writer)]
    }

    /// Statements sent so far.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// `SQLite`: moves the write-ahead log into the database and empties it, since it holds pages as
    /// they were before the last changes. `PostgreSQL` does the like in its own time.
    pub(crate) async fn empty_log(&self) -> Result<()> {
        if !self.is_postgres() {
            let statement = Statement::from_string(DbBackend::Sqlite, "PRAGMA wal_checkpoint(TRUNCATE)");
            let row = self.writer.query_one_raw(statement).await?;
            if row.is_some_and(|row| row.try_get_by_index::<i32>(0).is_ok_and(|busy| busy != 0)) {
                tracing::warn!("the database's log was being read and is not emptied; the next erasure empties it");
            }
        }
        Ok(())
    }

    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction> {
        let options = TransactionOptions {
            // A deferred transaction that turns to writing fails at once when another writes.
            sqlite_transaction_mode: (!self.is_postgres()).then_some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(self.writer.begin_with_options(options).await?)
    }
}

/// How many connections of a pool there are now, and may be.
pub(crate) struct Pool {
    pub name: &'static str,
    pub open: u32,
    pub idle: u32,
    pub most: u32,
}

impl Pool {
    fn new<DB: sqlx::Database>(
        name: &'static str,
        open: u32,
        idle: usize,
        options: &sqlx::pool::PoolOptions<DB>,
    ) -> Self {
        Self {
            name,
            open,
            // The two are read one after the other.
            idle: u32::try_from(idle).unwrap_or(u32::MAX).min(open),
            most: options.get_max_connections(),
        }
    }
}

/// SQL text with `$1 …` placeholders, which both databases read alike.
pub(crate) trait Sql: ConnectionTrait + Sized {
    fn statement(&self, text: &str, values: Vec<Value>) -> Statement {
        Statement::from_sql_and_values(self.get_database_backend(), text, values)
    }

    fn all<T: FromQueryResult + Send>(
        &self,
        text: &str,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<Vec<T>>> + Send {
        let statement = self.statement(text, values);
        async move { Ok(T::find_by_statement(statement).all(self).await?) }
    }

    fn one<T: FromQueryResult + Send>(
        &self,
        text: &str,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<Option<T>>> + Send {
        let statement = self.statement(text, values);
        async move { Ok(T::find_by_statement(statement).one(self).await?) }
    }

    /// Answers how many rows it changed.
    fn run(&self, text: &str, values: Vec<Value>) -> impl Future<Output = Result<u64>> + Send {
        let statement = self.statement(text, values);
        async move { Ok(self.execute_raw(statement).await?.rows_affected()) }
    }

    /// `FOR NO KEY UPDATE`, where rows can be locked: against every other writer, and not against
    /// new rows that only refer to this one. `SQLite`'s one writer needs none.
    fn for_update(&self) -> &'static str {
        if self.get_database_backend() == DbBackend::Postgres {
            " FOR NO KEY UPDATE"
        } else {
            ""
        }
    }

    /// `FOR UPDATE SKIP LOCKED`: the rows that nobody else is at, and no waiting. `SQLite`'s one writer
    /// needs none.
    fn skip_locked(&self) -> &'static str {
        if self.get_database_backend() == DbBackend::Postgres {
            " FOR UPDATE SKIP LOCKED"
        } else {
            ""
        }
    }

    /// `FOR SHARE`, for a row that must stay as it was read until the transaction ends.
    fn for_share(&self) -> &'static str {
        if self.get_database_backend() == DbBackend::Postgres {
            " FOR SHARE"
        } else {
            ""
        }
    }
}

impl<C: ConnectionTrait> Sql for C {}

/// Collects the values of a statement and hands out their placeholders.
#[derive(Debug, Default)]
pub(crate) struct Values(Vec<Value>);

impl Values {
    pub fn push(&mut self, value: impl Into<Value>) -> String {
        self.0.push(value.into());
        format!("${}", self.0.len())
    }

    /// `($1, $2, …)` for `IN`; nothing is in an empty list.
    pub fn list<V: Into<Value>>(&mut self, values: impl IntoIterator<Item = V>) -> String {
        let places: Vec<String> = values.into_iter().map(|v| self.push(v)).collect();
        if places.is_empty() {
            "(NULL)".into()
        } else {
            format!("({})", places.join(", "))
        }
    }

    pub fn done(self) -> Vec<Value> {
        self.0
    }
}

/// A count, a flag, a number: the first column of the only row.
#[derive(Debug, FromQueryResult)]
pub(crate) struct Scalar {
    pub value: i64,
}
