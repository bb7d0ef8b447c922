//! What only reads runs here: for a limited time, and as long as somebody waits for it. SQLite asks for both while it
//! works; PostgreSQL is told the limit and notices that a connection was closed. Nothing that writes is cut.

use std::fmt::Debug;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, Executor as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tracing::debug;

use super::{BUSY_TIMEOUT, Connection, Engine, On, PoolUse, Query, Statement};

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

/// How long PostgreSQL may have had nothing to do on a connection that is not tried before it is used: to ask for a sign of
/// life takes as long as a short statement.
pub(super) const FRESH: Duration = Duration::from_secs(1);
/// How long PostgreSQL may take for a sign of life.
const SIGN: Duration = Duration::from_secs(2);
/// How long a connection to PostgreSQL is used: its process keeps what it has learned.
const LIFE: Duration = Duration::from_secs(30 * 60);

/// The connections that read. Cheap to clone.
#[derive(Clone, Debug)]
pub(in super::super) enum Readers {
    Sqlite(Pool<SqliteReader>),
    Postgres(Pool<PostgresReader>),
}

impl Readers {
    /// Takes a connection; its time begins.
    pub(super) async fn begin(&self) -> Result<Reading, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(readers) => Reading::Sqlite(readers.begin().await?),
            Self::Postgres(readers) => Reading::Postgres(readers.begin().await?),
        })
    }

    /// How many read, and how many connections wait for somebody who does.
    pub(super) fn connections(&self) -> PoolUse {
        let (used, idle) = match self {
            Self::Sqlite(readers) => readers.count(),
            Self::Postgres(readers) => readers.count(),
        };
        PoolUse { pool: "read", used, idle }
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
    Sqlite(Lent<SqliteReader>),
    Postgres(Lent<PostgresReader>),
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
            Self::Sqlite(lent) => Connection::Sqlite(&mut lent.used().connection),
            Self::Postgres(lent) => Connection::Postgres(&mut lent.used().connection),
        }
    }

    /// That the statement is no longer under way. After one that failed the connection is not used again.
    pub(super) fn rest(&mut self, is_well: bool) {
        match self {
            Self::Sqlite(lent) => lent.is_at_rest = is_well,
            Self::Postgres(lent) => lent.is_at_rest = is_well,
        }
    }
}

/// A connection of one engine that reads.
pub(in super::super) trait Reader: Debug + Send + Sized + 'static {
    type Options: Debug + Send + Sync;

    fn open(options: &Self::Options, limit: Duration) -> impl Future<Output = Result<Self, sqlx::Error>> + Send;

    /// Whether it can be used, after it was `idle` for so long. A new limit of time begins.
    fn is_ready(&mut self, idle: Duration, limit: Duration) -> impl Future<Output = bool> + Send;

    /// Ends what runs on it.
    fn leave(self);

    fn close(self) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

/// Connections of one engine, [PLACES] at most, opened as they are asked for. Unlike sqlx's own pool it asks for no sign of
/// life before and after each use, which on PostgreSQL are two statements more for each one. Cheap to clone.
#[derive(Debug)]
pub(in super::super) struct Pool<R: Reader> {
    shared: Arc<Shared<R>>,
    places: Arc<Semaphore>,
}

#[derive(Debug)]
struct Shared<R: Reader> {
    options: R::Options,
    limit: Duration,
    /// With the instants since which they are idle; the last one was used last.
    idle: Mutex<Vec<(R, Instant)>>,
}

impl<R: Reader> Shared<R> {
    fn idle(&self) -> MutexGuard<'_, Vec<(R, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn next(&self) -> Result<R, sqlx::Error> {
        loop {
            let last = self.idle().pop();
            let Some((mut reader, since)) = last else { break };
            if reader.is_ready(since.elapsed(), self.limit).await {
                return Ok(reader);
            }
        }
        let mut reader = R::open(&self.options, self.limit).await?;
        reader.is_ready(Duration::ZERO, self.limit).await;
        Ok(reader)
    }
}

impl<R: Reader> Clone for Pool<R> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), places: Arc::clone(&self.places) }
    }
}

impl<R: Reader> Pool<R> {
    pub(super) fn new(options: R::Options, limit: Duration) -> Self {
        let shared = Shared { options, limit, idle: Mutex::default() };
        Self { shared: Arc::new(shared), places: Arc::new(Semaphore::new(PLACES as usize)) }
    }

