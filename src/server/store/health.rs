//! Whether the database takes writes, tried on a connection of its own: neither long reads nor a held writer keep the
//! answer from coming, and it does not take anybody's place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use tokio::sync::Mutex;

use super::Store;
use super::writing::Writing;
use crate::domain::error::AppError;

/// How long the try waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an answer counts: whoever asks more often causes no more writes.
const FRESH: Duration = Duration::from_secs(1);

/// The connection and the last answer. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Health {
    pool: HealthPool,
    last: Arc<Mutex<Option<(Instant, bool)>>>,
}

#[derive(Clone, Debug)]
enum HealthPool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Health {
    pub(super) fn of_sqlite(options: SqliteConnectOptions, busy: Duration) -> Self {
        let patience = busy.min(PATIENCE);
        let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(patience);
        Self::over(HealthPool::Sqlite(pool.connect_lazy_with(options.busy_timeout(patience))))
    }

    pub(super) fn of_postgres(options: PgConnectOptions, busy: Duration) -> Self {
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(busy.min(PATIENCE));
        Self::over(HealthPool::Postgres(pool.connect_lazy_with(options)))
    }

    fn over(pool: HealthPool) -> Self {
        Self { pool, last: Arc::default() }
    }

    pub(super) async fn close(&self) {
        *self.last.lock().await = None;
        match &self.pool {
            HealthPool::Sqlite(pool) => pool.close().await,
            HealthPool::Postgres(pool) => pool.close().await,
        }
    }

    /// Writes something that says nothing, to the disk.
    async fn write(&self) -> Result<(), AppError> {
        match &self.pool {
            HealthPool::Sqlite(pool) => {
                let mut writing = Writing::begin(pool, "BEGIN IMMEDIATE").await?;
                let written = sqlx::query("PRAGMA user_version = 0").execute(writing.connection()).await;
                writing.end(written.map(drop).map_err(AppError::from)).await
            }
            HealthPool::Postgres(pool) => {
                let mut writing = Writing::begin(pool, "BEGIN").await?;
                // A transaction that has a number writes its end to the log.
                let numbered = sqlx::query("SELECT txid_current()").execute(writing.connection()).await;
                writing.end(numbered.map(drop).map_err(AppError::from)).await
            }
        }
    }
}

impl Store {
    /// Whether the database takes writes, at most a second ago. For health checks.
    pub async fn ping(&self) -> Result<(), AppError> {
        let mut last = self.health.last.lock().await;
        let is_well = match *last {
            Some((at, is_well)) if at.elapsed() < FRESH => is_well,
            _ => {
                let tried = tokio::time::timeout(PATIENCE, self.health.write()).await;
                let is_well = matches!(tried, Ok(Ok(())));
                *last = Some((Instant::now(), is_well));
                is_well
            }
        };
        if is_well { Ok(()) } else { Err(AppError::Unavailable) }
    }
}
