//! The database, whichever of the two engines it is: reading by [Database::read], writing by [Database::begin]. The only
//! file of the store that knows that there are two: values are bound through sqlx's own `Encode` for the one at hand, and
//! rows are read through its `FromRow`, so that one text and one row type serve both. What differs in the text of a
//! statement is in [super::dialect].

mod news;
mod open;
mod reading;
mod spread;
mod sql;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{AssertSqlSafe, Executor, Postgres, Sqlite};
use tokio::runtime::Handle;
use tracing::warn;

use crate::domain::error::AppError;
use crate::server::telemetry::metrics;

pub use open::OpenError;
pub(super) use open::{HEALTH_PATIENCE, Limits, without_password};
#[cfg(test)]
pub(super) use open::{POSTGRES_MIGRATIONS, SQLITE_MIGRATIONS};
#[cfg(test)]
pub(super) use reading::PLACES;
use reading::Readers;
pub(super) use reading::Reading;
#[cfg(test)]
pub(super) use spread::spread_tables;
use sql::Values;
pub(super) use sql::{Bind, Record, RowValues, Sql, Statement};

/// Rows in one statement: 27 values each stay below SQLite's 32,766 and PostgreSQL's 65,535 parameters.
const ROWS: usize = 200;

/// How long a statement waits for a lock or a connection before the caller hears "busy".
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The database's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

/// The connections of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// `read` or `write`.
    pub pool: &'static str,
    pub used: usize,
    pub idle: usize,
}

/// An open database. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Database {
    read: Readers,
    pub(super) write: Writers,
    /// Whether the rows of teams are spread over nodes, by Citus.
    pub(super) is_spread: bool,
}

impl Database {
    pub(super) fn engine(&self) -> Engine {
        self.write.engine()
    }

    /// A statement that only reads, on a connection of its own. It is stopped at its limit of time, and when the future is
    /// dropped.
    pub(super) fn read(&self, statement: impl Statement) -> Query<'_> {
        Query { on: On::Readers(&self.read), sql: statement.bound_for(self.engine()) }
    }

    /// One connection for several statements that only read, all within one limit of time.
    pub(super) async fn begin_reading(&self) -> Result<Reading, AppError> {
        Ok(self.read.begin().await?)
    }

    /// Begins a transaction.
    pub(super) async fn begin(&self) -> Result<Transaction, AppError> {
        self.write.begin().await
    }

    /// The connections that write and those that read.
    pub(super) fn connections(&self) -> [PoolUse; 2] {
        let (size, idle) = match &self.write {
            Writers::Sqlite(pool) => (pool.size(), pool.num_idle()),
            Writers::Postgres(pool) => (pool.size(), pool.num_idle()),
        };
        let writers = PoolUse { pool: "write", used: (size as usize).saturating_sub(idle), idle };
        [writers, self.read.connections()]
    }

    /// Waits for running statements and closes every connection.
    pub(super) async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

