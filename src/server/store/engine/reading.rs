//! What only reads runs here: for a limited time, and as long as somebody waits for it. SQLite asks for both while it
//! works; PostgreSQL is told the limit and notices that a connection was closed. Nothing that writes is cut.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, Postgres};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tracing::debug;

use super::{BUSY_TIMEOUT, Connection, Engine, On, Query, Statement};

/// How long a statement that only reads may take.
pub(super) const LIMIT: Duration = Duration::from_secs(5);
/// How many read at once; the others wait for their turn.
pub(in super::super) const PLACES: u32 = 8;
/// After how many of SQLite's steps a statement asks whether to go on: a fraction of a millisecond.
const STEPS: i32 = 1_000;
/// How often PostgreSQL looks whether the caller of a running statement is still there.
const LOOK: &str = "SET client_connection_check_interval = '500ms'";
/// For the places of what a search finds, which PostgreSQL makes coarse when they are too many: then it looks through whole
/// pages.
const MEMORY: &str = "SET work_mem = '32MB'";

/// The connections that read. Cheap to clone.
#[derive(Clone, Debug)]
pub(in super::super) enum Readers {
    Sqlite(SqliteReaders),
    Postgres(PostgresReaders),
}

impl Readers {
    /// Takes a connection; its time begins.
    pub(super) async fn begin(&self) -> Result<Reading, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(readers) => Reading::Sqlite(readers.begin().await?),
            Self::Postgres(readers) => Reading::Postgres(readers.begin().await?),
        })
    }

    /// Waits for those who read and closes every connection.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(readers) => readers.close().await,
            Self::Postgres(readers) => readers.close().await,
        }
    }
}

/// A connection that somebody reads by. Dropped after an error or while a statement is under way, it is closed, and what
/// runs on it stops.
pub(in super::super) enum Reading {
    Sqlite(SqliteReading),
    Postgres(PostgresReading),
}

impl Reading {
    /// A statement that only reads.
    pub(in super::super) fn read(&mut self, statement: impl Statement) -> Query<'_> {
        let sql = statement.bound_for(self.engine());
        Query { on: On::Reading(self), sql }
    }

    pub(in super::super) fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    /// The connection, for one statement.
    pub(super) fn connection(&mut self) -> Connection<'_> {
        match self {
            Self::Sqlite(reading) => Connection::Sqlite(reading.connection()),
            Self::Postgres(reading) => Connection::Postgres(reading.connection()),
        }
    }

    /// That the statement is no longer under way. After one that failed the connection is not used again.
    pub(super) fn rest(&mut self, is_well: bool) {
        match self {
            Self::Sqlite(reading) => reading.is_at_rest = is_well,
            Self::Postgres(reading) => reading.is_at_rest = is_well,
        }
    }
}

/// SQLite's readers. Cheap to clone.
#[derive(Clone, Debug)]
pub(in super::super) struct SqliteReaders {
    shared: Arc<SqliteShared>,
    places: Arc<Semaphore>,
}

#[derive(Debug)]
struct SqliteShared {
    options: SqliteConnectOptions,
    limit: Duration,
    idle: Mutex<Vec<SqliteReader>>,
}

#[derive(Debug)]
struct SqliteReader {
    connection: SqliteConnection,
    watch: Arc<Watch>,
}

/// What a running statement asks whether to go on.
#[derive(Debug)]
struct Watch {
    began: Instant,
    /// Microseconds since `began`.
    ends_at: AtomicU64,
    is_left: AtomicBool,
}

impl Watch {
    fn new() -> Self {
        Self { began: Instant::now(), ends_at: AtomicU64::new(u64::MAX), is_left: AtomicBool::new(false) }
    }

    fn end_after(&self, limit: Duration) {
        let ends_at = self.began.elapsed().saturating_add(limit).as_micros();
        self.ends_at.store(u64::try_from(ends_at).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn goes_on(&self) -> bool {
        !self.is_left.load(Ordering::Relaxed)
            && self.began.elapsed().as_micros() < u128::from(self.ends_at.load(Ordering::Relaxed))
    }
}

impl SqliteShared {
    fn idle(&self) -> MutexGuard<'_, Vec<SqliteReader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> Result<SqliteReader, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        let watch = Arc::new(Watch::new());
        let asked = Arc::clone(&watch);
        connection.lock_handle().await?.set_progress_handler(STEPS, move || asked.goes_on());
        Ok(SqliteReader { connection, watch })
    }
}

impl SqliteReaders {
    pub(super) fn new(options: SqliteConnectOptions, limit: Duration) -> Self {
        let shared = SqliteShared { options, limit, idle: Mutex::default() };
        Self { shared: Arc::new(shared), places: Arc::new(Semaphore::new(PLACES as usize)) }
    }