    /// How many are lent, and how many are idle.
    fn count(&self) -> (usize, usize) {
        ((PLACES as usize).saturating_sub(self.places.available_permits()), self.shared.idle().len())
    }

    /// Takes a connection; its time begins.
    async fn begin(&self) -> Result<Lent<R>, sqlx::Error> {
        let place = timeout(BUSY_TIMEOUT, Arc::clone(&self.places).acquire_owned());
        let place = place.await.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?;
        let reader = self.shared.next().await?;
        Ok(Lent { reader: Some(reader), is_at_rest: true, shared: Arc::clone(&self.shared), _place: place })
    }

    /// Waits for those who read and closes every connection.
    async fn close(&self) {
        if let Ok(all) = self.places.acquire_many(PLACES).await {
            all.forget();
        }
        self.places.close();
        let idle = std::mem::take(&mut *self.shared.idle());
        for (reader, _) in idle {
            if let Err(cause) = reader.close().await {
                debug!(%cause, "a reader's connection was not closed well");
            }
        }
    }
}

/// A connection that somebody has from its pool.
pub(in super::super) struct Lent<R: Reader> {
    reader: Option<R>,
    is_at_rest: bool,
    shared: Arc<Shared<R>>,
    _place: OwnedSemaphorePermit,
}

impl<R: Reader> Lent<R> {
    /// The connection, for one statement.
    fn used(&mut self) -> &mut R {
        self.is_at_rest = false;
        self.reader.as_mut().unwrap_or_else(|| unreachable!("only drop takes the reader"))
    }
}

impl<R: Reader> Drop for Lent<R> {
    fn drop(&mut self) {
        let Some(reader) = self.reader.take() else { return };
        if self.is_at_rest {
            self.shared.idle().push((reader, Instant::now()));
        } else {
            reader.leave();
        }
    }
}

/// A connection of SQLite.
#[derive(Debug)]
pub(in super::super) struct SqliteReader {
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

impl Reader for SqliteReader {
    type Options = SqliteConnectOptions;

    async fn open(options: &Self::Options, _: Duration) -> Result<Self, sqlx::Error> {
        let mut connection = options.connect().await?;
        let watch = Arc::new(Watch::new());
        let asked = Arc::clone(&watch);
        connection.lock_handle().await?.set_progress_handler(STEPS, move || asked.goes_on());
        Ok(Self { connection, watch })
    }

    async fn is_ready(&mut self, _: Duration, limit: Duration) -> bool {
        self.watch.end_after(limit);
        true
    }

    fn leave(self) {
        self.watch.is_left.store(true, Ordering::Relaxed);
    }

    async fn close(self) -> Result<(), sqlx::Error> {
        self.connection.close().await
    }
}

/// A connection to PostgreSQL, which ends each statement at the limit of time.
#[derive(Debug)]
pub(in super::super) struct PostgresReader {
    connection: PgConnection,
    opened: Instant,
}

impl Reader for PostgresReader {
    type Options = PgConnectOptions;

    async fn open(options: &Self::Options, limit: Duration) -> Result<Self, sqlx::Error> {
        let open = async {
            let mut connection = options.connect().await?;
            let milliseconds = limit.as_millis();
            let settings = format!("SET statement_timeout = {milliseconds}; {MEMORY}");
            connection.execute(AssertSqlSafe(settings)).await?;
            // PostgreSQL 13, and some systems, cannot look: there the limit alone ends a statement.
            if let Err(cause) = connection.execute(LOOK).await {
                debug!(%cause, "the database does not notice that a reader left");
            }
            Ok(Self { connection, opened: Instant::now() })
        };
        timeout(BUSY_TIMEOUT, open).await.map_err(|_| sqlx::Error::PoolTimedOut)?
    }

    async fn is_ready(&mut self, idle: Duration, _: Duration) -> bool {
        self.opened.elapsed() < LIFE
            && (idle < FRESH || matches!(timeout(SIGN, self.connection.ping()).await, Ok(Ok(()))))
    }

    /// PostgreSQL notices that the connection ends.
    fn leave(self) {}

    async fn close(self) -> Result<(), sqlx::Error> {
        self.connection.close().await
    }
}