/// The connections that write. SQLite has one. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) enum Writers {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Writers {
    fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    /// Begins a transaction.
    pub(super) async fn begin(&self) -> Result<Transaction, AppError> {
        let (held, begin) = match self {
            Self::Sqlite(pool) => (Held::Sqlite(pool.acquire().await?), "BEGIN IMMEDIATE"),
            Self::Postgres(pool) => (Held::Postgres(pool.acquire().await?), "BEGIN"),
        };
        let mut transaction = Transaction { held: Some(held), is_at_rest: false };
        transaction.execute(begin).await?;
        transaction.is_at_rest = true;
        Ok(transaction)
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// An open transaction. What it wrote is kept by [Transaction::commit] alone: a function that returns without it, by `?` or
/// otherwise, has changed nothing.
///
/// A connection goes back to its pool only after a COMMIT or a ROLLBACK that went through. Where either failed, or where
/// the caller left while a statement was under way, it is closed, and the engine rolls back.
pub(super) struct Transaction {
    held: Option<Held>,
    /// That no statement is under way, and BEGIN went through.
    is_at_rest: bool,
}

impl Transaction {
    pub(super) fn engine(&self) -> Engine {
        match self.held() {
            Held::Sqlite(_) => Engine::Sqlite,
            Held::Postgres(_) => Engine::Postgres,
        }
    }

    /// A statement of the transaction.
    pub(super) fn query(&mut self, statement: impl Statement) -> Query<'_> {
        let sql = statement.bound_for(self.engine());
        Query { on: On::Transaction(self), sql }
    }

    /// Inserts rows, [ROWS] at a time, each with the values that the closure gives; only statements of full length, and those
    /// of a single row, are kept prepared.
    pub(super) async fn insert_rows<T: Sync>(
        &mut self,
        into: &'static str,
        rows: &[T],
        values: impl Fn(&mut RowValues<'_>, &T) + Send + Sync,
    ) -> Result<(), AppError> {
        for rows in rows.chunks(ROWS) {
            let mut sql = Sql::new(self.engine(), into);
            sql.push_rows(rows, &values).keep(matches!(rows.len(), 1 | ROWS));
            self.query(sql).execute().await?;
        }
        Ok(())
    }

    /// Keeps what was written.
    pub(super) async fn commit(mut self) -> Result<(), AppError> {
        let began = Instant::now();
        self.execute("COMMIT").await?;
        metrics::note_commit(began.elapsed());
        drop(self.held.take());
        Ok(())
    }

    async fn roll_back(mut self) {
        match self.execute("ROLLBACK").await {
            Ok(()) => drop(self.held.take()),
            // A full disk rolls back by itself: SQLite then has nothing left to roll back.
            Err(cause) => warn!(%cause, "a transaction could not be rolled back; its connection is closed"),
        }
    }

    async fn execute(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        match self.connection() {
            Connection::Sqlite(connection) => connection.execute(statement).await.map(drop),
            Connection::Postgres(connection) => connection.execute(statement).await.map(drop),
        }
    }

    /// The connection, for one statement.
    fn connection(&mut self) -> Connection<'_> {
        self.is_at_rest = false;
        match self.held.as_mut() {
            Some(Held::Sqlite(connection)) => Connection::Sqlite(connection),
            Some(Held::Postgres(connection)) => Connection::Postgres(connection),
            None => unreachable!("only what ends the transaction takes the connection"),
        }
    }

    fn held(&self) -> &Held {
        self.held.as_ref().unwrap_or_else(|| unreachable!("only what ends the transaction takes the connection"))
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else { return };
        match Handle::try_current() {
            Ok(runtime) if self.is_at_rest => {
                let left = Self { held: Some(held), is_at_rest: false };
                runtime.spawn(left.roll_back());
            }
            _ => held.close(),
        }
    }
}

/// A connection that a transaction has taken out of its pool.
enum Held {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl Held {
    fn close(self) {
        match self {
            Self::Sqlite(mut connection) => connection.close_on_drop(),
            Self::Postgres(mut connection) => connection.close_on_drop(),
        }
    }
}

/// A statement and what it runs on.
#[must_use = "a query runs when it is fetched or executed"]
pub(super) struct Query<'c> {
    on: On<'c>,
    sql: Sql,
}

enum On<'c> {
    Transaction(&'c mut Transaction),
    Reading(&'c mut Reading),
    Readers(&'c Readers),
}

impl Query<'_> {
    /// Binds the next value: `$1`, then `$2`.
    pub(super) fn bind<'t>(mut self, value: impl Bind<'t>) -> Self {
        self.sql.bind(value);
        self
    }

    /// All rows.
    pub(super) async fn fetch_all<T: Record>(self) -> Result<Vec<T>, AppError> {
        let mut lease = self.on.lease().await?;
        let rows = lease.connection().fetch_all(self.sql).await;
        lease.end(rows)
    }

    /// The first row, if there is one.
    pub(super) async fn fetch_optional<T: Record>(self) -> Result<Option<T>, AppError> {
        let mut lease = self.on.lease().await?;
        let row = lease.connection().fetch_optional(self.sql).await;
        lease.end(row)
    }

    /// The first row, of a statement that always gives one.
    pub(super) async fn fetch_one<T: Record>(self) -> Result<T, AppError> {
        match self.fetch_optional().await? {
            Some(row) => Ok(row),
            None => Err(sqlx::Error::RowNotFound.into()),
        }
    }

    /// The first column of all rows.
    pub(super) async fn fetch_scalars<T>(self) -> Result<Vec<T>, AppError>
    where
        (T,): Record,
    {
        Ok(self.fetch_all::<(T,)>().await?.into_iter().map(|(value,)| value).collect())
    }

    /// The first column of the first row, if there is one.
    pub(super) async fn fetch_optional_scalar<T>(self) -> Result<Option<T>, AppError>
    where
        (T,): Record,
    {
        Ok(self.fetch_optional::<(T,)>().await?.map(|(value,)| value))
    }

    /// The first column of the first row, of a statement that always gives one.
    pub(super) async fn fetch_scalar<T>(self) -> Result<T, AppError>
    where
        (T,): Record,
    {
        Ok(self.fetch_one::<(T,)>().await?.0)
    }

    /// Runs it; how many rows it changed.
    pub(super) async fn execute(self) -> Result<u64, AppError> {
        let mut lease = self.on.lease().await?;
        let changed = lease.connection().execute(self.sql).await;
        lease.end(changed)
    }
}