    /// Takes a connection; its time begins.
    async fn begin(&self) -> Result<SqliteReading, sqlx::Error> {
        let place = timeout(BUSY_TIMEOUT, Arc::clone(&self.places).acquire_owned());
        let place = place.await.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?;
        let idle = self.shared.idle().pop();
        let reader = match idle {
            Some(reader) => reader,
            None => self.shared.connect().await?,
        };
        reader.watch.end_after(self.shared.limit);
        Ok(SqliteReading { reader: Some(reader), is_at_rest: true, shared: Arc::clone(&self.shared), _place: place })
    }

    /// Waits for those who read and closes every connection.
    pub(super) async fn close(&self) {
        if let Ok(all) = self.places.acquire_many(PLACES).await {
            all.forget();
        }
        self.places.close();
        let idle = std::mem::take(&mut *self.shared.idle());
        for reader in idle {
            if let Err(cause) = reader.connection.close().await {
                debug!(%cause, "a reader's connection was not closed well");
            }
        }
    }
}

/// A connection of SQLite that somebody reads by.
pub(in super::super) struct SqliteReading {
    reader: Option<SqliteReader>,
    is_at_rest: bool,
    shared: Arc<SqliteShared>,
    _place: OwnedSemaphorePermit,
}

impl SqliteReading {
    fn connection(&mut self) -> &mut SqliteConnection {
        self.is_at_rest = false;
        let reader = self.reader.as_mut().unwrap_or_else(|| unreachable!("only drop takes the reader"));
        &mut reader.connection
    }
}

impl Drop for SqliteReading {
    fn drop(&mut self) {
        let Some(reader) = self.reader.take() else { return };
        if self.is_at_rest {
            self.shared.idle().push(reader);
        } else {
            reader.watch.is_left.store(true, Ordering::Relaxed);
        }
    }
}

/// PostgreSQL's readers. Cheap to clone.
#[derive(Clone, Debug)]
pub(in super::super) struct PostgresReaders(PgPool);

impl PostgresReaders {
    pub(super) fn new(options: PgConnectOptions, limit: Duration) -> Self {
        let milliseconds = limit.as_millis();
        let pool = PgPoolOptions::new().max_connections(PLACES).acquire_timeout(BUSY_TIMEOUT);
        let pool = pool.after_connect(move |connection, _| Box::pin(set_up(connection, milliseconds)));
        Self(pool.connect_lazy_with(options))
    }

    /// Takes a connection; each statement's time begins with it.
    async fn begin(&self) -> Result<PostgresReading, sqlx::Error> {
        Ok(PostgresReading { connection: self.0.acquire().await?, is_at_rest: true })
    }

    /// Waits for those who read and closes every connection.
    pub(super) async fn close(&self) {
        self.0.close().await;
    }
}

async fn set_up(connection: &mut PgConnection, milliseconds: u128) -> Result<(), sqlx::Error> {
    let bound = AssertSqlSafe(format!("SET statement_timeout = {milliseconds}"));
    sqlx::query(bound).execute(&mut *connection).await?;
    sqlx::query(MEMORY).execute(&mut *connection).await?;
    // PostgreSQL 13, and some systems, cannot look: there the limit alone ends a statement.
    if let Err(cause) = sqlx::query(LOOK).execute(&mut *connection).await {
        debug!(%cause, "the database does not notice that a reader left");
    }
    Ok(())
}

/// A connection of PostgreSQL that somebody reads by.
pub(in super::super) struct PostgresReading {
    connection: PoolConnection<Postgres>,
    is_at_rest: bool,
}

impl PostgresReading {
    fn connection(&mut self) -> &mut PgConnection {
        self.is_at_rest = false;
        &mut self.connection
    }
}

impl Drop for PostgresReading {
    fn drop(&mut self) {
        if !self.is_at_rest {
            self.connection.close_on_drop();
        }
    }
}
