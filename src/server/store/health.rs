//! Whether the database takes writes, tried on a connection of its own: neither long reads nor a held writer keep the
//! answer from coming, and it does not take anybody's place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::Store;
use super::engine::{Engine, HEALTH_PATIENCE, Writers};
use crate::domain::error::AppError;

/// How long an answer counts: whoever asks more often causes no more writes.
const FRESH: Duration = Duration::from_secs(1);

/// The connection and the last answer. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Health {
    writer: Writers,
    last: Arc<Mutex<Option<(Instant, bool)>>>,
}

impl Health {
    pub(super) fn new(writer: Writers) -> Self {
        Self { writer, last: Arc::default() }
    }

    pub(super) async fn close(&self) {
        *self.last.lock().await = None;
        self.writer.close().await;
    }

    /// Writes something that says nothing, to the disk.
    async fn write(&self) -> Result<(), AppError> {
        let mut tx = self.writer.begin().await?;
        let nothing = match tx.engine() {
            Engine::Sqlite => "PRAGMA user_version = 0",
            // A transaction that has a number writes its end to the log.
            Engine::Postgres => "SELECT txid_current()",
        };
        tx.query(nothing).execute().await?;
        tx.commit().await
    }
}

impl Store {
    /// Whether the database takes writes, at most a second ago. For health checks.
    pub async fn ping(&self) -> Result<(), AppError> {
        let mut last = self.health.last.lock().await;
        let is_well = match *last {
            Some((at, is_well)) if at.elapsed() < FRESH => is_well,
            _ => {
                let tried = tokio::time::timeout(HEALTH_PATIENCE, self.health.write()).await;
                let is_well = matches!(tried, Ok(Ok(())));
                *last = Some((Instant::now(), is_well));
                is_well
            }
        };
        if is_well { Ok(()) } else { Err(AppError::Unavailable) }
    }
}