impl<'c> On<'c> {
    async fn lease(self) -> Result<Lease<'c>, AppError> {
        Ok(match self {
            Self::Transaction(transaction) => Lease::Transaction(transaction),
            Self::Reading(reading) => Lease::Reading(reading),
            Self::Readers(readers) => Lease::OwnReading(readers.begin().await?),
        })
    }
}

/// A connection for one statement.
enum Lease<'c> {
    Transaction(&'c mut Transaction),
    Reading(&'c mut Reading),
    OwnReading(Reading),
}

impl Lease<'_> {
    fn connection(&mut self) -> Connection<'_> {
        match self {
            Self::Transaction(transaction) => transaction.connection(),
            Self::Reading(reading) => reading.connection(),
            Self::OwnReading(reading) => reading.connection(),
        }
    }

    /// Tells the owner of the connection that the statement is no longer under way.
    fn end<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, AppError> {
        match self {
            Self::Transaction(transaction) => transaction.is_at_rest = true,
            Self::Reading(reading) => reading.rest(result.is_ok()),
            Self::OwnReading(reading) => reading.rest(result.is_ok()),
        }
        Ok(result?)
    }
}

/// A connection of either engine.
enum Connection<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl Connection<'_> {
    async fn fetch_all<T: Record>(self, sql: Sql) -> Result<Vec<T>, sqlx::Error> {
        let text = AssertSqlSafe(sql.text);
        match (self, sql.values.map_err(sqlx::Error::Encode)?) {
            (Self::Sqlite(connection), Values::Sqlite(values)) => {
                sqlx::query_as_with(text, values).persistent(sql.is_kept).fetch_all(connection).await
            }
            (Self::Postgres(connection), Values::Postgres(values)) => {
                sqlx::query_as_with(text, values).persistent(sql.is_kept).fetch_all(connection).await
            }
            (_, _) => Err(bound_for_the_other()),
        }
    }

    async fn fetch_optional<T: Record>(self, sql: Sql) -> Result<Option<T>, sqlx::Error> {
        let text = AssertSqlSafe(sql.text);
        match (self, sql.values.map_err(sqlx::Error::Encode)?) {
            (Self::Sqlite(connection), Values::Sqlite(values)) => {
                sqlx::query_as_with(text, values).persistent(sql.is_kept).fetch_optional(connection).await
            }
            (Self::Postgres(connection), Values::Postgres(values)) => {
                sqlx::query_as_with(text, values).persistent(sql.is_kept).fetch_optional(connection).await
            }
            (_, _) => Err(bound_for_the_other()),
        }
    }

    async fn execute(self, sql: Sql) -> Result<u64, sqlx::Error> {
        let text = AssertSqlSafe(sql.text);
        match (self, sql.values.map_err(sqlx::Error::Encode)?) {
            (Self::Sqlite(connection), Values::Sqlite(values)) => {
                let done = sqlx::query_with(text, values).persistent(sql.is_kept).execute(connection).await?;
                Ok(done.rows_affected())
            }
            (Self::Postgres(connection), Values::Postgres(values)) => {
                let done = sqlx::query_with(text, values).persistent(sql.is_kept).execute(connection).await?;
                Ok(done.rows_affected())
            }
            (_, _) => Err(bound_for_the_other()),
        }
    }
}

fn bound_for_the_other() -> sqlx::Error {
    sqlx::Error::Protocol("a statement was bound for the other engine".to_owned())
}
