//! What only reads runs here: for a limited time, and as long as somebody waits for it. SQLite asks for both while it
//! works; PostgreSQL is told the limit and notices that a connection was closed. Nothing that writes is cut.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Postgres};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tracing::debug;

use super::BUSY_TIMEOUT;

/// How long a statement that only reads may take.
pub(super) const LIMIT: Duration = Duration::from_secs(5);
/// How many read at once; the others wait for their turn.
pub(super) const PLACES: u32 = 8;
/// After how many of SQLite's steps a statement asks whether to go on: a fraction of a millisecond.
const STEPS: i32 = 1_000;
/// How often PostgreSQL looks whether the caller of a running statement is still there.
const LOOK: &str = "SET client_connection_check_interval = '500ms'";

/// SQLite's readers. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct SqliteReaders {
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
    pub(super) async fn begin(&self) -> Result<SqliteReading, sqlx::Error> {
        let place = timeout(BUSY_TIMEOUT, Arc::clone(&self.places).acquire_owned());
        let place = place.await.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?;
        let idle = self.shared.idle().pop();
        let reader = match idle {
            Some(reader) => reader,
            None => self.shared.connect().await?,
        };
        reader.watch.end_after(self.shared.limit);
        Ok(SqliteReading { reader: Some(reader), shared: Arc::clone(&self.shared), _place: place })
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

/// A connection of SQLite that somebody reads by. Dropped before [SqliteReading::end], it is closed, and what runs on it
/// stops.
pub(super) struct SqliteReading {
    reader: Option<SqliteReader>,
    shared: Arc<SqliteShared>,
    _place: OwnedSemaphorePermit,
}

impl SqliteReading {
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        let reader = self.reader.as_mut().unwrap_or_else(|| unreachable!("only end and drop take the reader"));
        &mut reader.connection
    }

    /// Gives the connection back after success; after an error another is opened.
    pub(super) fn end<T, E>(mut self, result: Result<T, E>) -> Result<T, E> {
        if result.is_ok()
            && let Some(reader) = self.reader.take()
        {
            self.shared.idle().push(reader);
        }
        result
    }
}

impl Drop for SqliteReading {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.watch.is_left.store(true, Ordering::Relaxed);
        }
    }
}

/// PostgreSQL's connections: those that read, and those that write. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct PostgresPools {
    pub(super) read: PostgresReaders,
    pub(super) write: PgPool,
}

/// PostgreSQL's readers. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct PostgresReaders(PgPool);

impl PostgresReaders {
    pub(super) fn new(options: PgConnectOptions, limit: Duration) -> Self {
        let bound = format!("SET statement_timeout = {}", limit.as_millis());
        let pool = PgPoolOptions::new().max_connections(PLACES).acquire_timeout(BUSY_TIMEOUT);
        let pool = pool.after_connect(move |connection, _| {
            let bound = bound.clone();
            Box::pin(async move { set_up(connection, &bound).await })
        });
        Self(pool.connect_lazy_with(options))
    }

    /// Takes a connection; each statement's time begins with it.
    pub(super) async fn begin(&self) -> Result<PostgresReading, sqlx::Error> {
        Ok(PostgresReading { connection: Some(self.0.acquire().await?) })
    }

    /// Waits for those who read and closes every connection.
    pub(super) async fn close(&self) {
        self.0.close().await;
    }
}

async fn set_up(connection: &mut PgConnection, bound: &str) -> Result<(), sqlx::Error> {
    sqlx::query(bound).execute(&mut *connection).await?;
    // PostgreSQL 13, and some systems, cannot look: there the limit alone ends a statement.
    if let Err(cause) = sqlx::query(LOOK).execute(&mut *connection).await {
        debug!(%cause, "the database does not notice that a reader left");
    }
    Ok(())
}

/// A connection of PostgreSQL that somebody reads by. Dropped before [PostgresReading::end], it is closed, and what runs
/// on it stops.
pub(super) struct PostgresReading {
    connection: Option<PoolConnection<Postgres>>,
}

impl PostgresReading {
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        self.connection.as_deref_mut().unwrap_or_else(|| unreachable!("only end and drop take the connection"))
    }

    /// Gives the connection back after success; after an error another is opened.
    pub(super) fn end<T, E>(mut self, result: Result<T, E>) -> Result<T, E> {
        if result.is_ok() {
            drop(self.connection.take());
        }
        result
    }
}

impl Drop for PostgresReading {
    fn drop(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.close_on_drop();
        }
    }
}
