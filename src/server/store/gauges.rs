//! What the operator's numbers say of the database as a whole, over all teams, in a few statements that look at a bounded part
//! of an index each. Called by [crate::server::services::gauges], at most once in some seconds.

use chrono::{DateTime, Utc};

use super::engine::Engine;
pub use super::engine::PoolUse;
use super::outbox::NEVER;
use super::{Store, instant};
use crate::domain::error::AppError;

/// How far messages and deliveries that wait are counted.
pub const MOST_COUNTED: i64 = 100_000;

/// How many messages are in the outbox, up to `$1`.
pub(super) const COUNT_OUTBOX: &str = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM outbox LIMIT $1) AS o";

/// How many deliveries wait, up to `$1`.
pub(super) const COUNT_DELIVERIES: &str =
    "SELECT COUNT(*) FROM (SELECT 1 AS one FROM webhook_deliveries WHERE run_at IS NOT NULL LIMIT $1) AS d";

/// When the first delivery is due of a webhook that is on: one look into an index for each.
pub(super) const FIRST_DELIVERY: &str = "SELECT MIN((
         SELECT MIN(d.run_at) FROM webhook_deliveries d
         WHERE d.team_id = w.team_id AND d.webhook_id = w.id AND d.run_at IS NOT NULL))
     FROM webhooks w JOIN teams t ON t.id = w.team_id AND t.deleted_at IS NULL
     WHERE w.is_on AND w.disabled_at IS NULL AND w.deleted_at IS NULL";

/// What waits, over all teams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Messages in the outbox, up to [MOST_COUNTED].
    pub messages: i64,
    /// When the first message is due that has an adapter.
    pub first_message_at: Option<DateTime<Utc>>,
    /// Deliveries to webhooks that wait, up to [MOST_COUNTED].
    pub deliveries: i64,
    /// When the first delivery is due.
    pub first_delivery_at: Option<DateTime<Utc>>,
}

impl Store {
    /// The migration that the database is at, and the newest that this program knows.
    pub async fn migration_versions(&self) -> Result<(i64, i64), AppError> {
        Ok((self.version().await?.unwrap_or_default(), self.engine().newest_migration()))
    }

    /// What waits to be sent and to be told.
    pub async fn find_backlog(&self) -> Result<Backlog, AppError> {
        let queues = self.list_queues().await?;
        // Below 0 are those that wait for an adapter; the last second of all is the due time of nobody.
        let due = queues.iter().filter(|queue| queue.adapter_id.0 > 0 && queue.due_at < NEVER);
        let first_message_at = due.map(super::outbox::Queue::due_at).min();
        let mut reading = self.begin_reading().await?;
        let messages = reading.read(COUNT_OUTBOX).bind(MOST_COUNTED).fetch_scalar().await?;
        let deliveries = reading.read(COUNT_DELIVERIES).bind(MOST_COUNTED).fetch_scalar().await?;
        let first: Option<i64> = reading.read(FIRST_DELIVERY).fetch_scalar().await?;
        Ok(Backlog { messages, first_message_at, deliveries, first_delivery_at: first.map(instant) })
    }

    /// The database's size in bytes: SQLite's file, or what PostgreSQL keeps of it.
    pub async fn database_bytes(&self) -> Result<i64, AppError> {
        let statement = match self.engine() {
            Engine::Sqlite => "SELECT c.page_count * s.page_size FROM pragma_page_count c, pragma_page_size s",
            Engine::Postgres => "SELECT pg_database_size(current_database())",
        };
        self.read(statement).fetch_scalar().await
    }

    /// The connections that write and those that read.
    pub fn connections(&self) -> [PoolUse; 2] {
        self.db.connections()
    }
}
